"""The unit of work over SQL: one transaction on one connection, in one thread.

Owns the life of the transaction. Leaving without `commit` rolls back, on every path. `mark` and
`drop` give each command of a group its own fate: recorded events are buffered (see
`storage.trips_buffer`), and what is written at once (accounts, read marks, answers, the search
index, jobs, mails, photos) is fenced by a savepoint, made only when a marked command needs it. Made by
`SqlUnits`, used by `storage.runner` alone.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, NestedTransaction

from domain.accounts import AccountRepositories
from storage.accounts_repository import SqlAccounts
from storage.batch import Batch
from storage.cache import AggregateCache
from storage.engine import LOCK_WAIT_SECONDS, READING, WRITING
from storage.faults import Contention
from storage.sql_answers import SqlAnswers
from storage.sql_jobs import SqlJobs
from storage.sql_mails import SqlMails
from storage.sql_photos import SqlPhotos
from storage.sql_search import SqlSearch
from storage.sql_talk import SqlTalk
from storage.sql_trips import SqlTrips
from storage.trips_buffer import Mark, Recorded


class SqlUnitOfWork:
    """See `storage.unit.Unit`."""

    def __init__(self, units: SqlUnits, writing: bool) -> None:
        self._units = units
        self._writing = writing
        self._gated = False
        self._mark: Mark | None = None
        self._savepoint: NestedTransaction | None = None
        self.recorded: list[Recorded] = []

    def __enter__(self) -> Self:
        gate = self._units.gate if self._writing else None
        if gate is not None:
            if not gate.acquire(timeout=LOCK_WAIT_SECONDS):
                raise Contention("the database is busy")
            self._gated = True
        try:
            self._connection = self._connect()
        except BaseException:
            self._open_gate()
            raise
        self._batch = Batch(self._connection)
        self._trips = SqlTrips(self._connection, self._batch, self._units.cache, self._writing)
        self._accounts = SqlAccounts(self._connection)
        self._talk = SqlTalk(self._connection, self._batch, self._trips, self._fence_writing)
        self._answers = SqlAnswers(self._connection, self._fence_writing)
        self._search = SqlSearch(self._connection, self._fence_writing)
        self._jobs = SqlJobs(self._connection, self._fence_writing)
        self._mails = SqlMails(self._connection, self._fence_writing)
        self._photos = SqlPhotos(self._connection, self._fence_writing)
        return self

    def _connect(self) -> Connection:
        connection = (self._units.writing if self._writing else self._units.reading).connect()
        try:
            connection.begin()
        except BaseException:
            connection.close()
            raise
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._writing:
            self._trips.give_back()  # nothing was changed, so nothing is in doubt
        try:
            self._end()
        finally:
            self._open_gate()

    def _end(self) -> None:
        try:
            if self._connection.in_transaction():
                self._connection.rollback()
        except Exception:
            # A connection that cannot even roll back must not go back into the pool.
            self._connection.invalidate()
        finally:
            self._connection.close()
            # They know the unit: left to themselves they, and all events of a transaction, would be garbage
            # for the collector, which stops the whole process for it.
            del self._trips, self._accounts, self._talk, self._answers, self._search, self._jobs
            del self._mails, self._photos

    def _open_gate(self) -> None:
        gate = self._units.gate
        if self._gated and gate is not None:
            self._gated = False
            gate.release()

    @property
    def trips(self) -> SqlTrips:
        return self._trips

    @property
    def accounts(self) -> AccountRepositories:
        if self._writing:
            self._fence_writing()
        return self._accounts

    @property
    def talk(self) -> SqlTalk:
        return self._talk

    @property
    def answers(self) -> SqlAnswers:
        return self._answers

    @property
    def search(self) -> SqlSearch:
        return self._search

    @property
    def jobs(self) -> SqlJobs:
        return self._jobs

    @property
    def mails(self) -> SqlMails:
        return self._mails

    @property
    def photos(self) -> SqlPhotos:
        return self._photos

    def _fence_writing(self) -> None:
        """Before anything is written at once: what a marked command writes can be taken back."""
        if not self._writing:
            raise RuntimeError("a command that only reads must not write")
        if self._mark is not None and self._savepoint is None:
            self._savepoint = self._connection.begin_nested()

    def expect(self, trip_id: str, op_ids: Collection[str]) -> None:
        self._trips.expect(trip_id, op_ids)

    def mark(self) -> None:
        if self._savepoint is not None:
            self._savepoint.commit()
            self._savepoint = None
        self._mark = self._trips.mark()

    def drop(self, broken: bool) -> None:
        if self._mark is None:
            raise RuntimeError("drop without mark")
        if self._savepoint is not None:
            self._savepoint.rollback()
            self._savepoint = None
        self._trips.drop(self._mark)
        if broken:
            self._trips.distrust()

    def commit(self) -> None:
        self.recorded = self._trips.recorded()
        self._trips.flush()
        self._talk.flush()
        self._batch.commit()
        self._trips.give_back()


class SqlUnits:
    """The factory: one engine, one cache of aggregates."""

    def __init__(self, engine: Engine, cache: AggregateCache | None = None) -> None:
        self.engine = engine
        self.writing = engine.execution_options(**{WRITING: True})
        self.reading = engine.execution_options(**{READING: True})
        self.cache = cache if cache is not None else AggregateCache()
        # SQLite has one writer: threads wait here, in order, instead of polling the file.
        self.gate: threading.Lock | None = threading.Lock() if engine.dialect.name == "sqlite" else None

    def __call__(self, writing: bool = True) -> SqlUnitOfWork:
        return SqlUnitOfWork(self, writing)
