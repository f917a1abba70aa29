"""The hand-written statements and rows agree with the tables, whatever columns they get."""

from __future__ import annotations

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from domain.entities import Day, Member, RecordType, Stop
from storage import rows
from storage.statements import Statements
from storage.tables import log_records, operations

RECORDS: dict[RecordType, Day | Stop | Member] = {"day": Day("d"), "stop": Stop("s"), "member": Member("m")}


@pytest.mark.parametrize("t", RECORDS)
def test_a_row_has_the_columns_of_its_table(t: RecordType) -> None:
    table, record = rows.TABLES[t], RECORDS[t]
    keys = [column.key for column in table.columns]
    assert keys == ["trip_id", *record.__struct_fields__, "stamps"]
    row = rows.row_of("t1", record, {"pos": (3, "ann"), "name": (3, "ann"), "lat": (9, "王")})
    assert len(row) == len(keys) and row[:2] == ("t1", record.id)
    assert rows.decode_stamps(row[-1]) == {"pos": (3, "ann"), "name": (3, "ann"), "lat": (9, "王")}


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
    for table, sql in ((operations, made.add_operations), (log_records, made.add_records)):
        assert sql.count(made.mark) == len(table.columns)
    assert made.locked_head_with(3).count(made.mark) == 4
    assert made.locked_head.endswith("FOR UPDATE") is (dialect.name == "mysql")


def test_the_driver_joins_rows_into_one_statement() -> None:
    """PyMySQL sends one INSERT for many rows only if the statement has the form that it knows."""
    from pymysql.cursors import RE_INSERT_VALUES

    made = Statements(MySQLDialect_pymysql())
    for sql in (*made.upserts.values(), made.add_operations, made.add_records):
        assert RE_INSERT_VALUES.match(sql)
