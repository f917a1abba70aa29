"""`SearchIndex` over SQL, for SQLite, MySQL and MariaDB.

Owns every query of the stored grams. Whether a trip may be found is read from the trip itself, in
the same query: a trip made private is gone from every answer at once, whatever the index holds.
Grams compare bytewise and hits are sorted here, so that all databases answer alike. Everything is
written at once, behind the `fence` of the unit of work. Made by `storage.unit_of_work`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection, delete, false, func, or_, select, true

from domain.search import Posting, StaleTrip
from storage.statements import statements
from storage.tables import trips
from storage.tables_talk import search_grams, search_trips

_PUBLIC = (trips.c.visibility == "public", trips.c.deleted == false())
_COLUMNS = [search_grams.c[name] for name in Posting.__struct_fields__]
_RecordKey = tuple[str, str]


class SqlSearch:
    """One transaction's view of the search index."""

    def __init__(self, connection: Connection, fence: Callable[[], None]) -> None:
        self._connection = connection
        self._fence = fence
        self._sql = statements(connection.dialect)

    def stale(self, limit: int) -> list[StaleTrip]:
        gone = (
            select(search_trips.c.trip_id)
            .join(trips, trips.c.id == search_trips.c.trip_id, isouter=True)
            .where(or_(trips.c.id.is_(None), trips.c.visibility != "public", trips.c.deleted == true()))
            .order_by(search_trips.c.trip_id)
            .limit(limit)
        )
        found = [StaleTrip(trip_id, False) for trip_id in self._connection.scalars(gone)]
        changed = (
            select(trips.c.id)
            .join(search_trips, search_trips.c.trip_id == trips.c.id, isouter=True)
            .where(*_PUBLIC, or_(search_trips.c.seq.is_(None), search_trips.c.seq != trips.c.seq))
            # Those that have waited longest: a lively trip does not keep the others out.
            .order_by(trips.c.updated_at, trips.c.id)
            .limit(limit - len(found))
        )
        if len(found) < limit:
            found += [StaleTrip(trip_id, True) for trip_id in self._connection.scalars(changed)]
        return found

    def replace(self, trip_id: str, seq: int, postings: Sequence[Posting]) -> None:
        self._fence()
        new = _by_record(postings)
        old = self._stored(trip_id)
        # Most events change little or, like talk, nothing that is indexed.
        for key in [key for key, grams in old.items() if new.get(key) != grams]:
            self._connection.execute(delete(search_grams).where(*_record(trip_id, key)))
        rows = [
            (gram, trip_id, t, record_id, weight)
            for (t, record_id), grams in new.items()
            if old.get((t, record_id)) != grams
            for gram, weight in grams.items()
        ]
        if rows:
            self._connection.exec_driver_sql(self._sql.put_grams, rows)
        self._connection.exec_driver_sql(self._sql.put_indexed, (trip_id, seq, len(new)))

    def _stored(self, trip_id: str) -> dict[_RecordKey, dict[str, int]]:
        found = self._connection.execute(select(*_COLUMNS).where(search_grams.c.trip_id == trip_id))
        return _by_record([Posting(*row) for row in found])

    def remove(self, trip_id: str) -> None:
        self._fence()
        for table in (search_grams, search_trips):
            self._connection.execute(delete(table).where(table.c.trip_id == trip_id))

    def postings(self, grams: Collection[str], limit: int) -> list[Posting]:
        if not grams:
            return []
        place = func.row_number().over(
            partition_by=search_grams.c.gram,
            order_by=(trips.c.updated_at.desc(), *_COLUMNS[1:4]),
        )
        ranked = (
            select(*_COLUMNS, place.label("place"))
            .join(trips, trips.c.id == search_grams.c.trip_id)
            .where(search_grams.c.gram.in_(list(grams)), *_PUBLIC)
            .subquery()
        )
        query = select(*(ranked.c[each.name] for each in _COLUMNS)).where(ranked.c.place <= limit)
        found = [Posting(*row) for row in self._connection.execute(query)]
        return sorted(found, key=lambda each: (each.gram, each.trip_id, each.t, each.record_id))

    def records(self) -> int:
        total = self._connection.execute(select(func.sum(search_trips.c.records))).scalar_one()
        return int(total or 0)


def _record(trip_id: str, key: _RecordKey) -> tuple[Any, ...]:
    return (
        search_grams.c.trip_id == trip_id,
        search_grams.c.t == key[0],
        search_grams.c.record_id == key[1],
    )


def _by_record(postings: Sequence[Posting]) -> dict[_RecordKey, dict[str, int]]:
    grouped: dict[_RecordKey, dict[str, int]] = defaultdict(dict)
    for each in postings:
        grouped[each.t, each.record_id][each.gram] = each.weight
    return dict(grouped)
