"""The WebSocket with real sockets: origins, wrong frames, limits, a client that never reads.

Rules R5.1, R6.1, R6.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application

from domain.commands import Actor
from domain.errors import Unavailable
from handlers import room_socket
from handlers.deps import Deps
from handlers.room_wire import RoomWire
from handlers.sessions import COOKIE
from realtime import admission
from realtime.admission import HubLimits
from realtime.connection import HARD_LIMIT
from realtime.protocol import MAX_FRAME_BYTES
from realtime.session import IN_FLIGHT
from tests.handlers.raw_socket import BINARY, CLOSE, PING, PONG, RawSocket, frame
from tests.realtime.world import QUIET, RENAME, ROOM, Node, World, refusal, until


class FakeSessions:
    """Tokens are user ids. `down`: the database is away. `ended` are believed in by a cache only."""

    down = False
    ended: frozenset[str] = frozenset()

    async def resolve(self, token: str | None, fresh: bool = False) -> Any:
        if self.down:
            raise Unavailable("the database is away")
        if token is None or token == "stale" or (fresh and token in self.ended):
            return None

        class SignedIn:
            @property
            def actor(self) -> Actor:
                return Actor(token, str(token).title(), auth_id=f"auth-{token}")

        return SignedIn()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.trip.roles = {"ann": "owner", "bob": "editor"}
    yield made
    await made.aclose()


@pytest.fixture
async def node(world: World) -> Node:
    return await world.node(QUIET, HubLimits(connections=8, of_user=3, of_address=2))


@pytest.fixture
def sessions() -> FakeSessions:
    return FakeSessions()


@pytest.fixture
def deps(node: Node, sessions: FakeSessions) -> Deps:
    unused = cast(Any, None)
    return Deps(
        run=node.run,  # type: ignore[arg-type]
        hasher=unused,
        revoke=node.hub.revoke,
        sessions=cast(Any, sessions),
        dist=Path(),
        hub=node.hub,
        allowed_origins=frozenset({"https://app.example"}),
    )


@pytest.fixture
def app(deps: Deps) -> Application:
    return Application(room_socket.rules(deps))


class Dial:
    """Connects, and closes what it has connected."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.made: list[RawSocket] = []

    async def __call__(
        self, user: str | None = "ann", *, buffer: int = 0, early: bytes = b"", **headers: str
    ) -> RawSocket:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Origin", f"http://127.0.0.1:{self.port}")
        if user is not None:
            given["Cookie"] = f"{COOKIE}={user}"
        kept = {name: value for name, value in given.items() if value}
        self.made.append(await RawSocket.connect(self.port, kept, receive_buffer=buffer, early=early))
        return self.made[-1]


@pytest.fixture
async def dial(http_server: Any, http_server_port: Any) -> AsyncIterator[Dial]:
    made = Dial(http_server_port[1])
    yield made
    for connection in made.made:
        await connection.aclose()


# --- handshake ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 101),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),  # another port is another origin
        ({"Origin": "file://127.0.0.1"}, 403),
        ({"Origin": "http://evil.example", "Sec_Fetch_Site": "same-origin"}, 403),
        ({"Origin": "http://trips.example", "X_Forwarded_Host": "trips.example"}, 101),
        ({"Origin": "http://trips.example", "X_Forwarded_Host": "other.example"}, 403),
        ({"Origin": "https://app.example"}, 101),
        ({"Origin": ""}, 101),  # not a browser
        ({"Origin": "", "Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": "", "Sec_Fetch_Mode": "websocket"}, 403),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Upgrade": "h2c"}, 400),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
        ({"Sec_WebSocket_Key": "not base64 at all"}, 400),
    ],
)
async def test_the_handshake(dial: Dial, headers: dict[str, str], status: int) -> None:
    assert (await dial(**headers)).status == status


async def test_a_forwarded_host_counts_only_from_a_trusted_proxy(deps: Deps) -> None:
    headers = HTTPHeaders(
        {"Host": "inner", "Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"}
    )
    line = RequestStartLine("GET", "/api/socket", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=headers)
    request.remote_ip = "203.0.113.9"
    assert not room_socket.origin_allowed(request, deps)
    request.remote_ip = "127.0.0.1"
    assert room_socket.origin_allowed(request, deps)


async def test_no_session_may_read_public_trips_only(dial: Dial, world: World) -> None:
    for user in (None, "stale"):
        stranger = await dial(user)
        stranger.send({"t": "join", "v": 1, "room": ROOM, "client": "x"})
        assert await stranger.end() == 4401
        assert [m["t"] for m in stranger.messages] == ["error", "closing"]
    world.trip.public = True
    reader = await (await dial(None)).join()
    assert reader.messages[0]["role"] == "spectator"


async def test_a_sign_in_that_ended_elsewhere_opens_no_socket_from_a_cache(
    dial: Dial, sessions: FakeSessions
) -> None:
    sessions.ended = frozenset({"ann"})
    ann = await dial("ann")
    ann.send({"t": "join", "v": 1, "room": ROOM, "client": "x"})
    assert await ann.end() == 4401


async def test_the_database_away_is_503_before_the_handshake(dial: Dial, sessions: FakeSessions) -> None:
    sessions.down = True
    assert (await dial()).status == 503


async def test_too_many_connections_of_one_user_and_of_one_address(dial: Dial, node: Node) -> None:
    for _ in range(3):
        await dial("ann")
    assert await (await dial("ann")).end() == 4429
    for _ in range(2):
        await dial(None)
    assert await (await dial(None)).end() == 4429
    for _ in range(3):
        await dial("bob")
    full = await dial("carl")
    assert await full.end() == 4003 and full.messages[-1]["resume"] is True
    await dial.made[0].aclose()
    await until(lambda: len(node.hub.sessions) == 7)
    assert (await (await dial("ann")).join()).messages


# --- talk ---------------------------------------------------------------------------------


async def test_join_submit_and_see(dial: Dial) -> None:
    ann, bob = await (await dial("ann")).join("a"), await (await dial("bob")).join("b")
    ann.send({"t": "submit", "op_id": "op-number-1", "base": 0, "op": RENAME})
    seen = [await one.until("events") for one in (ann, bob)]
    assert seen[0] == seen[1] and seen[0]["events"][0]["op_id"] == "op-number-1"
    bob.send({"t": "ping", "seq": 1})
    assert await bob.until("pong") == {"t": "pong", "seq": 1}


async def test_a_big_frame_arrives_whole_through_the_slow_path(dial: Dial, node: Node) -> None:
    ann = await (await dial("ann", buffer=8192)).join()
    transport = cast(Any, next(iter(node.hub.sessions)).connection._transport)
    transport._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for _ in range(40):
        node.edit(100)
    node.member("ann", name="x" * 200)
    await until(lambda: transport.buffered > 0)  # the kernel took a part only
    seqs: list[int] = []
    while len(seqs) < 4001:
        seqs += [event["seq"] for event in (await ann.until("events"))["events"]]
    assert seqs == list(range(1, 4002))


async def test_a_fragmented_message_is_one_message(dial: Dial) -> None:
    ann = await dial()
    raw = b'{"t":"join","v":1,"room":"trip1","client":"x"}'
    ann.send(raw[:10], fin=False)
    ann.send(b"are you there", PING)
    ann.send(raw[10:], 0)
    opcode, payload = await ann.read_frame()
    assert (opcode, payload) == (PONG, b"are you there")
    assert (await ann.until("joined"))["room"] == ROOM


async def test_bytes_never_overtake_what_waits_in_the_transport() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ended: list[int | None] = []
    wire = RoomWire(ours, lambda _: None, lambda _, code: ended.append(code), 60, 60)
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: wire, ours)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sent = b""
    while not wire.buffered:
        sent += (chunk := bytes([len(sent) % 251]) * 3000)
        wire.write(chunk)
    received = theirs.recv(2**20)  # the kernel has room again, and the loop has not heard of it yet
    wire.write(b"the last")
    theirs.setblocking(False)
    async with asyncio.timeout(10):
        while len(received) < len(sent) + 8:
            received += await loop.sock_recv(theirs, 2**20)
    assert received == sent + b"the last"
    wire.abort()
    wire.write(b"nobody")
    assert wire.buffered == 0
    await until(lambda: ended == [None])
    theirs.close()


async def test_frames_that_come_with_the_handshake_are_not_lost(dial: Dial) -> None:
    raw = b'{"t":"join","v":1,"room":"trip1","client":"x"}'
    ann = await dial(early=frame(raw) + frame(b'{"t":"ping","seq":7}'))
    assert (await ann.until("joined"))["room"] == ROOM
    assert (await ann.until("pong"))["t"] == "pong"


async def test_a_join_that_takes_its_time_keeps_the_order_of_what_follows(dial: Dial, node: Node) -> None:
    ann = await dial("bob")
    ann.send({"t": "join", "v": 1, "room": ROOM, "client": "x"})
    ann.send({"t": "submit", "op_id": "op-number-1", "base": 0, "op": RENAME})
    ann.send({"t": "ping"})
    assert (await ann.until("joined"))["seq"] == 0
    assert (await ann.until("events"))["events"][0]["op_id"] == "op-number-1"
    assert next(m["t"] for m in ann.messages if m["t"] in ("joined", "pong", "events")) == "joined"


async def test_a_sender_of_too_many_operations_waits_and_loses_none(dial: Dial, node: Node) -> None:
    node.hub.limits = replace(node.hub.limits, frames_per_second=1000)
    ann = await (await dial("bob")).join()
    count = 3 * IN_FLIGHT
    for n in range(count):
        ann.send({"t": "submit", "op_id": f"op-number-{n}", "base": 0, "op": RENAME})
    seen: list[str] = []
    while len(seen) < count:
        seen += [event["op_id"] for event in (await ann.until("events"))["events"]]
    assert seen == [f"op-number-{n}" for n in range(count)]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"not json", 4400),
        (b'{"t":"unknown"}', 4400),
        (b'{"t":"ping","surplus":1}', 4400),
        (b'{"t":"ping"}\xff\xfe', 1007),
        (b"\xed\xa0\x80", 1007),
        (b'"' + b"x" * MAX_FRAME_BYTES + b'"', 1009),
        (b'{"t":"join","v":99,"room":"trip1","client":"x"}', 4400),  # after the join: another client
    ],
)
async def test_a_bad_frame_closes_its_socket_with_a_code_and_no_other(
    dial: Dial, node: Node, payload: bytes, code: int
) -> None:
    bad, good = await (await dial("bob")).join("b"), await (await dial("ann")).join("a")
    bad.send(payload)
    ended = await bad.end()
    assert ended == (4426 if b"99" in payload else code)
    assert [m["t"] for m in bad.messages[-2:]] == ["error", "closing"]
    assert bad.messages[-1]["code"] == ended
    node.edit()
    assert (await good.until("events"))["events"][0]["seq"] == 1


async def test_binary_frames_are_refused(dial: Dial) -> None:
    ann = await (await dial()).join()
    ann.send(b'{"t":"ping"}', BINARY)
    assert await ann.end() == 4400


@pytest.mark.parametrize("opcode", [3, 7, 11])
async def test_unknown_opcodes_and_endless_frames_end_one_connection(
    dial: Dial, node: Node, opcode: int
) -> None:
    bad, huge = await (await dial("bob")).join("b"), await (await dial("ann")).join("a")
    bad.send(b"?", opcode)
    assert await bad.end() == 1002
    huge.writer.write(b"\x81\xff" + struct.pack("!Q", 2**62) + b"mask")
    assert await huge.end() == 1009
    for ended in (bad, huge):
        await ended.aclose()
    await until(lambda: not node.hub.sessions)


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", 1000),
        (struct.pack("!H", 1000), 1000),
        (struct.pack("!H", 1001) + b"going away", 1000),
        (struct.pack("!H", 4999), 1000),
        (struct.pack("!H", 1005), 1002),
        (struct.pack("!H", 1006), 1002),
        (struct.pack("!H", 999), 1002),
        (struct.pack("!H", 5000), 1002),
        (struct.pack("!H", 0), 1002),
        (b"\x03", 1002),
    ],
)
async def test_a_peers_close_code_is_never_echoed(
    dial: Dial, node: Node, payload: bytes, answer: int
) -> None:
    ann = await (await dial()).join()
    ann.send(payload, CLOSE)
    assert await ann.end() == answer
    await until(lambda: not node.hub.sessions)


async def test_a_close_reason_that_is_not_utf8_ends_the_connection(dial: Dial, node: Node) -> None:
    ann = await (await dial()).join()
    ann.send(struct.pack("!H", 1000) + b"\xff\xff", CLOSE)
    assert await ann.end() == 1007
    await until(lambda: not node.hub.sessions)


async def test_a_flood_is_closed_with_rate(dial: Dial) -> None:
    ann = await (await dial()).join()
    for _ in range(300):
        ann.send({"t": "ping"})
    assert await ann.end() == 4002


async def test_a_connection_that_vanishes_leaves_nothing_behind(dial: Dial, node: Node) -> None:
    ann = await (await dial()).join()
    ann.writer.transport.abort()
    await until(lambda: not node.hub.sessions)
    assert refusal(node.hub, "ann", "127.0.0.1") is None


async def test_a_client_that_leaves_while_the_handshake_waits_leaves_nothing_behind(
    dial: Dial, node: Node, sessions: FakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered, left, opened = (asyncio.Event() for _ in range(4))
    resolve, on_close, open_ = sessions.resolve, room_socket.RoomSocket.on_close, room_socket.RoomSocket.open

    async def slow(*arguments: Any, **how: Any) -> Any:
        asked.set()
        await answered.wait()
        return await resolve(*arguments, **how)

    def noticed(handler: Any) -> None:
        on_close(handler)
        left.set()

    def late(handler: Any) -> None:
        open_(handler)
        opened.set()

    monkeypatch.setattr(sessions, "resolve", slow)
    monkeypatch.setattr(room_socket.RoomSocket, "on_close", noticed)
    monkeypatch.setattr(room_socket.RoomSocket, "open", late)
    connecting = asyncio.create_task(dial("ann"))
    async with asyncio.timeout(10):
        await asked.wait()
        connecting.cancel()
        await asyncio.wait([connecting])
        await left.wait()
        answered.set()
        await opened.wait()
    assert not node.hub.sessions and refusal(node.hub, "ann", "127.0.0.1") is None


async def test_handshakes_under_way_count(
    dial: Dial, node: Node, sessions: FakeSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight that wait for the database are as many as the process takes."""
    resolve, answered = sessions.resolve, asyncio.Event()

    async def slow(*arguments: Any, **how: Any) -> Any:
        await answered.wait()
        return await resolve(*arguments, **how)

    monkeypatch.setattr(sessions, "resolve", slow)
    monkeypatch.setattr(admission, "MAX_TURNED_AWAY", 1)
    waiting = [asyncio.create_task(dial(f"user{n}")) for n in range(8)]
    await until(lambda: node.hub.arriving == 8)
    told = await dial("late")
    assert told.status == 101
    assert (await dial("later")).status == 503, "one is being told already"
    assert await told.end() == 4003
    waiting.pop().cancel()
    answered.set()
    assert {each.status for each in await asyncio.gather(*waiting)} == {101}
    await until(lambda: node.hub.arriving == 0 and len(node.hub.sessions) == 7)
    assert (await (await dial("ann")).join()).messages


async def test_a_connection_that_cannot_be_taken_over_is_closed(
    dial: Dial, node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: socket.socket) -> socket.socket:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "dup", full)
        assert await (await dial()).end() is None
    assert "too many open files" in caplog.text
    assert not node.hub.sessions and node.hub.arriving == 0
    assert (await (await dial()).join()).messages


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "NONSENSE"])
async def test_another_verb_is_no_fault_of_ours(
    http_server: Any, http_server_port: Any, caplog: pytest.LogCaptureFixture, verb: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", http_server_port[1])
    lines = (
        f"{verb} /api/socket HTTP/1.1",
        "Host: x",
        "Content-Length: 0",
        "Sec-WebSocket-Key: " + 22 * "A" + "==",
    )
    writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    status = (await reader.readline()).split()[1]
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    assert status == b"405"
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_client_that_never_reads_is_cut_and_costs_no_more_than_its_budget(
    dial: Dial, node: Node, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    mute = await (await dial("bob", buffer=4096)).join("b")
    good = await (await dial("ann")).join("a")
    mute.writer.transport.pause_reading()  # type: ignore[attr-defined]
    session = next(s for s in node.hub.sessions if s.actor.user_id == "bob")
    transport = session.connection._transport
    most = 0
    with caplog.at_level(logging.WARNING):
        while session in node.hub.sessions:
            node.edit(200)
            most = max(most, transport.buffered)
            seqs = [event["seq"] for event in (await good.until("events"))["events"]]
        assert seqs[-1] == world.trip.seq
    assert session.connection.cut and node.hub.stats.cut == 1
    assert 0 < most <= HARD_LIMIT
    assert "never retrieved" not in caplog.text and "Traceback" not in caplog.text
    node.edit()
    assert (await good.until("events"))["events"][0]["seq"] == world.trip.seq


async def test_a_peer_that_answers_no_ping_is_closed_with_its_own_code(
    dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_socket.RoomSocket, "ping_interval", 0.05)
    monkeypatch.setattr(room_socket.RoomSocket, "ping_timeout", 0.05)
    ann = await (await dial()).join()
    assert await ann.end() == 4001
    assert ann.messages[-1]["t"] == "closing" and ann.messages[-1]["resume"] is True


async def test_an_exception_in_the_receiver_is_logged_and_closes(
    dial: Dial, node: Node, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await (await dial()).join()

    def explode(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(node.hub.presence, "update", explode)
    ann.send({"t": "presence", "typing": True})
    assert await ann.end() == 4003
    assert ann.messages[-2]["code"] == "internal" and "a bug" in caplog.text


async def test_signing_out_and_drain_close_open_sockets(dial: Dial, node: Node) -> None:
    ann, bob = await (await dial("ann")).join("a"), await (await dial("bob")).join("b")
    await node.hub.revoke(auth_ids=["auth-ann"])
    assert await ann.end() == 4401
    draining = asyncio.get_running_loop().create_task(node.hub.drain(5))
    assert await bob.end() == 1012
    await draining
    assert "retry_after_ms" in bob.messages[-1] or bob.messages[-1]["resume"]
    late = await dial("bob")
    assert await late.end() == 1012


async def test_a_peer_that_ignores_the_close_is_dropped_by_the_end_of_the_drain(
    dial: Dial, node: Node
) -> None:
    mute = await (await dial()).join()
    await node.hub.drain(0.2)
    await until(lambda: not node.hub.sessions)
    assert await mute.end() == 1012


def test_without_a_hub_there_is_no_socket(deps: Deps) -> None:
    assert room_socket.rules(replace(deps, hub=None)) == []
