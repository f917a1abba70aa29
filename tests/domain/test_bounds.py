"""Where a trip ends: the calendar, what the public may read of its past, and limits by the back door."""

from __future__ import annotations

import pytest

from domain import operations as ops
from domain.commands import Actor, OpenRoom
from domain.entities import MAX_MEMBERS, Link
from domain.errors import LimitReached
from domain.membership import TakeOver
from domain.operations import StopFields, TripFields
from domain.services.members import take_over
from domain.services.rooms import join_trip, open_room
from tests.domain.rooms import AT, Room


def dated() -> Room:
    return Room(start_date="2026-05-01", end_date="2026-05-03")


def add(room: Room, stop_id: str) -> None:
    room.do(ops.AddStop(stop_id, StopFields(name=stop_id)))


def test_the_calendar_ends() -> None:
    room = Room(start_date="9999-12-31", end_date="9999-12-31")
    [last] = room.day_ids()
    room.do(ops.AddDay("d2"))
    with pytest.raises(LimitReached):
        room.do(ops.MoveDay("d2", last))
    room.do(ops.RemoveDay("d2"))


def test_a_spectator_does_not_read_the_private_past_by_resuming() -> None:
    room = dated()
    room.do(ops.SetTripFields(TripFields(description="the door code is 4711")))
    room.do(ops.SetTripFields(TripFields(description="")))
    room.do(ops.SetTripVisibility("public"))
    public = room.trip.seq
    add(room, "s1")

    def resume(user: str | None, since: int) -> bool:
        return open_room(OpenRoom("t1", Actor(user), since, room.trip.epoch), room).recovered

    assert not resume(None, public - 1) and not resume("stranger", 0)
    assert resume(None, public) and resume(None, public + 1)
    assert resume("vic", 0)


def test_undo_does_not_bring_back_more_links_than_a_stop_may_have() -> None:
    room = dated()
    add(room, "s1")

    def links(prefix: str, link: Link | None) -> None:
        named = {f"{prefix}{n}": link for n in range(20)}
        room.do(ops.SetStopFields("s1", StopFields(links=named)))

    links("a", Link("https://example.org"))
    links("a", None)
    removed = room.trip.seq
    links("b", Link("https://example.org"))
    with pytest.raises(LimitReached):
        room.do(ops.Undo(removed))
    links("b", None)
    room.do(ops.Undo(removed))
    assert len(room.trip.stops["s1"].links) == 20


def test_a_guest_who_signs_in_keeps_the_place_in_a_full_trip() -> None:
    room = dated()
    for n in range(MAX_MEMBERS - 3):
        join_trip(room, room.trip, ops.JoinTrip(name="G", role="editor"), f"g{n}", f"join-g{n:04}", AT)
    take_over(TakeOver("t1", Actor("gilbert", "Gilbert"), "g0", "over-0001", AT), room)
    assert room.trip.role_of("gilbert") == "editor" and room.trip.role_of("g0") is None


def test_removed_records_do_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.decisions.MAX_STOPS_EVER", 5)
    monkeypatch.setattr("domain.dates.MAX_DAYS_EVER", 5)
    room = Room()
    for n in range(5):
        room.do(ops.AddStop(f"s{n}", StopFields(name="x")))
        room.do(ops.RemoveStop(f"s{n}"))
        room.do(ops.AddDay(f"d{n}"))
        room.do(ops.RemoveDay(f"d{n}"))
    with pytest.raises(LimitReached):
        room.do(ops.AddStop("one-more", StopFields(name="x")))
    with pytest.raises(LimitReached):
        room.do(ops.AddDay("one-more"))
    with pytest.raises(LimitReached):
        room.do(ops.SetTripDates("2026-05-01", "2026-05-02"))
    room.do(ops.RestoreStop("s0"))
