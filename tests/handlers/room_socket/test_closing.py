"""How a socket ends: frames that are wrong, floods, peers that vanish, hang or never read, sign-out, drain.

Rules R5.1, R6.1, R6.2.
"""

from __future__ import annotations

import asyncio
import logging
import struct

import pytest

from handlers import room_socket
from realtime.connection import HARD_LIMIT
from realtime.protocol import MAX_FRAME_BYTES
from tests.handlers.raw_socket import BINARY, CLOSE
from tests.handlers.room_socket.dial import Dial
from tests.realtime.world import Node, World, refusal, until


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


# --- peers that are gone, mute or slow --------------------------------------------------------


async def test_a_connection_that_vanishes_leaves_nothing_behind(dial: Dial, node: Node) -> None:
    ann = await (await dial()).join()
    ann.writer.transport.abort()
    await until(lambda: not node.hub.sessions)
    assert refusal(node.hub, "ann", "127.0.0.1") is None


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


# --- the server's own reasons ---------------------------------------------------------------


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
