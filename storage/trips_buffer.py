"""The `Trips` port with its writes held back until the commit: shared by all units of work.

Owns what a unit of work knows about the trips that it touches: the aggregate lent to it, the
events recorded but not yet written, and the operation ids seen. Because nothing is written before
the commit, the events of one rejected command can be dropped without touching its neighbours'.
Implementations add the primitives at the end; none of them decides anything.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from domain.commands import RoomHead
from domain.entities import RecordType, Trip
from domain.errors import NotFound
from domain.events import Committed, Event, TalkChange, decode_event, encode_event
from domain.trip import RecordKey, TripAggregate
from storage.cache import AggregateCache

CATCH_UP = 500
"""A kept aggregate that is further behind than this is loaded anew."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_RECORDS: frozenset[RecordType] = frozenset(("trip", "day", "stop", "member"))


class Held:
    """One trip in one unit of work. `stored`: the seq of its row (-1 before it is inserted)."""

    def __init__(self, aggregate: TripAggregate, stored: int, known: dict[str, int | None]) -> None:
        self.aggregate: TripAggregate | None = aggregate
        self.epoch = aggregate.epoch
        self.stored = stored
        self.known = known
        self.origin = msgspec.structs.replace(aggregate.trip) if stored < 0 else None
        self.events: list[Committed] = []

    @property
    def new(self) -> bool:
        return self.stored < 0

    @property
    def seq(self) -> int:
        return max(self.stored, 0) + len(self.events)

    def pending(self, after: int) -> list[Committed]:
        """Recorded events with seq > after."""
        return self.events[max(after - max(self.stored, 0), 0) :]

    def talk(self) -> list[TalkChange]:
        """The changes of talk records that are recorded, in order."""
        return [change for done in self.events for change in done.event.talk]

    def changed(self) -> dict[RecordKey, None]:
        """The records that the recorded events touch, once each, in order."""
        return {(change.t, change.id): None for done in self.events for change in done.event.changes}


class Recorded(NamedTuple):
    """What one transaction added to one trip's log."""

    trip_id: str
    epoch: str
    events: list[Committed]


Mark = dict[str, int]
"""How many events of each held trip are recorded."""


class TripsBuffer(ABC):
    """`domain.ports.Trips` inside one unit of work."""

    def __init__(self, cache: AggregateCache, writing: bool) -> None:
        self._cache = cache
        self._writing = writing
        self._held: dict[str, Held] = {}
        self._expected: dict[str, Collection[str]] = {}

    # --- the port ---------------------------------------------------------------------------

    def lock(self, trip_id: str) -> TripAggregate:
        if not self._writing:
            raise RuntimeError("a command that only reads must not lock a trip")
        return self._lend(trip_id)

    def read(self, trip_id: str) -> TripAggregate:
        # A unit that writes locks even what it reads: it may build its writes on it.
        return self._lend(trip_id)

    def create(self, trip: TripAggregate) -> None:
        if not self._writing:
            raise RuntimeError("a command that only reads must not create a trip")
        if not _ID.fullmatch(trip.id) or trip.seq != 0:
            raise ValueError(f"{trip.id!r} at seq {trip.seq} is not a new trip")
        self._held[trip.id] = Held(trip, -1, {})

    def record(self, trip: TripAggregate, event: Event) -> None:
        held = self._held.get(trip.id)
        if held is None or held.aggregate is not trip or not self._writing:
            raise RuntimeError("a trip is locked or created before anything is recorded")
        if not event.seq == held.seq + 1 == trip.seq:
            raise RuntimeError(f"event {event.seq} does not follow {held.seq}, or was not absorbed")
        held.events.append(Committed(event, encode_event(event)))
        held.known[event.op_id] = event.seq

    def seq_of(self, trip_id: str, op_id: str) -> int | None:
        held = self._held.get(trip_id)
        if held is None:
            return self._seqs(trip_id, [op_id]).get(op_id)
        if op_id not in held.known:
            held.known[op_id] = None if held.new else self._seqs(trip_id, [op_id]).get(op_id)
        return held.known[op_id]

    def event(self, trip_id: str, seq: int) -> Event | None:
        bodies = self.events_after(trip_id, seq - 1, 1)
        found = decode_event(bodies[0]) if bodies else None
        return found if found is not None and found.seq == seq else None

    def events_after(self, trip_id: str, after: int, limit: int) -> list[bytes]:
        held = self._held.get(trip_id)
        if held is None:
            return self._events(trip_id, after, limit)
        stored = self._events(trip_id, after, limit) if after < held.stored else []
        return (stored + [done.body for done in held.pending(after)])[:limit]

    def history(self, trip_id: str, before: int | None, limit: int, record: str | None) -> list[bytes]:
        key = _record_key(record)
        if record is not None and key is None:
            return []
        held = self._held.get(trip_id)
        fresh = [] if held is None else held.events[::-1]
        found = [
            done.body
            for done in fresh
            if (before is None or done.event.seq < before) and (key is None or key in touched(done.event))
        ]
        if len(found) < limit:
            found += self._history(trip_id, before, limit - len(found), key)
        return found[:limit]

    def heads(self, trip_ids: Sequence[str]) -> list[RoomHead]:
        asked = [trip_id for trip_id in dict.fromkeys(trip_ids) if _ID.fullmatch(trip_id)]
        heads = {head.trip_id: head for head in self._heads(asked)} if asked else {}
        for trip_id in asked:
            held = self._held.get(trip_id)
            if held is not None and held.events:
                deleted = self._lend(trip_id).trip.deleted
                heads[trip_id] = RoomHead(trip_id, held.epoch, held.seq, deleted)
        return list(heads.values())

    # --- for the unit of work ---------------------------------------------------------------

    def expect(self, trip_id: str, op_ids: Collection[str]) -> None:
        """Operation ids that are going to be asked for: looked up together with the lock."""
        self._expected[trip_id] = op_ids

    def mark(self) -> Mark:
        return {trip_id: len(held.events) for trip_id, held in self._held.items()}

    def drop(self, mark: Mark) -> None:
        """Forget what was recorded since `mark`; the aggregates that it touched are rebuilt."""
        for trip_id, held in list(self._held.items()):
            if held.new and trip_id not in mark:
                del self._held[trip_id]
                continue
            kept = mark.get(trip_id, 0)
            for done in held.events[kept:]:
                held.known.pop(done.event.op_id, None)
            del held.events[kept:]
            if held.aggregate is not None and held.aggregate.seq != held.seq:
                held.aggregate = None

    def locked(self, trip_id: str) -> bool:
        """Whether this unit of work holds the trip's lock."""
        return self._writing and trip_id in self._held

    def talk_of(self, trip_id: str) -> list[TalkChange]:
        """Recorded changes of a trip's talk records, in order."""
        held = self._held.get(trip_id)
        return [] if held is None else held.talk()

    def deleted_messages(self) -> Iterator[tuple[str, str]]:
        """(trip, message) of messages that recorded events delete: the log has to forget them, too."""
        for trip_id, changes in self.talked():
            for change in changes:
                if change.t == "message" and change.set.get("deleted"):
                    yield trip_id, change.id

    def talked(self) -> Iterator[tuple[str, list[TalkChange]]]:
        """The trips in which something about talk is recorded."""
        for trip_id, held in self._held.items():
            if changes := held.talk():
                yield trip_id, changes

    def distrust(self) -> None:
        """Rebuild every aggregate before it is used again: a service failed half-way."""
        for held in self._held.values():
            held.aggregate = None

    def written(self) -> list[tuple[Held, TripAggregate]]:
        """The trips that have something to write, or that are new."""
        return [
            (held, self._lend(trip_id)) for trip_id, held in self._held.items() if held.events or held.new
        ]

    def recorded(self) -> list[Recorded]:
        return [
            Recorded(trip_id, held.epoch, list(held.events))
            for trip_id, held in self._held.items()
            if held.events
        ]

    def give_back(self) -> None:
        """Put the aggregates into the cache: after the commit only."""
        for held in self._held.values():
            if held.aggregate is not None:
                self._cache.put(held.aggregate)
        self._held.clear()

    # --- lending ----------------------------------------------------------------------------

    def _lend(self, trip_id: str) -> TripAggregate:
        held = self._held.get(trip_id)
        if held is None:
            held = self._held[trip_id] = self._hold(trip_id)
        if held.aggregate is None:
            origin = held.origin
            held.aggregate = self._load(trip_id) if origin is None else _started(origin, held.epoch)
            for done in held.events:
                held.aggregate.absorb(done.event)
        return held.aggregate

    def _hold(self, trip_id: str) -> Held:
        if not _ID.fullmatch(trip_id):
            raise NotFound("there is no such trip")
        op_ids = self._expected.get(trip_id, ())
        head, seen = self._head(trip_id, op_ids)
        if head is None:
            raise NotFound("there is no such trip")
        kept = self._cache.take(trip_id)
        if kept is None or not self._catch_up(kept, head):
            kept = self._load(trip_id)
        known: dict[str, int | None] = dict.fromkeys(op_ids)
        known.update(seen)
        return Held(kept, kept.seq, known)

    def _catch_up(self, trip: TripAggregate, head: RoomHead) -> bool:
        missing = head.seq - trip.seq
        if trip.epoch != head.epoch or not 0 <= missing <= CATCH_UP:
            return False
        if missing:
            bodies = self._events(trip.id, trip.seq, missing)
            if len(bodies) != missing:
                return False
            for body in bodies:
                trip.absorb(decode_event(body))
        return True

    # --- what an implementation adds --------------------------------------------------------

    @abstractmethod
    def _head(self, trip_id: str, op_ids: Collection[str]) -> tuple[RoomHead | None, dict[str, int]]:
        """The trip's row (locked when this unit writes), and which of `op_ids` are in its log."""

    @abstractmethod
    def _load(self, trip_id: str) -> TripAggregate:
        """The whole trip, consistent at one seq. Raises `NotFound`."""

    @abstractmethod
    def _seqs(self, trip_id: str, op_ids: Collection[str]) -> dict[str, int]: ...

    @abstractmethod
    def _events(self, trip_id: str, after: int, limit: int) -> list[bytes]: ...

    @abstractmethod
    def _history(
        self, trip_id: str, before: int | None, limit: int, record: RecordKey | None
    ) -> list[bytes]: ...

    @abstractmethod
    def _heads(self, trip_ids: Sequence[str]) -> list[RoomHead]: ...


def touched(event: Event) -> dict[tuple[str, str], None]:
    """The records that an event is about, once each: those that it changes, its talk records, and
    what a comment comments on, so that it stands in that record's history, too."""
    found: dict[tuple[str, str], None] = {(change.t, change.id): None for change in event.changes}
    for change in event.talk:
        found.setdefault((change.t, change.id))
        about = change.set.get("about")
        if change.new and about and change.set.get("channel") == "comment":
            found.setdefault((about["t"], about["id"]))
    return found


def is_id(text: str) -> bool:
    """Whether there may be a record of this id. No other text may reach the database as one:
    MySQL ignores spaces at its end, and refuses to compare what is not ASCII."""
    return _ID.fullmatch(text) is not None


def _started(origin: Trip, epoch: str) -> TripAggregate:
    return TripAggregate(msgspec.structs.replace(origin), epoch)


def _record_key(record: str | None) -> RecordKey | None:
    t, _, record_id = (record or "").partition(":")
    for known in _RECORDS:
        if t == known and _ID.fullmatch(record_id):
            return known, record_id
    return None
