"""Proposals: tried on a copy, accepted in pieces, stale where somebody was faster. Rules R10.x."""

from __future__ import annotations

import copy

import msgspec
import pytest

from domain import operations as ops
from domain.errors import Conflict, DomainError, Forbidden, Gone, Invalid, LimitReached, NotFound
from domain.events import Suggested
from domain.operations import Proposable, StopFields, decode_operation
from domain.proposals import mark_stale
from domain.talk import Proposal
from domain.trip import TripAggregate
from tests.domain.rooms import Room


def trip() -> Room:
    room = Room(start_date="2026-05-01", end_date="2026-05-03")
    first, second, _ = room.day_ids()
    room.do(ops.AddStop("s1", StopFields(name="Dali", start_time="10:00"), first))
    room.do(ops.AddStop("s2", StopFields(name="Erhai"), first, "s1"))
    room.do(ops.AddStop("s3", StopFields(name="Lijiang"), second))
    return room


def propose(room: Room, *wanted: Proposable, by: str = "vic", base: int | None = None) -> None:
    room.do(ops.OpenProposal("p1", list(wanted), "how about this"), by, base)


def proposal(room: Room) -> Proposal:
    found = room.talk.proposal("t1", "p1")
    assert isinstance(found, Proposal)
    return found


def statuses(room: Room) -> list[str]:
    return [piece.status for piece in proposal(room).pieces]


def state(trip: TripAggregate) -> object:
    return copy.deepcopy((trip.view(), trip.stamps))


def test_a_viewer_proposes_and_nothing_changes_until_an_editor_accepts() -> None:
    room = trip()
    before = state(room.trip)
    propose(
        room,
        ops.SetStopFields("s1", StopFields(start_time="11:00")),
        ops.AddStop("n1", StopFields(name="Shuhe"), room.day_ids()[1], "s3"),
        ops.MoveStops(["s2"], room.day_ids()[1], "n1"),
        ops.RemoveStop("s3"),
    )
    assert state(room.trip) == before
    with pytest.raises(Forbidden):
        room.do(ops.AcceptProposal("p1"), "vic")
    first = room.trip.seq
    done = room.do(ops.AcceptProposal("p1"), "bob", op_id="op-accepted")
    assert done.seq == room.trip.seq == first + 5
    made = room.trips.log[first : first + 4]
    assert [event.kind for event in made] == ["stop.set_fields", "stop.add", "stop.move", "stop.remove"]
    assert {event.actor for event in made} == {"bob"}
    assert all(event.suggested == Suggested("p1", "vic") for event in made)
    assert [event.op_id for event in made] == [f"op-accepted/{n}" for n in range(1, 5)]
    assert room.names(room.day_ids()[1]) == ["Shuhe", "Erhai"]
    assert room.trip.stops["n1"].proposed_by == "vic"
    assert (proposal(room).open, statuses(room)) == (False, ["accepted"] * 4)
    assert room.do(ops.AcceptProposal("p1"), "bob", op_id="op-accepted").repeated
    with pytest.raises(Conflict):
        room.do(ops.AcceptProposal("p1"), "bob")


def test_the_diff_says_what_was_and_what_would_be() -> None:
    room = trip()
    propose(room, ops.SetStopFields("s1", StopFields(start_time="11:00", name="Dali")))
    [piece] = proposal(room).pieces
    assert (piece.changes[0].set, piece.changes[0].old) == ({"start_time": "11:00"}, {"start_time": "10:00"})
    assert piece.touches[0].fields == ["start_time"]


def test_pieces_are_taken_one_by_one_and_bring_what_they_need() -> None:
    room = trip()
    day = room.day_ids()[2]
    propose(
        room,
        ops.AddStop("n1", StopFields(name="A"), day),
        ops.AddStop("n2", StopFields(name="B"), day, "n1"),
        ops.SetStopFields("n1", StopFields(notes="first")),
    )
    assert [piece.needs for piece in proposal(room).pieces] == [[], [], [0]]
    room.do(ops.AcceptProposal("p1", [2]), "bob")
    assert statuses(room) == ["accepted", "open", "accepted"]
    assert room.names(day) == ["A"] and room.trip.stops["n1"].notes == "first"
    room.do(ops.DeclineProposal("p1", [1]), "vic")
    assert (statuses(room)[1], proposal(room).open) == ("declined", False)


def test_what_somebody_changed_meanwhile_is_marked_and_not_forced() -> None:
    room = trip()
    base = room.trip.seq
    room.do(ops.SetStopFields("s1", StopFields(start_time="09:00")), "bob")
    room.do(ops.SetStopFields("s2", StopFields(notes="another field")), "bob")
    propose(
        room,
        ops.SetStopFields("s1", StopFields(start_time="11:00")),
        ops.SetStopFields("s2", StopFields(name="Erhai Lake")),
        base=base,
    )
    marked = mark_stale(room.trip, proposal(room))
    assert [(p.status, p.reason) for p in marked.pieces] == [("stale", "changed"), ("open", "")]
    room.do(ops.AcceptProposal("p1"))
    assert statuses(room) == ["stale", "accepted"]
    assert (room.trip.stops["s1"].start_time, room.trip.stops["s2"].name) == ("09:00", "Erhai Lake")


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        (ops.RemoveStop("s1"), "gone"),
        (ops.MoveStops(["s1"], None), "changed"),
        (ops.SetStopFields("s1", StopFields(name="Xizhou")), ""),
    ],
)
def test_a_move_minds_moves_and_removals_only(meanwhile: ops.Operation, reason: str) -> None:
    room = trip()
    propose(room, ops.MoveStops(["s1"], room.day_ids()[1]))
    room.do(meanwhile)
    [piece] = mark_stale(room.trip, proposal(room)).pieces
    assert piece.reason == reason


def test_a_removal_minds_any_change() -> None:
    room = trip()
    propose(room, ops.RemoveStop("s1"))
    room.do(ops.SetStopFields("s1", StopFields(notes="booked!")))
    room.do(ops.AcceptProposal("p1"))
    assert statuses(room) == ["stale"] and not room.trip.stops["s1"].deleted


def test_a_day_that_went_takes_the_piece_with_it() -> None:
    room = trip()
    day = room.day_ids()[2]
    propose(room, ops.AddStop("n1", StopFields(name="A"), day))
    room.do(ops.RemoveDay(day))
    room.do(ops.AcceptProposal("p1"))
    assert proposal(room).pieces[0].reason == "gone" and "n1" not in room.trip.stops


def test_its_own_pieces_do_not_make_a_proposal_stale() -> None:
    room = trip()
    propose(
        room,
        ops.SetStopFields("s1", StopFields(start_time="11:00")),
        ops.SetStopFields("s1", StopFields(start_time="12:00")),
    )
    room.do(ops.AcceptProposal("p1", [0]))
    room.do(ops.AcceptProposal("p1", [1]))
    assert room.trip.stops["s1"].start_time == "12:00"


def test_what_cannot_be_applied_refuses_a_members_proposal() -> None:
    room = trip()
    with pytest.raises(NotFound) as caught:
        propose(room, ops.RemoveStop("s1"), ops.SetStopFields("nothing", StopFields(name="x")))
    assert caught.value.details["piece"] == 1
    with pytest.raises(Gone):
        propose(room, ops.RemoveStop("s1"), ops.SetStopFields("s1", StopFields(name="x")))
    with pytest.raises(Invalid):
        propose(room, ops.SetStopFields("s1", StopFields(name="Dali")))
    assert room.talk.proposal("t1", "p1") is None


def test_who_declines_and_what_is_decided_stays_decided() -> None:
    room = trip()
    propose(room, ops.RemoveStop("s1"), by="bob")
    with pytest.raises(Forbidden):
        room.do(ops.DeclineProposal("p1"), "vic")
    room.do(ops.DeclineProposal("p1"), "ann")
    for op in (ops.DeclineProposal("p1"), ops.AcceptProposal("p1"), ops.AcceptProposal("p1", [0])):
        with pytest.raises(Conflict):
            room.do(op)
    with pytest.raises(Invalid):
        room.do(ops.AcceptProposal("p1", [7]))
    with pytest.raises(NotFound):
        room.do(ops.AcceptProposal("p2"))


def test_accepted_pieces_are_undone_like_any_operation() -> None:
    room = trip()
    propose(room, ops.RemoveStop("s1"))
    room.do(ops.AcceptProposal("p1"), "bob")
    room.do(ops.Undo(room.trip.seq - 1), "bob")
    assert not room.trip.stops["s1"].deleted


def test_waiting_proposals_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.talk_decisions.MAX_OPEN_PROPOSALS", 2)
    room = trip()
    for n in range(2):
        room.do(ops.OpenProposal(f"p{n}", [ops.RemoveStop("s1")]))
    with pytest.raises(LimitReached):
        room.do(ops.OpenProposal("p2", [ops.RemoveStop("s1")]))


def test_a_proposal_is_no_larger_than_can_be_shown() -> None:
    # What is asked for is small; what it would replace is not, and travels along.
    room = trip()
    for n in range(30):
        room.do(ops.AddStop(f"long{n}", StopFields(name="x", notes="字" * 10_000)))
    short = [ops.SetStopFields(f"long{n}", StopFields(notes="")) for n in range(30)]
    with pytest.raises(LimitReached):
        propose(room, *short)
    propose(room, *short[:5])


def test_what_was_found_stale_is_not_accepted_again_and_again() -> None:
    room = trip()
    propose(room, ops.SetStopFields("s1", StopFields(name="Xizhou")))
    room.do(ops.SetStopFields("s1", StopFields(name="Shaxi")))
    room.do(ops.AcceptProposal("p1"))
    seq = room.trip.seq
    with pytest.raises(Conflict):
        room.do(ops.AcceptProposal("p1"))
    assert room.trip.seq == seq and statuses(room) == ["stale"]
    room.do(ops.DeclineProposal("p1"))


def test_every_kind_that_can_be_proposed_says_what_it_touches() -> None:
    room = trip()
    first, second, third = room.day_ids()
    room.do(ops.RemoveStop("s3"))
    propose(
        room,
        ops.SetTripFields(ops.TripFields(title="New")),
        ops.AddDay("d9"),
        ops.SetDayFields(first, ops.DayFields(title="Start")),
        ops.MoveDay(third, first),
        ops.RestoreStop("s3"),
        ops.RemoveDay(second),
        ops.SetTripDates("2026-06-01", "2026-06-04"),
    )
    room.do(ops.AcceptProposal("p1"))
    assert statuses(room) == ["accepted"] * 7
    assert room.trip.trip.start_date == "2026-06-01"


def test_a_refused_proposal_leaves_no_trace_in_the_trip() -> None:
    room = trip()
    before = state(room.trip)
    with pytest.raises(DomainError):
        propose(room, ops.RemoveStop("s1"), ops.RemoveStop("s1"))
    assert state(room.trip) == before


@pytest.mark.parametrize("note", ["", "why not"])
def test_a_note_may_be_left_empty(note: str) -> None:
    wanted = {"kind": "proposal.open", "id": "p1", "ops": [{"kind": "stop.remove", "id": "s1"}], "note": note}
    room = trip()
    room.do(ops.decode_operation(msgspec.json.encode(wanted)), "vic")
    assert proposal(room).note == note


def test_a_proposal_needs_no_words() -> None:
    raw = b'{"kind": "proposal.open", "id": "p1", "note": "", "ops": [{"kind": "stop.remove", "id": "s1"}]}'
    room = trip()
    room.do(decode_operation(raw), "vic")
    assert proposal(room).note == ""
