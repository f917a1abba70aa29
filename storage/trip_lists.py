"""The list of a person's trips: a read model over the trip tables.

Owns two queries, whatever the number of trips: the trips with role, number of stops and what is
unread, and the names of their first members. Called by `storage.accounts_repository`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, false, func, select

from domain.membership import MAX_MEMBER_NAMES, TripSummary
from storage.rows import decode_photo
from storage.tables import members, stops, trips
from storage.tables_talk import read_marks
from storage.unread import unread

MAX_TRIPS = 1_000
"""A list longer than this is cut at its oldest end."""
CHUNK = 500


def trips_of(connection: Connection, user_id: str, deleted: bool) -> list[TripSummary]:
    """See `AccountRepositories.trips_of`."""
    stop_count = (
        select(func.count())
        .select_from(stops)
        .where(stops.c.trip_id == trips.c.id, stops.c.deleted == false())
        .scalar_subquery()
    )
    columns = (
        trips.c.id,
        trips.c.title,
        trips.c.start_date,
        trips.c.end_date,
        trips.c.time_zone,
        trips.c.visibility,
        trips.c.seq,
        trips.c.updated_at,
        trips.c.deleted,
        trips.c.cover,
    )
    mark = func.coalesce(read_marks.c.seq, 0)
    not_read = unread(trips.c.id, user_id, mark)
    query = (
        select(*columns, members.c.role, stop_count.label("stop_count"), not_read.label("unread"))
        .join(members, members.c.trip_id == trips.c.id)
        .join(
            read_marks,
            (read_marks.c.trip_id == trips.c.id) & (read_marks.c.user_id == user_id),
            isouter=True,
        )
        .where(members.c.id == user_id, members.c.deleted == false(), trips.c.deleted == deleted)
        .order_by(trips.c.updated_at.desc(), trips.c.id.desc())
        .limit(MAX_TRIPS)
    )
    rows = connection.execute(query).mappings().all()
    names = _member_names(connection, [row["id"] for row in rows])
    return [
        TripSummary(member_names=names[row["id"]], **{**row, "cover": decode_photo(row["cover"])})
        for row in rows
    ]


def _member_names(connection: Connection, trip_ids: Sequence[str]) -> dict[str, list[str]]:
    """The first names of each trip, in order of joining."""
    names: dict[str, list[str]] = defaultdict(list)
    for chunk in _chunks(trip_ids):
        place = func.row_number().over(
            partition_by=members.c.trip_id, order_by=(members.c.joined_at, members.c.id)
        )
        ranked = (
            select(members.c.trip_id, members.c.name, place.label("place"))
            .where(members.c.trip_id.in_(chunk), members.c.deleted == false())
            .subquery()
        )
        query = (
            select(ranked.c.trip_id, ranked.c.name)
            .where(ranked.c.place <= MAX_MEMBER_NAMES)
            .order_by(ranked.c.trip_id, ranked.c.place)
        )
        for trip_id, name in connection.execute(query):
            names[trip_id].append(name)
    return names


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
