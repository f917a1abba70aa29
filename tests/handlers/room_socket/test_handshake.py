"""Who gets a socket: origins, sign-ins, limits of connections, and what goes wrong before one is open.

Rules R6.1, R6.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from dataclasses import replace
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from handlers import room_socket
from handlers.deps import Deps
from realtime import admission
from tests.handlers.room_socket.dial import Dial, FakeSessions
from tests.realtime.world import ROOM, Node, World, refusal, until


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


def test_without_a_hub_there_is_no_socket(deps: Deps) -> None:
    assert room_socket.rules(replace(deps, hub=None)) == []


# --- limits -------------------------------------------------------------------------------


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


# --- handshakes that fail ------------------------------------------------------------------


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
