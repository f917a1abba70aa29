"""Before-state + events == after-state, for random operations of several people (seeded)."""

from __future__ import annotations

import random

import pytest

from domain import operations as ops
from domain.commands import Actor, OpenRoom
from domain.entities import ENTITY_TYPES, Link, Trip
from domain.errors import DomainError
from domain.events import decode_event, encode_event
from domain.operations import DayFields, StopFields
from domain.services import rooms
from domain.trip import TripAggregate, wire_record
from tests.domain.rooms import Room


def random_operation(rng: random.Random, room: Room, fresh: list[int]) -> ops.AnyOperation:
    stops = [*room.trip.stops, "missing"]
    days = [*room.trip.days, None]
    fresh[0] += 1
    n = fresh[0]
    make = rng.choice(
        [
            lambda: ops.AddStop(f"s{n}", StopFields(name=f"点{n}"), rng.choice(days), rng.choice(stops)),
            lambda: ops.AddStop(f"s{n}", StopFields(name=f"点{n}"), rng.choice(days), rng.choice(stops)),
            lambda: ops.SetStopFields(
                rng.choice(stops),
                StopFields(
                    name=f"n{n}", links={rng.choice("abc"): rng.choice([None, Link("https://x.example")])}
                ),
            ),
            lambda: ops.MoveStops(
                rng.sample(stops, min(len(stops), rng.randint(1, 3))), rng.choice(days), rng.choice(stops)
            ),
            lambda: ops.RemoveStop(rng.choice(stops)),
            lambda: ops.RestoreStop(rng.choice(stops)),
            lambda: ops.AddDay(f"x{n}", DayFields(title="t")),
            lambda: ops.MoveDay(rng.choice(list(room.trip.days)), rng.choice(days)),
            lambda: ops.RemoveDay(rng.choice(list(room.trip.days))),
            lambda: ops.SetTripDates(
                "2026-05-0" + str(rng.randint(1, 5)),
                "2026-05-0" + str(rng.randint(5, 9)),
                rng.choice(["shift", "keep"]),
            ),
            lambda: ops.SetTripDates(None, None),
            lambda: ops.Undo(rng.randint(1, room.trip.seq)),
            lambda: ops.Undo(room.trip.seq),
        ]
    )
    return make()


def check_invariants(room: Room) -> None:
    trip = room.trip
    live = {day.id for day in trip.live_days()}
    seen: set[str] = set()
    for day_id in [None, *trip.days]:
        keys = trip.keys_of(day_id)
        assert keys == sorted(keys) and len({pos for pos, _ in keys}) == len(keys), "two stops in one place"
        assert not keys or day_id is None or day_id in live, "a live stop on a removed day"
        seen |= {stop_id for _, stop_id in keys}
    assert seen == {stop.id for stop in trip.stops.values() if not stop.deleted}
    dates = [day.date for day in trip.live_days() if day.date is not None]
    assert len(dates) == len(set(dates)), "two days on one date"
    if trip.trip.start_date is None:
        assert not dates
    else:
        assert (dates[0], dates[-1]) == (trip.trip.start_date, trip.trip.end_date)


@pytest.mark.parametrize("seed", range(40))
def test_events_rebuild_the_state(seed: int) -> None:
    rng = random.Random(seed)
    room, fresh = Room(start_date="2026-05-01", end_date="2026-05-04"), [0]
    applied = 0
    for _ in range(150):
        try:
            room.do(
                random_operation(rng, room, fresh),
                rng.choice(["ann", "bob"]),
                max(0, room.trip.seq - rng.randint(0, 5)),
            )
            applied += 1
        except DomainError:
            pass
        check_invariants(room)
    assert applied > 40, f"seed {seed} hardly did anything"
    replica = TripAggregate(Trip(id="t1", title=""), "e1")
    for event in room.trips.log:
        replica.absorb(decode_event(encode_event(event)))
    assert replica.snapshot() == room.trip.snapshot()
    assert replica.stamps == room.trip.stamps


@pytest.mark.parametrize("seed", range(10))
def test_old_values_in_the_log_are_what_was_there(seed: int) -> None:
    rng = random.Random(1000 + seed)
    room, fresh = Room(start_date="2026-05-01", end_date="2026-05-04"), [0]
    for _ in range(100):
        try:
            room.do(random_operation(rng, room, fresh), rng.choice(["ann", "bob"]))
        except DomainError:
            continue
    replica = TripAggregate(Trip(id="t1", title=""), "e1")
    for event in room.trips.log:
        for change in event.changes:
            if not change.new and event.seq > 1:
                assert change.old.keys() == change.set.keys()
                record = wire_record(replica.get(change.t, change.id))
                for field, old in change.old.items():
                    now = record["links"].get(field[6:]) if field.startswith("links.") else record[field]
                    assert now == old, f"seed {seed} event {event.seq} {field}"
        replica.absorb(event)
    assert ENTITY_TYPES.keys() == {"trip", "day", "stop", "member"}


def test_resume_gives_exactly_what_was_missed_or_a_snapshot() -> None:
    room = Room(start_date="2026-05-01", end_date="2026-05-02")
    state = rooms.open_room(OpenRoom("t1", Actor("vic"), since=1, epoch="e1"), room)
    assert state.recovered and state.events is not None and len(state.events) == 2
    for since, epoch in ((1, "other"), (99, "e1"), (None, "e1")):
        fresh = rooms.open_room(OpenRoom("t1", Actor("vic"), since=since, epoch=epoch), room)
        assert not fresh.recovered and fresh.snapshot is not None and fresh.events is None
