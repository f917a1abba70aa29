"""The ports of talk and of unread counts: one suite for memory, SQLite and MariaDB."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.events import Change
from domain.operations import About, AddStop, DeleteTrip, RestoreTrip, SetStopFields, StopFields
from domain.talk import (
    Answer,
    Fault,
    Message,
    Piece,
    Proposal,
    Source,
    SourceRecord,
    ThreadCount,
    Touch,
    Usage,
    assign,
)
from storage.unit import Unit, UnitFactory
from tests.storage.support import AT, Store, do, make_trip
from tests.storage.talk import TEXT, a_proposal, changed, fill, made, record, say

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


def _message(record_id: str, author: str = "ann", text: str = "x", **more: object) -> Message:
    return Message(record_id, author=author, at=AT, text=text, **more)  # type: ignore[arg-type]


def _talk(unit: Unit, trip_id: str, *ids: str) -> dict[str, Message | None]:
    return {each: unit.talk.message(trip_id, each) for each in ids}


# --- records ------------------------------------------------------------------------------


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
    say(units, trip_id, made(_message("long", text="𠮷" * 60_000, answer=long)), made(_message("plain")))
    with units(False) as unit:
        found = unit.talk.message(trip_id, "long")
        assert found is not None and found.text == "𠮷" * 60_000 and found.answer == long
        plain = unit.talk.message(trip_id, "plain")
        assert plain == _message("plain", seq=3)


def test_ids_that_cannot_be_are_nobody(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    say(units, trip_id, made(_message("m")), made(a_proposal("p")))
    with units(False) as unit:
        for wrong in ("", "m ", "M", "大理", "m'--", "x" * 41):
            assert unit.talk.message(trip_id, wrong) is None
            assert unit.talk.messages_by_id(trip_id, [wrong]) == []
            assert unit.talk.proposal(trip_id, wrong) is None
            assert unit.talk.proposals_by_id(trip_id, [wrong]) == []
        assert unit.talk.message("none", "m") is None and unit.talk.message("大理", "m") is None
        assert unit.talk.message(trip_id, "p") is None and unit.talk.proposal(trip_id, "m") is None


def test_a_record_read_by_id_is_as_this_unit_of_work_left_it(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    say(units, trip_id, made(_message("old", text="first")))
    with units(True) as unit:
        seq = record(unit, trip_id, made(_message("new", text="hello")))
        record(unit, trip_id, changed("new", text="hello, edited", edited_at=AT))
        record(unit, trip_id, changed("old", reactions={"👍": ["ann"]}), by="ann")
        record(unit, trip_id, changed("old", reactions={"👍": ["ann", "bob"]}), by="bob")
        record(unit, trip_id, changed("new", deleted=True, text=""))
        found = _talk(unit, trip_id, "old", "new")
        assert found["old"] == _message("old", text="first", seq=3, reactions={"👍": ["ann", "bob"]})
        assert found["new"] == _message("new", text="", seq=seq, edited_at=AT, deleted=True)
        assert [m.text for m in unit.talk.messages(trip_id, "chat", None, 9)] == ["first"]
        unit.commit()
    for factory in (units, store.process()):
        with factory(False) as unit:
            assert _talk(unit, trip_id, "old", "new") == found
            assert [m.id for m in unit.talk.messages(trip_id, "chat", None, 9)] == ["new", "old"]


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


def test_a_group_with_dropped_commands_between(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    say(units, trip_id, made(_message("old", text="first")))
    with units(True) as unit:
        unit.mark()
        record(unit, trip_id, made(_message("a", text="kept")))
        unit.mark()
        record(unit, trip_id, made(_message("b", text="dropped")))
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
        seq = record(unit, trip_id, made(_message("b", text="again")))
        found = _talk(unit, trip_id, "old", "a", "b")
        unit.commit()
        assert seq == 6 and [done.event.seq for done in unit.recorded[0].events] == [4, 5, 6]
    assert found == {
        "old": _message("old", text="first", seq=3),
        "a": _message("a", text="kept", seq=4, reactions={"🙂": ["bob"]}),
        "b": _message("b", text="again", seq=6),
    }
    with store.process()(False) as unit:
        assert _talk(unit, trip_id, "old", "a", "b") == found
        assert unit.talk.marks(trip_id) == {"bob": 5}


def test_leaving_without_commit_unsays_everything(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(True) as unit:
        record(unit, trip_id, made(_message("m")), made(a_proposal("p")))
        unit.talk.mark(trip_id, "ann", 3)
    with units(False) as unit:
        assert unit.talk.message(trip_id, "m") is None and unit.talk.proposal(trip_id, "p") is None
        assert unit.talk.messages(trip_id, "chat", None, 9) == []
        assert unit.talk.marks(trip_id) == {"bob": 2}  # of joining


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


def test_what_was_read_before_the_lock_is_read_again_behind_it(store: Store) -> None:
    if store.name == "sqlite":
        pytest.skip("one writer at a time: nobody can write in between")
    ours, theirs = store.process(), store.process()
    trip_id = make_trip(ours)
    say(ours, trip_id, made(_message("m", text="first")))
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
        assert unit.talk.message(trip_id, "m") == _message("m", text="second", seq=3, edited_at=AT)


def test_two_processes_change_one_message(store: Store) -> None:
    """A real race: every reaction builds on the ones before, whichever process it came from."""
    processes = [store.process(), store.process()]
    trip_id = make_trip(processes[0])
    say(processes[0], trip_id, made(_message("m")))
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


# --- lists --------------------------------------------------------------------------------


def _pages(
    units: UnitFactory, trip_id: str, channel: str, size: int, about: About | None = None
) -> list[str]:
    seen: list[str] = []
    before = None
    with units(False) as unit:
        while page := unit.talk.messages(trip_id, channel, before, size, about):  # type: ignore[arg-type]
            assert len(page) <= size and [m.seq for m in page] == sorted((m.seq for m in page), reverse=True)
            seen += [message.id for message in page]
            before = page[-1].seq
    return seen


def test_pages_go_from_the_newest_to_the_oldest(store: Store) -> None:
    units = store.process()
    trip_id, other = make_trip(units), make_trip(units)
    fill(units, trip_id, 5)
    fill(units, other, 3)
    fill(units, trip_id, 4, channel="comment", about=About("stop", "s1"), prefix="c")
    fill(units, trip_id, 2, prefix="late")
    say(units, trip_id, changed("m3", deleted=True, text=""), changed("m4", text="edited"))
    chat = ["late1", "late0", "m4", "m3", "m2", "m1", "m0"]
    for size in (1, 3, 7, 100):
        assert _pages(units, trip_id, "chat", size) == chat
    assert _pages(units, trip_id, "comment", 3) == ["c3", "c2", "c1", "c0"]
    assert _pages(units, other, "chat", 2) == ["m2", "m1", "m0"]
    assert _pages(units, "none", "chat", 2) == []
    with units(False) as unit:
        found = unit.talk.messages_by_id(trip_id, ["m4", "m0", "gone", "c0"])
        assert [(m.id, m.seq) for m in found] == [("m0", 3), ("m4", 7), ("c0", 8)]


def test_comments_about_one_thing(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    stop, notes, upper = About("stop", "s1"), About("stop", "s1", "notes"), About("stop", "S1")
    abouts = (stop, notes, About("day", "s1"), upper, About("trip", trip_id), stop)
    for n, about in enumerate(abouts):
        say(units, trip_id, made(_message(f"c{n}", channel="comment", about=about)))
    say(units, trip_id, made(_message("card", about=stop)))
    assert _pages(units, trip_id, "comment", 2, stop) == ["c5", "c1", "c0"]
    assert _pages(units, trip_id, "comment", 2, notes) == ["c1"]
    assert _pages(units, trip_id, "comment", 2, upper) == ["c3"]
    assert _pages(units, trip_id, "comment", 9, About("trip", trip_id)) == ["c4"]
    assert _pages(units, trip_id, "comment", 9, About("stop", "s9")) == []
    assert _pages(units, trip_id, "chat", 9, stop) == ["card"]


def test_threads_are_counted(store: Store) -> None:
    units = store.process()
    trip_id, other = make_trip(units), make_trip(units)
    stop, day = About("stop", "s1"), About("day", "d1", "notes")

    def comment(record_id: str, about: About, **more: object) -> None:
        say(units, trip_id, made(_message(record_id, channel="comment", about=about, **more)))

    comment("a", stop)
    comment("a1", stop, reply_to="a")
    comment("a2", About("stop", "s1", "notes"), reply_to="a")
    comment("b", stop)
    comment("c", day, resolved_by="bob", resolved_at=AT)
    comment("c1", day, reply_to="c")
    comment("gone", About("stop", "s2"), deleted=True)
    comment("headless", About("stop", "s3"), deleted=True)
    comment("h1", About("stop", "s3"), reply_to="headless")
    say(units, other, made(_message("a", channel="comment", about=stop)))
    say(units, trip_id, made(_message("chat", about=stop)))
    with units(False) as unit:
        assert unit.talk.threads(trip_id) == [
            ThreadCount("day", "d1", 0, 2),
            ThreadCount("stop", "s1", 2, 4),
            ThreadCount("stop", "s3", 1, 1),
        ]
        assert unit.talk.threads("none") == []
    say(units, trip_id, changed("a", resolved_by="ann", resolved_at=AT))
    say(units, trip_id, changed("c", resolved_by=None, resolved_at=None))
    with units(False) as unit:
        counts = {(each.t, each.id): each.open for each in unit.talk.threads(trip_id)}
    assert counts == {("day", "d1"): 1, ("stop", "s1"): 1, ("stop", "s3"): 1}


def test_proposals_wait_until_they_are_decided(store: Store) -> None:
    units = store.process()
    trip_id, other = make_trip(units), make_trip(units)
    for n in range(4):
        say(units, trip_id, made(a_proposal(f"p{n}")))
    say(units, other, made(a_proposal("p9")))
    say(units, trip_id, changed("p2", "proposal", open=False, applied=[9], decided_by="bob"))
    with units(False) as unit:
        assert [each.id for each in unit.talk.open_proposals(trip_id, 9)] == ["p3", "p1", "p0"]
        assert [each.id for each in unit.talk.open_proposals(trip_id, 2)] == ["p3", "p1"]
        assert unit.talk.count_open_proposals(trip_id) == 3
        decided = unit.talk.proposals_by_id(trip_id, ["p2", "p9"])
        assert decided == [a_proposal("p2", seq=5, open=False, applied=[9], decided_by="bob")]


# --- read marks ---------------------------------------------------------------------------


def test_marks_only_go_up(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(True) as unit:
        moves = [unit.talk.mark(trip_id, "ann", seq) for seq in (0, 4, 4, 3, 9, -1)]
        assert unit.talk.marks(trip_id) == {"ann": 9, "bob": 2}
        unit.commit()
    assert [(each.seq, each.moved) for each in moves] == [
        (0, False), (4, True), (4, False), (4, False), (9, True), (9, False),
    ]  # fmt: skip
    with store.process()(False) as unit:
        assert unit.talk.marks(trip_id) == {"ann": 9, "bob": 2}
        assert unit.talk.marks("none") == {}


def test_marks_are_monotone_when_several_tabs_send_them(store: Store) -> None:
    processes = [store.process(), store.process()]
    trip_id = make_trip(processes[0])
    start = threading.Barrier(4)

    def read(number: int) -> list[int]:
        start.wait(10)
        stands: list[int] = []
        for n in range(1, 21):
            with processes[number % 2](True) as unit:
                stands.append(unit.talk.mark(trip_id, "carl", n * 4 - number).seq)
                unit.commit()
        return stands

    with ThreadPoolExecutor(4) as threads:
        for stands in threads.map(read, range(4)):
            assert stands == sorted(stands)
    with processes[0](False) as unit:
        assert unit.talk.marks(trip_id)["carl"] == 80


def test_marks_in_a_new_trip_need_no_row_of_it_yet(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)  # creates and joins in one transaction
    with units(False) as unit:
        assert unit.talk.marks(trip_id) == {"bob": 2}


def test_what_others_said_is_unread_up_to_a_hundred(store: Store) -> None:
    units = store.process()
    trip_id, other = make_trip(units), make_trip(units)
    fill(units, trip_id, 99)
    fill(units, trip_id, 1, prefix="c", channel="comment", about=About("stop", "s"))
    fill(units, other, 3)

    def unread(user: str, trip: str = trip_id) -> tuple[int, int]:
        """As the room counts and as the list of trips does."""
        with units(False) as unit:
            listed = {each.id: each.unread for each in unit.accounts.trips_of(user, False)}
            return unit.talk.unread(trip, user), listed[trip]

    assert unread("bob") == (100, 100) and unread("bob", other) == (3, 3)
    assert unread("ann") == (0, 0)
    say(units, trip_id, changed("m7", deleted=True, text=""))
    assert unread("bob") == (99, 99)
    say(units, trip_id, made(_message("own", "bob")), by="bob")
    fill(units, trip_id, 30, prefix="more")
    assert unread("bob") == (100, 100) and unread("ann") == (1, 1)
    with units(True) as unit:
        unit.talk.mark(trip_id, "bob", 104)  # just behind their own message
        unit.commit()
    assert unread("bob") == (30, 30) and unread("bob", other) == (3, 3)
    do(units, other, DeleteTrip())
    with units(False) as unit:
        assert [(each.id, each.unread) for each in unit.accounts.trips_of("bob", True)] == [(other, 3)]
        assert unit.talk.unread("none", "bob") == 0
    do(units, other, RestoreTrip())
    assert unread("bob", other) == (3, 3)


def test_units_that_only_read_do_not_mark(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    with units(False) as unit, pytest.raises(RuntimeError, match="only reads"):
        unit.talk.mark(trip_id, "ann", 5)
