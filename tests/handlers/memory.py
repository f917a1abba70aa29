"""`run` for handler tests: services on plain dicts, undone when they raise."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from domain.commands import RoomHead
from domain.errors import NotFound
from domain.events import Event, decode_event, encode_event
from domain.trip import TripAggregate
from storage.accounts_memory import AccountsState, MemoryAccounts


class Trips:
    def __init__(self) -> None:
        self.trips: dict[str, TripAggregate] = {}
        self.log: dict[str, list[Event]] = {}

    def lock(self, trip_id: str) -> TripAggregate:
        if trip_id not in self.trips:
            raise NotFound("there is no such trip")
        return self.trips[trip_id]

    read = lock

    def create(self, trip: TripAggregate) -> None:
        self.trips[trip.id] = trip
        self.log[trip.id] = []

    def record(self, trip: TripAggregate, event: Event) -> None:
        self.log[trip.id].append(decode_event(encode_event(event)))

    def seq_of(self, trip_id: str, op_id: str) -> int | None:
        return next((event.seq for event in self.log[trip_id] if event.op_id == op_id), None)

    def event(self, trip_id: str, seq: int) -> Event | None:
        log = self.log[trip_id]
        return log[seq - 1] if 0 < seq <= len(log) else None

    def events_after(self, trip_id: str, after: int, limit: int) -> list[bytes]:
        return [encode_event(event) for event in self.log[trip_id][after : after + limit]]

    def history(self, trip_id: str, before: int | None, limit: int, record: str | None) -> list[bytes]:
        events = [e for e in reversed(self.log[trip_id]) if before is None or e.seq < before]
        if record is not None:
            events = [e for e in events if any(f"{c.t}:{c.id}" == record for c in e.changes)]
        return [encode_event(event) for event in events[:limit]]

    def heads(self, trip_ids: Sequence[str]) -> list[RoomHead]:
        raise NotImplementedError


class MemoryRun:
    """Also the unit of work: tests look into `trips` and `accounts`."""

    def __init__(self) -> None:
        self.trips: Any = Trips()
        self.state = AccountsState()
        self.fault: Exception | None = None

    @property
    def accounts(self) -> Any:
        trips: Trips = self.trips
        return MemoryAccounts(
            self.state, lambda: [(trip, trips.log[trip.id][-1].at) for trip in trips.trips.values()]
        )

    async def __call__(self, service: Any, command: Any) -> Any:
        if self.fault is not None:
            raise self.fault
        before = copy.deepcopy(self.trips), self.state.copy()
        try:
            return service(command, self)
        except BaseException:
            self.trips, self.state = before
            raise
