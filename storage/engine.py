"""The database engine, made from one URL: SQLite, or MySQL and what speaks its protocol.

Owns pool sizes, isolation and timeouts. One unit of work holds one connection in one executor
thread, so the pool is as large as the executor. Called by the composition root, after any fork.
"""

from __future__ import annotations

import re
import sqlite3
import time
from typing import Any

from pymysql.cursors import Cursor
from sqlalchemy import URL, Connection, Engine, ExceptionContext, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import DisconnectionError, StatementError
from sqlalchemy.pool import ConnectionPoolEntry

from storage.batch import BATCH, CLIENT_FLAGS, allow_batches
from storage.oceanbase import translate_where_needed

LOCK_WAIT_SECONDS = 3
READ_TIMEOUT_SECONDS = 10
CONNECT_TIMEOUT_SECONDS = 5
POOL_TIMEOUT_SECONDS = 2
REST_SECONDS = 2.0
SQL_MODE = "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"
"""Whatever the server's is: what does not fit is an error, and a backslash escapes (`storage.batch`)."""
RECYCLE_SECONDS = 1800
"""Below MySQL's wait_timeout of eight hours and what firewalls usually grant an idle connection."""

SHOWN = 1_000
"""Characters of a statement that an error shows."""
_LITERAL = re.compile(r"0x[0-9a-fA-F]+")
_BEGINS = "tongyou_begins"
"""In the `info` of a connection: its next statement is the first of a transaction that only reads."""
WRITING = "tongyou_writing"
READING = "tongyou_reading"
"""Execution options of connections whose transaction is going to write, or to read alone."""


def make_engine(url: str, pool_size: int = 8) -> Engine:
    """An engine that connects on first use. Raises `ValueError` for a URL that cannot be used."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        engine = _sqlite(parsed, pool_size)
    elif backend in ("mysql", "mariadb"):
        engine = _mysql(parsed, pool_size)
    else:
        raise ValueError(f"DATABASE_URL: {backend} is not supported, use sqlite:/// or mysql+pymysql://")
    event.listen(engine, "handle_error", _hide_literals)
    return engine


def _hide_literals(context: ExceptionContext) -> None:
    """Parameters are hidden already; this is for texts that stand in a statement itself: in a batch all do,
    in others only in hex."""
    error = context.sqlalchemy_exception
    if not isinstance(error, StatementError) or error.statement is None:
        return
    if context.connection is not None and context.execution_context is not None and _is_batch(context):
        begins = " ".join(error.statement.split(maxsplit=3)[:3])  # values come later
        error.statement = f"a batch that begins with {begins!r}"
    else:
        error.statement = _LITERAL.sub("0x...", error.statement)[:SHOWN]


def _is_batch(context: ExceptionContext) -> bool:
    assert context.execution_context is not None
    return bool(context.execution_context.execution_options.get(BATCH))


def pool_counts(engine: Engine) -> tuple[int, int]:
    """(connections at most, connections in use) of the pool."""
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    return pool.size(), pool.checkedout()


def _pool(pool_size: int) -> dict[str, Any]:
    return {
        "poolclass": QueuePool,
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": POOL_TIMEOUT_SECONDS,
        # Every unit of work ends its transaction itself, on every path: no second rollback.
        "pool_reset_on_return": None,
        # What people say to each other must not reach the logs by way of an error.
        "hide_parameters": True,
    }


def _sqlite(url: URL, pool_size: int) -> Engine:
    if not url.database or url.database == ":memory:" or "mode=memory" in url.database:
        raise ValueError("DATABASE_URL: an SQLite database must be a file, its threads share it")
    engine = create_engine(
        url, **_pool(pool_size), connect_args={"check_same_thread": False, "timeout": LOCK_WAIT_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: Any) -> None:
        # The driver begins no transaction by itself: `begin` below says which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        # In WAL mode only FULL syncs each commit: an acknowledged operation survives a power cut.
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.execute(f"PRAGMA busy_timeout = {LOCK_WAIT_SECONDS * 1000}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _mysql(url: URL, pool_size: int) -> Engine:
    url = url.set(drivername="mysql+pymysql").update_query_dict({"charset": "utf8mb4"})
    engine = create_engine(
        url,
        **_pool(pool_size),
        pool_recycle=RECYCLE_SECONDS,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "read_timeout": READ_TIMEOUT_SECONDS,
            "write_timeout": READ_TIMEOUT_SECONDS,
            "client_flag": CLIENT_FLAGS,
            "init_command": "SET SESSION "
            f"innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, sql_mode = '{SQL_MODE}'",
        },
    )
    _read_one_moment(engine)
    allow_batches(engine)
    _ping_after_rest(engine)
    translate_where_needed(engine)
    return engine


def _read_one_moment(engine: Engine) -> None:
    """What only reads sees one moment in all its statements, so that what it tells is of the seq that it
    names. What writes holds its trip's lock, and sees behind it what is newest. (SQLite: always one.)"""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(READING):
            connection.info[_BEGINS] = True

    @event.listens_for(engine, "do_execute")
    def run(cursor: Cursor, statement: str, parameters: Any, context: Any) -> bool:
        connection = context.root_connection
        if not connection.get_execution_options().get(READING) or not connection.info.pop(_BEGINS, False):
            return False
        # In one message with the first statement, so that it costs no wait. Without SESSION it is for the
        # next transaction alone.
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n{statement}", parameters)
        cursor.nextset()
        return True


def _ping_after_rest(engine: Engine) -> None:
    """Like `pool_pre_ping`, but only for connections that rested: a busy one has just answered.

    What breaks between two uses is met by the runner's retry, as anything that breaks during one.
    """

    @event.listens_for(engine, "checkin")
    def rest(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["rested"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        if time.monotonic() - record.info.get("rested", time.monotonic()) < REST_SECONDS:
            return
        try:
            connection.ping(reconnect=False)
        except Exception as error:
            raise DisconnectionError("the connection was lost while it rested") from error
