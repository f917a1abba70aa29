"""`Trips` over SQL, for SQLite, MySQL and MariaDB.

Owns every query of trips and their log. What one operation costs depends on what it changes, never
on the size of the trip or the length of its log. Written in the intersection of the dialects; the
only differences are the row lock and the upsert. Made by `storage.unit_of_work`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Insert, Table, bindparam, insert, select, update
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.exc import IntegrityError

from domain.commands import RoomHead
from domain.entities import RecordType
from domain.errors import NotFound
from domain.trip import RecordKey, Stamps, TripAggregate
from storage import rows
from storage.cache import AggregateCache
from storage.faults import Contention
from storage.tables import days, log_records, members, operations, stops, trips
from storage.trips_buffer import Held, TripsBuffer

CHUNK = 500
"""Values in one IN (...)."""
RELOADS = 3

_HEAD = select(trips.c.epoch, trips.c.seq, trips.c.deleted).where(trips.c.id == bindparam("trip"))
_LOCKED_HEAD = _HEAD.with_for_update()
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
_ADD_OPERATIONS = insert(operations)
_ADD_RECORDS = insert(log_records)


class SqlTrips(TripsBuffer):
    """One transaction's view of trips."""

    def __init__(self, connection: Connection, cache: AggregateCache, writing: bool) -> None:
        super().__init__(cache, writing)
        self._connection = connection

    # --- reading ----------------------------------------------------------------------------

    def _head(self, trip_id: str, op_ids: Collection[str]) -> tuple[RoomHead | None, dict[str, int]]:
        query = _LOCKED_HEAD if self._writing else _HEAD
        row = self._connection.execute(query, {"trip": trip_id}).first()
        if row is None:
            return None, {}
        head = RoomHead(trip_id, row[0], row[1], row[2])
        return head, self._seqs(trip_id, op_ids) if op_ids else {}

    def _load(self, trip_id: str) -> TripAggregate:
        for _ in range(RELOADS):
            loaded = self._assemble(trip_id)
            if self._writing:
                return loaded
            # Without the lock each query sees its own moment: nothing may have happened between.
            now = self._connection.execute(_HEAD, {"trip": trip_id}).one()
            if (now[0], now[1]) == (loaded.epoch, loaded.seq):
                return loaded
        self._connection.execute(_LOCKED_HEAD, {"trip": trip_id})
        return self._assemble(trip_id)

    def _assemble(self, trip_id: str) -> TripAggregate:
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
        """Write everything recorded: state, log and seq together."""
        for held, trip in self.written():
            self._write(held, trip)

    def _write(self, held: Held, trip: TripAggregate) -> None:
        changed = held.changed()
        about = {"seq": trip.seq, "updated_at": _last_change(held, trip)}
        stamps = trip.stamps
        if held.new or ("trip", trip.id) in changed:
            about |= rows.row_of(trip.trip, stamps.get(("trip", trip.id), {}))
        if held.new:
            self._insert(about | {"epoch": trip.epoch})
        else:
            self._connection.execute(_TOUCH.values(**about), {"trip": trip.id})
        self._append(held, trip.id)
        upserts = _upserts(self._connection.dialect.name)
        grouped: dict[RecordType, list[dict[str, Any]]] = {}
        for t, record_id in changed:
            if t != "trip":
                row = rows.row_of(trip.get(t, record_id), stamps.get((t, record_id), {}))
                grouped.setdefault(t, []).append(row | {"trip_id": trip.id})
        for t, found in grouped.items():
            self._connection.execute(upserts[t], found)

    def _insert(self, row: dict[str, Any]) -> None:
        try:
            self._connection.execute(insert(trips), row)
        except IntegrityError as error:
            raise Contention("somebody created this trip at the same moment") from error

    def _append(self, held: Held, trip_id: str) -> None:
        if not held.events:
            return
        log = [
            {
                "trip_id": trip_id,
                "seq": done.event.seq,
                "op_id": done.event.op_id,
                "actor": done.event.actor,
                "kind": done.event.kind,
                "at": done.event.at,
                "body": done.body.decode(),
            }
            for done in held.events
        ]
        touched = [
            {"trip_id": trip_id, "t": t, "record_id": record_id, "seq": done.event.seq}
            for done in held.events
            for t, record_id in dict.fromkeys((change.t, change.id) for change in done.event.changes)
        ]
        self._connection.execute(_ADD_OPERATIONS, log)
        if touched:
            self._connection.execute(_ADD_RECORDS, touched)


def _last_change(held: Held, trip: TripAggregate) -> str:
    return held.events[-1].event.at if held.events else trip.trip.created_at


@cache
def _upserts(dialect: str) -> dict[RecordType, Insert]:
    """One statement a table: insert the row, or replace all its columns."""
    return {t: _upsert(dialect, table) for t, table in rows.TABLES.items() if t != "trip"}


def _upsert(dialect: str, table: Table) -> Insert:
    values = [column.key for column in table.columns if not column.primary_key]
    if dialect == "sqlite":
        lite = sqlite.insert(table)
        return lite.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={key: lite.excluded[key] for key in values}
        )
    mine = mysql.insert(table)
    return mine.on_duplicate_key_update({table.c[key].name: mine.inserted[key] for key in values})


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
