"""The engine keeps to its limits: isolation, timeouts, one connection a thread."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, QueuePool, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage import engine as subject
from storage.engine import READING, WRITING, make_engine
from storage.faults import Fault, fault_of
from storage.statements import statements


@pytest.fixture
def sqlite(tmp_sqlite_url: str) -> Iterator[Engine]:
    made = make_engine(tmp_sqlite_url, 2)
    yield made
    made.dispose()


@pytest.fixture
def mysql(mariadb_url: str) -> Iterator[Engine]:
    made = make_engine(mariadb_url, 2)
    yield made
    made.dispose()


def test_sqlite_is_durable_and_checks_foreign_keys(sqlite: Engine) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 3000}
    with sqlite.connect() as connection:
        assert {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in wanted} == wanted


def test_sqlite_locks_at_the_start_of_what_writes(sqlite: Engine) -> None:
    writing = sqlite.execution_options(**{WRITING: True})
    with sqlite.connect() as setup:
        setup.execute(text("CREATE TABLE t (n INTEGER)"))
        setup.commit()
    with writing.connect() as first, sqlite.connect() as second:
        first.execute(text("SELECT 1"))
        second.exec_driver_sql("PRAGMA busy_timeout = 0")
        assert second.execute(text("SELECT count(*) FROM t")).scalar() == 0
        with pytest.raises(OperationalError) as caught:
            second.execute(text("INSERT INTO t VALUES (1)"))
        assert fault_of(caught.value) is Fault.CONTENTION


@pytest.mark.integration
def test_mysql_session_settings(mysql: Engine) -> None:
    query = text(
        "SELECT @@tx_isolation, @@innodb_lock_wait_timeout,"
        " @@character_set_client, @@character_set_connection"
    )
    with mysql.connect() as connection:
        assert tuple(connection.execute(query).one()) == ("READ-COMMITTED", 3, "utf8mb4", "utf8mb4")


@pytest.mark.integration
def test_what_only_reads_sees_one_moment_and_whatever_comes_after_it_does_not(mariadb_url: str) -> None:
    one, other = make_engine(mariadb_url, 1), make_engine(mariadb_url, 1)
    with other.begin() as setup:
        setup.execute(text("CREATE TABLE t (n INT)"))

    def counts(connection: Connection) -> list[int]:
        """Before and after somebody else adds a row."""
        found = [connection.execute(text("SELECT COUNT(*) FROM t")).scalar_one()]
        with other.begin() as adding:
            adding.execute(text("INSERT INTO t VALUES (1)"))
        return [*found, connection.execute(text("SELECT COUNT(*) FROM t")).scalar_one()]

    reading, writing = (one.execution_options(**{name: True}) for name in (READING, WRITING))
    with reading.connect() as connection:
        assert counts(connection) == [0, 0]
        connection.rollback()
    with reading.connect() as connection:
        connection.begin().rollback()  # what was asked for the next transaction ends with one that never was
    with writing.connect() as connection:
        assert counts(connection) == [1, 2]
        connection.rollback()
    one.dispose()
    other.dispose()


@pytest.mark.parametrize(
    "url", ["mysql://u@h/d", "mariadb+pymysql://u@h/d", "mysql+pymysql://u@h/d?charset=latin1"]
)
def test_urls_of_the_family_mean_pymysql_with_utf8mb4(url: str) -> None:
    made = make_engine(url, 7)
    assert made.url.drivername == "mysql+pymysql" and made.url.query["charset"] == "utf8mb4"
    pool = made.pool
    assert isinstance(pool, QueuePool)
    assert (pool.size(), pool._max_overflow, pool._timeout) == (7, 0, 2)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "postgresql://u@h/d"])
def test_urls_that_cannot_work_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL"):
        make_engine(url)


@pytest.mark.integration
def test_a_killed_connection_is_lost_and_then_replaced(mysql: Engine) -> None:
    with mysql.connect() as connection, mysql.connect() as killer:
        number = connection.execute(text("SELECT CONNECTION_ID()")).scalar()
        killer.execute(text(f"KILL {number}"))
        with pytest.raises(OperationalError) as caught:
            connection.execute(text("SELECT 1"))
        assert fault_of(caught.value) is Fault.LOST
    with mysql.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


@pytest.mark.integration
def test_a_connection_that_died_resting_is_replaced_unseen(
    mysql: Engine, mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "REST_SECONDS", 0.0)
    with mysql.connect() as connection:
        number = connection.execute(text("SELECT CONNECTION_ID()")).scalar()
    killer = make_engine(mariadb_url, 1)
    with killer.connect() as connection:
        connection.execute(text(f"KILL {number}"))
    killer.dispose()
    with mysql.connect() as connection:
        assert connection.execute(text("SELECT CONNECTION_ID()")).scalar() != number


@pytest.mark.integration
def test_deadlock_and_lock_timeout_are_contention(mysql: Engine) -> None:
    with mysql.connect() as first, mysql.connect() as second:
        first.execute(text("CREATE TABLE t (id INT PRIMARY KEY, n INT) ENGINE=InnoDB"))
        first.execute(text("INSERT INTO t VALUES (1, 0), (2, 0)"))
        first.commit()
        first.execute(text("UPDATE t SET n = 1 WHERE id = 1"))
        second.execute(text("UPDATE t SET n = 1 WHERE id = 2"))
        with ThreadPoolExecutor(2) as threads:
            crossing = [
                threads.submit(_fault, first, "UPDATE t SET n = 2 WHERE id = 2"),
                threads.submit(_fault, second, "UPDATE t SET n = 2 WHERE id = 1"),
            ]
            # Which of the two the deadlock strikes is the server's choice.
            assert {each.result(10) for each in crossing} == {None, Fault.CONTENTION}
        second.rollback()
        first.rollback()
        first.execute(text("UPDATE t SET n = 1 WHERE id = 1"))
        second.execute(text("SET SESSION innodb_lock_wait_timeout = 1"))
        assert _fault(second, "UPDATE t SET n = 2 WHERE id = 1") is Fault.CONTENTION


def _fault(connection: Connection, statement: str) -> Fault | None:
    try:
        connection.execute(text(statement))
    except OperationalError as error:
        return fault_of(error)
    return None


def test_a_pool_without_a_free_connection_says_so(sqlite: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = sqlite.pool
    assert isinstance(pool, QueuePool)
    monkeypatch.setattr(pool, "_timeout", 0.01)
    with sqlite.connect(), sqlite.connect(), pytest.raises(PoolTimeout) as caught:
        sqlite.connect()
    assert fault_of(caught.value) is Fault.EXHAUSTED
    assert subject.POOL_TIMEOUT_SECONDS == 2


def test_errors_do_not_quote_what_was_to_be_stored(tmp_sqlite_url: str) -> None:
    engine = make_engine(tmp_sqlite_url, 1)
    with pytest.raises(OperationalError) as caught, engine.connect() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:said)"), {"said": "the key is under the mat"})
    engine.dispose()
    assert "under the mat" not in str(caught.value)


@pytest.mark.integration
def test_errors_do_not_quote_what_stands_in_the_statement_itself(mysql: Engine) -> None:
    """Checkpoints of answers do, in hex and by the megabyte."""
    said = "我们悄悄说的话"
    statement = statements(mysql.dialect).checkpoints(f'[["a1","streaming","{said * 1000}",""]]'.encode())
    with pytest.raises(ProgrammingError) as caught, mysql.connect() as connection:
        connection.exec_driver_sql(statement, ("2026-01-01T00:00:00.000Z",))
    log = "".join(traceback.format_exception(caught.value))
    assert said.encode().hex() not in log and "0x..." in log and len(log) < 10_000
