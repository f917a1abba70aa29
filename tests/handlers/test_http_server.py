"""R7.2 for HTTP: a process that ends answers what was asked, then keeps no connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from handlers.http_server import GracefulServer

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Gate:
    """Lets requests wait."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()


class Waiting(RequestHandler):
    def initialize(self, gate: Gate) -> None:
        self.gate = gate

    async def get(self) -> None:
        self.gate.entered.set()
        await self.gate.open.wait()
        self.write("answered")


class Echo(WebSocketHandler):
    """Something to upgrade to."""


class World:
    """A server with one slow page, and a socket."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.server = GracefulServer(Application([("/", Waiting, {"gate": self.gate}), ("/socket", Echo)]))
        listening, self.port = bind_unused_port()
        self.server.add_sockets([listening])

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    made.gate.open.set()
    made.server.stop()
    await made.server.close_all_connections()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(len(b"answered"))


async def test_a_request_under_way_is_answered_and_an_idle_connection_closed(world: World) -> None:
    busy, busy_writer = await world.connect()
    idle, idle_writer = await world.connect()
    world.gate.open.set()
    for reader, writer in ((busy, busy_writer), (idle, idle_writer)):
        writer.write(REQUEST)
        assert b"Connection: close" not in await read_answer(reader)
    world.gate.open.clear()
    world.gate.entered.clear()
    busy_writer.write(REQUEST)
    await world.gate.entered.wait()

    world.server.stop()
    world.server.retire()
    finishing = asyncio.create_task(world.server.finish(20))
    assert await idle.read() == b"", "an idle connection stays open"
    assert not finishing.done()
    world.gate.open.set()
    assert b"200 OK" in await busy.readuntil(b"\r\n\r\n")
    assert await busy.read() == b"answered", "more than the answer, or no end"
    assert await finishing
    for writer in (busy_writer, idle_writer):
        writer.close()


async def test_before_it_hangs_up_it_answers_and_sends_the_client_elsewhere(world: World) -> None:
    reader, writer = await world.connect()
    world.gate.open.set()
    world.server.stop()
    world.server.retire()
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"200 OK" in head and b"Connection: close" in head
    assert await reader.read() == b"answered"
    assert await world.server.finish(20)
    writer.close()


async def test_a_socket_that_is_opened_meanwhile_is_opened_and_is_the_business_of_its_room(
    world: World,
) -> None:
    reader, writer = await world.connect()
    world.server.stop()
    world.server.retire()
    head = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    writer.write(b"GET /socket HTTP/1.1\r\nHost: x\r\n" + head + key + b"\r\n")
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b"101 Switching" in answer and b"Connection: Upgrade" in answer
    writer.close()


async def test_who_is_busy_beyond_the_deadline_is_cut(world: World) -> None:
    reader, writer = await world.connect()
    writer.write(REQUEST)
    await world.gate.entered.wait()
    world.server.stop()
    world.server.retire()
    assert not await world.server.finish(0.01)
    assert await reader.read() == b""
    writer.close()
