"""The port of talk: its lists, read marks, and what is unread. Every store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.operations import About, DeleteTrip, RestoreTrip
from domain.talk import ThreadCount
from storage.unit import UnitFactory
from tests.storage.support import AT, Store, do, make_trip
from tests.storage.talk import a_message, a_proposal, changed, fill, made, say


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
        say(units, trip_id, made(a_message(f"c{n}", channel="comment", about=about)))
    say(units, trip_id, made(a_message("card", about=stop)))
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
        say(units, trip_id, made(a_message(record_id, channel="comment", about=about, **more)))

    comment("a", stop)
    comment("a1", stop, reply_to="a")
    comment("a2", About("stop", "s1", "notes"), reply_to="a")
    comment("b", stop)
    comment("c", day, resolved_by="bob", resolved_at=AT)
    comment("c1", day, reply_to="c")
    comment("gone", About("stop", "s2"), deleted=True)
    comment("headless", About("stop", "s3"), deleted=True)
    comment("h1", About("stop", "s3"), reply_to="headless")
    say(units, other, made(a_message("a", channel="comment", about=stop)))
    say(units, trip_id, made(a_message("chat", about=stop)))
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
    say(units, trip_id, made(a_message("own", "bob")), by="bob")
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
