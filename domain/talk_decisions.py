"""What a talk operation means: `decide_talk(trip, intent, talk) -> changes of talk records`.

Owns the rules of messages, comments and of opening and declining proposals: whose they are, what
they may refer to, their limits. Pure but for reading single records through the port; never
writes. Accepting a proposal also changes the trip: that is `domain.services.proposals`. Called
by `domain.services.rooms`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import msgspec

from domain import operations as ops
from domain.errors import Conflict, Forbidden, Gone, Invalid, LimitReached, NotFound
from domain.events import TalkChange
from domain.intent import Intent
from domain.proposals import build, chosen
from domain.talk import (
    ASSISTANT,
    MAX_OPEN_PROPOSALS,
    MAX_REACTIONS,
    Message,
    Proposal,
    Talk,
)
from domain.trip import TripAggregate

UNDER_WAY = ("queued", "streaming")


def decide_talk(trip: TripAggregate, intent: Intent, talk: Talk) -> list[TalkChange]:
    """The changes that `intent` causes; empty when it changes nothing.

    Raises `NotFound`, `Gone`, `Invalid`, `Conflict`, `Forbidden` or `LimitReached`.
    """
    return _DECIDERS[type(intent.op)](trip, intent, intent.op, talk)


def new_record(record: Message | Proposal) -> TalkChange:
    """The change that makes a new talk record."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    del fields["id"]
    return TalkChange("message" if isinstance(record, Message) else "proposal", record.id, fields, new=True)


def live_message(trip: TripAggregate, talk: Talk, message_id: str) -> Message:
    """Raises `NotFound` or `Gone`."""
    message = talk.message(trip.id, message_id)
    if message is None:
        raise NotFound("there is no such message", t="message", id=message_id)
    if message.deleted:
        raise Gone("this message was deleted", t="message", id=message_id)
    return message


# --- messages -----------------------------------------------------------------------------


def _post(trip: TripAggregate, intent: Intent, op: ops.PostMessage, talk: Talk) -> list[TalkChange]:
    if talk.message(trip.id, op.id) is not None:
        raise Conflict("a message with this id exists already", code="exists", t="message", id=op.id)
    message = Message(
        id=op.id,
        seq=intent.seq,
        channel=op.channel,
        author=intent.actor,
        at=intent.at,
        text=_text(op.text),
        reply_to=op.reply_to,
        about=op.about,
        mentions=_mentions(trip, op.mentions),
    )
    reopened: list[TalkChange] = []
    if op.reply_to is not None:
        parent = live_message(trip, talk, op.reply_to)
        if parent.channel != op.channel:
            raise Invalid("a reply belongs to the channel of what it answers", field="reply_to")
        if op.channel == "comment":
            root = parent if parent.reply_to is None else live_message(trip, talk, parent.reply_to)
            message.reply_to, message.about = root.id, root.about
            if root.resolved_by is not None:
                reopened = [_resolution(root.id, None, None)]
    elif op.channel == "comment" and op.about is None:
        raise Invalid("a comment is about something: give `about` or `reply_to`", field="about")
    if message.about is not None and message.about is op.about:
        _check_about(trip, message.about)
    return [new_record(message), *reopened]


def _text(text: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise Invalid("a message has some text", field="text")
    return stripped


def _mentions(trip: TripAggregate, given: list[str]) -> list[str]:
    """Of those named, each once, the assistant and people who are members."""
    return [who for who in dict.fromkeys(given) if who == ASSISTANT or trip.member(who) is not None]


def _check_about(trip: TripAggregate, about: ops.About) -> None:
    record = trip.get(about.t, about.id)
    if record.deleted:
        raise Gone(f"this {about.t} was removed meanwhile", t=about.t, id=about.id)
    if about.field is not None and not hasattr(record, about.field):
        raise Invalid(f"a {about.t} has no {about.field}", field="about.field")


def _edit(trip: TripAggregate, intent: Intent, op: ops.EditMessage, talk: Talk) -> list[TalkChange]:
    message = live_message(trip, talk, op.id)
    if message.author != intent.actor:
        raise Forbidden("only its author may edit a message")
    text, mentions = _text(op.text), _mentions(trip, op.mentions)
    if (text, mentions) == (message.text, message.mentions):
        return []
    changed = {"text": text, "mentions": mentions, "edited_at": intent.at}
    return [TalkChange("message", op.id, changed)]


def _delete(trip: TripAggregate, intent: Intent, op: ops.DeleteMessage, talk: Talk) -> list[TalkChange]:
    message = talk.message(trip.id, op.id)
    if message is None:
        raise NotFound("there is no such message", t="message", id=op.id)
    asked = message.answer is not None and message.answer.asked_by == intent.actor
    if message.author != intent.actor and not asked and trip.role_of(intent.actor) != "owner":
        raise Forbidden("only its author or an owner may delete a message")
    if message.deleted:
        return []
    changed: dict[str, Any] = {"deleted": True, "text": "", "mentions": [], "reactions": {}}
    if message.answer is not None:
        if message.answer.status in UNDER_WAY:
            raise Conflict("stop the answer first", code="answering")
        kept = {"question": message.answer.question, "asked_by": message.answer.asked_by}
        changed["answer"] = kept | {"status": message.answer.status}
    return [TalkChange("message", op.id, changed)]


def _react(trip: TripAggregate, intent: Intent, op: ops.ReactToMessage, talk: Talk) -> list[TalkChange]:
    message = live_message(trip, talk, op.id)
    if op.on and not _looks_like_emoji(op.emoji):
        raise Invalid("a reaction is an emoji", field="emoji")
    users = message.reactions.get(op.emoji, [])
    if (intent.actor in users) == op.on:
        return []
    if op.on and op.emoji not in message.reactions and len(message.reactions) >= MAX_REACTIONS:
        raise LimitReached(f"a message has at most {MAX_REACTIONS} different reactions", limit=MAX_REACTIONS)
    left = [*users, intent.actor] if op.on else [user for user in users if user != intent.actor]
    reactions = {**message.reactions, op.emoji: left}
    kept = {emoji: who for emoji, who in reactions.items() if who}
    return [TalkChange("message", op.id, {"reactions": kept})]


def _looks_like_emoji(text: str) -> bool:
    """No words, no spaces, and nothing that turns the direction of what stands around it."""
    return all(
        unicodedata.category(char) not in _NOT_IN_EMOJI or char in _IN_EMOJI or char in _TAGS for char in text
    )


# Letters and spaces; control and format characters, of which emoji use a few.
_NOT_IN_EMOJI = ("Lu", "Ll", "Lt", "Lm", "Lo", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co")
_IN_EMOJI = "\u200d\u2139"
"""The joiner of families, and the letter that is an emoji (information)."""
_TAGS = frozenset(map(chr, range(0xE0020, 0xE0080)))
"""Of the flags of England, Scotland and Wales."""


def _resolve(trip: TripAggregate, intent: Intent, op: ops.ResolveComment, talk: Talk) -> list[TalkChange]:
    # A thread whose first comment was deleted can still be closed.
    message = talk.message(trip.id, op.id)
    if message is None or message.channel != "comment":
        raise NotFound("there is no such thread", t="message", id=op.id)
    if message.reply_to is not None:
        raise Invalid("a thread is named by its first comment", field="id")
    if message.author != intent.actor and trip.role_of(intent.actor) not in ("owner", "editor"):
        raise Forbidden("editors, and its author, may close a thread")
    if (message.resolved_by is not None) == op.resolved:
        return []
    return [_resolution(op.id, *((intent.actor, intent.at) if op.resolved else (None, None)))]


def _resolution(message_id: str, by: str | None, at: str | None) -> TalkChange:
    return TalkChange("message", message_id, {"resolved_by": by, "resolved_at": at})


# --- proposals ----------------------------------------------------------------------------


def _propose(trip: TripAggregate, intent: Intent, op: ops.OpenProposal, talk: Talk) -> list[TalkChange]:
    if talk.proposal(trip.id, op.id) is not None:
        raise Conflict("a proposal with this id exists already", code="exists", t="proposal", id=op.id)
    check_room_for_proposal(trip, talk)
    pieces, refused = build(trip, op.ops, intent)
    if refused:
        number, error = refused[0]
        error.details["piece"] = number
        raise error
    base = min(intent.base, trip.seq)
    proposal = Proposal(
        id=op.id,
        seq=intent.seq,
        author=intent.actor,
        at=intent.at,
        base=base,
        note=op.note.strip(),
        pieces=pieces,
    )
    return [new_record(proposal)]


def check_room_for_proposal(trip: TripAggregate, talk: Talk) -> None:
    """Raise `LimitReached` when too many proposals wait already."""
    if talk.count_open_proposals(trip.id) >= MAX_OPEN_PROPOSALS:
        message = f"{MAX_OPEN_PROPOSALS} proposals wait already: decide on some first"
        raise LimitReached(message, limit=MAX_OPEN_PROPOSALS)


def _decline(trip: TripAggregate, intent: Intent, op: ops.DeclineProposal, talk: Talk) -> list[TalkChange]:
    proposal = talk.proposal(trip.id, op.id)
    if proposal is None:
        raise NotFound("there is no such proposal", t="proposal", id=op.id)
    own = intent.actor in (proposal.author, proposal.asked_by)
    if not own and trip.role_of(intent.actor) not in ("owner", "editor"):
        raise Forbidden("editors, and its author, may decline a proposal")
    for number in chosen(proposal, op.pieces):
        proposal.pieces[number].status = "declined"
    return [decided(proposal, intent.actor)]


def decided(proposal: Proposal, by: str) -> TalkChange:
    """The change that stores what was decided about the pieces."""
    still_open = any(piece.status == "open" for piece in proposal.pieces)
    fields = {
        "pieces": msgspec.to_builtins(proposal.pieces),
        "open": still_open,
        "applied": proposal.applied,
        "decided_by": by,
    }
    return TalkChange("proposal", proposal.id, fields)


Decider = Callable[[TripAggregate, Intent, Any, Talk], list[TalkChange]]
_DECIDERS: dict[type, Decider] = {
    ops.PostMessage: _post,
    ops.EditMessage: _edit,
    ops.DeleteMessage: _delete,
    ops.ReactToMessage: _react,
    ops.ResolveComment: _resolve,
    ops.OpenProposal: _propose,
    ops.DeclineProposal: _decline,
}
