"""Which schema a database has, and which one this version needs.

Owns the check and its words. Without Alembic, which takes a while to import: the revisions are read from the
files of `storage/migrations/versions` as text, and tests compare what is found with what Alembic says. Called
by the composition root before anything is done with a database, by operators' commands and by the checks of
health.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MIGRATE = ".venv/bin/python server.py migrate"
VERSIONS = Path(__file__).resolve().parent / "migrations" / "versions"
TABLE = "alembic_version"


class SchemaError(Exception):
    """The database does not have this version's schema; the message names the command that helps."""


def check(engine: Engine) -> None:
    """Raise `SchemaError` unless the database has exactly this version's schema."""
    wanted = head()
    with connected(engine) as connection:
        found = current(connection)
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


def connected(engine: Engine) -> Connection:
    """A connection. Raises `SchemaError` when there is none to be had."""
    from sqlalchemy.exc import OperationalError

    try:
        return engine.connect()
    except OperationalError as error:
        raise SchemaError(f"The database at {engine.url!r} does not answer: {error.orig}") from error


def current(connection: Connection) -> str | None:
    """The revision of this database; None: it has no tables yet."""
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table(TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {TABLE}")).scalar()
    return None if found is None else str(found)


def head() -> str:
    """The revision that this version needs."""
    (found,) = _chain().keys() - set(_chain().values())
    return found


def revisions() -> set[str]:
    """All revisions that this version knows."""
    return set(_chain())


@cache
def _chain() -> dict[str, str | None]:
    """Each revision, and the one before it."""
    found: dict[str, str | None] = {}
    for path in VERSIONS.glob("[0-9]*.py"):
        said = {
            target.id: node.value.value
            for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        found[str(said["revision"])] = None if said["down_revision"] is None else str(said["down_revision"])
    return found
