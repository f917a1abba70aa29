"""What engines of the OceanBase family (OceanBase, seekdb) call otherwise than MySQL and MariaDB.

They have no character set `ascii`. Columns of identifiers are `utf8mb4_bin` there instead, which
compares the same bytes in the same order. Owns that one translation, made in the text of a statement,
and only once a server says that it is one of the family. Called by `storage.engine`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event

from storage.batch import BATCH

_WORDS = (
    ("CHARACTER SET ascii COLLATE ascii_bin", "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
    ("USING ascii) COLLATE ascii_bin", "USING utf8mb4) COLLATE utf8mb4_bin"),
)


def translate_where_needed(engine: Engine) -> None:
    """Look at the server at the first connection, and translate from then on if it is one of the family."""
    known = False

    @event.listens_for(engine, "connect")
    def look(connection: Any, _: Any) -> None:
        nonlocal known
        if known:
            return
        known = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            version = str(cursor.fetchone())
        if "OceanBase" in version:
            event.listen(engine, "before_cursor_execute", _translate, retval=True)


def _translate(_: Any, __: Any, statement: str, parameters: Any, context: Any, ___: bool) -> tuple[str, Any]:
    # In a batch stand the words of people, and nothing of ours to translate.
    if "ascii" in statement and not context.execution_options.get(BATCH):
        for theirs, family in _WORDS:
            statement = statement.replace(theirs, family)
    return statement, parameters
