"""All rows of a database as of one moment, out of it and into an empty one.

Owns which tables are copied and in which order, the consistent view, the pages in which rows are read
(bounded memory, whatever the size), and the checks of what was written. Rows are tuples in the order of
`columns`, plain JSON values (and bytes, in base64), the same for every kind of database: what was read from
one can be written to another. Never sees a file. Called by `operations.backups`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    ColumnElement,
    Engine,
    LargeBinary,
    Table,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

# The name of what this module's functions take, for their callers.
from sqlalchemy import Connection as Connection

from domain.accounts import new_id
from storage.engine import WRITING
from storage.schema import TARGET
from storage.tables import operations, trips
from storage.tables_jobs import job_files, jobs
from storage.tables_mail import email_changes, email_links, mails, reset_links
from storage.tables_photos import photo_files
from storage.tables_talk import search_grams, search_trips

PAGE = 500
"""Rows in memory at once."""
FEW = 8
"""Rows of a table of large pieces: half a megabyte each."""
LEFT_OUT = (
    *(search_grams, search_trips, jobs, job_files, mails, reset_links),
    *(email_changes, email_links),
)
"""Derived from the trips: the server builds the search index anew by itself, and people ask again for files
that were made for them, and for mails that were under way."""


def copied() -> list[Table]:
    """The tables of a copy, each after those that it refers to."""
    return [table for table in TARGET.sorted_tables if table not in LEFT_OUT]


def page_of(table: Table) -> int:
    """How many rows of a table are in memory at once."""
    return FEW if table is photo_files else PAGE


def columns(table: Table) -> list[str]:
    """The names in the order of a row's values."""
    return [str(column.name) for column in table.columns]


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as of now, however long it reads; it blocks no writer."""
    with engine.connect() as plain:
        if engine.dialect.name == "sqlite":
            connection = plain
            # In WAL mode a reading transaction keeps the view of its first read.
            connection.execute(text("SELECT COUNT(*) FROM sqlite_master"))
        else:
            connection = plain.execution_options(isolation_level="REPEATABLE READ")
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        try:
            yield connection
        finally:
            connection.rollback()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction for everything: it commits at the end, or nothing was written."""
    with engine.connect() as plain:
        connection = plain.execution_options(**{WRITING: True})
        try:
            yield connection
            connection.commit()
        finally:
            connection.rollback()


def revision(connection: Connection) -> str | None:
    """The schema that this connection sees."""
    return MigrationContext.configure(connection).get_current_revision()


def rows(connection: Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """All rows of a table, in pages by its primary key."""
    key = list(table.primary_key.columns)
    places = [list(table.columns).index(column) for column in key]
    most = page_of(table)
    query = select(*table.columns).order_by(*key).limit(most)
    page = connection.execute(query).all()
    while page:
        yield from (tuple(row) for row in page)
        if len(page) < most:
            return
        last = [page[-1][place] for place in places]
        page = connection.execute(query.where(_after(key, last))).all()


def _after(key: Sequence[ColumnElement[Any]], last: Sequence[Any]) -> ColumnElement[bool]:
    """The rows behind `last`. Spelt out, because no optimizer here uses an index for `(a, b) > (x, y)`."""
    steps = [
        and_(*(column == value for column, value in zip(key[:n], last, strict=False)), key[n] > last[n])
        for n in range(len(key))
    ]
    return and_(key[0] >= last[0], or_(*steps))


def write(connection: Connection, table: Table, page: Sequence[Sequence[Any]]) -> None:
    """Insert rows, in the order of `columns`. Bytes may be in base64, as JSON has them."""
    names = [column.key for column in table.columns]
    blobs = [n for n, column in enumerate(table.columns) if isinstance(column.type, LargeBinary)]
    if blobs:
        page = [[_bytes(value) if n in blobs else value for n, value in enumerate(row)] for row in page]
    connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in page])


def _bytes(value: Any) -> Any:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def filled(connection: Connection) -> list[str]:
    """The tables, derived ones included, that hold anything."""
    return [
        str(table.name)
        for table in TARGET.sorted_tables
        if connection.execute(select(text("1")).select_from(table).limit(1)).first() is not None
    ]


def broken_logs(connection: Connection, limit: int = 10) -> list[str]:
    """Trips whose log does not hold every number from 1 to their `seq`."""
    counted = (
        select(
            operations.c.trip_id,
            func.count().label("events"),
            func.min(operations.c.seq).label("first"),
            func.max(operations.c.seq).label("last"),
        )
        .group_by(operations.c.trip_id)
        .subquery()
    )
    query = (
        select(trips.c.id)
        .join(counted, counted.c.trip_id == trips.c.id, isouter=True)
        .where(
            or_(
                func.coalesce(counted.c.events, 0) != trips.c.seq,
                func.coalesce(counted.c.last, 0) != trips.c.seq,
                counted.c.first != 1,
            )
        )
        .order_by(trips.c.id)
        .limit(limit)
    )
    return list(connection.scalars(query))


def begin_new_epochs(connection: Connection) -> None:
    """Tell clients that saw more than the copy holds, on return, that this is not the log they know."""
    change = update(trips).where(trips.c.id == bindparam("trip")).values(epoch=bindparam("new"))
    last = ""
    while True:
        after = select(trips.c.id).where(trips.c.id > last).order_by(trips.c.id).limit(PAGE)
        found = list(connection.scalars(after))
        if not found:
            return
        connection.execute(change, [{"trip": trip_id, "new": new_id()} for trip_id in found])
        last = found[-1]
