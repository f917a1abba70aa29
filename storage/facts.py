"""What a database says about itself: version, character set, durability, room for connections, clock.

Owns the questions to each kind of database; judges nothing. Called by `operations.checks`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, text

from storage.engine import make_engine


@dataclass(frozen=True)
class DatabaseFacts:
    """`clock_ahead`: seconds by which its clock is ahead of this machine's, give or take the way there.
    `durable`: a commit that was acknowledged survives a power cut. `connections` 0: no limit."""

    product: str
    version: tuple[int, ...]
    shown_version: str
    charset: str
    time_zone: str
    clock_ahead: float
    durable: bool
    connections: int


def database_facts(url: str) -> DatabaseFacts:
    """Connect and ask. Raises SQLAlchemy's errors when it does not answer."""
    engine = make_engine(url, 1)
    try:
        with engine.connect() as connection:
            try:
                return _sqlite(connection) if engine.dialect.name == "sqlite" else _mysql(connection)
            finally:
                connection.rollback()
    finally:
        engine.dispose()


def _sqlite(connection: Connection) -> DatabaseFacts:
    version = connection.execute(text("SELECT sqlite_version()")).scalar_one()
    charset = connection.execute(text("PRAGMA encoding")).scalar_one()
    durable = connection.execute(text("PRAGMA synchronous")).scalar_one() >= 2
    return DatabaseFacts("SQLite", _numbers(version), version, charset, "none", 0.0, durable, 0)


def _mysql(connection: Connection) -> DatabaseFacts:
    asked = time.time()
    now = float(connection.execute(text("SELECT UNIX_TIMESTAMP(NOW(6))")).scalar_one())
    ahead = now - (asked + time.time()) / 2
    row = connection.execute(
        text(
            "SELECT VERSION(), @@character_set_database, @@session.time_zone, "
            "@@innodb_flush_log_at_trx_commit, @@max_connections"
        )
    ).one()
    product = "MariaDB" if "mariadb" in row[0].lower() else "MySQL"
    return DatabaseFacts(
        product, _numbers(row[0]), row[0], row[1], row[2], ahead, int(row[3]) == 1, int(row[4])
    )


def _numbers(version: str) -> tuple[int, ...]:
    """(10, 11, 19) of "10.11.19-MariaDB"."""
    parts = version.split("-", 1)[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())
