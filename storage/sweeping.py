"""Walking along a table, some rows at a time, and removing what is dead.

Owns the one query for all tables: rows are found by their primary key, so a step costs the same however
large the table is, and no index has to be kept for it; only rows that are removed are locked. Called by
`storage.accounts_repository`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select

from domain.sweeping import Step


def sweep(connection: Connection, table: Table, dead: ColumnElement[bool], after: str, limit: int) -> Step:
    """Look at `limit` rows behind the key `after`; see `Step`."""
    (key,) = table.primary_key.columns
    query = select(key, dead).where(key > after).order_by(key).limit(limit)
    seen: list[Any] = list(connection.execute(query))
    doomed = [row[0] for row in seen if row[1]]
    removed = 0
    if doomed:
        # Asked again: it may have been prolonged since.
        removed = connection.execute(delete(table).where(key.in_(doomed), dead)).rowcount
    return Step(removed, str(seen[-1][0]) if len(seen) == limit else None)
