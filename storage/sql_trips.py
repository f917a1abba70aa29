"""`Trips` over SQL, for SQLite, MySQL and MariaDB.

Owns every query of trips and their log. What one operation costs depends on what it changes, never
on the size of the trip or the length of its log. Written in the intersection of the dialects; the
only differences are the row lock and the upsert. Made by `storage.unit_of_work`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from domain.commands import RoomHead
from domain.entities import RecordType
from domain.errors import NotFound
from domain.events import forget
from domain.trip import RecordKey, Stamps, TripAggregate
from storage import rows
from storage.batch import Batch
from storage.cache import AggregateCache
from storage.faults import Contention
from storage.statements import statements
from storage.tables import days, log_records, members, operations, stops, trips
from storage.trips_buffer import Held, TripsBuffer, touched

CHUNK = 500
"""Values in one IN (...)."""

_TRIP = select(trips.c.epoch, trips.c.seq, *rows.columns_of("trip")).where(trips.c.id == bindparam("trip"))
_DAYS = select(*rows.columns_of("day")).where(days.c.trip_id == bindparam("trip"))
_STOPS = select(*rows.columns_of("stop")).where(stops.c.trip_id == bindparam("trip"))
_MEMBERS = select(*rows.columns_of("member")).where(members.c.trip_id == bindparam("trip"))
_SEQS = select(operations.c.op_id, operations.c.seq).where(
    operations.c.trip_id == bindparam("trip"), operations.c.op_id.in_(bindparam("op_ids", expanding=True))
)
_EVENTS = (
    select(operations.c.body)
    .where(operations.c.trip_id == bindparam("trip"), operations.c.seq > bindparam("after"))
    .order_by(operations.c.seq)
    .limit(bindparam("count"))
)
_TOUCH = update(trips).where(trips.c.id == bindparam("trip"))


class SqlTrips(TripsBuffer):
    """One transaction's view of trips."""

    def __init__(self, connection: Connection, batch: Batch, cache: AggregateCache, writing: bool) -> None:
        super().__init__(cache, writing)
        self._connection = connection
        self._batch = batch
        self._sql = statements(connection.dialect)

    # --- reading ----------------------------------------------------------------------------

    def _head(self, trip_id: str, op_ids: Collection[str]) -> tuple[RoomHead | None, dict[str, int]]:
        if not self._writing or not op_ids or len(op_ids) > CHUNK:
            sql = self._sql.locked_head if self._writing else self._sql.head
            row = self._connection.exec_driver_sql(sql, (trip_id,)).first()
            if row is None:
                return None, {}
            return RoomHead(trip_id, row[0], row[1], bool(row[2])), self._seqs(trip_id, op_ids)
        # The log is read behind the lock, in one round trip: a repeat cannot slip past.
        sql = self._sql.locked_head_with(len(op_ids))
        found = self._connection.exec_driver_sql(sql, (*op_ids, trip_id)).all()
        if not found:
            return None, {}
        epoch, seq, deleted = found[0][:3]
        known = {row[3]: row[4] for row in found if row[3] is not None}
        return RoomHead(trip_id, epoch, seq, bool(deleted)), known

    def _load(self, trip_id: str) -> TripAggregate:
        parameters = {"trip": trip_id}
        first = self._connection.execute(_TRIP, parameters).first()
        if first is None:
            raise NotFound("there is no such trip")
        stamps: Stamps = {("trip", trip_id): rows.decode_stamps(first[-1])}

        def records(t: RecordType, query: Any) -> Iterator[Sequence[Any]]:
            for row in self._connection.execute(query, parameters):
                stamps[t, row[0]] = rows.decode_stamps(row[-1])
                yield row[:-1]

        return TripAggregate(
            trip=rows.trip_from(first[2:-1]),
            epoch=first[0],
            seq=first[1],
            days=[rows.day_from(row) for row in records("day", _DAYS)],
            stops=[rows.stop_from(row) for row in records("stop", _STOPS)],
            members=[rows.member_from(row) for row in records("member", _MEMBERS)],
            stamps=stamps,
        )

    def _seqs(self, trip_id: str, op_ids: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for chunk in _chunks(op_ids):
            rows_ = self._connection.execute(_SEQS, {"trip": trip_id, "op_ids": chunk})
            found.update((op_id, seq) for op_id, seq in rows_)
        return found

    def _events(self, trip_id: str, after: int, limit: int) -> list[bytes]:
        found = self._connection.scalars(_EVENTS, {"trip": trip_id, "after": after, "count": limit})
        return [body.encode() for body in found]

    def _history(self, trip_id: str, before: int | None, limit: int, record: RecordKey | None) -> list[bytes]:
        query = select(operations.c.body)
        if record is None:
            seq = operations.c.seq
            query = query.where(operations.c.trip_id == trip_id)
        else:
            seq = log_records.c.seq
            query = query.join_from(
                log_records,
                operations,
                (operations.c.trip_id == log_records.c.trip_id) & (operations.c.seq == log_records.c.seq),
            ).where(
                log_records.c.trip_id == trip_id,
                log_records.c.t == record[0],
                log_records.c.record_id == record[1],
            )
        if before is not None:
            query = query.where(seq < before)
        found = self._connection.scalars(query.order_by(seq.desc()).limit(limit))
        return [body.encode() for body in found]

    def _heads(self, trip_ids: Sequence[str]) -> list[RoomHead]:
        heads: list[RoomHead] = []
        for chunk in _chunks(trip_ids):
            query = select(trips.c.id, trips.c.epoch, trips.c.seq, trips.c.deleted)
            found = self._connection.execute(query.where(trips.c.id.in_(chunk)))
            heads += [RoomHead(*row) for row in found]
        return heads

    # --- writing ----------------------------------------------------------------------------

    def flush(self) -> None:
        """Hand everything recorded to the batch: state, log and seq together."""
        for held, trip in self.written():
            self._write(held, trip)
        for trip_id, message_id in self.deleted_messages():
            self._batch.send()  # what it rewrites is in there
            self._forget(trip_id, message_id)

    def _write(self, held: Held, trip: TripAggregate) -> None:
        changed = held.changed()
        self._write_trip(held, trip, ("trip", trip.id) in changed)
        self._append(held, trip.id)
        grouped: dict[RecordType, list[tuple[Any, ...]]] = {}
        for t, record_id in changed:
            if t != "trip":
                stamps = trip.stamps.get((t, record_id), {})
                row = rows.row_of(trip.id, trip.get(t, record_id), stamps)
                grouped.setdefault(t, []).append(row)
        for t, found in grouped.items():
            self._batch.add(self._sql.upserts[t], found)

    def _write_trip(self, held: Held, trip: TripAggregate, changed: bool) -> None:
        at = held.events[-1].event.at if held.events else trip.trip.created_at
        if not (held.new or changed):
            self._batch.add(self._sql.touch, [(trip.seq, at, trip.id)])
            return
        about = msgspec.structs.asdict(trip.trip) | {"epoch": trip.epoch, "seq": trip.seq, "updated_at": at}
        about["cover"] = rows.encode_photo(trip.trip.cover)
        about["stamps"] = rows.encode_stamps(trip.stamps.get(("trip", trip.id), {}))
        if held.new:
            self._insert(about)
        else:
            self._connection.execute(_TOUCH.values(**about), {"trip": trip.id})

    def _insert(self, row: dict[str, Any]) -> None:
        try:
            self._connection.execute(insert(trips), row)
        except IntegrityError as error:
            raise Contention("somebody created this trip at the same moment") from error

    def _append(self, held: Held, trip_id: str) -> None:
        if not held.events:
            return
        log = [
            (trip_id, event.seq, event.op_id, event.actor, event.kind, event.at, body.decode())
            for event, body in ((done.event, done.body) for done in held.events)
        ]
        about = [
            (trip_id, t, record_id, done.event.seq)
            for done in held.events
            for t, record_id in touched(done.event)
        ]
        self._batch.add(self._sql.add_operations, log)
        self._batch.add(self._sql.add_records, about)

    def _forget(self, trip_id: str, message_id: str) -> None:
        """A deleted message leaves no words in the log."""
        said = select(log_records.c.seq).where(
            log_records.c.trip_id == trip_id,
            log_records.c.t == "message",
            log_records.c.record_id == message_id,
        )
        seqs = self._connection.scalars(said).all()
        mine = operations.c.trip_id == trip_id
        query = select(operations.c.seq, operations.c.body).where(mine, operations.c.seq.in_(seqs))
        for seq, body in self._connection.execute(query).all():
            kept = forget(body.encode(), message_id).decode()
            if kept != body:
                change = update(operations).where(mine, operations.c.seq == seq).values(body=kept)
                self._connection.execute(change)


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
