"""The wire of a room alone, on the loop of the server processes (uvloop) and on Python's own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import uvloop
from tornado.iostream import StreamClosedError

from handlers import room_wire
from handlers.room_socket import taken_from
from handlers.room_wire import RoomWire
from tests.handlers.raw_socket import frame

LOOPS = [uvloop.new_event_loop, asyncio.new_event_loop]


class Waiting:
    """A session that wants no more after its first message."""

    def __init__(self, wire: RoomWire) -> None:
        self.wire = wire
        self.received: list[str] = []
        self.waits = False

    def receive(self, message: str) -> None:
        self.received.append(message)
        if not self.waits:
            self.waits = True
            self.wire.pause()


class Connected:
    """A wire, its session and its peer."""

    def __init__(self) -> None:
        self.ours, self.peer = socket.socketpair()
        self.ours.setblocking(False)
        self.peer.setblocking(False)
        self.ended = asyncio.Event()

    async def open(self, early: bytes = b"") -> Waiting:
        self.wire = RoomWire(
            self.ours, lambda made: cast(Any, Waiting(made)), lambda *_: self.ended.set(), 60, 60, early
        )
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self.wire, self.ours)
        return cast(Waiting, self.wire.session)

    async def close(self) -> None:
        self.wire.abort()
        await self.ended.wait()
        self.peer.close()


@pytest.fixture(params=LOOPS, ids=["uvloop", "asyncio"])
def on_loop(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Runs a test on this loop, within a time."""

    async def limited(test: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.timeout(10):
            await test()

    def run(test: Callable[[], Awaitable[None]]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(limited(test))

    return run


def test_a_pause_during_the_opening_holds(on_loop: Any) -> None:
    async def test() -> None:
        connected = Connected()
        session = await connected.open(early=frame(b"join"))
        assert session.received == ["join"]
        # One read may still come, and then no more, however much is sent.
        sent, filler = 0, frame(b"x" * 60_000)
        with contextlib.suppress(BlockingIOError):
            while sent < 20_000_000:
                sent += connected.peer.send(filler)
                await asyncio.sleep(0)
        reading = cast(Any, connected.wire._bytes).is_reading()
        await connected.close()
        assert not reading and sent < 20_000_000

    on_loop(test)


def test_a_peer_that_ends_its_side_and_reads_nothing_is_dropped(
    on_loop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_wire, "CLOSE_SECONDS", 0.05)

    async def test() -> None:
        connected = Connected()
        await connected.open()
        while not connected.wire.buffered:
            connected.wire.write(bytes(65_536))
        connected.peer.shutdown(socket.SHUT_WR)
        try:
            await connected.ended.wait()
        finally:
            await connected.close()

    on_loop(test)


async def test_who_sends_without_an_end_before_the_handshake_is_answered_is_left() -> None:
    class Endless:
        reads, closed = 0, False

        def writing(self) -> bool:
            return False

        def read_bytes(self, size: int, partial: bool) -> asyncio.Future[bytes]:
            self.reads += 1
            assert self.reads < 100
            done = asyncio.get_running_loop().create_future()
            done.set_result(bytes(size))
            return done

        def close(self) -> None:
            self.closed = True

    stream = Endless()
    with pytest.raises(StreamClosedError):
        await taken_from(cast(Any, stream))
    assert stream.closed
