"""The hand-written statements and rows agree with the tables, whatever columns they get."""

from __future__ import annotations

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from domain.entities import Day, Member, RecordType, Stop
from domain.events import TalkType
from domain.operations import About
from domain.talk import Answer, Message, Proposal, TalkRecord
from storage import rows, rows_talk
from storage.statements import Statements
from storage.tables import log_records, operations
from storage.tables_talk import read_marks, search_grams, search_trips

RECORDS: dict[RecordType, Day | Stop | Member] = {"day": Day("d"), "stop": Stop("s"), "member": Member("m")}


@pytest.mark.parametrize("t", RECORDS)
def test_a_row_has_the_columns_of_its_table(t: RecordType) -> None:
    table, record = rows.TABLES[t], RECORDS[t]
    keys = [column.key for column in table.columns]
    # A photo came later, and stands behind the stamps.
    plain = [field for field in record.__struct_fields__ if field != "photo"]
    assert keys == ["trip_id", *plain, "stamps", *(["photo"] if t == "stop" else [])]
    row = rows.row_of("t1", record, {"pos": (3, "ann"), "name": (3, "ann"), "lat": (9, "王")})
    assert len(row) == len(keys) and row[:2] == ("t1", record.id)
    assert rows.decode_stamps(row[keys.index("stamps")]) == {
        "pos": (3, "ann"),
        "name": (3, "ann"),
        "lat": (9, "王"),
    }


TALK: dict[TalkType, TalkRecord] = {
    "message": Message("m", 4, about=About("stop", "s", "notes"), mentions=["王"], answer=Answer("q")),
    "proposal": Proposal("p", 5, "ann", note="好", applied=[7]),
}


@pytest.mark.parametrize("t", TALK)
def test_a_row_of_talk_has_the_columns_of_its_table(t: TalkType) -> None:
    table, record = rows_talk.TABLES[t], TALK[t]
    row = rows_talk.row_of("t1", record)
    named = dict(zip([column.key for column in table.columns], row, strict=True))
    for field in record.__struct_fields__:
        if isinstance(named.get(field), int | None | bool) or field in ("id", "author", "text", "note", "at"):
            assert field == "about" or named[field] == getattr(record, field)
    assert rows_talk.record_from(t, row) == record


@pytest.mark.parametrize(
    "dialect", [MySQLDialect_pymysql(), SQLiteDialect_pysqlite()], ids=["mysql", "sqlite"]
)
def test_statements_name_every_column(dialect: Dialect) -> None:
    made = Statements(dialect)
    for t, sql in made.upserts.items():
        columns = list(rows.TABLES[t].columns)
        assert sql.count(made.mark) == len(columns)
        change = sql.split(" UPDATE ")[1]
        assert [c.name for c in columns if not c.primary_key] == [
            part.split(" = ")[0].removeprefix("SET ").strip('`"') for part in change.split(", ")
        ]
    for t, sql in made.talk_upserts.items():
        assert sql.count(made.mark) == len(rows_talk.TABLES[t].columns)
    for table, sql in (
        (operations, made.add_operations),
        (log_records, made.add_records),
        (read_marks, made.first_mark),
        (search_grams, made.put_grams),
        (search_trips, made.put_indexed),
    ):
        assert sql.count(made.mark) == len(table.columns)
    assert made.locked_head_with(3).count(made.mark) == 4
    assert made.locked_head.endswith("FOR UPDATE") is (dialect.name == "mysql")


def test_the_driver_joins_rows_into_one_statement() -> None:
    """PyMySQL sends one INSERT for many rows only if the statement has the form that it knows."""
    from pymysql.cursors import RE_INSERT_VALUES

    made = Statements(MySQLDialect_pymysql())
    many = (made.add_operations, made.add_records, made.put_grams)
    for sql in (*made.upserts.values(), *made.talk_upserts.values(), *many):
        assert RE_INSERT_VALUES.match(sql)
