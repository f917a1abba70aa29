"""How connections come from the listening sockets into the process, and what becomes of them when it stops.

Owns two things. Taking turns: processes that inherited one listening socket are all woken by each new
connection, and the quickest would take nearly all; so each one writes on a `Board`, which they share, how
many it holds, and whoever holds more than another leaves the next one to it for a moment. And the end:
what waits in a socket of our own is taken before it closes (the kernel would reset it). What happens on a
connection is the business of `handlers.http_server`. Called by `server.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mmap
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tornado.iostream import IOStream

from handlers.http_server import GracefulServer

DEFER_SECONDS = 0.01
"""How long a process that holds more than another leaves a waiting connection to it."""
SLACK = 1
BEAT_SECONDS = 0.5
DEAD_SECONDS = 3
"""Whoever has not written on the board for so long is not counted on."""
FULL_PAUSE_SECONDS = 0.1
MAX_PROCESSES = 256
_COUNT_BITS = 32
log = logging.getLogger(__name__)


class Board:
    """A small file in shared memory: for each process of this installation on this machine, how many
    connections it holds, and when it last said so."""

    def __init__(self, folder: Path, process: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "connections.board").open("a+b") as file:
            file.truncate(MAX_PROCESSES * 8)
            self._map = mmap.mmap(file.fileno(), MAX_PROCESSES * 8)
        self._slots = memoryview(self._map).cast("Q")
        self._mine = process

    def write(self, count: int) -> None:
        """Say how many we hold; one store of eight bytes, so that nobody reads half of it."""
        self._slots[self._mine] = int(time.monotonic()) << _COUNT_BITS | count

    def lowest(self) -> int | None:
        """The least that another living process holds; None: there is no other."""
        alive = int(time.monotonic()) - DEAD_SECONDS
        mask = (1 << _COUNT_BITS) - 1
        others = [
            slot & mask
            for number, slot in enumerate(self._slots)
            if number != self._mine and slot >> _COUNT_BITS >= alive
        ]
        return min(others, default=None)

    def close(self) -> None:
        """Leave: the others do not wait for us any more."""
        self._slots[self._mine] = 0
        self._slots.release()
        self._map.close()


class Doors:
    """The listening sockets of one process. `board` None: they are our own, or nobody shares them.
    `held`: how many WebSockets are open."""

    def __init__(
        self,
        server: GracefulServer,
        sockets: Sequence[socket.socket],
        board: Board | None,
        held: Callable[[], int],
    ) -> None:
        self._server = server
        self._sockets = list(sockets)
        self._board = board
        self._held = held
        self._open = False
        self._beat: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Accept from now on. Called on the loop."""
        self._loop = asyncio.get_running_loop()
        self._open = True
        for each in self._sockets:
            each.setblocking(False)
            if self._board is None:
                self._server.add_socket(each)
            else:
                self._watch(each)
        if self._board is not None:
            self._keep_writing(self._board)

    def close(self) -> None:
        """Accept no more. What waits in our own sockets is taken; in a shared one it waits for others."""
        self._open = False
        if self._board is None:
            waiting = [found for each in self._sockets for found in _drain(each)]
            self._server.stop()
            for connection, address in waiting:
                self._serve(connection, address)
            return
        if self._beat is not None:
            self._beat.cancel()
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        self._board.close()

    # --- taking turns -----------------------------------------------------------------------

    def _watch(self, shared: socket.socket) -> None:
        if self._open:
            self._loop.add_reader(shared, self._knock, shared)

    def _knock(self, shared: socket.socket) -> None:
        """Somebody waits at the socket; every process is told."""
        if self._holds_more():
            self._loop.remove_reader(shared)
            self._loop.call_later(DEFER_SECONDS, self._take_deferred, shared)
        else:
            self._take(shared)

    def _take_deferred(self, shared: socket.socket) -> None:
        if self._open:
            self._take(shared)
            self._watch(shared)

    def _take(self, shared: socket.socket) -> None:
        """One connection, if it is still there: the next one may be for somebody else."""
        try:
            connection, address = shared.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            # Out of file descriptors, most likely: the others may have some.
            log.error("cannot accept a connection: %s", error)
            self._loop.remove_reader(shared)
            self._loop.call_later(FULL_PAUSE_SECONDS, self._watch, shared)
            return
        self._serve(connection, address)
        if self._board is not None:
            self._board.write(self._count())

    def _count(self) -> int:
        return self._held() + self._server.unanswered

    def _holds_more(self) -> bool:
        board = self._board
        if board is None:
            return False
        count = self._count()
        board.write(count)
        lowest = board.lowest()
        return lowest is not None and count > lowest + SLACK

    def _keep_writing(self, board: Board) -> None:
        board.write(self._count())
        self._beat = self._loop.call_later(BEAT_SECONDS, self._keep_writing, board)

    def _serve(self, connection: socket.socket, address: Any) -> None:
        try:
            connection.setblocking(False)
            stream = IOStream(connection, max_buffer_size=self._server.max_buffer_size)
            self._server.handle_stream(stream, address)
        except Exception:
            log.exception("a new connection failed")
            connection.close()


def _drain(listening: socket.socket) -> list[tuple[socket.socket, Any]]:
    """What has connected to a socket and was not accepted yet."""
    found = []
    with contextlib.suppress(OSError):
        while True:
            found.append(listening.accept())
    return found
