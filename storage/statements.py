"""The statements of the operation path, written once per dialect and sent without compilation.

Owns their text. Everything else goes through SQLAlchemy's expressions; these run several times for
every group of operations, where building and compiling an expression cost more than the database,
or are upserts, for which the dialects have no common expression. Parameters are tuples in the
order of the columns. Used by the `storage.sql_*` repositories alone.
"""

from __future__ import annotations

from sqlalchemy import Dialect, Table

from domain.entities import RecordType
from domain.events import TalkType
from storage import rows, rows_talk
from storage.tables import log_records, operations
from storage.tables_talk import read_marks, search_grams, search_trips

_CHECKPOINTS = """\
UPDATE JSON_TABLE(CONVERT(0x{batch} USING utf8mb4), '$[*]' COLUMNS (
 id VARCHAR(40) PATH '$[0]', status VARCHAR(16) PATH '$[1]',
 said MEDIUMTEXT PATH '$[2]', thought MEDIUMTEXT PATH '$[3]')) AS given
 STRAIGHT_JOIN runs r ON r.id = CONVERT(given.id USING ascii) COLLATE ascii_bin
 SET r.status = given.status, r.text = given.said, r.reasoning = given.thought, r.lease_until = %s
 WHERE r.finished_at IS NULL"""
_CHECKPOINT_SQLITE = """\
UPDATE runs SET status = ?, text = ?, reasoning = ?, lease_until = ?
 WHERE id = ? AND finished_at IS NULL"""


class Statements:
    """SQL text for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._quote = dialect.identifier_preparer.quote
        self._sqlite = dialect.name == "sqlite"
        self.mark = "?" if self._sqlite else "%s"
        mark = self.mark
        head = f"SELECT t.epoch, t.seq, t.deleted FROM trips t WHERE t.id = {mark}"
        self.head = head
        self.locked_head = head if self._sqlite else f"{head} FOR UPDATE"
        self.touch = f"UPDATE trips SET seq = {mark}, updated_at = {mark} WHERE id = {mark}"
        self.add_operations = self._insert(operations)
        self.add_records = self._insert(log_records)
        self.upserts: dict[RecordType, str] = {
            t: self._upsert(table) for t, table in rows.TABLES.items() if t != "trip"
        }
        self.talk_upserts: dict[TalkType, str] = {
            t: self._upsert(table) for t, table in rows_talk.TABLES.items()
        }
        self.first_mark = self._upsert(read_marks, keep="MAX" if self._sqlite else "GREATEST")
        self.put_grams = self._upsert(search_grams)
        self.put_indexed = self._upsert(search_trips)
        # SQLite has no round trips, and its JSON functions end a text at the first NUL.
        self.checkpoint = _CHECKPOINT_SQLITE if self._sqlite else None

    def locked_head_with(self, count: int) -> str:
        """The head, joined with those of `count` operation ids that are in the log."""
        marks = ", ".join([self.mark] * count)
        return (
            "SELECT t.epoch, t.seq, t.deleted, o.op_id, o.seq FROM trips t LEFT JOIN operations o"
            f" ON o.trip_id = t.id AND o.op_id IN ({marks}) WHERE t.id = {self.mark}"
            + ("" if self._sqlite else " FOR UPDATE")
        )

    def checkpoints(self, batch: bytes) -> str:
        """MySQL only: one round trip for many runs, given as JSON of [id, status, text, reasoning].

        The JSON stands in the text in hex: the driver escapes a parameter character by character,
        and does not let go of the interpreter meanwhile (60 ms for 2 MB, in which no stream moves).
        """
        return _CHECKPOINTS.format(batch=batch.hex())

    def _insert(self, table: Table) -> str:
        names = ", ".join(self._quote(column.name) for column in table.columns)
        # The drivers join many rows into one statement only when it has exactly this form.
        return f"INSERT INTO {table.name} ({names}) VALUES ({', '.join([self.mark] * len(table.columns))})"

    def _upsert(self, table: Table, keep: str = "") -> str:
        """Insert a row, or replace all its columns (`keep`: by this function of old and new)."""
        names = [self._quote(column.name) for column in table.columns if not column.primary_key]
        # VALUES() is what MySQL 8 and MariaDB have in common; MySQL's row alias is not.
        new = {name: f"excluded.{name}" if self._sqlite else f"VALUES({name})" for name in names}
        changes = ", ".join(f"{n} = {keep}({n}, {new[n]})" if keep else f"{n} = {new[n]}" for n in names)
        if self._sqlite:
            key = ", ".join(self._quote(column.name) for column in table.primary_key)
            return f"{self._insert(table)} ON CONFLICT ({key}) DO UPDATE SET {changes}"
        return f"{self._insert(table)} ON DUPLICATE KEY UPDATE {changes}"


_made: dict[str, Statements] = {}


def statements(dialect: Dialect) -> Statements:
    """The statements of a connection's dialect."""
    found = _made.get(dialect.name)
    if found is None:
        found = _made[dialect.name] = Statements(dialect)
    return found
