"""Stores to test on, and trips to put into them.

A `Store` is one database; each `process()` is what one server process has on it: a factory of
units of work with a cache of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import msgspec

from domain.commands import Actor, Applied, ApplyOperation
from domain.operations import AnyOperation, CreateTrip, JoinTrip
from domain.services import rooms
from domain.trip import TripAggregate
from storage.cache import AggregateCache
from storage.engine import make_engine
from storage.schema import upgrade
from storage.unit import Unit, UnitFactory
from storage.unit_of_work import SqlUnits
from storage.unit_of_work_memory import MemoryStore, MemoryUnits

AT = "2026-05-01T08:00:00.000Z"
_numbers = itertools.count(1)


class Store:
    """One database in memory, SQLite or MariaDB."""

    def __init__(self, name: str, url: str | None) -> None:
        self.name = name
        self._memory = MemoryStore()
        self._url = url
        self._opened: list[Callable[[], None]] = []
        if url is not None:
            upgrade(url)

    def process(self, cache: AggregateCache | None = None) -> UnitFactory:
        if self._url is None:
            return MemoryUnits(self._memory, cache)
        engine = make_engine(self._url, pool_size=4)
        self._opened.append(engine.dispose)
        return SqlUnits(engine, cache)

    def close(self) -> None:
        for close in self._opened:
            close()


def new_op() -> str:
    return f"op-{next(_numbers):08}"


def make_trip(units: UnitFactory, **fields: Any) -> str:
    """A committed trip with an owner `ann` and an editor `bob`; returns its id."""
    trip_id = f"t{next(_numbers)}"
    given: dict[str, Any] = {
        "title": "Yunnan 云南",
        "owner_name": "Ann",
        "start_date": "2026-06-01",
        "end_date": "2026-06-03",
    }
    with units(True) as unit:
        op = CreateTrip(**(given | fields))
        trip = rooms.create_trip(unit, trip_id, "epoch-1", op, "ann", new_op(), AT)
        rooms.join_trip(unit, trip, JoinTrip(name="Bob", role="editor"), "bob", new_op(), AT)
        unit.commit()
    return trip_id


def command(
    trip_id: str, op: AnyOperation, by: str = "ann", op_id: str | None = None, base: int = 2**40
) -> ApplyOperation:
    return ApplyOperation(trip_id, op_id or new_op(), Actor(by), op, base, AT)


def do(units: UnitFactory, trip_id: str, op: AnyOperation, **more: Any) -> Applied:
    """Apply one operation in a transaction of its own."""
    with units(True) as unit:
        done = rooms.apply_operation(command(trip_id, op, **more), unit)
        unit.commit()
    return done


def loaded(store: Store, trip_id: str) -> dict[str, Any]:
    """The trip as a process that never saw it loads it."""
    with store.process()(False) as unit:
        return state_of(unit.trips.read(trip_id))


def state_of(trip: TripAggregate) -> dict[str, Any]:
    """Everything that two equal aggregates have equal."""
    return {
        "head": (trip.epoch, trip.seq),
        "trip": trip.trip,
        "days": dict(sorted(trip.days.items())),
        "stops": dict(sorted(trip.stops.items())),
        "members": dict(sorted(trip.members.items())),
        "stamps": {key: dict(fields) for key, fields in sorted(trip.stamps.items()) if fields},
        "order": {day: trip.keys_of(day) for day in (None, *sorted(trip.days))},
        "live_stops": trip.live_stops,
        "snapshot": msgspec.json.decode(trip.snapshot()),
    }


def current(unit: Unit, trip_id: str) -> dict[str, Any]:
    return state_of(unit.trips.read(trip_id))
