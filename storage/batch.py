"""The last statements of a transaction, sent together with its COMMIT.

Owns the joining, and the one setting of the driver that allows it. A group of operations writes the trip,
the log and the changed records; one by one each of these waits for the network, and for Python's lock twice.
Together they are one message and one wait. The server runs them in order and stops at the first that fails,
so that COMMIT is reached only when all have succeeded; errors are raised as they would be one by one.

A node of a Galera cluster does not stop: another node's write may end this transaction between two
statements, and then it reports error 1213 but runs the rest, COMMIT included, as a transaction of its own
(seen with MariaDB 10.11). There each statement is a message, as on SQLite, which has no network.

Used by `storage.unit_of_work` and the repositories that it hands a batch to; nothing that a person wrote
becomes part of a statement but through `quoted`. The engine sets a `sql_mode` of its own, so that a backslash
means what it does here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor
from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

BATCH = "tongyou_batch"
"""Execution option of several statements in one text."""
COMMITTED = "tongyou_committed"
"""In the `info` of a connection: its transaction has ended with a batch, though SQLAlchemy did not end it."""
SINGLY = "tongyou_singly"
"""In the `info` of a connection: its server takes one statement in a message."""
LONGEST = 250_000
"""Characters after which what has gathered is sent: one megabyte at most, a sixteenth of what servers take
(`max_allowed_packet`)."""
CLIENT_FLAGS = CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS
"""Beside SQLAlchemy's own flag, which a `client_flag` of ours replaces."""

Row = tuple[Any, ...]


class Batch:
    """Statements of one transaction. What has to see them (a query, an update of the same rows) calls
    `send` first."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._gathers = connection.dialect.name != "sqlite" and not connection.info[SINGLY]
        self._driver = cast("pymysql.Connection[Cursor]", connection.connection.driver_connection)
        self._parts: list[str] = []
        self._length = 0

    def add(self, sql: str, rows: Sequence[Row]) -> None:
        """One statement for all `rows`: an INSERT is made of many, any other is repeated."""
        if not rows:
            return
        if not self._gathers:
            self._connection.exec_driver_sql(sql, list(rows))
            return
        head, found, tail = sql.partition(" VALUES (")
        if found and sql.startswith("INSERT"):
            marks, _, rest = tail.partition(")")
            self._insert(f"{head} VALUES ", f"({marks})", rest, rows)
        else:
            for row in rows:
                self._take(self._filled(sql, row))

    def _insert(self, head: str, values: str, rest: str, rows: Sequence[Row]) -> None:
        filled: list[str] = []
        length = 0
        for row in rows:
            made = self._filled(values, row)
            if filled and length + len(made) > LONGEST:
                self._take(head + ",".join(filled) + rest)
                filled, length = [], 0
            filled.append(made)
            length += len(made)
        self._take(head + ",".join(filled) + rest)

    def _filled(self, sql: str, row: Row) -> str:
        return sql % tuple([quoted(value) if type(value) is str else self._literal(value) for value in row])

    def _literal(self, value: Any) -> str:
        if value is None:
            return "NULL"
        return str(value) if type(value) is int else str(self._driver.escape(value))

    def _take(self, statement: str) -> None:
        if self._length + len(statement) > LONGEST:
            self.send()
        self._parts.append(statement)
        self._length += len(statement)

    def send(self) -> None:
        """Run what has gathered. Raises what the first failing statement raises."""
        if self._parts:
            text = ";\n".join(self._parts)
            self._parts, self._length = [], 0
            options = {BATCH: True, "no_parameters": True}
            self._connection.exec_driver_sql(text, execution_options=options)

    def commit(self) -> None:
        """Run what has gathered, and commit."""
        if self._parts:
            self._parts.append("COMMIT")
            self.send()
            self._connection.info[COMMITTED] = True
        self._connection.commit()


def quoted(text: str) -> str:
    """A text as MySQL reads it between single quotes (Reference Manual, "String Literals"): only the quote
    and the backslash mean something else there. Statements are utf8mb4, in which no other character holds
    their bytes. The driver's own way looks at each character, a third of what a statement costs."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def allow_batches(engine: Engine) -> None:
    """Make an engine of MySQL's family understand them, where the server does."""

    @event.listens_for(engine, "connect")
    def look(connection: Any, record: ConnectionPoolEntry) -> None:
        # Each connection: an address may lead to a cluster later.
        with connection.cursor() as cursor:
            cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
            found = cursor.fetchone()
        record.info[SINGLY] = found is not None and found[1] == "ON"

    @event.listens_for(engine, "do_execute_no_params")
    def run(cursor: Cursor, statement: str, context: Any) -> bool:
        if not context.execution_options.get(BATCH):
            return False
        cursor.execute(statement)
        while cursor.nextset():
            pass
        return True

    # No event can say that a transaction has ended already; a second COMMIT would be one more wait.
    commit = engine.dialect.do_commit

    def commit_once(connection: PoolProxiedConnection) -> None:
        if not connection.info.pop(COMMITTED, False):
            commit(connection)

    engine.dialect.do_commit = commit_once  # type: ignore[method-assign, assignment]
