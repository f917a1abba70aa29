"""The unit of work in memory, for tests, the fuzz and the benchmark of everything but SQL.

Owns `MemoryStore`, the "database" that several runners (as if several processes) can share: a
lock per trip stands for the row lock, stored records are encoded copies, so that nothing leaks
out of a transaction that did not commit. Keeps the same contract as `storage.unit_of_work`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from domain.accounts import AccountRepositories
from domain.commands import RoomHead
from domain.entities import ENTITY_TYPES, Trip
from domain.errors import NotFound
from domain.events import decode_event, forget, has_talk
from domain.trip import RecordKey, Stamp, TripAggregate
from storage.accounts_memory import AccountsState, MemoryAccounts
from storage.answers_memory import AnswersState, MemoryAnswers
from storage.cache import AggregateCache
from storage.drafts import LOCK_WAIT_SECONDS, Cell, Draft
from storage.faults import Contention
from storage.jobs_memory import JobsState, MemoryJobs
from storage.mails_memory import MemoryMails
from storage.photos_memory import MemoryPhotos, PhotosState
from storage.search_memory import Listed, MemorySearch, SearchState
from storage.talk_memory import MarksState, MemoryTalk, StoredTalk
from storage.trips_buffer import Held, Mark, Recorded, TripsBuffer, touched


class StoredTrip:
    """One trip as "tables": its head, its encoded records with their stamps, its log, its talk."""

    def __init__(self, epoch: str) -> None:
        self.lock = threading.Lock()
        self.head = (epoch, 0, False)
        self.records: dict[RecordKey, tuple[bytes, dict[str, Stamp]]] = {}
        self.log: list[bytes] = []
        self.seqs: dict[str, int] = {}
        self.talk: StoredTalk = {}

    def copy(self) -> StoredTrip:
        copied = StoredTrip(self.head[0])
        copied.head, copied.records, copied.log = self.head, dict(self.records), self.log[:]
        copied.seqs, copied.talk = dict(self.seqs), dict(self.talk)
        return copied

    @property
    def updated_at(self) -> str | None:
        return decode_event(self.log[-1]).at if self.log else None

    def aggregate(self, trip_id: str) -> TripAggregate:
        epoch, seq, _ = self.head
        found: dict[str, list[Any]] = {"trip": [], "day": [], "stop": [], "member": []}
        for (t, _id), (body, _stamps) in self.records.items():
            found[t].append(msgspec.json.decode(body, type=ENTITY_TYPES[t]))
        return TripAggregate(
            trip=found["trip"][0],
            epoch=epoch,
            seq=seq,
            days=found["day"],
            stops=found["stop"],
            members=found["member"],
            stamps={key: dict(stamps) for key, (_, stamps) in self.records.items()},
        )


class MemoryStore:
    """What several units of work share. `guard` makes single steps atomic, as a database does."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.trips: dict[str, StoredTrip] = {}
        self.accounts = AccountsState()
        self.accounts_lock = threading.Lock()
        self.marks = Cell(MarksState())
        self.answers = Cell(AnswersState())
        self.search = Cell(SearchState())
        self.jobs = Cell(JobsState())
        self.photos = Cell(PhotosState())

    def updated(self) -> Iterator[tuple[TripAggregate, str]]:
        """Every trip with the time of its last event."""
        with self.guard:
            for trip_id, stored in self.trips.items():
                trip = stored.aggregate(trip_id)
                yield trip, stored.updated_at or trip.trip.created_at

    def trip_deleted(self, trip_id: str) -> bool:
        with self.guard:
            stored = self.trips.get(trip_id)
            return stored is None or stored.head[2]

    def listed(self) -> dict[str, Listed]:
        """Every trip as the search index sees it."""
        found: dict[str, Listed] = {}
        with self.guard:
            for trip_id, stored in self.trips.items():
                about = msgspec.json.decode(stored.records["trip", trip_id][0], type=Trip)
                public = about.visibility == "public" and not about.deleted
                found[trip_id] = Listed(stored.head[1], public, stored.updated_at or about.created_at)
        return found


class MemoryTrips(TripsBuffer):
    """One unit of work's view of trips."""

    def __init__(self, store: MemoryStore, cache: AggregateCache, writing: bool) -> None:
        super().__init__(cache, writing)
        self._store = store
        self._locked: list[StoredTrip] = []
        self._read: dict[str, StoredTrip] = {}
        """Trips as they were when this unit, which only reads, first asked."""

    def stored_talk(self, trip_id: str) -> StoredTalk | None:
        """The committed talk of a trip."""
        stored = self._stored(trip_id)
        return None if stored is None else stored.talk

    def release(self) -> None:
        while self._locked:
            self._locked.pop().lock.release()

    def flush(self) -> None:
        with self._store.guard:
            written = self.written()
            if any(held.new and trip.id in self._store.trips for held, trip in written):
                raise Contention("somebody created this trip at the same moment")
            for held, trip in written:
                self._write(held, trip)
            for trip_id, message_id in self.deleted_messages():
                log = self._store.trips[trip_id].log
                log[:] = [forget(body, message_id) if has_talk(body) else body for body in log]

    def _write(self, held: Held, trip: TripAggregate) -> None:
        if held.new:
            self._store.trips[trip.id] = StoredTrip(trip.epoch)
        stored = self._store.trips[trip.id]
        stored.head = (trip.epoch, trip.seq, trip.trip.deleted)
        keys = held.changed()
        if held.new:
            keys.setdefault(("trip", trip.id))
        for key in keys:
            stored.records[key] = (msgspec.json.encode(trip.get(*key)), dict(trip.stamps.get(key, {})))
        for done in held.events:
            stored.log.append(done.body)
            stored.seqs[done.event.op_id] = done.event.seq

    # --- reading ----------------------------------------------------------------------------

    def _stored(self, trip_id: str) -> StoredTrip | None:
        with self._store.guard:
            stored = self._read.get(trip_id) or self._store.trips.get(trip_id)
            if stored is not None and not self._writing:
                stored = self._read.setdefault(trip_id, stored.copy())
            return stored

    def _head(self, trip_id: str, op_ids: Collection[str]) -> tuple[RoomHead | None, dict[str, int]]:
        stored = self._stored(trip_id)
        if stored is None:
            return None, {}
        if self._writing and stored not in self._locked:
            if not stored.lock.acquire(timeout=LOCK_WAIT_SECONDS):
                raise Contention("the trip is locked")
            self._locked.append(stored)
        with self._store.guard:
            return RoomHead(trip_id, *stored.head), self._seqs(trip_id, op_ids)

    def _load(self, trip_id: str) -> TripAggregate:
        with self._store.guard:
            stored = self._stored(trip_id)
            if stored is None:
                raise NotFound("there is no such trip")
            return stored.aggregate(trip_id)

    def _seqs(self, trip_id: str, op_ids: Collection[str]) -> dict[str, int]:
        with self._store.guard:
            stored = self._stored(trip_id)
            known = {} if stored is None else stored.seqs
            return {op_id: known[op_id] for op_id in op_ids if op_id in known}

    def _events(self, trip_id: str, after: int, limit: int) -> list[bytes]:
        with self._store.guard:
            stored = self._stored(trip_id)
            return [] if stored is None else stored.log[max(after, 0) :][:limit]

    def _history(self, trip_id: str, before: int | None, limit: int, record: RecordKey | None) -> list[bytes]:
        found: list[bytes] = []
        for body in reversed(self._events(trip_id, 0, 2**31)):
            event = decode_event(body)
            if (record is None or record in touched(event)) and (before is None or event.seq < before):
                found.append(body)
            if len(found) == limit:
                break
        return found

    def _heads(self, trip_ids: Sequence[str]) -> list[RoomHead]:
        with self._store.guard:
            trips = self._store.trips
            return [RoomHead(each, *trips[each].head) for each in trip_ids if each in trips]


class MemoryUnitOfWork:
    """See `storage.unit.Unit`."""

    def __init__(self, store: MemoryStore, cache: AggregateCache, writing: bool) -> None:
        self._store = store
        self._writing = writing
        self._trips = MemoryTrips(store, cache, writing)
        marks, answers = Draft(store.marks, writing), Draft(store.answers, writing)
        search, jobs = Draft(store.search, writing), Draft(store.jobs, writing)
        photos = Draft(store.photos, writing)
        self._drafts: list[Draft[Any]] = [marks, answers, search, jobs, photos]
        self._talk = MemoryTalk(self._trips, self._trips.stored_talk, marks)
        self._answers = MemoryAnswers(answers, store.trip_deleted)
        self._search = MemorySearch(search, store.listed)
        self._jobs, self._mails = MemoryJobs(jobs), MemoryMails(jobs)
        self._photos = MemoryPhotos(photos)
        self._mark: Mark | None = None
        self._before: AccountsState | None = None
        self._savepoint: AccountsState | None = None
        self.recorded: list[Recorded] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._writing:
            self._trips.give_back()
        if self._before is not None:
            self._store.accounts = self._before
        self._finish()

    def _finish(self) -> None:
        if self._before is not None:
            self._before = None
            self._store.accounts_lock.release()
        for draft in self._drafts:
            draft.close()
        self._trips.release()

    @property
    def trips(self) -> MemoryTrips:
        return self._trips

    @property
    def accounts(self) -> AccountRepositories:
        if self._before is None:
            if not self._store.accounts_lock.acquire(timeout=LOCK_WAIT_SECONDS):
                raise Contention("the accounts are locked")
            self._before = self._store.accounts.copy()
        if self._mark is not None and self._savepoint is None:
            self._savepoint = self._store.accounts.copy()
        return MemoryAccounts(self._store.accounts, self._store.updated, self._talk.unread)

    @property
    def talk(self) -> MemoryTalk:
        return self._talk

    @property
    def answers(self) -> MemoryAnswers:
        return self._answers

    @property
    def search(self) -> MemorySearch:
        return self._search

    @property
    def jobs(self) -> MemoryJobs:
        return self._jobs

    @property
    def mails(self) -> MemoryMails:
        return self._mails

    @property
    def photos(self) -> MemoryPhotos:
        return self._photos

    def expect(self, trip_id: str, op_ids: Collection[str]) -> None:
        self._trips.expect(trip_id, op_ids)

    def mark(self) -> None:
        self._savepoint = None
        for draft in self._drafts:
            draft.mark()
        self._mark = self._trips.mark()

    def drop(self, broken: bool) -> None:
        if self._mark is None:
            raise RuntimeError("drop without mark")
        if self._savepoint is not None:
            self._store.accounts = self._savepoint
            self._savepoint = None
        for draft in self._drafts:
            draft.drop()
        self._trips.drop(self._mark)
        if broken:
            self._trips.distrust()

    def commit(self) -> None:
        self.recorded = self._trips.recorded()
        with self._store.guard:
            self._trips.flush()
            self._talk.flush()
            for draft in self._drafts:
                draft.commit()
        self._trips.give_back()
        self._finish()


class MemoryUnits:
    """The factory. Units of one factory share a cache, as those of one process do."""

    def __init__(self, store: MemoryStore | None = None, cache: AggregateCache | None = None) -> None:
        self.store = store if store is not None else MemoryStore()
        self.cache = cache if cache is not None else AggregateCache()

    def __call__(self, writing: bool = True) -> MemoryUnitOfWork:
        return MemoryUnitOfWork(self.store, self.cache, writing)
