"""What an operation costs does not grow with its trip or log; hot queries use their indexes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from domain.operations import AddStop, JoinTrip, SetStopFields, StopFields
from domain.services.rooms import apply_operation, join_trip
from storage.batch import BATCH
from storage.engine import make_engine
from storage.schema import upgrade
from storage.statements import Statements
from storage.unit_of_work import SqlUnits
from tests.storage.support import AT, command, do, make_trip, new_op

_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\bNULL\b|(?<=[ (])\d+(?:\.\d+)?(?=[,) ]|$)")
_ROWS = re.compile(r"(\((?:%s, )*%s\))(?:,\1)+")


def _apart(batch: str) -> Iterator[tuple[str, int]]:
    """The statements of a batch, as if their values were sent beside them."""
    for part in batch.removesuffix(";\nCOMMIT").split(";\n"):
        statement, values = _LITERAL.subn("%s", part)
        yield _ROWS.sub(r"\1", statement), values


@contextmanager
def watched(engine: Engine) -> Iterator[list[tuple[str, int]]]:
    """(statement, number of values sent) of everything that is executed, batches taken apart."""
    seen: list[tuple[str, int]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, context: Any, ___: Any) -> None:
        rows = parameters if isinstance(parameters, list) else [parameters]
        if context is not None and context.execution_options.get(BATCH):
            seen.extend(_apart(statement))
        else:
            seen.append((statement, sum(len(row) for row in rows)))

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.integration)])
def units(request: pytest.FixtureRequest) -> Iterator[SqlUnits]:
    url = request.getfixturevalue("tmp_sqlite_url" if request.param == "sqlite" else "mariadb_url")
    upgrade(url)
    engine = make_engine(url, 2)
    yield SqlUnits(engine)
    engine.dispose()


def _fill(units: SqlUnits, stops: int) -> str:
    trip_id = make_trip(units)
    with units(True) as unit:
        for n in range(stops):
            apply_operation(command(trip_id, AddStop(f"s{n}", StopFields(name="S"))), unit)
        unit.commit()
    return trip_id


def test_one_operation_costs_the_same_in_a_small_and_a_large_trip(units: SqlUnits) -> None:
    costs = []
    for size in (3, 300):
        trip_id = _fill(units, size)
        with watched(units.engine) as seen:
            do(units, trip_id, SetStopFields("s1", StopFields(notes="大理")))
        costs.append(seen)
    assert costs[0] == costs[1]
    written = [statement for statement, _ in costs[0] if statement.startswith(("INSERT", "UPDATE"))]
    assert len(written) == 4


def test_a_group_costs_as_many_statements_as_one_operation(units: SqlUnits) -> None:
    trip_id = _fill(units, 40)
    counts = []
    for size in (1, 32):
        with watched(units.engine) as seen, units(True) as unit:
            made = [command(trip_id, SetStopFields(f"s{n}", StopFields(name=f"{size}"))) for n in range(size)]
            unit.expect(trip_id, [each.op_id for each in made])
            for each in made:
                unit.mark()
                apply_operation(each, unit)
            unit.commit()
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 6


@pytest.mark.integration
def test_hot_queries_use_their_indexes(mariadb_url: str) -> None:
    upgrade(mariadb_url)
    engine = make_engine(mariadb_url, 2)
    units = SqlUnits(engine)
    for _ in range(8):
        _fill(units, 60)
    trip_id = _fill(units, 60)
    with units(True) as unit:
        join_trip(unit, unit.trips.lock(trip_id), JoinTrip("Carl", "viewer"), "carl", new_op(), AT)
        unit.commit()
    with engine.begin() as connection:
        connection.execute(text("ANALYZE TABLE trips, operations, log_records, stops, members, days"))
    sql = Statements(engine.dialect)
    with units(False) as unit:
        hot: list[tuple[str, tuple[Any, ...]]] = [
            (sql.head, (trip_id,)),
            (sql.locked_head_with(2), ("op-1", "op-2", trip_id)),
        ]
        asked: list[tuple[str, Any]] = []

        def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            asked.append((statement, parameters))

        event.listen(engine, "before_cursor_execute", note)
        unit.trips.events_after(trip_id, 55, 10)
        unit.trips.history(trip_id, 50, 10, None)
        unit.trips.history(trip_id, 50, 10, "stop:s5")
        unit.trips.heads([trip_id])
        unit.trips.seq_of(trip_id, "op-1")
        unit.accounts.trips_of("carl", False)
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        for statement, parameters in hot + asked:
            for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings():
                if row["table"] is None or str(row["table"]).startswith("<"):
                    continue
                assert row["key"] is not None and row["type"] != "ALL", (statement, dict(row))
    engine.dispose()
