"""What is said through an open socket arrives whole, in order and once, however it was sent."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any, cast

from handlers.room_wire import RoomWire
from realtime.session import IN_FLIGHT
from tests.handlers.raw_socket import PING, PONG, frame
from tests.handlers.room_socket.dial import Dial
from tests.realtime.world import RENAME, ROOM, Node, until


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
