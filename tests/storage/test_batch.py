"""The last statements of a transaction as one message to MariaDB: all or nothing, and word for word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from domain.operations import AddStop, SetStopFields, StopFields
from domain.services.rooms import apply_operation
from storage import batch, oceanbase
from storage.batch import SINGLY, Batch, quoted
from storage.engine import make_engine
from storage.schema import upgrade
from storage.unit_of_work import SqlUnits
from tests.storage.support import command, do, make_trip

pytestmark = pytest.mark.integration
INSERT = "INSERT INTO notes (id, body) VALUES (%s, %s)"
TEXTS = [
    "100 % sure, %s and %(x)s",
    'it\'s "quoted" `twice`\\',
    "a;\nb; COMMIT;\nDROP TABLE notes; -- ",
    "大理 🏔️ \x00 \x1a end",
    "'; DELETE FROM notes; '",
    "",
]


@pytest.fixture
def engine(mariadb_url: str) -> Iterator[Engine]:
    made = make_engine(mariadb_url, 2)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE notes (id INT PRIMARY KEY, body LONGTEXT)"))
    yield made
    made.dispose()


def stored(engine: Engine) -> dict[int, str]:
    with engine.begin() as connection:
        return {row[0]: row[1] for row in connection.execute(text("SELECT id, body FROM notes"))}


def test_what_people_write_arrives_as_it_is(engine: Engine) -> None:
    with engine.connect() as connection:
        made = Batch(connection)
        made.add(INSERT, list(enumerate(TEXTS)))
        made.add("UPDATE notes SET body = %s WHERE id = %s", [("changed % too", 5)])
        made.commit()
    assert stored(engine) == dict(enumerate(TEXTS)) | {5: "changed % too"}


def test_where_each_statement_is_a_message_it_is_one_transaction_as_well(engine: Engine) -> None:
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    with engine.connect() as connection:
        assert connection.info[SINGLY] is False, "this server is no node of a Galera cluster"
        connection.info[SINGLY] = True
        for end in (connection.rollback, None):
            made = Batch(connection)
            made.add(INSERT, list(enumerate(TEXTS)))
            made.add("UPDATE notes SET body = %s WHERE id = %s", [("changed % too", 5), ("twice", 4)])
            (end or made.commit)()
            assert stored(engine) == (
                {} if end else dict(enumerate(TEXTS)) | {5: "changed % too", 4: "twice"}
            )
    assert not [each for each in sent if ";\n" in each]


def test_what_is_written_does_not_depend_on_the_mode_of_the_server(mariadb_url: str, engine: Engine) -> None:
    with engine.connect() as connection:
        before = connection.exec_driver_sql("SELECT @@GLOBAL.sql_mode").scalar_one()
        connection.exec_driver_sql("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
        other = make_engine(mariadb_url, 1)
        try:
            with other.connect() as odd:
                made = Batch(odd)
                made.add(INSERT, list(enumerate(TEXTS)))
                made.commit()
        finally:
            other.dispose()
            connection.exec_driver_sql("SET GLOBAL sql_mode = %s", (before,))
    assert stored(engine) == dict(enumerate(TEXTS))


@given(st.text(max_size=60))
def test_the_driver_would_read_what_is_quoted_as_it_is(said: str) -> None:
    inner = quoted(said)[1:-1]
    assert not inner.replace("\\\\", "").replace("\\'", "").replace("''", "").count("'")
    assert inner.replace("''", "'").replace("\\\\", "\\") == said


def test_one_that_fails_takes_all_with_it(engine: Engine) -> None:
    with engine.connect() as connection:
        made = Batch(connection)
        made.add(INSERT, [(1, "first")])
        made.add(INSERT, [(2, "a secret"), (2, "again")])
        made.add(INSERT, [(3, "never")])
        with pytest.raises(IntegrityError) as caught:
            made.commit()
        assert "a secret" not in str(caught.value) and "first" not in str(caught.value)
        connection.rollback()
        Batch(connection).commit()  # and the connection is good for the next
    assert stored(engine) == {}


def test_an_error_shows_no_value_however_short_the_statement(engine: Engine) -> None:
    with engine.connect() as connection:
        made = Batch(connection)
        made.add("UPDATE nowhere SET body = %s", [("a secret",)])
        with pytest.raises(ProgrammingError) as caught:
            made.commit()
        connection.rollback()
    assert "UPDATE nowhere" in str(caught.value) and "secret" not in str(caught.value)


def test_words_of_people_are_not_translated_for_other_engines(engine: Engine) -> None:
    event.listen(engine, "before_cursor_execute", oceanbase._translate, retval=True)
    words = "CONVERT(x USING ascii) COLLATE ascii_bin, CHARACTER SET ascii COLLATE ascii_bin"
    with engine.connect() as connection:
        made = Batch(connection)
        made.add(INSERT, [(1, words)])
        made.commit()
    assert stored(engine) == {1: words}


@pytest.mark.parametrize("lost", ["before", "never"])
def test_the_next_transaction_of_the_pool_commits_itself(engine: Engine, lost: str) -> None:
    with engine.connect() as connection:
        made = Batch(connection)
        made.add(INSERT, [(1, "x")])
        if lost == "before":
            number = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            with engine.connect() as other:
                other.exec_driver_sql(f"KILL {number}")
                other.rollback()
            with pytest.raises(OperationalError):
                made.commit()
            connection.invalidate()
        else:
            made.commit()
    for n in (2, 3):
        with engine.begin() as connection:  # SQLAlchemy's own COMMIT
            connection.execute(text(f"INSERT INTO notes VALUES ({n}, 'y')"))
    assert stored(engine).keys() == ({2, 3} if lost == "before" else {1, 2, 3})


def test_what_is_large_goes_in_parts_and_is_still_one_transaction(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "LONGEST", 500)
    rows = [(n, f"{n} " + "x" * 90) for n in range(40)]
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    with engine.connect() as connection:
        made = Batch(connection)
        made.add(INSERT, rows)
        assert len(sent) > 5
        connection.rollback()
    assert stored(engine) == {}
    with engine.connect() as connection:
        made = Batch(connection)
        made.add(INSERT, rows)
        made.commit()
    assert stored(engine) == dict(rows)


def test_a_lock_that_led_to_nothing_is_given_back(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO notes VALUES (1, 'x')"))
    look = text("SELECT body FROM notes WHERE id = 1 FOR UPDATE NOWAIT")
    with engine.connect() as first, engine.connect() as second:
        made = Batch(first)
        made.add("UPDATE notes SET body = %s WHERE id = %s", [("y", 1)])
        made.commit()
        first.execute(look)
        with pytest.raises(OperationalError):
            second.execute(look)
        second.rollback()
        Batch(first).commit()
        assert second.execute(look).scalar_one() == "y"


def test_an_operation_waits_twice_for_the_database(mariadb_url: str) -> None:
    upgrade(mariadb_url)
    engine = make_engine(mariadb_url, 2)
    units = SqlUnits(engine)
    trip_id = make_trip(units)
    do(units, trip_id, AddStop("s1", StopFields(name="Erhai")))
    waits: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: waits.append(given[2]))
    rename = command(trip_id, SetStopFields("s1", StopFields(name="洱海")))
    with units(True) as unit:
        unit.expect(trip_id, [rename.op_id])
        apply_operation(rename, unit)
        unit.commit()
    assert len(waits) == 2, waits
    assert waits[0].endswith("FOR UPDATE") and waits[1].endswith("COMMIT")
    with units(False) as unit:
        assert unit.trips.read(trip_id).stops["s1"].name == "洱海"
    engine.dispose()
