"""The statements of the operation path, written once per dialect and sent without compilation.

Owns their text. Everything else goes through SQLAlchemy's expressions; these run several times for
every group of operations, where building and compiling an expression cost more than the database.
Parameters are tuples in the order of the columns. Used by `storage.sql_trips` alone.
"""

from __future__ import annotations

from sqlalchemy import Dialect, Table

from domain.entities import RecordType
from storage import rows
from storage.tables import log_records, operations


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

    def locked_head_with(self, count: int) -> str:
        """The head, joined with those of `count` operation ids that are in the log."""
        marks = ", ".join([self.mark] * count)
        return (
            "SELECT t.epoch, t.seq, t.deleted, o.op_id, o.seq FROM trips t LEFT JOIN operations o"
            f" ON o.trip_id = t.id AND o.op_id IN ({marks}) WHERE t.id = {self.mark}"
            + ("" if self._sqlite else " FOR UPDATE")
        )

    def _insert(self, table: Table) -> str:
        names = ", ".join(self._quote(column.name) for column in table.columns)
        # The drivers join many rows into one statement only when it has exactly this form.
        return f"INSERT INTO {table.name} ({names}) VALUES ({', '.join([self.mark] * len(table.columns))})"

    def _upsert(self, table: Table) -> str:
        """Insert a row, or replace all its columns."""
        names = [self._quote(column.name) for column in table.columns if not column.primary_key]
        if self._sqlite:
            key = ", ".join(self._quote(column.name) for column in table.primary_key)
            change = f"ON CONFLICT ({key}) DO UPDATE SET "
            return self._insert(table) + f" {change}" + ", ".join(f"{n} = excluded.{n}" for n in names)
        # VALUES() is what MySQL 8 and MariaDB have in common; MySQL's row alias is not.
        return (
            self._insert(table)
            + " ON DUPLICATE KEY UPDATE "
            + ", ".join(f"{name} = VALUES({name})" for name in names)
        )


_made: dict[str, Statements] = {}


def statements(dialect: Dialect) -> Statements:
    """The statements of a connection's dialect."""
    found = _made.get(dialect.name)
    if found is None:
        found = _made[dialect.name] = Statements(dialect)
    return found
