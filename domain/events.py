"""What happened: committed events of a trip, numbered by `seq`.

Owns the event's shape. One encoded event is the log row's body, the broker's payload and the
piece of the frame that members receive: it is encoded once and never re-encoded.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from domain.entities import RecordType


class Change(msgspec.Struct, omit_defaults=True):
    """New field values of one record.

    `set` and `old` are keyed by field; map fields are keyed ``links.<id>`` and hold null where
    there is no entry. `new` marks a record that receivers may not have: `set` is then complete.
    `old` holds what `set` replaced (only ``deleted`` for a new record): history and undo use it.
    """

    t: RecordType
    id: str
    set: dict[str, Any]
    old: dict[str, Any] = {}
    new: bool = False


class Overwrite(msgspec.Struct):
    """A value that lost: `by` had set `value` in event `seq`, unseen by the event's actor."""

    t: RecordType
    id: str
    field: str
    value: Any
    by: str
    seq: int


TalkType = Literal["message", "proposal"]
"""Records of talk: made by events, but no part of the trip's state (see `domain.talk`)."""


class TalkChange(msgspec.Struct, omit_defaults=True):
    """New field values (wire form) of one talk record; `new`: `set` is complete."""

    t: TalkType
    id: str
    set: dict[str, Any]
    new: bool = False


class Suggested(msgspec.Struct):
    """The event is an accepted piece of a proposal: whose (`by`: a user id or "assistant")."""

    proposal: str
    by: str


HIDDEN = "hidden"
"""Kind of an event as spectators see one that is not theirs to see: its seq and nothing else."""


class Event(msgspec.Struct, omit_defaults=True):
    """One applied operation. `at` is UTC, ISO 8601 with milliseconds. `undoes`: the seq undone.

    `changes` are of the trip's state, `talk` of what members say about it.
    """

    seq: int
    op_id: str
    actor: str
    at: str
    kind: str
    changes: list[Change]
    overwrote: list[Overwrite] = []
    undoes: int | None = None
    talk: list[TalkChange] = []
    suggested: Suggested | None = None


class Committed(msgspec.Struct, frozen=True):
    """An event that is durable, with its one encoding. Produced by storage after the commit."""

    event: Event
    body: bytes


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode_event(event: Event) -> bytes:
    """The event as UTF-8 JSON."""
    return _encoder.encode(event)


def decode_event(body: bytes) -> Event:
    """The inverse of `encode_event`."""
    return _decoder.decode(body)


def has_talk(body: bytes) -> bool:
    """Whether an encoded event may hold talk; never wrong with False."""
    return b'"talk":[' in body or b'"suggested":{' in body


def redact(body: bytes) -> bytes:
    """The encoded event as spectators may see it: talk left out, and nothing of an event that was
    only talk but its seq."""
    if not has_talk(body):
        return body
    event = decode_event(body)
    if event.changes:
        event.talk, event.suggested = [], None
        return encode_event(event)
    return encode_event(Event(event.seq, "", "", event.at, HIDDEN, []))


def forget(body: bytes, message_id: str) -> bytes:
    """The encoded event without the words of one message, which has been deleted."""
    event = decode_event(body)
    for change in event.talk:
        if change.t == "message" and change.id == message_id:
            change.set |= {name: empty for name, empty in _WORDS.items() if name in change.set}
            answer = change.set.get("answer")
            if answer is not None:
                change.set["answer"] = {k: v for k, v in answer.items() if k in _KEPT_OF_ANSWER}
    return encode_event(event)


_WORDS: dict[str, Any] = {"text": "", "mentions": [], "reactions": {}}
_KEPT_OF_ANSWER = ("question", "asked_by", "status", "model")
