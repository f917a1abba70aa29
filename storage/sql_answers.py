"""`Answers` over SQL, for SQLite, MySQL and MariaDB.

Owns every query of runs, conversations and turns. A run is finished by whoever's UPDATE finds it
unfinished: the database decides between two processes. Everything is written at once, behind the
`fence` of the unit of work. Made by `storage.unit_of_work`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, false, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from domain.answers import Checkpoint, Conversation, Run, Turn
from domain.talk import AnswerStatus, Usage
from storage.faults import Contention
from storage.rows_talk import CONVERSATION_COLUMNS, RUN_COLUMNS, TURN_COLUMNS, turn_from, turn_values
from storage.statements import statements
from storage.tables import trips
from storage.tables_talk import conversations, runs, turns
from storage.trips_buffer import is_id

CHUNK = 500
"""Values in one IN (...)."""
SAVE_BYTES = 2 * 1024 * 1024
"""Checkpoints in one statement, as JSON: twice as much in hex, and servers refuse packets of 16 MB."""
UNDER_WAY: tuple[AnswerStatus, ...] = ("queued", "streaming")

_encode = msgspec.json.Encoder().encode


class SqlAnswers:
    """One transaction's view of answers and conversations."""

    def __init__(self, connection: Connection, fence: Callable[[], None]) -> None:
        self._connection = connection
        self._fence = fence
        self._sql = statements(connection.dialect)

    def _write(self, statement: Any) -> int:
        self._fence()
        return self._connection.execute(statement).rowcount

    def _add(self, table: Table, values: dict[str, Any]) -> None:
        try:
            self._write(insert(table).values(**values))
        except IntegrityError as error:
            raise Contention("somebody added this at the same moment") from error

    # --- runs -------------------------------------------------------------------------------

    def add_run(self, run: Run) -> None:
        self._add(runs, msgspec.structs.asdict(run))

    def run(self, answer_id: str) -> Run | None:
        if not is_id(answer_id):
            return None
        row = self._connection.execute(select(*RUN_COLUMNS).where(runs.c.id == answer_id)).first()
        return None if row is None else Run(*row)

    def active(self, *, user_id: str | None = None, trip_id: str | None = None) -> int:
        query = select(func.count()).select_from(runs).where(runs.c.status.in_(UNDER_WAY))
        if user_id is not None:
            query = query.where(runs.c.user_id == user_id)
        if trip_id is not None:
            query = query.where(runs.c.trip_id == trip_id)
        return int(self._connection.execute(query).scalar_one())

    def save(self, checkpoints: Sequence[Checkpoint], lease_until: str) -> None:
        self._fence()
        if self._sql.checkpoint is None:
            for batch in _batches(checkpoints):
                self._connection.exec_driver_sql(self._sql.checkpoints(batch), (lease_until,))
        elif checkpoints:
            rows = [(each.status, each.text, each.reasoning, lease_until, each.id) for each in checkpoints]
            self._connection.exec_driver_sql(self._sql.checkpoint, rows)

    def doomed(self, answer_ids: Collection[str]) -> set[str]:
        wanted: set[str] = set()
        for chunk in _chunks(each for each in answer_ids if is_id(each)):
            query = (
                select(runs.c.id)
                .join(trips, trips.c.id == runs.c.trip_id, isouter=True)
                .where(
                    runs.c.id.in_(chunk),
                    runs.c.finished_at.is_(None),
                    runs.c.stop == false(),
                    or_(runs.c.trip_id.is_(None), trips.c.deleted == false()),
                )
            )
            wanted.update(self._connection.scalars(query))
        return set(answer_ids) - wanted

    def ask_to_stop(self, answer_id: str) -> bool:
        return self._write(_unfinished(answer_id).values(stop=True)) > 0 if is_id(answer_id) else False

    def finish(self, answer_id: str, status: AnswerStatus, at: str, model: str, usage: Usage | None) -> bool:
        if not is_id(answer_id):
            return False
        values: dict[str, Any] = {"status": status, "finished_at": at, "text": "", "reasoning": ""}
        if model:
            values["model"] = model
        if usage is not None:
            values |= msgspec.structs.asdict(usage)
        return self._write(_unfinished(answer_id).values(**values)) > 0

    def lapsed(self, at: str, limit: int) -> list[Run]:
        query = (
            select(*RUN_COLUMNS)
            .where(runs.c.status.in_(UNDER_WAY), runs.c.lease_until < at)
            .order_by(runs.c.lease_until, runs.c.id)
            .limit(limit)
        )
        return [Run(*row) for row in self._connection.execute(query)]

    # --- conversations ----------------------------------------------------------------------

    def add_conversation(self, conversation: Conversation) -> None:
        self._add(conversations, msgspec.structs.asdict(conversation))

    def conversation(self, conversation_id: str) -> Conversation | None:
        if not is_id(conversation_id):
            return None
        query = select(*CONVERSATION_COLUMNS).where(conversations.c.id == conversation_id)
        row = self._connection.execute(query).first()
        return None if row is None else Conversation(*row)

    def conversations_of(self, user_id: str, limit: int) -> list[Conversation]:
        query = (
            select(*CONVERSATION_COLUMNS)
            .where(conversations.c.user_id == user_id)
            .order_by(conversations.c.updated_at.desc(), conversations.c.id.desc())
            .limit(limit)
        )
        return [Conversation(*row) for row in self._connection.execute(query)]

    def touch_conversation(self, conversation_id: str, at: str) -> None:
        here = conversations.c.id == conversation_id
        self._write(update(conversations).where(here).values(updated_at=at))

    def delete_conversation(self, conversation_id: str) -> None:
        # In the order in which an answer that ends locks them: the run, its turn, the conversation.
        for table in (runs, turns):
            self._write(delete(table).where(table.c.conversation_id == conversation_id))
        self._write(delete(conversations).where(conversations.c.id == conversation_id))

    def add_turn(self, turn: Turn) -> None:
        self._add(turns, turn_values(turn))

    def update_turn(self, turn: Turn) -> None:
        self._write(update(turns).where(turns.c.id == turn.id).values(**turn_values(turn)))

    def turn(self, turn_id: str) -> Turn | None:
        if not is_id(turn_id):
            return None
        row = self._connection.execute(select(*TURN_COLUMNS).where(turns.c.id == turn_id)).first()
        return None if row is None else turn_from(row)

    def turns(self, conversation_id: str) -> list[Turn]:
        query = (
            select(*TURN_COLUMNS)
            .where(turns.c.conversation_id == conversation_id)
            .order_by(turns.c.n, turns.c.id)
        )
        return [turn_from(row) for row in self._connection.execute(query)]


def _unfinished(answer_id: str) -> Any:
    return update(runs).where(runs.c.id == answer_id, runs.c.finished_at.is_(None))


def _batches(checkpoints: Sequence[Checkpoint]) -> Iterator[bytes]:
    """JSON arrays of checkpoints, of about `SAVE_BYTES` at most: one, unless there is very much.

    By id, so that two processes lock the rows in one order.
    """
    batch: list[bytes] = []
    size = 0
    for each in sorted(checkpoints, key=lambda checkpoint: checkpoint.id):
        encoded = _encode((each.id, each.status, each.text, each.reasoning))
        if batch and size + len(encoded) > SAVE_BYTES:
            yield b"[" + b",".join(batch) + b"]"
            batch, size = [], 0
        batch.append(encoded)
        size += len(encoded)
    if batch:
        yield b"[" + b",".join(batch) + b"]"


def _chunks(values: Collection[str] | Iterator[str]) -> Iterator[Sequence[str]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
