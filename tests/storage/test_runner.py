"""The runner: groups, fates, cancellation, order of publication, drain."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from domain.commands import Applied, OpenRoom, ReadEvents, ReadHeads, RoomCommand
from domain.errors import Conflict, Forbidden, NotFound, Unavailable
from domain.operations import AddStop, DeleteTrip, SetStopFields, StopFields
from domain.ports import Outcome, UnitOfWork
from domain.services.rooms import apply_operation, open_room, read_events, read_heads
from storage.unit_of_work_memory import MemoryUnits
from tests.storage.support import Store, command, make_trip
from tests.storage.world import World, call


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    name = "tmp_sqlite_url" if request.param == "sqlite" else "mariadb_url"
    made = Store(request.param, request.getfixturevalue(name))
    yield made
    made.close()


# --- lanes --------------------------------------------------------------------------------


async def test_one_operation(world: World) -> None:
    done = await world.add("s1")
    assert (done.seq, done.repeated) == (3, False)
    assert world.seqs == [3]
    assert world.bodies == await world.run(read_events, ReadEvents(world.trip, after=2))


async def test_what_arrives_during_a_transaction_is_committed_together(world: World) -> None:
    go = await world.hold()
    tasks = [world.add(f"s{n}") for n in range(20)]
    await asyncio.sleep(0)
    before = world.units.begun
    go()
    done = await asyncio.gather(*tasks)
    assert world.units.begun == before + 1
    assert [each.seq for each in done] == list(range(3, 23)) == world.seqs
    assert world.run.gauges.largest_group == 20


async def test_a_group_is_bounded(world: World) -> None:
    go = await world.hold()
    tasks = [world.add(f"s{n}") for n in range(70)]
    await asyncio.sleep(0)
    before = world.units.begun
    go()
    await asyncio.gather(*tasks)
    assert world.units.begun == before + 3
    assert world.run.gauges.largest_group == 32
    assert world.seqs == list(range(3, 73))


async def test_a_bad_command_fails_alone(world: World) -> None:
    def broken(_: RoomCommand, uow: UnitOfWork) -> None:
        trip = uow.trips.lock(world.trip)
        trip.trip.title = "half-way"
        raise KeyError("a bug")

    go = await world.hold()
    tasks: list[asyncio.Task[Any]] = [
        world.add("s1"),
        world.add("s1"),  # exists
        world.add("s2", by="stranger"),
        world.apply(command(world.trip, DeleteTrip(), by="bob")),
        asyncio.create_task(call(world.run, broken, RoomCommand(world.trip))),
        world.add("s3"),
        world.add("s4", op_id="op-twice-1"),
        world.add("s4", op_id="op-twice-1"),
    ]
    await asyncio.sleep(0)
    go()
    done: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in done] == [
        Applied, Conflict, NotFound, Forbidden, KeyError, Applied, Applied, Applied,
    ]  # fmt: skip
    assert [each.seq for each in (done[0], done[5], done[6], done[7])] == [3, 4, 5, 5]
    assert [each.repeated for each in done[6:]] == [False, True]
    assert world.seqs == [3, 4, 5] == await world.log()
    with world.units.units(False) as unit:
        assert unit.trips.read(world.trip).trip.title == "Yunnan 云南"
    assert world.run.gauges.largest_group == 8


async def test_events_are_published_before_the_caller_is_answered(world: World) -> None:
    async def submit(n: int) -> tuple[int, bool]:
        done = await world.run(apply_operation, command(world.trip, AddStop(f"s{n}", StopFields(name="S"))))
        return done.seq, done.seq in world.seqs

    found = await asyncio.gather(*(submit(n) for n in range(100)))
    assert sorted(found) == [(seq, True) for seq in range(3, 103)]
    assert world.seqs == list(range(3, 103))


async def test_a_failing_publisher_does_not_undo_a_commit(world: World) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no broker")

    world.run._publish = fail
    assert (await world.add("s1")).seq == 3
    assert await world.log() == [3]


async def test_reads_take_turns_with_writes_and_share_one_snapshot(world: World) -> None:
    go = await world.hold()
    writes = [world.add(f"s{n}") for n in range(40)]
    reads = [
        asyncio.create_task(
            world.run(open_room, OpenRoom(world.trip, command(world.trip, DeleteTrip()).actor))
        )
        for _ in range(10)
    ]
    await asyncio.sleep(0)
    go()
    states = await asyncio.gather(*reads)
    await asyncio.gather(*writes)
    # Behind the transaction that was in flight, not behind all forty writes.
    assert {state.seq for state in states} == {2}
    assert len({id(state.snapshot) for state in states}) == 1


async def test_reading_the_log_does_not_wait_for_the_lane(world: World) -> None:
    go = await world.hold()
    assert await world.log() == []
    heads = await world.run(read_heads, ReadHeads([world.trip, "none"]))
    assert [(head.trip_id, head.seq) for head in heads] == [(world.trip, 2)]
    go()


async def test_rooms_do_not_wait_for_each_other(world: World) -> None:
    other = make_trip(world.units.units)
    go = await world.hold()
    done = await world.apply(command(other, AddStop("s1", StopFields(name="S"))))
    assert done.seq == 3 and (other, 3) in world.published
    go()


async def test_a_room_that_waits_for_a_thread_gathers_what_arrives_meanwhile() -> None:
    world = World(MemoryUnits(), threads=1)
    other = make_trip(world.units.units)
    go = await world.hold()
    tasks = []
    for n in range(5):  # one in each turn: the lane is served by the first already
        tasks.append(world.apply(command(other, AddStop(f"s{n}", StopFields(name="S")))))
        await asyncio.sleep(0)
    before = world.units.begun
    go()
    await asyncio.gather(*tasks)
    assert world.units.begun == before + 1
    world.executor.shutdown()


async def test_lanes_are_kept_only_while_busy(world: World) -> None:
    go = await world.hold()
    assert (world.run.lanes, world.run.gauges.queued, world.run.gauges.in_flight) == (1, 1, 1)
    go()
    await world.add("s1")
    assert (world.run.lanes, world.run.gauges.queued, world.run.gauges.in_flight) == (0, 0, 0)


async def test_full_queues_refuse_with_a_retryable_error() -> None:
    world = World(MemoryUnits(), queue_limit=6, lane_limit=3)
    go = await world.hold()
    waiting = [world.add(f"s{n}") for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="this trip is busy") as caught:
        await world.add("s4")
    assert caught.value.retryable
    other = make_trip(world.units.units)
    more = [world.apply(command(other, AddStop(f"s{n}", StopFields(name="S")))) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="the server is busy"):
        await world.run(read_heads, ReadHeads([other]))
    assert world.run.gauges.refused == 2
    go()
    await asyncio.gather(*waiting, *more)
    assert (await world.add("s4")).seq == 6
    world.executor.shutdown()


# --- callers ------------------------------------------------------------------------------


async def test_a_cancelled_caller_does_not_separate_commit_from_publication(world: World) -> None:
    go = await world.hold()
    waiting = [world.add(f"s{n}") for n in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    go()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[1], asyncio.CancelledError)
    assert world.seqs == [3, 4, 5] == await world.log()
    assert done[2].seq == 5  # type: ignore[union-attr]


async def test_a_caller_cancelled_during_the_transaction(world: World) -> None:
    go = await world.hold()
    world._held.cancel()
    later = world.add("s1")
    await asyncio.sleep(0)
    go()
    assert (await later).seq == 3
    assert world.seqs == [3]


_request: contextvars.ContextVar[str] = contextvars.ContextVar("request")


async def test_each_command_sees_its_callers_context(world: World) -> None:
    def whose(_: object, __: UnitOfWork) -> tuple[str, str]:
        return _request.get("nobody"), threading.current_thread().name

    async def ask(name: str, given: Any) -> tuple[str, str]:
        _request.set(name)
        return await world.run(whose, given)

    go = await world.hold()
    asks = [asyncio.create_task(ask(f"r{n}", RoomCommand(world.trip))) for n in range(5)]
    asks.append(asyncio.create_task(ask("alone", ReadHeads([]))))
    await asyncio.sleep(0)
    go()
    found = await asyncio.gather(*asks)
    assert [name for name, _ in found] == ["r0", "r1", "r2", "r3", "r4", "alone"]
    assert all(thread != threading.main_thread().name for _, thread in found)


async def test_what_is_submitted_is_answered_once_in_its_own_context(world: World) -> None:
    heard: list[tuple[str, int]] = []

    def answer(outcome: Outcome[Applied]) -> None:
        heard.append((_request.get("nobody"), outcome.get().seq))
        raise RuntimeError("whoever hears this answer fails")

    def submit(n: int) -> None:
        _request.set(f"r{n}")
        made = command(world.trip, AddStop(f"s{n}", StopFields(name="S")))
        world.run.submit(apply_operation, made, answer)

    go = await world.hold()
    for n in range(3):
        contextvars.copy_context().run(submit, n)
    assert heard == []
    go()
    assert (await world.add("last")).seq == 6
    assert heard == [("r0", 3), ("r1", 4), ("r2", 5)]


async def test_neither_a_result_nor_an_error_is_garbage_for_the_collector(world: World) -> None:
    kept: list[weakref.ref[Any]] = []

    def answer(outcome: Outcome[Applied]) -> None:
        kept.append(weakref.ref(outcome.error or outcome))

    async def awaited(stop_id: str) -> None:
        try:
            await world.run(apply_operation, command(world.trip, AddStop(stop_id, StopFields(name="S"))))
        except Conflict as error:
            kept.append(weakref.ref(error))

    class Watched(Outcome[Any]):
        __slots__ = ("__weakref__",)

    gc.collect()
    gc.disable()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("storage.runner.Outcome", Watched)
            for stop_id in ("s1", "s1"):
                made = command(world.trip, AddStop(stop_id, StopFields(name="S")))
                world.run.submit(apply_operation, made, answer)
                await awaited(stop_id)
        assert len(kept) == 4
        # The thread that answered leaves its function only now; what is in a cycle never goes.
        async with asyncio.timeout(10):
            while any(ref() for ref in kept):  # noqa: ASYNC110 - no event says that
                await asyncio.sleep(0.002)
    finally:
        gc.enable()


async def test_what_cannot_be_accepted_is_answered_at_once(world: World) -> None:
    assert await world.run.drain(1)
    heard: list[Outcome[Applied]] = []
    world.run.submit(apply_operation, command(world.trip, AddStop("s", StopFields(name="S"))), heard.append)
    assert isinstance(heard[0].error, Unavailable) and heard[0].result is None
    with pytest.raises(Unavailable, match="restarting"):
        heard[0].get()


# --- drain --------------------------------------------------------------------------------


async def test_drain_waits_for_what_was_accepted_and_refuses_the_rest(world: World) -> None:
    go = await world.hold()
    waiting = [world.add(f"s{n}") for n in range(40)]
    await asyncio.sleep(0)
    draining = asyncio.create_task(world.run.drain(20))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="restarting"):
        await world.add("late")
    assert not draining.done()
    go()
    assert await draining is True
    assert all(task.done() for task in waiting)
    assert world.seqs == list(range(3, 43))


async def test_drain_gives_up_at_its_deadline() -> None:
    world = World(MemoryUnits())
    go = await world.hold()
    waiting = world.add("s1")
    await asyncio.sleep(0)
    assert await world.run.drain(0.01) is False
    world.executor.shutdown(wait=False)  # as the process does next
    go()
    with pytest.raises(Unavailable, match="restarting"):
        await waiting
    assert await world.run.drain(20) is True and world.seqs == []


# --- real databases -----------------------------------------------------------------------


async def test_two_runners_on_one_database_never_lose_or_repeat_an_operation(store: Store) -> None:
    worlds = [World(store.process()), World(store.process())]
    trip_id = worlds[1].trip = worlds[0].trip
    made = [command(trip_id, AddStop(f"s{n}", StopFields(name="站"))) for n in range(120)]
    # Every operation is sent to both, as a client does that lost its answer and reconnected.
    found = await asyncio.gather(*(world.apply(each) for each in made for world in worlds))
    pairs = list(zip(found[::2], found[1::2], strict=True))
    assert all(a.seq == b.seq and a.repeated != b.repeated for a, b in pairs)
    assert sorted(a.seq for a, _ in pairs) == list(range(3, 123))
    assert sorted(worlds[0].seqs + worlds[1].seqs) == list(range(3, 123))
    for world in worlds:
        assert world.seqs == sorted(world.seqs)
        assert await world.log() == list(range(3, 123))
        assert await world.run.drain(20)
        world.executor.shutdown()


async def test_many_rooms_at_once(store: Store) -> None:
    world = World(store.process())
    rooms = [make_trip(world.units.units) for _ in range(6)]
    made = [
        command(trip_id, AddStop(f"s{n}", StopFields(name="站")), op_id=f"op-{n:08}")
        for n in range(20)
        for trip_id in rooms
    ]
    made += [
        command(trip_id, SetStopFields("s3", StopFields(name=f"{n}"))) for n in range(5) for trip_id in rooms
    ]
    await asyncio.gather(*(world.apply(each) for each in made))
    for trip_id in rooms:
        assert [seq for each, seq in world.published if each == trip_id] == list(range(3, 28))
    assert await world.run.drain(20)
    world.executor.shutdown()
