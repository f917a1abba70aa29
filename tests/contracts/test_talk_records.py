"""The port of talk: messages and proposals come back as they were made and changed. Every store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.events import Change
from domain.operations import About, AddStop, SetStopFields, StopFields
from domain.talk import Answer, Fault, Message, Piece, Proposal, Source, SourceRecord, Touch, Usage, assign
from storage.unit import Unit
from tests.storage.support import AT, Store, make_trip
from tests.storage.talk import TEXT, a_message, a_proposal, changed, fill, made, record, say

ANSWER = Answer(
    question="q1",
    asked_by="ann",
    status="failed",
    model="模型 🐋",
    reasoning=TEXT * 3,
    fault=Fault("ai_cut", TEXT, 2.5),
    usage=Usage(7, 8),
    sources=[Source("t9", TEXT, "…", [SourceRecord("stop", "s1", "大理")])],
    proposal="p1",
)

FULL = Message(
    id="full",
    author="assistant",
    at=AT,
    text=TEXT,
    reply_to="m0",
    about=About("day", "d1", "notes"),
    mentions=["ann", "assistant"],
    reactions={"👨‍👩‍👧": ["bob"], "\U00020bb7": ["ann", "bob"]},
    edited_at=AT,
    resolved_by="bob",
    resolved_at=AT,
    answer=ANSWER,
)

PROPOSAL = Proposal(
    id="p1",
    author="assistant",
    asked_by="ann",
    message="full",
    at=AT,
    base=3,
    note=TEXT,
    pieces=[
        Piece(
            AddStop("s9", StopFields(name=TEXT, lat=1 / 3)),
            [Change("stop", "s9", {"name": TEXT}, {"deleted": True}, True)],
        ),
        Piece(
            SetStopFields("s1", StopFields(lng=None)),
            touches=[Touch("stop", "s1", ["lng"])],
            needs=[0],
            status="stale",
            reason="changed",
        ),
    ],
    applied=[4, 2**40],
    decided_by="bob",
)


def _talk(unit: Unit, trip_id: str, *ids: str) -> dict[str, Message | None]:
    return {each: unit.talk.message(trip_id, each) for each in ids}


def test_records_come_back_as_they_were_made(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    seq = say(units, trip_id, made(FULL), made(PROPOSAL))
    with store.process()(False) as unit:
        message, proposal = unit.talk.message(trip_id, "full"), unit.talk.proposal(trip_id, "p1")
        assert unit.talk.messages(trip_id, "chat", None, 5) == [message]
        assert unit.talk.messages_by_id(trip_id, ["full", "none"]) == [message]
        assert unit.talk.proposals_by_id(trip_id, ["p1", "none"]) == [proposal]
        assert unit.talk.open_proposals(trip_id, 5) == [proposal]
    change = made(FULL)
    change.set["seq"] = seq
    assert message == assign(None, change)
    change = made(PROPOSAL)
    change.set["seq"] = seq
    assert proposal == assign(None, change)
    assert message is not None and message.text == TEXT and message.answer == ANSWER


def test_long_answers_and_plain_messages(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    long = Answer(question="q", asked_by="ann", status="done", reasoning="思考🤔" * 20_000)
    say(units, trip_id, made(a_message("long", text="𠮷" * 60_000, answer=long)), made(a_message("plain")))
    with units(False) as unit:
        found = unit.talk.message(trip_id, "long")
        assert found is not None and found.text == "𠮷" * 60_000 and found.answer == long
        plain = unit.talk.message(trip_id, "plain")
        assert plain == a_message("plain", seq=3)


def test_ids_that_cannot_be_are_nobody(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    say(units, trip_id, made(a_message("m")), made(a_proposal("p")))
    with units(False) as unit:
        for wrong in ("", "m ", "M", "大理", "m'--", "x" * 41):
            assert unit.talk.message(trip_id, wrong) is None
            assert unit.talk.messages_by_id(trip_id, [wrong]) == []
            assert unit.talk.proposal(trip_id, wrong) is None
            assert unit.talk.proposals_by_id(trip_id, [wrong]) == []
        assert unit.talk.message("none", "m") is None and unit.talk.message("大理", "m") is None
        assert unit.talk.message(trip_id, "p") is None and unit.talk.proposal(trip_id, "m") is None


def test_what_a_caller_does_to_a_record_changes_nothing(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    say(units, trip_id, made(FULL), made(PROPOSAL))
    with units(True) as unit:
        unit.trips.lock(trip_id)
        for _ in range(2):
            proposal, message = unit.talk.proposal(trip_id, "p1"), unit.talk.message(trip_id, "full")
            assert proposal is not None and proposal.pieces[0].status == "open"
            assert message is not None and message.mentions == FULL.mentions
            proposal.pieces[0].status = "declined"
            message.mentions.append("carl")
            message.reactions.clear()
        record(unit, trip_id, changed("full", text="edited"), changed("p1", "proposal", note="n"))
        unit.commit()
    with units(False) as unit:
        proposal, message = unit.talk.proposal(trip_id, "p1"), unit.talk.message(trip_id, "full")
        assert proposal is not None and proposal.pieces[0].status == "open" and proposal.note == "n"
        assert message is not None and message.reactions == FULL.reactions and message.text == "edited"


def test_talk_does_not_weigh_on_the_snapshot(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(False) as unit:
        before = unit.trips.read(trip_id).snapshot()
    fill(units, trip_id, 50)
    for factory in (units, store.process()):
        with factory(False) as unit:
            trip = unit.trips.read(trip_id)
            assert trip.seq == 52 and trip.snapshot() == before and len(trip.stamps) == 6


# --- units of work ------------------------------------------------------------------------


def test_a_record_read_by_id_is_as_this_unit_of_work_left_it(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    say(units, trip_id, made(a_message("old", text="first")))
    with units(True) as unit:
        seq = record(unit, trip_id, made(a_message("new", text="hello")))
        record(unit, trip_id, changed("new", text="hello, edited", edited_at=AT))
        record(unit, trip_id, changed("old", reactions={"👍": ["ann"]}), by="ann")
        record(unit, trip_id, changed("old", reactions={"👍": ["ann", "bob"]}), by="bob")
        record(unit, trip_id, changed("new", deleted=True, text=""))
        found = _talk(unit, trip_id, "old", "new")
        assert found["old"] == a_message("old", text="first", seq=3, reactions={"👍": ["ann", "bob"]})
        assert found["new"] == a_message("new", text="", seq=seq, edited_at=AT, deleted=True)
        assert [m.text for m in unit.talk.messages(trip_id, "chat", None, 9)] == ["first"]
        unit.commit()
    for factory in (units, store.process()):
        with factory(False) as unit:
            assert _talk(unit, trip_id, "old", "new") == found
            assert [m.id for m in unit.talk.messages(trip_id, "chat", None, 9)] == ["new", "old"]


def test_a_group_with_dropped_commands_between(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    say(units, trip_id, made(a_message("old", text="first")))
    with units(True) as unit:
        unit.mark()
        record(unit, trip_id, made(a_message("a", text="kept")))
        unit.mark()
        record(unit, trip_id, made(a_message("b", text="dropped")))
        record(unit, trip_id, changed("a", text="dropped edit"), changed("old", deleted=True))
        unit.talk.mark(trip_id, "ann", 50)
        assert unit.talk.marks(trip_id)["ann"] == 50
        unit.drop(broken=False)
        assert unit.talk.message(trip_id, "b") is None and "ann" not in unit.talk.marks(trip_id)
        unit.mark()
        record(unit, trip_id, changed("a", reactions={"🙂": ["bob"]}), by="bob")
        unit.talk.mark(trip_id, "bob", 5)
        unit.mark()
        record(unit, trip_id, changed("a", text="broken"))
        unit.drop(broken=True)
        unit.mark()
        seq = record(unit, trip_id, made(a_message("b", text="again")))
        found = _talk(unit, trip_id, "old", "a", "b")
        unit.commit()
        assert seq == 6 and [done.event.seq for done in unit.recorded[0].events] == [4, 5, 6]
    assert found == {
        "old": a_message("old", text="first", seq=3),
        "a": a_message("a", text="kept", seq=4, reactions={"🙂": ["bob"]}),
        "b": a_message("b", text="again", seq=6),
    }
    with store.process()(False) as unit:
        assert _talk(unit, trip_id, "old", "a", "b") == found
        assert unit.talk.marks(trip_id) == {"bob": 5}


def test_leaving_without_commit_unsays_everything(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(True) as unit:
        record(unit, trip_id, made(a_message("m")), made(a_proposal("p")))
        unit.talk.mark(trip_id, "ann", 3)
    with units(False) as unit:
        assert unit.talk.message(trip_id, "m") is None and unit.talk.proposal(trip_id, "p") is None
        assert unit.talk.messages(trip_id, "chat", None, 9) == []
        assert unit.talk.marks(trip_id) == {"bob": 2}  # of joining


def test_what_was_read_before_the_lock_is_read_again_behind_it(store: Store) -> None:
    if store.name == "sqlite":
        pytest.skip("one writer at a time: nobody can write in between")
    ours, theirs = store.process(), store.process()
    trip_id = make_trip(ours)
    say(ours, trip_id, made(a_message("m", text="first")))
    with ours(True) as unit:
        before = unit.talk.message(trip_id, "m")
        say(theirs, trip_id, changed("m", text="second"))
        unit.trips.lock(trip_id)
        behind = unit.talk.message(trip_id, "m")
        record(unit, trip_id, changed("m", edited_at=AT))
        unit.commit()
    assert before is not None and behind is not None
    assert (before.text, behind.text) == ("first", "second")
    with theirs(False) as unit:
        assert unit.talk.message(trip_id, "m") == a_message("m", text="second", seq=3, edited_at=AT)


def test_two_processes_change_one_message(store: Store) -> None:
    """A real race: every reaction builds on the ones before, whichever process it came from."""
    processes = [store.process(), store.process()]
    trip_id = make_trip(processes[0])
    say(processes[0], trip_id, made(a_message("m")))
    start = threading.Barrier(4)

    def react(number: int) -> None:
        start.wait(10)
        for n in range(6):
            with processes[number % 2](True) as unit:
                unit.trips.lock(trip_id)
                message = unit.talk.message(trip_id, "m")
                assert message is not None
                more = message.reactions | {f"{number}-{n}": ["ann"]}
                record(unit, trip_id, changed("m", reactions=more))
                unit.commit()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(react, range(4)))
    with processes[0](False) as unit:
        message = unit.talk.message(trip_id, "m")
    assert message is not None and len(message.reactions) == 24
