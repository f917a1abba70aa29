"""A room without storage for domain tests: decides, absorbs and keeps the log in a list.

Implements just the `UnitOfWork` port that `domain.services.rooms` needs.
"""

from __future__ import annotations

from typing import Any

from domain.commands import Actor, Applied, ApplyOperation, RoomHead
from domain.errors import NotFound
from domain.events import Event, decode_event, encode_event
from domain.operations import AnyOperation, CreateTrip, JoinTrip
from domain.services import rooms
from domain.talk import Marked, Message, Proposal, TalkRecord, assign
from domain.trip import TripAggregate

AT = "2026-05-01T08:00:00.000Z"


class ListTrips:
    """`domain.ports.Trips` over one dict and one list, without transactions."""

    def __init__(self) -> None:
        self.trips: dict[str, TripAggregate] = {}
        self.log: list[Event] = []

    def lock(self, trip_id: str) -> TripAggregate:
        if trip_id not in self.trips:
            raise NotFound("there is no such trip")
        return self.trips[trip_id]

    read = lock

    def create(self, trip: TripAggregate) -> None:
        self.trips[trip.id] = trip

    def record(self, trip: TripAggregate, event: Event) -> None:
        self.log.append(decode_event(encode_event(event)))

    def seq_of(self, trip_id: str, op_id: str) -> int | None:
        return next((event.seq for event in self.log if event.op_id == op_id), None)

    def event(self, trip_id: str, seq: int) -> Event | None:
        return self.log[seq - 1] if 0 < seq <= len(self.log) else None

    def events_after(self, trip_id: str, after: int, limit: int) -> list[bytes]:
        return [encode_event(event) for event in self.log[after : after + limit]]

    def history(self, trip_id: str, before: int | None, limit: int, record: str | None) -> list[bytes]:
        raise NotImplementedError

    def heads(self, trip_ids: Any) -> list[RoomHead]:
        raise NotImplementedError


class LogTalk:
    """`domain.talk.Talk` as far as operations need it: every record is made from the log anew."""

    def __init__(self, trips: ListTrips) -> None:
        self._trips = trips
        self.marks_of: dict[str, int] = {}

    def _records(self, t: str) -> dict[str, TalkRecord]:
        found: dict[str, TalkRecord] = {}
        for event in self._trips.log:
            for change in event.talk:
                if change.t == t:
                    found[change.id] = assign(found.get(change.id), change)
        return found

    def message(self, trip_id: str, message_id: str) -> Message | None:
        return self._records("message").get(message_id)  # type: ignore[return-value]

    def proposal(self, trip_id: str, proposal_id: str) -> Proposal | None:
        return self._records("proposal").get(proposal_id)  # type: ignore[return-value]

    def open_proposals(self, trip_id: str, limit: int) -> list[Proposal]:
        found = [each for each in self._records("proposal").values() if each.open]  # type: ignore[union-attr]
        return found[::-1][:limit]  # type: ignore[return-value]

    def count_open_proposals(self, trip_id: str) -> int:
        return len(self.open_proposals(trip_id, 1_000))

    def mark(self, trip_id: str, user_id: str, seq: int) -> Marked:
        self.marks_of[user_id] = max(seq, self.marks_of.get(user_id, 0))
        return Marked(self.marks_of[user_id], True)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


class Room:
    """One trip with an owner `ann`, an editor `bob` and a viewer `vic`."""

    def __init__(self, **trip: Any) -> None:
        self.trips = ListTrips()
        self.accounts: Any = None
        self.answers: Any = None
        self.search: Any = None
        self.jobs: Any = None
        self.photos: Any = None
        self.talk: Any = LogTalk(self.trips)
        self._made = 0
        op = CreateTrip(title="Yunnan 云南", owner_name="Ann", **trip)
        self.trip = rooms.create_trip(self, "t1", "e1", op, "ann", "op-create", AT)
        for user, role in (("bob", "editor"), ("vic", "viewer")):
            rooms.join_trip(self, self.trip, JoinTrip(name=user.title(), role=role), user, f"join-{user}", AT)  # type: ignore[arg-type]

    def do(
        self, op: AnyOperation, by: str = "ann", base: int | None = None, op_id: str | None = None
    ) -> Applied:
        """Apply an operation; `base` None means that the author had seen everything."""
        self._made += 1
        command = ApplyOperation(
            "t1", op_id or f"op-{self._made:08}", Actor(by), op, self.trip.seq if base is None else base, AT
        )
        return rooms.apply_operation(command, self)

    @property
    def last(self) -> Event:
        return self.trips.log[-1]

    def names(self, day: str | None = None) -> list[str]:
        """Names of a day's stops (None: ideas), in order."""
        return [self.trip.stops[stop_id].name for _, stop_id in self.trip.keys_of(day)]

    def day_ids(self) -> list[str]:
        return [day.id for day in self.trip.live_days()]
