"""What a readiness check learns of the database, and that it never waits or loads for long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from storage import health, revisions, schema
from storage.engine import make_engine, pool_counts
from storage.health import DatabaseHealth


@pytest.fixture
def engine(tmp_sqlite_url: str) -> Iterator[Engine]:
    schema.upgrade(tmp_sqlite_url)
    made = make_engine(tmp_sqlite_url, 2)
    yield made
    made.dispose()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def at_revision(engine: Engine, revision: str | None) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision is not None:
            connection.execute(text("INSERT INTO alembic_version VALUES (:found)"), {"found": revision})


async def test_all_is_well(engine: Engine, executor: ThreadPoolExecutor) -> None:
    database = DatabaseHealth(engine, executor)
    assert await database.check() is None and await database.check_schema() is None
    assert pool_counts(engine) == (2, 0), "the connection went back"


@pytest.mark.parametrize("revision", [None, "0001_initial"])
async def test_an_older_schema_is_not_ready(
    engine: Engine, executor: ThreadPoolExecutor, revision: str | None
) -> None:
    known = revisions.revisions() - {revisions.head()}
    at_revision(engine, revision and sorted(known)[0])
    database = DatabaseHealth(engine, executor)
    said = await database.check()
    assert said is not None and revisions.MIGRATE in said
    assert await database.check_schema() is None


async def test_a_newer_schema_is_told_and_no_reason_to_leave(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    at_revision(engine, "9999_future")
    database = DatabaseHealth(engine, executor)
    assert await database.check() is None
    said = await database.check_schema()
    assert said is not None and "newer" in said


async def test_a_database_that_is_away(executor: ThreadPoolExecutor, tmp_sqlite_url: str) -> None:
    engine = make_engine(f"{tmp_sqlite_url}/no/such/folder", 1)
    database = DatabaseHealth(engine, executor)
    assert await database.check() == "the database does not answer"
    assert await database.check_schema() is None, "one fault is told once"
    engine.dispose()


async def test_threads_that_hang_are_the_answer_and_are_asked_once(
    engine: Engine, executor: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often somebody probes, one look waits in the queue of the threads."""
    held = threading.Event()
    for _ in range(2):
        executor.submit(held.wait)
    database = DatabaseHealth(engine, executor)
    try:
        for _ in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await database.check()
        assert executor._work_queue.qsize() == 1
    finally:
        held.set()
    assert await database.check() is None
    asked = database._asked
    assert await database.check() is None and database._asked == asked, "within a second nobody asks again"
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)
    assert await database.check() is None and database._asked > asked
