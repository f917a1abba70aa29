"""The unit of work: one suite for memory, SQLite and MariaDB.

Two factories over one store stand for two server processes, each with its own cache.
"""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.accounts import User
from domain.commands import RoomHead
from domain.entities import Link
from domain.errors import Forbidden, NotFound
from domain.events import decode_event
from domain.operations import (
    AddDay,
    AddStop,
    AnyOperation,
    CreateTrip,
    DayFields,
    DeleteTrip,
    MoveDay,
    MoveStops,
    RemoveDay,
    RemoveMember,
    RemoveStop,
    RestoreStop,
    SetDayFields,
    SetStopFields,
    SetTripDates,
    SetTripFields,
    StopFields,
    TripFields,
    Undo,
)
from domain.services import rooms
from storage.cache import AggregateCache
from tests.storage.support import AT, Store, command, current, do, loaded, make_trip, new_op, state_of

TEXT = "同游：大理古城 → 丽江 🏔️👨‍👩‍👧 \U00020bb7 'quote\" \\ % %s"


def _add(stop_id: str, name: str = "Stop", **more: object) -> AddStop:
    return AddStop(id=stop_id, fields=StopFields(name=name), **more)  # type: ignore[arg-type]


def test_a_unit_is_no_garbage_for_the_collector(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)

    def use(commit: bool) -> weakref.ref[object]:
        with units(True) as unit:
            unit.trips.lock(trip_id)
            assert unit.talk is not None and unit.answers is not None and unit.jobs is not None
            if commit:
                unit.commit()
        return weakref.ref(unit)

    gc.collect()
    gc.disable()
    try:
        assert [use(commit)() for commit in (True, False)] == [None, None]
    finally:
        gc.enable()


def test_a_trip_comes_back_as_it_was_made(store: Store) -> None:
    units = store.process()
    with units(True) as unit:
        op = CreateTrip(title=TEXT, owner_name="王小明 🙂", description=TEXT * 20)
        trip = rooms.create_trip(unit, "trip-1", "epoch", op, "ann", "op-create", AT)
        made = state_of(trip)
        unit.commit()
        assert [each.trip_id for each in unit.recorded] == ["trip-1"]
        assert [done.event.seq for done in unit.recorded[0].events] == [1]
    assert loaded(store, "trip-1") == made
    assert made["trip"].title == TEXT


def test_leaving_without_commit_rolls_back(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    before = loaded(store, trip_id)
    with units(True) as unit:
        rooms.apply_operation(command(trip_id, _add("s1")), unit)
    with pytest.raises(RuntimeError, match="no such luck"), units(True) as unit:
        rooms.apply_operation(command(trip_id, _add("s1")), unit)
        raise RuntimeError("no such luck")
    assert loaded(store, trip_id) == before
    with units(True) as unit:
        assert current(unit, trip_id) == before
        assert unit.trips.events_after(trip_id, before["head"][1], 10) == []


def test_accounts_and_trips_share_one_transaction(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    user = User("u1", "王", AT)
    with units(True) as unit:
        unit.accounts.add_user(user)
        rooms.apply_operation(command(trip_id, _add("s1")), unit)
    with units(False) as unit:
        assert unit.accounts.user("u1") is None
        assert unit.trips.heads([trip_id])[0].seq == 2
    with units(True) as unit:
        unit.accounts.add_user(user)
        rooms.apply_operation(command(trip_id, _add("s1")), unit)
        unit.commit()
    with units(False) as unit:
        assert unit.accounts.user("u1") == user
        assert unit.trips.heads([trip_id])[0].seq == 3


def test_loaded_equals_absorbed(store: Store) -> None:
    """Whatever happened: kept and absorbed == brought up to date by the log == loaded from rows."""
    ours, theirs = store.process(), store.process()
    trip_id = make_trip(ours)
    with theirs(False) as unit:
        days = [day.id for day in unit.trips.read(trip_id).live_days()]
    links: dict[str, Link | None] = {"l1": Link(url="https://example.org/大理", title=TEXT)}
    ops: list[AnyOperation] = [
        _add("s1", TEXT, day=days[0]),
        _add("s2", "B", day=days[0], after="s1"),
        AddStop("s3", StopFields(name="C", lat=25.6, lng=-100.2, cost_amount=10**14, links=links), days[1]),
        SetStopFields("s1", StopFields(notes=TEXT * 100, lat=1 / 3, start_time="09:30", status="booked")),
        SetStopFields("s3", StopFields(links={"l1": None, "l2": Link(url="https://example.org")})),
        MoveStops(["s1", "s2"], day=days[2]),
        MoveStops(["s2"]),
        SetDayFields(days[0], DayFields(title=TEXT, notes="🙂")),
        SetTripFields(TripFields(title=TEXT, description="é", time_zone="Asia/Shanghai")),
        SetTripDates("2026-07-01", "2026-07-02"),
        AddDay("d-x"),
        MoveDay(days[1]),
        RemoveStop("s1"),
        RestoreStop("s1"),
        RemoveDay(days[0]),
        RemoveMember("bob"),
        SetTripDates(None, None),
        Undo(5),
    ]
    for op in ops:
        do(ours, trip_id, op)
        with ours(False) as unit:
            kept = current(unit, trip_id)
        with theirs(False) as unit:
            caught_up = current(unit, trip_id)
        assert kept == caught_up == loaded(store, trip_id), op
    assert kept["head"] == ("epoch-1", 2 + len(ops))


def test_one_transaction_with_many_events_equals_the_log(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(True) as unit:
        for n in range(40):
            rooms.apply_operation(command(trip_id, _add(f"s{n}", f"站 {n}")), unit)
            assert unit.trips.event(trip_id, n + 3) is not None
        assert len(unit.trips.events_after(trip_id, 0, 100)) == 42
        unit.commit()
        bodies = [done.body for done in unit.recorded[0].events]
    with store.process()(False) as unit:
        assert unit.trips.events_after(trip_id, 2, 100) == bodies
        assert unit.trips.events_after(trip_id, 2, 7) == bodies[:7]
        assert [decode_event(body).seq for body in bodies] == list(range(3, 43))


def test_an_operation_id_is_known_for_ever(store: Store) -> None:
    ours, theirs = store.process(), store.process()
    trip_id, other = make_trip(ours), make_trip(ours)
    first = do(ours, trip_id, _add("s1"), op_id="op-same-id")
    again = do(theirs, trip_id, _add("s1"), op_id="op-same-id")
    assert (first.repeated, again.repeated) == (False, True) and first.seq == again.seq == 3
    with theirs(True) as unit:
        unit.expect(trip_id, ["op-same-id", "op-unknown"])
        unit.trips.lock(trip_id)
        assert unit.trips.seq_of(trip_id, "op-same-id") == 3
        assert unit.trips.seq_of(trip_id, "op-unknown") is None
        assert unit.trips.seq_of(trip_id, "OP-SAME-ID") is None
        assert unit.trips.seq_of(other, "op-same-id") is None
        rooms.apply_operation(command(trip_id, _add("s2"), op_id="op-unknown"), unit)
        assert unit.trips.seq_of(trip_id, "op-unknown") == 4
    with theirs(False) as unit:
        assert unit.trips.seq_of(trip_id, "op-unknown") is None
        assert unit.trips.seq_of(trip_id, "op-same-id") == 3


def test_a_rejected_command_leaves_its_neighbours_alone(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(True) as unit:
        unit.mark()
        rooms.apply_operation(command(trip_id, _add("s1")), unit)
        unit.mark()
        unit.accounts.add_user(User("u1", "kept not", AT))
        rooms.apply_operation(command(trip_id, _add("s2"), op_id="op-dropped"), unit)
        unit.drop(broken=False)
        assert unit.trips.seq_of(trip_id, "op-dropped") is None
        assert "s2" not in unit.trips.lock(trip_id).stops
        unit.mark()
        unit.accounts.add_user(User("u2", "kept", AT))
        done = rooms.apply_operation(command(trip_id, _add("s3")), unit)
        unit.mark()
        rooms.create_trip(unit, "dropped", "e", CreateTrip("X", "Ann"), "ann", new_op(), AT)
        unit.drop(broken=True)
        state = current(unit, trip_id)
        unit.commit()
    assert done.seq == 4
    assert loaded(store, trip_id) == state
    assert set(state["stops"]) == {"s1", "s3"}
    with units(False) as unit:
        assert unit.accounts.user("u1") is None and unit.accounts.user("u2") is not None
        assert unit.trips.heads(["dropped"]) == []
        assert current(unit, trip_id) == state


def test_a_new_trip_survives_a_rejected_neighbour(store: Store) -> None:
    units = store.process()
    with units(True) as unit:
        unit.mark()
        rooms.create_trip(unit, "new-trip", "e", CreateTrip("新", "Ann"), "ann", new_op(), AT)
        unit.mark()
        rooms.apply_operation(command("new-trip", _add("s1")), unit)
        unit.drop(broken=True)
        state = current(unit, "new-trip")
        unit.commit()
    assert state["stops"] == {} and state["trip"].title == "新"
    assert loaded(store, "new-trip") == state


def test_history_by_record(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    do(units, trip_id, _add("s1"))  # 3
    do(units, trip_id, _add("S1"))  # 4
    do(units, trip_id, SetStopFields("s1", StopFields(name="二")))  # 5
    do(units, trip_id, MoveStops(["s1", "S1"], after=None))  # 6
    do(units, trip_id, SetTripFields(TripFields(title="标题")))  # 7

    def seqs(before: int | None = None, limit: int = 50, record: str | None = None) -> list[int]:
        return [decode_event(body).seq for body in unit.trips.history(trip_id, before, limit, record)]

    with units(False) as unit:
        assert seqs() == [7, 6, 5, 4, 3, 2, 1]
        assert seqs(before=6, limit=2) == [5, 4]
        assert set(seqs(record="stop:s1")) >= {5, 3} and 4 not in seqs(record="stop:s1")
        assert 4 in seqs(record="stop:S1") and 3 not in seqs(record="stop:S1")
        assert seqs(record="stop:s1", before=5) == [3]
        assert seqs(record="trip:" + trip_id) == [7, 1]
        assert seqs(record="member:bob") == [2]
        for nothing in ("stop:none", "stop:🙂", "stop", "", "user:x", "stop:'; drop"):
            assert seqs(record=nothing) == []
    with units(True) as unit:
        rooms.apply_operation(command(trip_id, SetStopFields("s1", StopFields(name="三"))), unit)
        assert seqs(record="stop:s1", limit=2)[0] == 8
        assert seqs(before=8, limit=1) == [7]


def test_heads_of_many_trips(store: Store) -> None:
    units = store.process()
    first, second = make_trip(units), make_trip(units)
    do(units, second, DeleteTrip())
    with units(False) as unit:
        heads = {head.trip_id: head for head in unit.trips.heads([second, "none", first, "🙂", first])}
        assert unit.trips.heads([]) == []
        assert len(unit.trips.heads([f"x{n}" for n in range(1200)] + [first])) == 1
    assert heads == {
        first: RoomHead(first, "epoch-1", 2, False),
        second: RoomHead(second, "epoch-1", 3, True),
    }


@pytest.mark.parametrize("trip_id", ["none", "", "大理", "a b", "a ", "x" * 41, "a'--"])
def test_unknown_trips(store: Store, trip_id: str) -> None:
    units = store.process()
    with units(True) as unit:
        with pytest.raises(NotFound):
            unit.trips.lock(trip_id)
        with pytest.raises(NotFound):
            unit.trips.read(trip_id)
        assert unit.trips.events_after("none", 0, 10) == []


def test_positions_and_ids_are_case_sensitive(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(True) as unit:
        trip = unit.trips.lock(trip_id)
        for name in ("aB", "ab", "Ab", "AB"):
            rooms.apply_operation(command(trip_id, _add(name, after=None)), unit)
        assert {"aB", "ab", "Ab", "AB"} <= set(trip.stops)
        state = state_of(trip)
        unit.commit()
    assert loaded(store, trip_id)["order"] == state["order"]
    for n in range(60):  # positions in front of others reach upper and lower case keys
        do(units, trip_id, _add(f"f{n}"))
    with units(False) as unit:
        kept = current(unit, trip_id)
    keys = [pos for pos, _ in kept["order"][None]]
    assert keys == sorted(keys) and len(set(keys)) == len(keys)
    assert loaded(store, trip_id) == kept
    assert {pos[:1].isupper() for pos in keys} == {True, False}


def test_units_that_only_read_cannot_write(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(False) as unit:
        with pytest.raises(RuntimeError, match="only reads"):
            unit.trips.lock(trip_id)
        with pytest.raises(RuntimeError, match="only reads"):
            rooms.create_trip(unit, "x", "e", CreateTrip("X", "A"), "ann", new_op(), AT)


def test_recording_needs_the_lock_and_the_next_seq(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(True) as unit:
        trip = unit.trips.lock(trip_id)
        rooms.apply_operation(command(trip_id, _add("s1")), unit)
        event = unit.trips.event(trip_id, 3)
        assert event is not None
        with pytest.raises(RuntimeError, match="does not follow"):
            unit.trips.record(trip, event)
    with units(True) as unit, pytest.raises(RuntimeError, match="locked or created"):
        unit.trips.record(trip, event)


def test_two_processes_race_on_one_trip(store: Store) -> None:
    """A real race on seq: threads of two processes, no operation lost, none twice, no gap."""
    processes = [store.process(), store.process()]
    trip_id = make_trip(processes[0])
    start = threading.Barrier(4)

    def work(number: int) -> list[int]:
        start.wait(10)
        units = processes[number % 2]
        return [do(units, trip_id, _add(f"s{number}-{n}")).seq for n in range(15)]

    with ThreadPoolExecutor(4) as threads:
        seqs = [seq for found in threads.map(work, range(4)) for seq in found]
    assert sorted(seqs) == list(range(3, 63))
    state = loaded(store, trip_id)
    assert len(state["stops"]) == 60
    for units in processes:
        with units(False) as unit:
            assert current(unit, trip_id) == state
            log = [decode_event(body) for body in unit.trips.events_after(trip_id, 0, 100)]
    assert [event.seq for event in log] == list(range(1, 63))
    assert len({event.op_id for event in log}) == 62


def test_readers_see_one_moment_while_others_write(store: Store) -> None:
    units, readers = store.process(), store.process()
    trip_id = make_trip(units)
    ended = threading.Event()

    def write() -> None:
        try:
            for n in range(40):
                do(units, trip_id, _add(f"s{n}", day=None))
        finally:
            ended.set()

    def read() -> int:
        count = 0
        while not ended.is_set() or not count:
            with readers(False) as unit:
                readers.cache.take(trip_id)  # type: ignore[attr-defined]
                trip = unit.trips.read(trip_id)
                assert trip.live_stops == trip.seq - 2 == len(trip.keys_of(None))
            count += 1
        return count

    with ThreadPoolExecutor(2) as threads:
        writing, reading = threads.submit(write), threads.submit(read)
        writing.result()
        assert reading.result() > 0


def test_the_kept_aggregate_is_not_trusted_blindly(store: Store) -> None:
    cache = AggregateCache()
    ours, theirs = store.process(cache), store.process()
    trip_id = make_trip(ours)
    with ours(False) as unit:
        unit.trips.read(trip_id)
    for n in range(3):
        do(theirs, trip_id, _add(f"s{n}"))
    with ours(True) as unit:
        assert unit.trips.lock(trip_id).seq == 5
        unit.commit()
    kept = cache.take(trip_id)
    assert kept is not None and kept.seq == 5
    kept.epoch, kept.seq = "another", 99  # as after a restored backup
    cache.put(kept)
    with ours(False) as unit:
        assert current(unit, trip_id) == loaded(store, trip_id)


def test_refused_operations_keep_the_cache_and_touch_nothing(store: Store) -> None:
    cache = AggregateCache()
    units = store.process(cache)
    trip_id = make_trip(units)
    before = loaded(store, trip_id)
    with units(True) as unit:
        unit.mark()
        with pytest.raises(Forbidden):
            rooms.apply_operation(command(trip_id, DeleteTrip(), by="bob"), unit)
        unit.drop(broken=False)
        unit.commit()
        assert unit.recorded == []
    assert len(cache) == 1
    assert loaded(store, trip_id) == before
