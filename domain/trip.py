"""The trip aggregate: the state of one trip, and the only code that changes it.

Owns the records of a trip, who last changed each field (`stamps`), and the order of stops inside
their days. State changes in one way: `absorb(event)`, used both for an operation that was just
decided and for events read back from the log, so that a cached aggregate, a reloaded one and
every client agree. Decisions are made in `domain.decisions` and `domain.undo`, which never
mutate: a rejected operation cannot leave a trace.

Called by `domain.services.rooms` and by storage (to load, cache and bring up to date).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any

import msgspec

from domain.entities import (
    ENTITY_TYPES,
    AccessRole,
    Day,
    Entity,
    Link,
    Member,
    Photo,
    RecordType,
    Snapshot,
    Stop,
    Trip,
)
from domain.errors import NotFound
from domain.events import Change, Event

Stamp = tuple[int, str]
"""(seq, user id) of the last change of a field."""
RecordKey = tuple[RecordType, str]
Stamps = dict[RecordKey, dict[str, Stamp]]
LINK_PREFIX = "links."
PHOTO_FIELDS = ("cover", "photo")
"""Fields of trips and stops that hold a photo."""

_snapshot_encoder = msgspec.json.Encoder()


class TripAggregate:
    """One trip at `seq`. Not thread-safe: the room's lane lends it to one thread at a time.

    `days`, `stops` and `members` are keyed by id and include removed records, so that they can be
    restored. `epoch` changes when the log is not a continuation of what clients saw (a restored
    backup).
    """

    def __init__(
        self,
        trip: Trip,
        epoch: str,
        seq: int = 0,
        days: Iterable[Day] = (),
        stops: Iterable[Stop] = (),
        members: Iterable[Member] = (),
        stamps: Stamps | None = None,
    ) -> None:
        self.trip = trip
        self.epoch = epoch
        self.seq = seq
        self.days: dict[str, Day] = {day.id: day for day in days}
        self.stops: dict[str, Stop] = {stop.id: stop for stop in stops}
        self.members: dict[str, Member] = {member.id: member for member in members}
        self.stamps: Stamps = stamps if stamps is not None else {}
        self._order: dict[str | None, list[tuple[str, str]]] = {}
        for stop in self.stops.values():
            if not stop.deleted:
                self._order.setdefault(stop.day_id, []).append((stop.pos, stop.id))
        for keys in self._order.values():
            keys.sort()
        self.live_stops = sum(len(keys) for keys in self._order.values())
        self._snapshot: tuple[int, bytes] | None = None

    # --- reading ----------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self.trip.id

    def find(self, t: RecordType, record_id: str) -> Entity | None:
        """The record, removed or not, or None."""
        if t == "trip":
            return self.trip if record_id == self.trip.id else None
        if t == "day":
            return self.days.get(record_id)
        if t == "stop":
            return self.stops.get(record_id)
        return self.members.get(record_id)

    def get(self, t: RecordType, record_id: str) -> Entity:
        """The record, removed or not. Raises `NotFound`."""
        record = self.find(t, record_id)
        if record is None:
            raise NotFound(f"there is no {t} {record_id} in this trip", t=t, id=record_id)
        return record

    def stamp(self, t: RecordType, record_id: str, field: str) -> Stamp | None:
        """Who changed this field last, and in which event; None when nobody since it was made."""
        return self.stamps.get((t, record_id), {}).get(field)

    def keys_of(self, day_id: str | None) -> list[tuple[str, str]]:
        """(pos, id) of the live stops of a day (None: the ideas), in order. Do not modify."""
        return self._order.get(day_id, [])

    def live_days(self) -> list[Day]:
        """Days that were not removed: dated ones by date, then unscheduled ones by position."""
        live = [day for day in self.days.values() if not day.deleted]
        return sorted(live, key=lambda day: (day.date is None, day.date or "", day.pos, day.id))

    def member(self, user_id: str | None) -> Member | None:
        """The live membership of a user."""
        found = self.members.get(user_id) if user_id is not None else None
        return None if found is None or found.deleted else found

    def role_of(self, user_id: str | None) -> AccessRole | None:
        """What a user may be here; None means that the trip does not exist for them."""
        found = self.member(user_id)
        if found is not None:
            return found.role
        if self.trip.visibility == "public" and not self.trip.deleted:
            return "spectator"
        return None

    def snapshot(self) -> bytes:
        """The encoded `Snapshot` at this seq; encoded once however many clients join."""
        if self._snapshot is None or self._snapshot[0] != self.seq:
            self._snapshot = (self.seq, _snapshot_encoder.encode(self.view()))
        return self._snapshot[1]

    def view(self) -> Snapshot:
        """The live records, in a stable order."""
        return Snapshot(
            trip=self.trip,
            days=self.live_days(),
            stops=sorted(
                (stop for stop in self.stops.values() if not stop.deleted),
                key=lambda stop: (stop.day_id or "", stop.pos, stop.id),
            ),
            members=sorted(self.members.values(), key=lambda member: (member.joined_at, member.id)),
        )

    # --- changing ---------------------------------------------------------------------------

    def absorb(self, event: Event) -> None:
        """Apply a decided or committed event. Its seq must be the next one."""
        if event.seq != self.seq + 1:
            raise ValueError(f"trip {self.id} is at seq {self.seq}, cannot absorb {event.seq}")
        for change in event.changes:
            self._apply(change, event)
        self.seq = event.seq

    def _apply(self, change: Change, event: Event) -> None:
        record = self.find(change.t, change.id)
        if record is None:
            record = ENTITY_TYPES[change.t](id=change.id)  # type: ignore[call-arg]
            self._adopt(record)
        placed = isinstance(record, Stop)
        if placed:
            self._unplace(record)  # type: ignore[arg-type]
        for field, value in change.set.items():
            _assign(record, field, value)
        if placed:
            self._place(record)  # type: ignore[arg-type]
        stamps = self.stamps.setdefault((change.t, change.id), {})
        for field in change.set:
            stamps[field] = (event.seq, event.actor)

    def _adopt(self, record: Entity) -> None:
        # A trip is never adopted: its record is there from the start.
        if isinstance(record, Stop):
            record.deleted = True  # not in the order yet; the change that brings it says otherwise
            self.stops[record.id] = record
        elif isinstance(record, Day):
            self.days[record.id] = record
        elif isinstance(record, Member):
            self.members[record.id] = record

    def _unplace(self, stop: Stop) -> None:
        if stop.deleted:
            return
        keys = self._order[stop.day_id]
        keys.pop(bisect_left(keys, (stop.pos, stop.id)))
        self.live_stops -= 1

    def _place(self, stop: Stop) -> None:
        if stop.deleted:
            return
        insort(self._order.setdefault(stop.day_id, []), (stop.pos, stop.id))
        self.live_stops += 1


def _assign(record: Entity, field: str, value: Any) -> None:
    """Set one field of a record from its wire value; `links.<id>` addresses one map entry."""
    if field in PHOTO_FIELDS:
        value = msgspec.convert(value, Photo | None)
    if isinstance(record, Stop):
        if field == "links":
            record.links = msgspec.convert(value, dict[str, Link])
            return
        if field.startswith(LINK_PREFIX):
            key = field[len(LINK_PREFIX) :]
            if value is None:
                record.links.pop(key, None)
            else:
                record.links[key] = msgspec.convert(value, Link)
            return
    setattr(record, field, value)


def wire_value(record: Entity, field: str) -> Any:
    """The wire form of one field as it stands (the inverse of assigning it)."""
    if field in PHOTO_FIELDS:
        return msgspec.to_builtins(getattr(record, field))
    if isinstance(record, Stop):
        if field.startswith(LINK_PREFIX):
            return msgspec.to_builtins(record.links.get(field[len(LINK_PREFIX) :]))
        if field == "links":
            return msgspec.to_builtins(record.links)
    return getattr(record, field)


def wire_record(record: Entity) -> dict[str, Any]:
    """All fields of a record but its id, in wire form: the `set` of a change that is `new`."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    fields.pop("id")
    return fields
