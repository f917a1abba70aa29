"""One trip, written through three nodes of a Galera cluster at once.

`SELECT ... FOR UPDATE` locks on its own node only. Two nodes that write the same trip are told apart
when they commit: the later one gets error 1213, from COMMIT itself or before. Promises R1.2 (no gap in
the log), R1.3 (acknowledged = durable) and R1.4 (exactly once) must hold all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pymysql
import pytest
from sqlalchemy import event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import OperationalError

from domain.commands import Applied
from domain.errors import Unavailable
from domain.operations import AddStop, StopFields
from domain.services import rooms
from storage.batch import Batch
from storage.engine import make_engine
from storage.runner import Runner
from storage.schema import upgrade
from storage.unit_of_work import SqlUnits
from tests.services.galera import Galera
from tests.services.mariadb import MariaDB
from tests.storage.support import command, make_trip

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]
DATABASE = "galera_trips"


@pytest.fixture
async def runners(galera: Galera) -> AsyncIterator[list[Runner]]:
    """A runner on each node, as one server process beside each."""
    galera.start()
    upgrade(galera.nodes[0].create_database(DATABASE))
    engines = [make_engine(node.url_of(DATABASE), 4) for node in galera.nodes]
    executors = [ThreadPoolExecutor(4) for _ in engines]
    made = [
        Runner(SqlUnits(engine), executor, lambda *_: None)
        for engine, executor in zip(engines, executors, strict=True)
    ]
    yield made
    for runner, executor, engine in zip(made, executors, engines, strict=True):
        assert await runner.drain(20)
        executor.shutdown()
        engine.dispose()
    galera.start().nodes[0].drop_database(DATABASE)


async def insist(runners: list[Runner], first: int, trip: str, name: str) -> Applied:
    """One operation, sent again as a client does, each time to the next process."""
    asked = command(trip, AddStop(id=name, fields=StopFields(name=name)), op_id=f"op-{name}-0000")
    for attempt in range(200):
        try:
            return await runners[(first + attempt) % len(runners)](rooms.apply_operation, asked)
        except Unavailable:
            await asyncio.sleep(0.01)
    raise AssertionError(f"{name} was refused 200 times")


async def seen(galera: Galera, trip: str, head: int, node: MariaDB) -> None:
    """The node has applied the trip's log up to `head`."""
    async with asyncio.timeout(30):
        while node.execute(f"SELECT seq FROM trips WHERE id = '{trip}'", DATABASE) != ((head,),):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def judged(galera: Galera, trip: str, results: dict[str, Applied]) -> None:
    """On every node: the log has no gap, each operation is in it once, and where its answer says."""
    start = min(each.seq for each in results.values()) - 1
    head = start + len(results)
    assert sorted(each.seq for each in results.values()) == list(range(start + 1, head + 1))
    for node in galera.nodes:
        await seen(galera, trip, head, node)
        rows = node.execute(
            f"SELECT seq, op_id FROM operations WHERE trip_id = '{trip}' ORDER BY seq", DATABASE
        )
        assert [seq for seq, _ in rows] == list(range(1, head + 1))
        at = {op_id: seq for seq, op_id in rows}
        assert len(at) == head
        assert {name: at[f"op-{name}-0000"] for name in results} == {k: v.seq for k, v in results.items()}
        stops = node.execute(f"SELECT COUNT(*) FROM stops WHERE trip_id = '{trip}'", DATABASE)
        assert stops == ((len(results),),)


async def test_three_nodes_write_one_trip_and_its_log_has_no_gap(
    runners: list[Runner], galera: Galera
) -> None:
    trip = await asyncio.to_thread(make_trip, runners[0]._units)
    for node in galera.nodes:
        await seen(galera, trip, 2, node)
    results: dict[str, Applied] = {}
    refused: list[str] = []

    def note(context: ExceptionContext) -> None:
        assert isinstance(context.original_exception, pymysql.err.OperationalError)
        assert context.original_exception.args[0] == 1213
        refused.append(context.statement or "COMMIT")  # the one statement that SQLAlchemy does not name

    for runner in runners:
        event.listen(runner._units.engine, "handle_error", note)

    async def write(node: int, turn: int) -> None:
        """One after the other, so that no lane gathers them into one transaction."""
        for n in range(20):
            name = f"s{node}-{turn}-{n}"
            results[name] = await insist(runners, node, trip, name)

    for turn in range(10):
        await asyncio.gather(*(write(node, turn) for node in range(len(runners))))
        if "COMMIT" in refused:
            break
    await judged(galera, trip, results)
    assert sum(runner.gauges.retries for runner in runners) > 0
    assert "COMMIT" in refused, "COMMIT itself was refused, and the transaction run again"


async def test_a_transaction_that_is_ended_between_two_statements_leaves_nothing(galera: Galera) -> None:
    """The server reports error 1213 and goes on with the rest of the same message, as a transaction of its
    own: here it is stopped between two statements by a lock that it waits for."""
    here, there = galera.start().nodes[:2]
    url = here.create_database(DATABASE)
    for table in ("contended", "after_it"):
        here.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, n INT DEFAULT 0)", DATABASE)
    here.execute("INSERT INTO contended VALUES (1, 0)", DATABASE)
    engine = make_engine(url, 2)

    def write() -> None:
        with engine.connect() as connection:
            batch = Batch(connection)
            batch.add("UPDATE contended SET n = %s WHERE id = 1", [(1,)])
            batch.add("DO GET_LOCK(%s, 20)", [("held",)])
            batch.add("INSERT INTO after_it VALUES (%s, %s)", [(1, 0)])
            batch.commit()

    with engine.connect() as holder:
        holder.exec_driver_sql("SELECT GET_LOCK(%s, 0)", ("held",))
        writing = asyncio.create_task(asyncio.to_thread(write))
        waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock'"
        async with asyncio.timeout(30):
            while here.execute(waits) != ((1,),):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            there.execute("UPDATE contended SET n = 2 WHERE id = 1", DATABASE)
            with pytest.raises(OperationalError, match="1213"):
                await writing
        holder.rollback()
    assert here.execute("SELECT n FROM contended", DATABASE) == ((2,),)
    assert here.execute("SELECT id FROM after_it", DATABASE) == ()
    engine.dispose()
    here.drop_database(DATABASE)


async def test_the_same_operation_at_three_nodes_is_applied_once(
    runners: list[Runner], galera: Galera
) -> None:
    trip = await asyncio.to_thread(make_trip, runners[0]._units)
    for node in galera.nodes:
        await seen(galera, trip, 2, node)
    names = [f"same{n}" for n in range(10)]
    results: dict[str, Applied] = {}
    for name in names:
        found = await asyncio.gather(*(insist(runners, first, trip, name) for first in range(len(runners))))
        assert len({each.seq for each in found}) == 1
        results[name] = found[0]
    await judged(galera, trip, results)


async def test_a_killed_node_loses_nothing_that_was_acknowledged(
    runners: list[Runner], galera: Galera
) -> None:
    trip = await asyncio.to_thread(make_trip, runners[0]._units)
    for node in galera.nodes:
        await seen(galera, trip, 2, node)
    names = [f"k{n}" for n in range(30)]
    asking = [
        asyncio.create_task(insist(runners, n % len(runners), trip, name)) for n, name in enumerate(names)
    ]
    await asking[2]
    await asyncio.to_thread(galera.nodes[2].kill)
    found = await asyncio.gather(*asking)
    await asyncio.to_thread(galera.start)
    await judged(galera, trip, dict(zip(names, found, strict=True)))
