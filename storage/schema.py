"""The schema of the database: bring it to this version.

Owns the way to Alembic; the steps themselves are in `storage/migrations/versions`. The server
checks at start (`storage.revisions`) and refuses to run on another schema: it never migrates by
itself. Called by `operations` (`migrate`, `restore`).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError

import storage.tables
import storage.tables_accounts
import storage.tables_jobs
import storage.tables_mail
import storage.tables_photos
import storage.tables_talk
from storage.engine import make_engine
from storage.metadata import metadata
from storage.revisions import SchemaError, connected

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
_FOLDER = Path(__file__).resolve().parent / "migrations"
_LOCK = "tongyou_migrate"
_LOCK_SECONDS = 60


def upgrade(url: str) -> None:
    """Bring the database to this version's schema; may be run again, and by several at once."""
    engine = make_engine(url, pool_size=1)
    try:
        with connected(engine) as connection:
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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


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
