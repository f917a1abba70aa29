"""`Talk` over SQL, for SQLite, MySQL and MariaDB.

Owns every query of messages, proposals and read marks. A page costs what is on it: each list has
an index in its order, so that the length of the history does not matter. Single records are read
and written as `storage.talk_buffer` says; read marks are written at once, behind the `fence` of
the unit of work. Made by `storage.unit_of_work`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, case, false, func, select, true, update
from sqlalchemy.sql.expression import literal

from domain.events import TalkType
from domain.operations import About, Channel
from domain.talk import Marked, Message, Proposal, TalkRecord, ThreadCount
from storage import rows_talk
from storage.batch import Batch
from storage.statements import statements
from storage.tables_talk import messages, proposals, read_marks
from storage.talk_buffer import TalkBuffer
from storage.trips_buffer import TripsBuffer, is_id
from storage.unread import unread

CHUNK = 500
"""Values in one IN (...)."""


class SqlTalk(TalkBuffer):
    """One transaction's view of talk."""

    def __init__(
        self, connection: Connection, batch: Batch, trips: TripsBuffer, fence: Callable[[], None]
    ) -> None:
        super().__init__(trips)
        self._connection = connection
        self._batch = batch
        self._fence = fence
        self._sql = statements(connection.dialect)

    # --- records ----------------------------------------------------------------------------

    def _load(self, trip_id: str, t: TalkType, ids: Collection[str]) -> dict[str, Any]:
        table = rows_talk.TABLES[t]
        found: dict[str, Any] = {}
        for chunk in _chunks(ids):
            query = select(table).where(table.c.trip_id == trip_id, table.c.id.in_(chunk))
            found.update((row[1], tuple(row)) for row in self._connection.execute(query))
        return found

    def _decode(self, t: TalkType, stored: Any) -> TalkRecord:
        return rows_talk.record_from(t, stored)

    def flush(self) -> None:
        """Write the records that the recorded events touch; their trips are written already."""
        for trip_id, t, records in self.written():
            made = [rows_talk.row_of(trip_id, record) for record in records]
            self._batch.add(self._sql.talk_upserts[t], made)

    # --- lists ------------------------------------------------------------------------------

    def messages(
        self, trip_id: str, channel: Channel, before: int | None, limit: int, about: About | None = None
    ) -> list[Message]:
        query = select(messages).where(messages.c.trip_id == trip_id, messages.c.channel == channel)
        if about is not None:
            query = query.where(messages.c.about_t == about.t, messages.c.about_id == about.id)
            if about.field is not None:
                query = query.where(messages.c.about_field == about.field)
        if before is not None:
            query = query.where(messages.c.seq < before)
        found = self._connection.execute(query.order_by(messages.c.seq.desc()).limit(limit))
        return [rows_talk.message_from(row) for row in found]

    def messages_by_id(self, trip_id: str, ids: Collection[str]) -> list[Message]:
        found = self._load(trip_id, "message", [each for each in ids if is_id(each)])
        return sorted((rows_talk.message_from(row) for row in found.values()), key=lambda each: each.seq)

    def threads(self, trip_id: str) -> list[ThreadCount]:
        first = messages.alias("first")
        open_thread = case((first.c.resolved_by.is_(None), first.c.id))
        query = (
            select(messages.c.about_t, messages.c.about_id, func.count(open_thread.distinct()), func.count())
            .join(
                first,
                (first.c.trip_id == messages.c.trip_id)
                & (first.c.id == func.coalesce(messages.c.reply_to, messages.c.id)),
            )
            .where(
                messages.c.trip_id == trip_id,
                messages.c.channel == "comment",
                messages.c.deleted == false(),
                messages.c.about_t.is_not(None),
            )
            .group_by(messages.c.about_t, messages.c.about_id)
            .order_by(messages.c.about_t, messages.c.about_id)
        )
        return [ThreadCount(*row) for row in self._connection.execute(query)]

    def open_proposals(self, trip_id: str, limit: int) -> list[Proposal]:
        query = (
            select(proposals)
            .where(proposals.c.trip_id == trip_id, proposals.c.open == true())
            .order_by(proposals.c.seq.desc())
            .limit(limit)
        )
        return [rows_talk.proposal_from(row) for row in self._connection.execute(query)]

    def count_open_proposals(self, trip_id: str) -> int:
        mine = (proposals.c.trip_id == trip_id, proposals.c.open == true())
        query = select(func.count()).select_from(proposals).where(*mine)
        return int(self._connection.execute(query).scalar_one())

    def proposals_by_id(self, trip_id: str, ids: Collection[str]) -> list[Proposal]:
        found = self._load(trip_id, "proposal", [each for each in ids if is_id(each)])
        return sorted((rows_talk.proposal_from(row) for row in found.values()), key=lambda each: each.seq)

    # --- read marks -------------------------------------------------------------------------

    def marks(self, trip_id: str) -> dict[str, int]:
        query = select(read_marks.c.user_id, read_marks.c.seq).where(read_marks.c.trip_id == trip_id)
        return {row.user_id: row.seq for row in self._connection.execute(query)}

    def mark(self, trip_id: str, user_id: str, seq: int) -> Marked:
        self._fence()
        mine = (read_marks.c.trip_id == trip_id, read_marks.c.user_id == user_id)
        raised = update(read_marks).where(*mine, read_marks.c.seq < seq).values(seq=seq)
        if self._connection.execute(raised).rowcount > 0:
            return Marked(seq, True)
        query = select(read_marks.c.seq).where(*mine)
        found = self._connection.execute(query).scalar_one_or_none()
        if found is not None or seq <= 0:
            return Marked(found or 0, False)
        # Another of the user's tabs may make the first mark at the same moment: the higher one stays.
        self._connection.exec_driver_sql(self._sql.first_mark, (trip_id, user_id, seq))
        stands = int(self._connection.execute(query).scalar_one())
        return Marked(stands, stands == seq)

    def unread(self, trip_id: str, user_id: str) -> int:
        mine = select(read_marks.c.seq).where(
            read_marks.c.trip_id == trip_id, read_marks.c.user_id == user_id
        )
        mark = self._connection.execute(mine).scalar_one_or_none() or 0
        found = self._connection.execute(select(unread(literal(trip_id), user_id, mark)))
        return int(found.scalar_one())


def _chunks(values: Collection[str]) -> Iterator[Sequence[str]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
