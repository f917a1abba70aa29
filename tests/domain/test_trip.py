"""The rules of merging, one test a rule. Rule numbers are those of docs/PROTOCOL.md."""

from __future__ import annotations

import pytest

from domain import operations as ops
from domain.entities import Link
from domain.errors import Conflict, DomainError, Forbidden, Gone, Invalid, LimitReached, NotFound
from domain.operations import DayFields, StopFields, TripFields
from tests.domain.rooms import Room


def add(room: Room, stop_id: str, day: str | None = None, after: str | None = None, by: str = "ann") -> None:
    room.do(ops.AddStop(stop_id, StopFields(name=stop_id), day, after), by)


def dated() -> Room:
    return Room(start_date="2026-05-01", end_date="2026-05-03")


def test_a_new_trip_has_a_day_for_each_date() -> None:
    room = dated()
    assert [day.date for day in room.trip.live_days()] == ["2026-05-01", "2026-05-02", "2026-05-03"]
    assert room.trip.seq == 3 and [event.seq for event in room.trips.log] == [1, 2, 3]


def test_different_fields_of_one_stop_both_survive() -> None:
    room = dated()
    add(room, "s1")
    base = room.trip.seq
    room.do(ops.SetStopFields("s1", StopFields(name="Erhai")), "ann", base)
    room.do(ops.SetStopFields("s1", StopFields(notes="go early")), "bob", base)
    assert (room.trip.stops["s1"].name, room.trip.stops["s1"].notes) == ("Erhai", "go early")
    assert room.last.overwrote == []


def test_the_same_field_goes_to_the_last_writer_and_the_loser_is_named() -> None:
    room = dated()
    add(room, "s1")
    base = room.trip.seq
    room.do(ops.SetStopFields("s1", StopFields(name="A")), "ann", base)
    won = room.trip.seq
    room.do(ops.SetStopFields("s1", StopFields(name="B")), "bob", base)
    assert room.trip.stops["s1"].name == "B"
    [lost] = room.last.overwrote
    assert (lost.field, lost.value, lost.by, lost.seq) == ("name", "A", "ann", won)


def test_an_op_id_seen_before_returns_its_first_result() -> None:
    room = dated()
    first = room.do(ops.AddStop("s1", StopFields(name="x")), op_id="same-op-id")
    again = room.do(ops.AddStop("s1", StopFields(name="x")), op_id="same-op-id")
    assert again.repeated and again.seq == first.seq and room.trip.live_stops == 1


def test_an_op_id_of_somebody_else_is_no_repeat() -> None:
    room = dated()
    room.do(ops.AddStop("s1", StopFields(name="x")), "ann", op_id="same-op-id")
    with pytest.raises(Conflict) as refused:
        room.do(ops.AddStop("s2", StopFields(name="y")), "bob", op_id="same-op-id")
    assert refused.value.code == "op_id_taken" and room.trip.live_stops == 1


def test_stops_are_placed_by_anchor() -> None:
    room = dated()
    day = room.day_ids()[0]
    add(room, "a", day)
    add(room, "c", day, "a")
    add(room, "b", day, "a")
    add(room, "z", day, "nobody")
    assert room.names(day) == ["a", "b", "c", "z"]
    room.do(ops.MoveStops(["z", "a"], day, "b"))
    assert room.names(day) == ["b", "z", "a", "c"]
    room.do(ops.MoveStops(["c"], None, None))
    assert room.names(day) == ["b", "z", "a"] and room.names() == ["c"]


def test_a_removed_anchor_keeps_its_place() -> None:
    room = dated()
    day = room.day_ids()[0]
    for stop_id, after in (("a", None), ("b", "a"), ("c", "b")):
        add(room, stop_id, day, after)
    room.do(ops.RemoveStop("b"))
    add(room, "x", day, "b")
    assert room.names(day) == ["a", "x", "c"]


def test_keys_stay_short_however_often_one_spot_is_used() -> None:
    room = dated()
    day = room.day_ids()[0]
    add(room, "first", day)
    for n in range(300):
        add(room, f"s{n}", day, "first")
    assert room.names(day) == ["first", *[f"s{n}" for n in reversed(range(300))]]
    assert max(len(pos) for pos, _ in room.trip.keys_of(day)) <= 25


def test_an_edit_of_a_removed_stop_is_gone_and_restore_brings_it_back() -> None:
    room = dated()
    day = room.day_ids()[1]
    add(room, "s1", day)
    room.do(ops.RemoveStop("s1"), "bob")
    with pytest.raises(Gone):
        room.do(ops.SetStopFields("s1", StopFields(name="x")))
    room.do(ops.RestoreStop("s1"))
    assert room.names(day) == ["s1"] and room.last.changes[0].new


def test_links_merge_by_entry() -> None:
    room = dated()
    add(room, "s1")
    base = room.trip.seq
    room.do(ops.SetStopFields("s1", StopFields(links={"a": Link("https://a.example")})), "ann", base)
    room.do(ops.SetStopFields("s1", StopFields(links={"b": Link("https://b.example")})), "bob", base)
    assert set(room.trip.stops["s1"].links) == {"a", "b"}
    room.do(ops.SetStopFields("s1", StopFields(links={"a": None})))
    assert set(room.trip.stops["s1"].links) == {"b"}
    room.do(ops.Undo(room.trip.seq))
    assert set(room.trip.stops["s1"].links) == {"a", "b"}


def test_a_link_too_many_is_refused() -> None:
    room = dated()
    add(room, "s1")
    links: dict[str, Link | None] = {f"l{n}": Link("https://a.example") for n in range(21)}
    with pytest.raises(LimitReached):
        room.do(ops.SetStopFields("s1", StopFields(links=links)))


def test_link_ids_are_not_used_up_without_bound() -> None:
    room = dated()
    add(room, "s1")
    for n in range(200):
        room.do(ops.SetStopFields("s1", StopFields(links={f"l{n}": Link("https://a.example")})))
        room.do(ops.SetStopFields("s1", StopFields(links={f"l{n}": None})))
    with pytest.raises(LimitReached):
        room.do(ops.SetStopFields("s1", StopFields(links={"one-more": Link("https://a.example")})))
    room.do(ops.SetStopFields("s1", StopFields(links={"l0": Link("https://a.example")})))


# --- dates --------------------------------------------------------------------------------


def test_a_shorter_trip_unschedules_days_with_plans_and_drops_empty_ones() -> None:
    room = dated()
    first, second, third = room.day_ids()
    add(room, "s1", third)
    room.do(ops.SetTripDates("2026-05-01", "2026-05-01"))
    days = room.trip.live_days()
    assert [(day.id, day.date) for day in days] == [(first, "2026-05-01"), (third, None)]
    assert room.names(third) == ["s1"] and room.trip.days[second].deleted


def test_shift_moves_the_plan_and_keep_leaves_days_on_their_dates() -> None:
    room = dated()
    ids = room.day_ids()
    add(room, "s1", ids[2])
    room.do(ops.SetTripDates("2026-06-10", "2026-06-12"))
    assert room.trip.days[ids[0]].date == "2026-06-10"
    room.do(ops.SetTripDates("2026-06-11", "2026-06-14", "keep"))
    assert room.trip.days[ids[1]].date == "2026-06-11"
    assert room.trip.days[ids[0]].deleted
    assert len([day for day in room.trip.live_days() if day.date]) == 4


def test_dates_can_go_and_come_back() -> None:
    room = dated()
    ids = room.day_ids()
    for day in ids:
        add(room, f"on-{day}", day)
    room.do(ops.SetTripDates(None, None))
    assert room.day_ids() == ids and room.trip.trip.start_date is None
    room.do(ops.SetTripDates("2026-07-01", "2026-07-03"))
    assert room.day_ids() == ids and room.trip.days[ids[2]].date == "2026-07-03"


def test_dates_changed_by_somebody_else_meanwhile_are_a_conflict() -> None:
    room = dated()
    base = room.trip.seq
    room.do(ops.SetTripDates("2026-05-02", "2026-05-04"), "ann", base)
    with pytest.raises(Conflict) as caught:
        room.do(ops.SetTripDates("2026-05-03", "2026-05-05"), "bob", base)
    assert caught.value.details["current"]["start_date"] == "2026-05-02"


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-02-30", "2026-03-01"), ("2026-03-02", "2026-03-01"), ("2026-01-01", None), (None, "2026-01-01")],
)
def test_bad_dates_are_invalid(start: str | None, end: str | None) -> None:
    with pytest.raises(Invalid):
        dated().do(ops.SetTripDates(start, end))


def test_a_trip_is_at_most_a_year_long() -> None:
    with pytest.raises(LimitReached):
        dated().do(ops.SetTripDates("2026-01-01", "2028-01-01"))


def test_days_swap_dates_when_moved() -> None:
    room = dated()
    first, second, third = room.day_ids()
    room.do(ops.MoveDay(third, None))
    assert room.day_ids() == [third, first, second]
    assert [day.date for day in room.trip.live_days()] == ["2026-05-01", "2026-05-02", "2026-05-03"]


def test_an_unscheduled_day_gets_a_date_by_moving_it_among_dated_ones() -> None:
    room = dated()
    first, second, third = room.day_ids()
    room.do(ops.AddDay("extra", DayFields(title="Rest")))
    room.do(ops.MoveDay("extra", first))
    assert room.day_ids() == [first, "extra", second, third]
    assert room.trip.trip.end_date == "2026-05-04"
    room.do(ops.AddDay("more"))
    room.do(ops.MoveDay("extra", "more"))
    assert room.day_ids() == [first, second, third, "more", "extra"]
    assert room.trip.trip.end_date == "2026-05-03"


def test_removing_a_day_keeps_its_stops_as_ideas_and_undo_brings_all_back() -> None:
    room = dated()
    first, second, third = room.day_ids()
    add(room, "s1", second)
    add(room, "s2", second, "s1")
    room.do(ops.RemoveDay(second))
    assert room.names() == ["s1", "s2"] and room.trip.trip.end_date == "2026-05-02"
    room.do(ops.Undo(room.trip.seq))
    assert room.day_ids() == [first, second, third]
    assert room.names(second) == ["s1", "s2"] and room.names() == []


# --- undo ---------------------------------------------------------------------------------


def test_undo_and_redo_of_a_field() -> None:
    room = dated()
    add(room, "s1")
    room.do(ops.SetStopFields("s1", StopFields(name="new", kind="food")))
    seq = room.trip.seq
    room.do(ops.Undo(seq))
    assert room.trip.stops["s1"].name == "s1" and room.last.undoes == seq
    room.do(ops.Undo(room.trip.seq))
    assert (room.trip.stops["s1"].name, room.trip.stops["s1"].kind) == ("new", "food")


def test_undo_goes_back_step_by_step() -> None:
    room = dated()
    add(room, "s1")
    room.do(ops.SetStopFields("s1", StopFields(name="one")))
    first = room.trip.seq
    room.do(ops.SetStopFields("s1", StopFields(name="two")))
    room.do(ops.Undo(room.trip.seq))
    room.do(ops.Undo(first))
    assert room.trip.stops["s1"].name == "s1"


def test_undo_of_dates_goes_back_step_by_step_too() -> None:
    room = dated()
    ids = room.day_ids()
    room.do(ops.SetTripDates("2026-05-01", "2026-05-01"))
    first = room.trip.seq
    room.do(ops.SetTripDates("2026-06-01", "2026-06-04"))
    room.do(ops.Undo(room.trip.seq))
    room.do(ops.Undo(first))
    assert room.day_ids() == ids
    assert (room.trip.trip.start_date, room.trip.trip.end_date) == ("2026-05-01", "2026-05-03")


def test_undo_leaves_what_others_changed_since() -> None:
    room = dated()
    add(room, "s1")
    room.do(ops.SetStopFields("s1", StopFields(name="mine", kind="food")))
    seq = room.trip.seq
    room.do(ops.SetStopFields("s1", StopFields(name="theirs")), "bob")
    room.do(ops.Undo(seq))
    assert (room.trip.stops["s1"].name, room.trip.stops["s1"].kind) == ("theirs", "sight")
    with pytest.raises(Conflict):
        room.do(ops.Undo(seq))


def test_undo_of_an_add_is_refused_once_others_worked_on_it() -> None:
    room = dated()
    add(room, "s1")
    seq = room.trip.seq
    room.do(ops.SetStopFields("s1", StopFields(notes="nice")), "bob")
    with pytest.raises(Conflict):
        room.do(ops.Undo(seq))
    assert not room.trip.stops["s1"].deleted


def test_undo_of_a_removal_restores_and_of_a_move_returns() -> None:
    room = dated()
    day, other = room.day_ids()[:2]
    for stop_id, after in (("a", None), ("b", "a"), ("c", "b")):
        add(room, stop_id, day, after)
    room.do(ops.MoveStops(["b"], other))
    moved = room.trip.seq
    room.do(ops.RemoveStop("a"))
    room.do(ops.Undo(room.trip.seq))
    room.do(ops.Undo(moved))
    assert room.names(day) == ["a", "b", "c"] and room.names(other) == []


def test_nobody_undoes_somebody_elses_change() -> None:
    room = dated()
    add(room, "s1")
    with pytest.raises(Forbidden):
        room.do(ops.Undo(room.trip.seq), "bob")


def test_undo_of_shorter_dates_gives_the_days_back() -> None:
    room = dated()
    ids = room.day_ids()
    add(room, "s1", ids[2])
    room.do(ops.SetTripDates("2026-05-01", "2026-05-01"))
    room.do(ops.Undo(room.trip.seq))
    assert room.day_ids() == ids and room.trip.trip.end_date == "2026-05-03"


def test_undo_of_longer_dates_is_refused_when_the_new_day_is_in_use() -> None:
    room = dated()
    room.do(ops.SetTripDates("2026-05-01", "2026-05-04"))
    seq = room.trip.seq
    add(room, "s1", room.day_ids()[3], by="bob")
    with pytest.raises(Conflict):
        room.do(ops.Undo(seq))


# --- rights -------------------------------------------------------------------------------


def test_viewers_and_strangers_change_nothing() -> None:
    room = dated()
    before = room.trip.snapshot()
    with pytest.raises(Forbidden):
        add(room, "s1", by="vic")
    with pytest.raises(NotFound):
        add(room, "s1", by="stranger")
    assert room.trip.snapshot() == before


def test_only_an_owner_changes_roles_and_the_last_owner_stays() -> None:
    room = dated()
    with pytest.raises(Forbidden):
        room.do(ops.SetMemberRole("vic", "editor"), "bob")
    with pytest.raises(Conflict):
        room.do(ops.RemoveMember("ann"))
    with pytest.raises(Conflict):
        room.do(ops.SetMemberRole("ann", "editor"))
    room.do(ops.SetMemberRole("bob", "owner"))
    room.do(ops.RemoveMember("ann"))
    with pytest.raises(Forbidden):
        add(room, "s1", by="ann")


def test_an_editor_may_leave_but_not_remove_others() -> None:
    room = dated()
    with pytest.raises(Forbidden):
        room.do(ops.RemoveMember("vic"), "bob")
    room.do(ops.RemoveMember("bob"), "bob")
    assert room.trip.member("bob") is None


def test_a_deleted_trip_is_gone_until_its_owner_restores_it() -> None:
    room = dated()
    room.do(ops.DeleteTrip())
    with pytest.raises(Gone):
        room.do(ops.SetTripFields(TripFields(title="x")))
    room.do(ops.RestoreTrip())
    room.do(ops.SetTripFields(TripFields(title="x")))
    assert room.trip.trip.title == "x"


def test_an_unknown_time_zone_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        dated().do(ops.SetTripFields(TripFields(time_zone="Mars/Base")))
    assert caught.value.details["field"] == "time_zone"


def test_a_rejected_operation_leaves_no_trace() -> None:
    room = dated()
    add(room, "s1")
    before, seq = room.trip.snapshot(), room.trip.seq
    bad: list[ops.AnyOperation] = [
        ops.AddStop("s1", StopFields(name="again")),
        ops.AddStop("s2", StopFields()),
        ops.AddStop("s2", StopFields(name="x"), day="no-day"),
        ops.MoveStops(["s1", "missing"], None, None),
        ops.RemoveDay("no-day"),
        ops.Undo(999),
    ]
    for op in bad:
        with pytest.raises(DomainError):
            room.do(op)
    room.trip._snapshot = None  # the cached encoding would hide a trace
    assert room.trip.snapshot() == before and room.trip.seq == seq
