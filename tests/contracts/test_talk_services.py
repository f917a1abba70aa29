"""The services of talk, on memory, SQLite and MariaDB: pages, read marks, comments, what deleting leaves."""

from __future__ import annotations

from typing import Any

import pytest

from domain import operations as ops
from domain.commands import Actor, ReadHistory
from domain.errors import NotFound
from domain.events import decode_event
from domain.operations import StopFields
from domain.services import rooms
from domain.services.talk import mark_read, read_messages, read_threads
from domain.talk import MarkRead, Message, ReadMessages, ReadThreads, ThreadCount
from tests.contracts.desk import Desk
from tests.storage.support import command, do


def test_pages_go_back_without_a_gap_or_a_repeat(desk: Desk) -> None:
    for n in range(7):
        do(desk.units, desk.trip, ops.PostMessage(f"m{n}", f"{n}", reply_to="m0" if n == 6 else None))
        do(desk.units, desk.trip, ops.AddDay(f"d{n}"))
    seen: list[str] = []
    before = None
    while True:
        page = desk.run(read_messages, ReadMessages(desk.trip, Actor("vic"), before=before, limit=3))
        seen += [message.id for message in page.messages]
        if before is None:
            assert [message.id for message in page.quoted] == ["m0"]
        before = page.next_before
        if before is None:
            break
    assert seen == [f"m{n}" for n in range(6, -1, -1)]


def test_read_marks_and_what_is_unread(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.PostMessage("m1", "one"))
    do(desk.units, desk.trip, ops.PostMessage("m2", "two"), by="bob")

    def unread(by: str) -> int:
        return int(desk.run(read_messages, ReadMessages(desk.trip, Actor(by))).unread)

    assert (unread("ann"), unread("bob"), unread("vic")) == (1, 1, 2)
    newest = desk.messages()[0].seq
    assert desk.run(mark_read, MarkRead(desk.trip, Actor("vic"), newest)).moved
    assert not desk.run(mark_read, MarkRead(desk.trip, Actor("vic"), newest - 1)).moved
    far = desk.run(mark_read, MarkRead(desk.trip, Actor("ann"), 2**50))
    assert far.seq == newest
    page = desk.run(read_messages, ReadMessages(desk.trip, Actor("vic")))
    assert page.unread == 0 and page.reads["vic"] == newest
    with pytest.raises(NotFound):
        desk.run(mark_read, MarkRead(desk.trip, Actor("stranger"), 1))


def test_comments_are_found_where_they_belong(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.AddStop("s1", StopFields(name="Dali")))
    about = ops.About("stop", "s1", "notes")
    do(desk.units, desk.trip, ops.PostMessage("c1", "?", channel="comment", about=about))
    do(desk.units, desk.trip, ops.PostMessage("c2", "!", channel="comment", reply_to="c1"))
    do(
        desk.units,
        desk.trip,
        ops.PostMessage("c3", "whole trip", channel="comment", about=ops.About("trip", desk.trip)),
    )

    def count() -> dict[tuple[str, str], tuple[int, int]]:
        found = desk.run(read_threads, ReadThreads(desk.trip, Actor("vic")))
        return {(each.t, each.id): (each.open, each.total) for each in found.threads}

    on_stop = desk.messages(channel="comment", about=ops.About("stop", "s1"))
    assert [message.id for message in on_stop] == ["c2", "c1"]
    counts = count()
    assert counts == {("stop", "s1"): (1, 2), ("trip", desk.trip): (1, 1)}
    do(desk.units, desk.trip, ops.ResolveComment("c1"))
    counts = count()
    assert counts["stop", "s1"] == (0, 2)
    assert desk.messages() == []


def test_counts_hold_all_up_to_the_seq_that_they_name_and_no_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where somebody comments between the two statements."""
    about = ops.About("trip", desk.trip)
    do(desk.units, desk.trip, ops.PostMessage("c1", "?", channel="comment", about=about))
    with desk.units(False) as unit:
        kind = type(unit.talk)
    count, late = kind.threads, ["c3", "c2"]

    def counted(self: Any, trip_id: str) -> list[ThreadCount]:
        if late:
            do(desk.units, desk.trip, ops.PostMessage(late.pop(), "!", channel="comment", about=about))
        return count(self, trip_id)

    monkeypatch.setattr(kind, "threads", counted)
    found = desk.run(read_threads, ReadThreads(desk.trip, Actor("vic")))
    (here,) = found.threads
    said = [each for each in desk.messages(channel="comment") if each.seq <= found.seq]
    assert here.total == len(said) >= 1


def test_a_page_holds_all_up_to_the_seq_that_it_names_and_no_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(desk.units, desk.trip, ops.PostMessage("m1", "?"))
    with desk.units(False) as unit:
        kind = type(unit.talk)
    read, late = kind.messages, ["m2"]

    def found(self: Any, *arguments: Any) -> list[Message]:
        if late:  # between the reading of the head and of the messages
            do(desk.units, desk.trip, ops.PostMessage(late.pop(), "!"))
        return read(self, *arguments)

    monkeypatch.setattr(kind, "messages", found)
    page = desk.run(read_messages, ReadMessages(desk.trip, Actor("vic")))
    assert [each.id for each in page.messages] == ["m1"]
    assert page.unread == 1
    assert page.messages[0].seq == page.seq
    assert [each.id for each in desk.messages()] == ["m2", "m1"]


def test_comments_stand_in_the_history_of_what_they_are_about(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.AddStop("s1", StopFields(name="Dali")))
    about = ops.About("stop", "s1", "notes")
    do(desk.units, desk.trip, ops.PostMessage("c1", "secret?", channel="comment", about=about))
    do(desk.units, desk.trip, ops.PostMessage("m1", "about it", about=ops.About("stop", "s1")))
    page = desk.run(rooms.read_history, ReadHistory(desk.trip, Actor("vic"), record="stop:s1"))
    kinds = [decode_event(body).kind for body in page.events]
    assert kinds == ["message.post", "stop.add"]
    assert b"secret?" not in b"".join(page.events)


def test_a_deleted_message_leaves_no_words_in_the_log(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.PostMessage("m1", "the key is under the mat", mentions=["bob"]))
    do(desk.units, desk.trip, ops.EditMessage("m1", "the key is under the pot"))
    do(desk.units, desk.trip, ops.PostMessage("m2", "thanks", reply_to="m1"), by="bob")
    asked = desk.ask(text="where is the key?")
    desk.finish(asked.answer_id, text="the key is lost", reasoning="which key")

    def log() -> bytes:
        with desk.units(False) as unit:
            return b"\n".join(unit.trips.events_after(desk.trip, 0, 1000))

    assert log().count(b"the key is") == 3
    do(desk.units, desk.trip, ops.DeleteMessage("m1"))
    assert b"under the" not in log() and b"thanks" in log() and b"the key is lost" in log()
    do(desk.units, desk.trip, ops.DeleteMessage(asked.answer_id))
    assert b"is lost" not in log() and b"which key" not in log()
    with desk.units(False) as unit:
        assert [decode_event(body).seq for body in unit.trips.events_after(desk.trip, 0, 1000)] == list(
            range(1, unit.trips.read(desk.trip).seq + 1)
        )


def test_a_message_said_and_deleted_in_one_group_leaves_no_words_either(desk: Desk) -> None:
    with desk.units(True) as unit:
        rooms.apply_operation(command(desk.trip, ops.PostMessage("m1", "the key is under the mat")), unit)
        rooms.apply_operation(command(desk.trip, ops.DeleteMessage("m1")), unit)
        unit.commit()
    with desk.units(False) as unit:
        assert b"under the" not in b"".join(unit.trips.events_after(desk.trip, 0, 1000))
