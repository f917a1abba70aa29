"""How much a member has not read, as an SQL expression.

Owns one rule in two places: a room's count, and those of a list of trips in one query. What it
reads is bounded by the limit and by what the reader has said since their mark, never by the
history. Used by `storage.sql_talk` and `storage.trip_lists`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, case, false, func, select

from storage.tables_talk import messages

MAX_UNREAD = 100


def unread(trip_id: Any, user_id: str, mark: Any) -> ColumnElement[int]:
    """Messages by others above `mark` that are not deleted, at most `MAX_UNREAD`.

    `trip_id` and `mark` may be columns of the query around it: MariaDB lets those into a scalar
    subquery, but not into a derived table, where a LIMIT could have bounded the counting.
    """
    theirs = _theirs(messages.c.seq, trip_id, user_id, mark)
    limit_reached = theirs.order_by(messages.c.seq).limit(1).offset(MAX_UNREAD - 1).scalar_subquery()
    count = _theirs(func.count(), trip_id, user_id, mark).scalar_subquery()
    return case((limit_reached.is_not(None), MAX_UNREAD), else_=count)


def _theirs(what: Any, trip_id: Any, user_id: str, mark: Any) -> Select[Any]:
    return (
        select(what)
        .select_from(messages)
        .where(
            messages.c.trip_id == trip_id,
            messages.c.seq > mark,
            messages.c.author != user_id,
            messages.c.deleted == false(),
        )
    )
