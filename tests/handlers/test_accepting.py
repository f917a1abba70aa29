"""Taking turns at a shared socket, and leaving without turning anybody away."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from handlers.accepting import DEAD_SECONDS, Board, Doors
from handlers.http_server import GRACE, GracefulServer

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


class Hello(RequestHandler):
    """Answers when it may."""

    async def get(self) -> None:
        await self.settings["gate"].wait()
        self.write("hello")


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    (made,) = bind_sockets(0, "127.0.0.1")
    yield made
    made.close()


def serve(gate: asyncio.Event | None = None) -> GracefulServer:
    if gate is None:
        gate = asyncio.Event()
        gate.set()
    return GracefulServer(Application([("/", Hello)], gate=gate))


def connect(listening: socket.socket) -> socket.socket:
    """The kernel answers for the server, so this needs no turn of the loop."""
    made = socket.create_connection(listening.getsockname())
    made.setblocking(False)
    return made


async def answer(client: socket.socket) -> bytes:
    reader, writer = await asyncio.open_connection(sock=client)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


def test_a_board_tells_the_least_of_the_others_that_live(tmp_path: Path) -> None:
    boards = [Board(tmp_path, number) for number in (0, 1, 7)]
    assert boards[0].lowest() is None
    for board, count in zip(boards, (5, 3, 9), strict=True):
        board.write(count)
    assert [board.lowest() for board in boards] == [3, 5, 3]
    boards[1].close()
    assert boards[0].lowest() == 9
    boards[0].close()
    boards[2].close()


def test_a_process_that_fell_silent_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = Board(tmp_path, 0), Board(tmp_path, 1)
    other.write(0)
    assert mine.lowest() == 0
    later = time.monotonic() + DEAD_SECONDS + 2
    monkeypatch.setattr("handlers.accepting.time.monotonic", lambda: later)
    assert mine.lowest() is None
    mine.close()
    other.close()


async def test_processes_at_one_socket_take_turns_by_what_they_hold(
    listening: socket.socket, tmp_path: Path
) -> None:
    held = [30, 0, 10]
    servers = [serve() for _ in held]
    doors = [
        Doors(server, [listening.dup()], Board(tmp_path, number), lambda n=number: held[n])  # type: ignore[misc]
        for number, server in enumerate(servers)
    ]
    for door in doors:
        door.open()
    clients = []
    for _ in range(50):
        clients.append(connect(listening))
        await until(lambda: sum(server.unanswered for server in servers) == len(clients))
    counts = [server.unanswered + held[number] for number, server in enumerate(servers)]
    assert sum(counts) == 90 and max(counts) - min(counts) <= 3, counts
    for door in doors:
        door.close()
    for server in servers:
        await server.close_all_connections()
    for client in clients:
        client.close()


async def test_with_the_emptiest_process_stuck_the_others_take_over(
    listening: socket.socket, tmp_path: Path
) -> None:
    """It is on the board and alive, but does not accept."""
    server = serve()
    stuck = Board(tmp_path, 1)
    stuck.write(0)
    door = Doors(server, [listening], Board(tmp_path, 0), lambda: 100)
    door.open()
    clients = [connect(listening) for _ in range(5)]
    await until(lambda: server.unanswered == 5)
    door.close()
    stuck.close()
    await server.close_all_connections()
    for client in clients:
        client.close()


async def test_who_waits_in_a_socket_of_our_own_is_served_when_it_closes(listening: socket.socket) -> None:
    server = serve()
    door = Doors(server, [listening], None, lambda: 0)
    door.open()
    clients = [connect(listening) for _ in range(5)]
    for client in clients:
        client.send(REQUEST)
    door.close()  # before the loop had a turn to accept them
    await server.finish(5)
    for client in clients:
        assert (await answer(client)).endswith(b"hello")


async def test_a_connection_that_has_just_come_may_still_ask(listening: socket.socket) -> None:
    server = serve()
    door = Doors(server, [listening], None, lambda: 0)
    door.open()
    asking, silent = connect(listening), connect(listening)
    await until(lambda: server.unanswered == 2)
    door.close()
    leaving = asyncio.create_task(server.finish(30))
    await asyncio.sleep(GRACE * 2)
    assert server.unanswered == 2, "it was cut before it could ask"
    asking.send(REQUEST)
    assert (await answer(asking)).endswith(b"hello")
    assert await answer(silent) == b"", "who never asks is not waited for"
    assert await leaving
