"""Who is answered now and who waits: the queue of one process.

Owns the bounds on answers made at once (in all, of a user, of a trip), first come first served
among those whose bound is not reached, and the places in the queue. Synchronous; knows nothing of
answers. Called by `realtime.assistant.runner`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

TELL_PAUSE = 0.25
"""Seconds between two rounds of telling everybody their place."""


@dataclass(frozen=True)
class Bounds:
    """Answers made at once: in this process, for one user, in one trip. `waiting`: at most so many
    in the queue."""

    streams: int = 500
    of_user: int = 2
    of_trip: int = 2
    waiting: int = 2_000


class Ticket:
    """One place in the queue. `admitted` is set when its turn has come."""

    def __init__(self, user_id: str, trip_id: str | None, tell: Callable[[int], None]) -> None:
        self.user_id = user_id
        self.trip_id = trip_id
        self.tell = tell
        """Told the place, 1 = next, whenever it changes."""
        self.position = 0
        self.admitted = asyncio.Event()


class Queue:
    """See the module."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._waiting: list[Ticket] = []
        self._running: set[Ticket] = set()
        self._users: Counter[str] = Counter()
        self._trips: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Nobody more may come."""
        return len(self._waiting) >= self._bounds.waiting

    def enter(self, ticket: Ticket) -> None:
        """Admitted at once, or told its place."""
        self._waiting.append(ticket)
        self._admit()
        if not ticket.admitted.is_set():
            self._place(ticket, len(self._waiting))

    def leave(self, ticket: Ticket) -> None:
        """Done, or given up while waiting."""
        if ticket in self._running:
            self._running.remove(ticket)
            self._count(ticket, -1)
        elif ticket in self._waiting:
            self._waiting.remove(ticket)
        else:
            return
        self._admit()
        self._tell_soon()

    def _admit(self) -> None:
        still: list[Ticket] = []
        for ticket in self._waiting:
            if self._has_room(ticket):
                self._running.add(ticket)
                self._count(ticket, 1)
                ticket.admitted.set()
            else:
                still.append(ticket)
        self._waiting = still

    def _has_room(self, ticket: Ticket) -> bool:
        bounds, trip_id = self._bounds, ticket.trip_id
        return (
            len(self._running) < bounds.streams
            and self._users[ticket.user_id] < bounds.of_user
            and (trip_id is None or self._trips[trip_id] < bounds.of_trip)
        )

    def _count(self, ticket: Ticket, by: int) -> None:
        _add(self._users, ticket.user_id, by)
        if ticket.trip_id is not None:
            _add(self._trips, ticket.trip_id, by)

    def _tell_soon(self) -> None:
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TELL_PAUSE, self.tell)

    def tell(self) -> None:
        """Tell everybody whose place has changed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for number, ticket in enumerate(self._waiting, start=1):
            self._place(ticket, number)

    def _place(self, ticket: Ticket, position: int) -> None:
        if ticket.position != position:
            ticket.position = position
            ticket.tell(position)


def _add(counter: Counter[str], key: str, by: int) -> None:
    counter[key] += by
    if not counter[key]:
        del counter[key]
