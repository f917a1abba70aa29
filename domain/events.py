"""What happened: committed events of a trip, numbered by `seq`.

Owns the event's shape. One encoded event is the log row's body, the broker's payload and the
piece of the frame that members receive: it is encoded once and never re-encoded.
"""

from __future__ import annotations

from typing import Any

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


class Event(msgspec.Struct, omit_defaults=True):
    """One applied operation. `at` is UTC, ISO 8601 with milliseconds. `undoes`: the seq undone."""

    seq: int
    op_id: str
    actor: str
    at: str
    kind: str
    changes: list[Change]
    overwrote: list[Overwrite] = []
    undoes: int | None = None


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
