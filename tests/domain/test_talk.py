"""Messages and comments: whose they are, what they refer to, their limits. Rules R8.x."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain import operations as ops
from domain.commands import Actor, OpenRoom
from domain.errors import Conflict, DomainError, Forbidden, Gone, Invalid, LimitReached, NotFound
from domain.events import HIDDEN, decode_event, encode_event, redact
from domain.operations import StopFields, decode_operation
from domain.services.rooms import open_room
from domain.talk import MAX_REACTIONS, Message
from tests.domain.rooms import AT, Room


def said(room: Room, message_id: str) -> Message:
    message = room.talk.message("t1", message_id)
    assert isinstance(message, Message)
    return message


def post(room: Room, message_id: str, text: str = "hi", by: str = "ann", **more: Any) -> None:
    room.do(ops.PostMessage(message_id, text, **more), by)


def with_stop() -> Room:
    room = Room(start_date="2026-05-01", end_date="2026-05-02")
    room.do(ops.AddStop("s1", StopFields(name="Dali"), room.day_ids()[0]))
    return room


def test_talk_is_ordered_with_everything_else_and_not_in_the_snapshot() -> None:
    room = with_stop()
    before = room.trip.snapshot()
    post(room, "m1", "  去大理吗？🏔️ ", by="vic")
    assert msgspec.json.decode(room.trip.snapshot()) == msgspec.json.decode(before)
    message = said(room, "m1")
    assert (message.text, message.author, message.seq, message.at) == (
        "去大理吗？🏔️",
        "vic",
        room.trip.seq,
        AT,
    )
    assert room.last.changes == []
    assert room.last.seq == room.trip.seq


def test_the_same_op_id_says_it_once() -> None:
    room = with_stop()
    op = ops.PostMessage("m1", "hi")
    first = room.do(op, op_id="op-said-once")
    again = room.do(op, op_id="op-said-once")
    assert (again.seq, again.repeated, room.trip.seq) == (first.seq, True, first.seq)


def test_an_id_is_taken_once() -> None:
    room = with_stop()
    post(room, "m1")
    with pytest.raises(Conflict):
        post(room, "m1", "other")


@pytest.mark.parametrize("by", ["ann", "bob", "vic"])
def test_every_member_talks(by: str) -> None:
    room = with_stop()
    post(room, "m1", by=by)
    room.do(ops.ReactToMessage("m1", "👍"), by)
    room.do(ops.EditMessage("m1", "hello"), by)
    room.do(ops.DeleteMessage("m1"), by)
    assert said(room, "m1").deleted and said(room, "m1").text == ""


def test_nobody_else_talks() -> None:
    room = with_stop()
    with pytest.raises(NotFound):
        post(room, "m1", by="stranger")
    room.do(ops.SetTripVisibility("public"))
    with pytest.raises(Forbidden):
        post(room, "m1", by="stranger")


def test_only_the_author_edits_and_only_author_or_owner_delete() -> None:
    room = with_stop()
    post(room, "m1", by="bob")
    for by in ("ann", "vic"):
        with pytest.raises(Forbidden):
            room.do(ops.EditMessage("m1", "x"), by)
    with pytest.raises(Forbidden):
        room.do(ops.DeleteMessage("m1"), "vic")
    room.do(ops.EditMessage("m1", "better"), "bob")
    assert (said(room, "m1").text, said(room, "m1").edited_at) == ("better", AT)
    room.do(ops.DeleteMessage("m1"), "ann")
    with pytest.raises(Gone):
        room.do(ops.EditMessage("m1", "x"), "bob")
    with pytest.raises(Gone):
        room.do(ops.ReactToMessage("m1", "👍"), "bob")
    seq = room.do(ops.DeleteMessage("m1"), "ann").seq
    assert room.trips.log[seq - 1].talk == []


def test_reactions_are_sets_and_bounded() -> None:
    room = with_stop()
    post(room, "m1")
    for by in ("bob", "vic", "bob"):
        room.do(ops.ReactToMessage("m1", "👍"), by)
    assert said(room, "m1").reactions == {"👍": ["bob", "vic"]}
    room.do(ops.ReactToMessage("m1", "👍", on=False), "bob")
    room.do(ops.ReactToMessage("m1", "👍", on=False), "vic")
    assert said(room, "m1").reactions == {}
    for n in range(MAX_REACTIONS):
        room.do(ops.ReactToMessage("m1", chr(0x1F600 + n)))
    with pytest.raises(LimitReached):
        room.do(ops.ReactToMessage("m1", "🐘"))
    room.do(ops.ReactToMessage("m1", chr(0x1F600)), "bob")


@pytest.mark.parametrize("emoji", ["👍🏽", "❤️", "👨‍👩‍👧", "🇨🇳", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "1️⃣", "#️⃣", "ℹ️", "©️", "㊗️", "‼️"])
def test_every_kind_of_emoji_is_a_reaction(emoji: str) -> None:
    room = with_stop()
    post(room, "m1")
    raw = msgspec.json.encode({"kind": "message.react", "id": "m1", "emoji": emoji})
    room.do(decode_operation(raw))
    assert said(room, "m1").reactions == {emoji: ["ann"]}


@pytest.mark.parametrize(
    "text", ["好", "é", "👍好", "\u202e👍", "\ufeff", "👍\u00a0", "1", "ok", "👍\n", "11️⃣"]
)
def test_what_is_no_emoji_is_no_reaction(text: str) -> None:
    room = with_stop()
    post(room, "m1")
    raw = msgspec.json.encode({"kind": "message.react", "id": "m1", "emoji": text})
    with pytest.raises((DomainError, msgspec.ValidationError)):
        room.do(decode_operation(raw))
    assert said(room, "m1").reactions == {}


def test_mentions_are_members_or_the_assistant() -> None:
    room = with_stop()
    post(room, "m1", mentions=["bob", "bob", "stranger", "assistant"])
    assert said(room, "m1").mentions == ["bob", "assistant"]


def test_replies_and_cards_refer_to_what_is_there() -> None:
    room = with_stop()
    post(room, "m1", about=ops.About("stop", "s1"))
    post(room, "m2", reply_to="m1")
    assert said(room, "m2").reply_to == "m1"
    with pytest.raises(NotFound):
        post(room, "m3", reply_to="nothing")
    with pytest.raises(NotFound):
        post(room, "m3", about=ops.About("stop", "nothing"))
    with pytest.raises(NotFound):
        post(room, "m3", about=ops.About("trip", "t2"))
    with pytest.raises(Invalid):
        post(room, "m3", about=ops.About("stop", "s1", "description"))
    room.do(ops.RemoveStop("s1"))
    with pytest.raises(Gone):
        post(room, "m3", about=ops.About("stop", "s1"))
    room.do(ops.DeleteMessage("m1"))
    with pytest.raises(Gone):
        post(room, "m3", reply_to="m1")


def test_a_comment_is_about_something_and_its_replies_about_the_same() -> None:
    room = with_stop()
    with pytest.raises(Invalid):
        post(room, "c1", channel="comment")
    post(room, "c1", channel="comment", about=ops.About("stop", "s1", "notes"))
    post(room, "c2", channel="comment", reply_to="c1", by="vic")
    post(room, "c3", channel="comment", reply_to="c2", about=ops.About("trip", "t1"))
    for reply in ("c2", "c3"):
        assert (said(room, reply).reply_to, said(room, reply).about) == (
            "c1",
            ops.About("stop", "s1", "notes"),
        )
    with pytest.raises(Invalid):
        post(room, "m1", reply_to="c1")
    # The stop goes; what was said about it can still be answered.
    room.do(ops.RemoveStop("s1"))
    post(room, "c4", channel="comment", reply_to="c1")


def test_threads_are_resolved_by_editors_or_their_author_and_reopened_by_a_reply() -> None:
    room = with_stop()
    post(room, "c1", channel="comment", about=ops.About("stop", "s1"), by="vic")
    post(room, "c2", channel="comment", reply_to="c1", by="bob")
    room.do(ops.ResolveComment("c1"), "vic")
    assert (said(room, "c1").resolved_by, said(room, "c1").resolved_at) == ("vic", AT)
    post(room, "c3", channel="comment", reply_to="c1", by="bob")
    assert said(room, "c1").resolved_by is None
    room.do(ops.ResolveComment("c1"), "bob")
    room.do(ops.ResolveComment("c1", resolved=False), "ann")
    assert said(room, "c1").resolved_by is None
    with pytest.raises(Invalid):
        room.do(ops.ResolveComment("c2"))
    post(room, "c9", channel="comment", about=ops.About("stop", "s1"), by="bob")
    with pytest.raises(Forbidden):
        room.do(ops.ResolveComment("c9"), "vic")
    post(room, "m1")
    with pytest.raises(NotFound):
        room.do(ops.ResolveComment("m1"))


@pytest.mark.parametrize("text", ["", " \n ", "x" * 4001])
def test_text_has_something_in_it_and_an_end(text: str) -> None:
    room = with_stop()
    raw = msgspec.json.encode({"kind": "message.post", "id": "m1", "text": text})
    with pytest.raises((DomainError, msgspec.ValidationError)):
        room.do(decode_operation(raw))


def test_talk_is_not_undone() -> None:
    room = with_stop()
    post(room, "m1")
    with pytest.raises(Invalid):
        room.do(ops.Undo(room.trip.seq))


def test_a_deleted_trip_is_silent() -> None:
    room = with_stop()
    room.do(ops.DeleteTrip())
    with pytest.raises(Gone):
        post(room, "m1")


def test_spectators_get_the_number_and_nothing_else() -> None:
    room = with_stop()
    room.do(ops.SetTripVisibility("public"))
    public = room.trip.seq
    post(room, "m1", "the key is under the mat")
    room.do(ops.SetStopFields("s1", StopFields(name="Dali Old Town")))
    seen = open_room(OpenRoom("t1", Actor(None), public, "e1"), room)
    assert seen.events is not None and [decode_event(b).seq for b in seen.events] == [public + 1, public + 2]
    hidden = decode_event(seen.events[0])
    assert (hidden.kind, hidden.actor, hidden.op_id, hidden.talk) == (HIDDEN, "", "", [])
    assert seen.events[1] == encode_event(room.last)
    member = open_room(OpenRoom("t1", Actor("vic"), public, "e1"), room)
    assert member.events is not None and b"under the mat" in member.events[0]


def test_redaction_leaves_ordinary_events_as_they_are() -> None:
    room = with_stop()
    room.do(ops.SetStopFields("s1", StopFields(notes='say "talk":[ aloud')))
    body = encode_event(room.last)
    assert redact(body) == body


def test_who_comes_has_nothing_unread() -> None:
    room = with_stop()
    assert room.talk.marks_of["bob"] < room.trip.seq
    post(room, "m1")
    assert room.talk.marks_of["vic"] == 3
