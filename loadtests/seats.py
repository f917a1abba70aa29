"""Who takes part in a load run and where: people, rooms, and a seat for every user.

Owns the names of the files through which the runner (asyncio, no locust) and the users (gevent, under
locust) tell each other things, and the shape of the first of them. Never talks to a server. Sound for one
process: each user takes a seat of its kind, in order.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from loadtests.targets import Kind

SEATS = "seats.json"
PROFILE = "profile.json"
MEASURING = "measuring"
"""Appears when the measured time begins."""
RESULT = "result.json"
ACKNOWLEDGED = "acknowledged.json"
"""Of each acknowledged operation: its room and its seq."""


class Person(msgspec.Struct):
    """Somebody who takes part. With a password: an account that logs in; without: a guest, signed in already.
    `cookies` empty and no password: a spectator, who never signs in."""

    id: str = ""
    name: str = ""
    cookies: dict[str, str] = {}
    username: str = ""
    password: str = ""

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())


class Room(msgspec.Struct):
    """A trip with days and stops that are never removed, so that every edit of one must succeed."""

    id: str
    days: list[str] = []
    stops: list[str] = []


class Seat(msgspec.Struct):
    """One user's place."""

    kind: Kind
    person: Person
    room: Room


class Seats(msgspec.Struct):
    """All places. `take` hands out each once."""

    seats: list[Seat]

    def take(self, kind: Kind) -> Seat:
        """The next free seat of this kind. Raises LookupError when all are taken."""
        for n, seat in enumerate(self.seats):
            if seat.kind == kind:
                return self.seats.pop(n)
        raise LookupError(f"all seats of {kind} are taken")

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(self))

    @staticmethod
    def read(path: Path) -> Seats:
        return msgspec.json.decode(path.read_bytes(), type=Seats)
