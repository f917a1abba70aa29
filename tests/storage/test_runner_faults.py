"""The runner when the database fails: what is repeated, what is not, and who is told."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.accounts import CreateGuest, NewSession
from domain.commands import Applied, ReadEvents
from domain.errors import Conflict, Unavailable
from domain.services.accounts import add_guest
from domain.services.rooms import read_events
from storage import runner as subject
from tests.storage.support import AT
from tests.storage.world import World, mysql_error


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PAUSE_SECONDS", 0.0)


# --- faults -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1205, 1213, 1020])
@pytest.mark.parametrize("at", ["begin", "before commit"])
async def test_contention_repeats_the_whole_group(world: World, code: int, at: str) -> None:
    go = await world.hold()
    tasks = [world.add("s1"), world.add("s1"), world.add("s2")]
    await asyncio.sleep(0)
    # The command that holds the lane has begun already; for `before commit` it comes first.
    skip = [] if at == "begin" else [None]
    world.units.errors[at] = [*skip, mysql_error(code), mysql_error(code)]
    begun = world.units.begun
    go()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert world.units.begun == begun + 3 and world.run.gauges.retries == 2
    assert [type(each) for each in done] == [Applied, Conflict, Applied]
    assert world.seqs == [3, 4] == await world.log()


async def test_contention_that_lasts_is_unavailable(world: World) -> None:
    world.units.errors["before commit"] = [mysql_error(1213), mysql_error(1213), mysql_error(1213)]
    with pytest.raises(Unavailable) as caught:
        await world.add("s1", op_id="op-again-1")
    assert caught.value.retryable and world.units.begun == 3
    assert world.seqs == [] == await world.log()
    assert (await world.add("s1", op_id="op-again-1")).repeated is False


@pytest.mark.parametrize("code", [2006, 2013])
async def test_a_lost_connection_is_tried_once_more(world: World, code: int) -> None:
    world.units.errors["before commit"] = [mysql_error(code)]
    assert (await world.add("s1")).seq == 3
    assert world.seqs == [3] and world.units.begun == 2
    world.units.errors["begin"] = [mysql_error(code), mysql_error(code)]
    with pytest.raises(Unavailable):
        await world.add("s2")
    assert world.units.begun == 4
    assert world.seqs == [3] == await world.log()


async def test_a_commit_whose_answer_was_lost_is_published_and_happens_once(world: World) -> None:
    world.units.errors["after commit"] = [mysql_error(2013)]
    done = await world.add("s1")
    assert done == Applied(done.op_id, 3, repeated=True)
    assert world.seqs == [3] == await world.log()
    assert world.bodies == await world.run(read_events, ReadEvents(world.trip, after=2))


async def test_without_an_operation_id_a_doubtful_commit_is_not_repeated(world: World) -> None:
    new = NewSession("s1", "hash")
    guest = CreateGuest("u1", new, "王", "zh", AT)
    world.units.errors["after commit"] = [mysql_error(2013)]
    with pytest.raises(Unavailable):
        await world.run(add_guest, guest)
    assert world.units.begun == 1
    world.units.errors["begin"] = [mysql_error(2013)]
    made = await world.run(add_guest, CreateGuest("u2", NewSession("s2", "hash2"), "李", "zh", AT))
    assert made.id == "u2" and world.units.begun == 3


async def test_no_free_connection_is_unavailable_at_once(world: World) -> None:
    world.units.errors["begin"] = [PoolTimeout()]
    with pytest.raises(Unavailable):
        await world.add("s1")
    assert world.units.begun == 1


async def test_an_error_of_the_database_hits_only_its_cause(world: World) -> None:
    """A command that the database refuses at the commit is found by running each alone."""
    poison = RuntimeError("data too long")
    go = await world.hold()
    tasks = [world.add(f"s{n}") for n in range(3)]
    await asyncio.sleep(0)
    # The command that holds the lane commits; then the group fails, and then its first command.
    world.units.errors["before commit"] = [None, poison, poison]
    go()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert done[0] is poison
    assert [type(each) for each in done[1:]] == [Applied, Applied]
    assert world.seqs == [3, 4] == await world.log()
