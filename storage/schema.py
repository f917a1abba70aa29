"""The schema of the database: bring it to this version, or say why it does not fit.

Owns the way to Alembic; the steps themselves are in `storage/migrations/versions`. The server
checks at start and refuses to run on another schema: it never migrates by itself. Called by
`server.py` (`migrate`, `check`, and before it listens).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, text
from sqlalchemy.exc import DBAPIError, OperationalError

import storage.tables
import storage.tables_accounts
import storage.tables_jobs
import storage.tables_mail
import storage.tables_photos
import storage.tables_talk
from storage.engine import make_engine
from storage.metadata import metadata

TARGET: MetaData = metadata
TABLES = (
    storage.tables.trips,
    storage.tables_accounts.users,
    storage.tables_talk.messages,
    storage.tables_jobs.jobs,
    storage.tables_mail.mails,
    storage.tables_photos.photos,
)
"""Naming one table of each module keeps their imports: importing is what fills the metadata."""
MIGRATE = ".venv/bin/python server.py migrate"
_FOLDER = Path(__file__).resolve().parent / "migrations"
_LOCK = "tongyou_migrate"
_LOCK_SECONDS = 60


class SchemaError(Exception):
    """The database does not have this version's schema; the message names the command that helps."""


def upgrade(url: str) -> None:
    """Bring the database to this version's schema; may be run again, and by several at once."""
    engine = make_engine(url, pool_size=1)
    try:
        with _connected(engine) as connection:
            _lock(connection)
            config = _config()
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
                connection.commit()
            finally:
                _unlock(connection)
    finally:
        engine.dispose()


def check(engine: Engine) -> None:
    """Raise `SchemaError` unless the database has exactly this version's schema."""
    wanted = head()
    with _connected(engine) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
        connection.rollback()
    if found == wanted:
        return
    if found is None:
        raise SchemaError(f"The database has no tables yet; run: {MIGRATE}")
    if found in revisions():
        raise SchemaError(f"The database's schema {found} is older than this version's; run: {MIGRATE}")
    raise SchemaError(
        f"The database's schema {found} is unknown to this version (newer?); "
        f"run the version that made it, or restore a backup and run: {MIGRATE}"
    )


def head() -> str:
    """The revision that this version needs."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def revisions() -> set[str]:
    """All revisions that this version knows."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def _connected(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except OperationalError as error:
        raise SchemaError(f"The database at {engine.url!r} does not answer: {error.orig}") from error


def _lock(connection: Connection) -> None:
    # MySQL commits each DDL statement by itself, so two migrations at once need a lock of their own.
    if connection.dialect.name == "sqlite":
        return
    got = connection.execute(text("SELECT GET_LOCK(:name, :wait)"), {"name": _LOCK, "wait": _LOCK_SECONDS})
    if got.scalar() != 1:
        raise SchemaError("Another process is migrating this database; try again when it is done.")


def _unlock(connection: Connection) -> None:
    """Not every engine lets go of a lock when the connection ends."""
    if connection.dialect.name == "sqlite":
        return
    with contextlib.suppress(DBAPIError):
        connection.rollback()
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK})
        connection.rollback()
