"""Messages into rooms and deliveries out of them: the generator, the same for every server.

Owns pacing (how many messages of a room may be unseen), counting, and latency. Nothing is decoded: a delivery
is one `"op_id":` in what a member reads, so frames that hold several events count as several. Called by the
parts of the benchmark.
"""

from __future__ import annotations

import contextlib
import select
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from loadtests.sink import Client

NEEDLE = b'"op_id":'
PATIENCE = 30.0
"""Seconds that a server may take for what it owes."""


@dataclass(eq=False, slots=True)
class Group:
    """The members of one room, and who of them sends."""

    members: list[Client]
    senders: list[Client]
    sent: int = 0
    seen: int = 0
    """Deliveries, over all members."""
    due: deque[tuple[int, float]] = field(default_factory=deque)
    """What `seen` will be when a message has reached everybody, and when it was sent."""

    @property
    def unseen(self) -> int:
        return self.sent - self.seen // len(self.members)


@dataclass(frozen=True)
class Outcome:
    """What passed. `seconds` until the last delivery; latencies in ms from a message's sending until its room
    had got as many deliveries as it was owed."""

    messages: int
    deliveries: int
    bytes: int
    seconds: float
    latencies: list[float]


class Traffic:
    """Sends `message(n)` into each group, at most `window` unseen a group."""

    def __init__(self, groups: list[Group], message: Callable[[], bytes], window: int) -> None:
        self._groups = groups
        self._message = message
        self._window = window
        self._latencies: list[float] = []
        self._bytes = 0

    def run(self, seconds: float) -> Outcome:
        """Send for so long, then wait for what is owed. Raises `TimeoutError`, `ConnectionError`."""
        with contextlib.closing(select.epoll()) as epoll:
            by_fd: dict[int, tuple[Client, Group]] = {}
            for group in self._groups:
                for client in group.members:
                    client.socket.setblocking(False)
                    by_fd[client.socket.fileno()] = (client, group)
                    epoll.register(client.socket.fileno(), select.EPOLLIN)
            return self._run(epoll, by_fd, seconds)

    def _run(self, epoll: select.epoll, by_fd: dict[int, tuple[Client, Group]], seconds: float) -> Outcome:
        self._latencies, self._bytes = [], 0
        sent, seen = (sum(getattr(group, name) for group in self._groups) for name in ("sent", "seen"))
        began = time.perf_counter()
        for group in self._groups:
            self._refill(group)
        end = began + seconds
        touched: set[Group] = set()
        while time.perf_counter() < end:
            touched.clear()
            self._pump(epoll, by_fd, touched)
            for group in touched:
                self._refill(group)
        while any(group.due for group in self._groups):
            if time.perf_counter() > end + PATIENCE:
                raise TimeoutError(f"deliveries are missing after {PATIENCE:.0f} s")
            self._pump(epoll, by_fd, touched)
        ended = time.perf_counter()
        return Outcome(
            messages=sum(group.sent for group in self._groups) - sent,
            deliveries=sum(group.seen for group in self._groups) - seen,
            bytes=self._bytes,
            seconds=ended - began,
            latencies=self._latencies,
        )

    def _refill(self, group: Group) -> None:
        free = self._window - group.unseen
        if free <= 0:
            return
        senders = group.senders
        shares: dict[int, bytearray] = {}
        now = time.perf_counter()
        for n in range(group.sent, group.sent + free):
            place = n % len(senders)
            share = shares.get(place)
            if share is None:
                share = shares[place] = bytearray()
            share += masked(self._message())
            group.due.append(((n + 1) * len(group.members), now))
        group.sent += free
        for place, data in shares.items():
            _send(senders[place], data)

    def _pump(self, epoll: select.epoll, by_fd: dict[int, tuple[Client, Group]], touched: set[Group]) -> None:
        keep = len(NEEDLE) - 1
        for fd, _ in epoll.poll(0.05):
            client, group = by_fd[fd]
            try:
                piece = client.socket.recv(1 << 18)
            except BlockingIOError:
                continue
            if not piece:
                raise ConnectionError("the server closed a connection")
            self._bytes += len(piece)
            data = client.tail + piece
            found = data.count(NEEDLE)
            client.tail = data[-keep:]
            if found:
                group.seen += found
                touched.add(group)
                due = group.due
                if due and due[0][0] <= group.seen:
                    now = time.perf_counter()
                    while due and due[0][0] <= group.seen:
                        self._latencies.append((now - due.popleft()[1]) * 1000)


def masked(payload: bytes) -> bytes:
    """A client's text frame, masked with zeros (a valid mask that costs nothing)."""
    size = len(payload)
    head = struct.pack(">BB", 0x81, 0x80 | size) if size < 126 else struct.pack(">BBH", 0x81, 0xFE, size)
    return head + b"\0\0\0\0" + payload


def _send(client: Client, data: bytearray) -> None:
    try:
        sent = client.socket.send(data)
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        client.socket.setblocking(True)
        client.socket.sendall(data[sent:])
        client.socket.setblocking(False)
