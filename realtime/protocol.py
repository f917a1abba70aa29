"""Every wire message of the room socket, in both directions, with the version and the codec.

The one place where messages are named: `frontend/src/protocol.gen.ts` is generated from here.
Text frames of UTF-8 JSON, one message each; the tag is `t`. A socket serves one room: the first
message is `join`. The rules behind the messages are numbered in docs/PROTOCOL.md.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from domain.entities import AccessRole, Id, RecordType, Snapshot
from domain.events import Event
from domain.operations import MAX_SEQ
from domain.talk import AnswerStatus, Fault, Source, Usage

VERSION = 1
MAX_FRAME_BYTES = 64 * 1024
"""Largest frame accepted from a client (close 1009)."""

OpId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_:-]{8,64}(?!\n)$")]
Small = Annotated[str, Meta(max_length=80)]


# --- client to server ---------------------------------------------------------------------


class _In(msgspec.Struct, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """Base of what clients send."""


class Join(_In, frozen=True, tag="join"):
    """Enter a room. `epoch` and `since` together ask to resume after event `since`.

    `client` is the tab's random id, kept across reconnects: presence does not flicker.
    """

    v: int
    room: Id
    client: Id
    epoch: Small | None = None
    since: Annotated[int, Meta(ge=0)] | None = None


class Submit(_In, frozen=True, tag="submit"):
    """Ask for one operation. Send again with the same `op_id` until answered.

    `base` is the last seq that the author had seen. `op` is decoded apart, so that a malformed
    operation is answered by `rejected` with its `op_id` instead of closing the socket.
    """

    op_id: OpId
    base: Annotated[int, Meta(ge=0)]
    op: msgspec.Raw


class Focus(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A record, and optionally the field of it, that somebody looks at or edits."""

    t: RecordType
    id: Id
    field: Small | None = None


class SetPresence(_In, frozen=True, tag="presence"):
    """What this tab looks at, edits and types; replaces what it said before."""

    looking: Focus | None = None
    editing: Focus | None = None
    typing: bool = False


class MoveCursor(_In, frozen=True, tag="cursor"):
    """Pointer position, ephemeral. On the map x is longitude and y latitude; on the board they
    are fractions of the surface named by `anchor` (a day or stop id). Null hides the pointer."""

    surface: Literal["board", "map"] | None = None
    x: float = 0
    y: float = 0
    anchor: Id | None = None


class Ping(_In, frozen=True, tag="ping"):
    """Heartbeat, at least every 25 s; `seq` is the last applied."""

    seq: Annotated[int, Meta(ge=0)] = 0


class Read(_In, frozen=True, tag="read"):
    """Everything up to event `seq` has been read: moves one's read mark, never back."""

    seq: Annotated[int, Meta(ge=1, le=MAX_SEQ)]


class Watch(_In, frozen=True, tag="watch"):
    """Part of a growing answer is missing here: send the text so far. Answered by `stream`."""

    answer: Id


ClientMessage = Join | Submit | SetPresence | MoveCursor | Ping | Read | Watch


# --- server to client ---------------------------------------------------------------------


class _Out(msgspec.Struct, tag_field="t", omit_defaults=True):
    """Base of what servers send."""


class Person(msgspec.Struct, omit_defaults=True):
    """One tab of one person in the room. `session` is unique per tab; `user` groups tabs."""

    session: str
    user: str
    name: str
    color: int
    role: AccessRole
    looking: Focus | None = None
    editing: Focus | None = None
    typing: bool = False


class Joined(_Out, tag="joined"):
    """The answer to `join`. `recovered` true: `events` are all that was missed since `since`.
    Otherwise `snapshot` replaces everything that the client had. Live messages follow after."""

    v: int
    room: str
    epoch: str
    seq: int
    recovered: bool
    session: str
    user: str
    role: AccessRole
    color: int
    people: list[Person]
    ping_interval_ms: int
    events: list[Event] | None = None
    snapshot: Snapshot | None = None


class Events(_Out, tag="events"):
    """Committed events with consecutive seq, in order. The sender of an operation gets it too."""

    epoch: str
    events: list[Event]


class Ack(_Out, tag="ack"):
    """Private: this operation had been applied before, as event `seq`."""

    op_id: str
    seq: int


class Rejected(_Out, tag="rejected"):
    """Private: this operation was not applied. `retryable`: send the same again after a pause."""

    op_id: str
    code: str
    message: str
    retryable: bool = False
    details: dict[str, Any] = {}


class Presence(_Out, tag="people"):
    """Differences only: people (tabs) that came or changed, sessions that left."""

    put: list[Person] = []
    gone: list[str] = []


class Pointer(msgspec.Struct, omit_defaults=True):
    """Where one tab's pointer is; `surface` null: hidden."""

    session: str
    surface: Literal["board", "map"] | None = None
    x: float = 0
    y: float = 0
    anchor: str | None = None


class Cursors(_Out, tag="cursors"):
    """Latest pointer positions, conflated; may be dropped."""

    cursors: list[Pointer]


class ReadBy(_Out, tag="read"):
    """A member has read everything up to event `seq`. Members only; may be dropped."""

    user: str
    seq: int


class Stream(_Out, tag="stream"):
    """A growing answer. Members only; may be dropped, the finished text comes with an event.

    `text` continues at character `at` (counted in code points, as is `reasoning_at`): a receiver
    that has less asks with `watch`, one that has more ignores what it has. `position` is the place
    in the queue (1 = next) while `status` is queued.
    """

    answer: str
    status: AnswerStatus
    at: int = 0
    text: str = ""
    reasoning_at: int = 0
    reasoning: str = ""
    position: int = 0


class Head(_Out, tag="head"):
    """Heartbeat: the room stands at `seq`. A client that is behind asks again by `join`."""

    seq: int


class Pong(_Out, tag="pong"):
    """The answer to `ping`."""

    seq: int


class RoleChanged(_Out, tag="role"):
    """Private: from now on the receiver has this role."""

    role: AccessRole


class Error(_Out, tag="error"):
    """Private: a frame was refused; the socket may be closed next."""

    code: str
    message: str


class Closing(_Out, tag="closing"):
    """The last message before a close: its code, and when to come back (0: at once)."""

    code: int
    reason: str
    resume: bool
    retry_after_ms: int = 0


ServerMessage = (
    Joined
    | Events
    | Ack
    | Rejected
    | Presence
    | Cursors
    | ReadBy
    | Stream
    | Head
    | Pong
    | RoleChanged
    | Error
    | Closing
)

# --- one answer as server-sent events -----------------------------------------------------


class AnswerOpened(msgspec.Struct, omit_defaults=True):
    """Event `open`: the answer to what was asked. `trip` or `conversation` says where it is kept."""

    answer: str
    question: str = ""
    trip: str | None = None
    conversation: str | None = None


class AnswerEnded(msgspec.Struct, omit_defaults=True):
    """Event `end`, the last: the whole answer. Events between are `delta`, each one `Stream`."""

    answer: str
    status: AnswerStatus
    text: str
    reasoning: str = ""
    model: str = ""
    fault: Fault | None = None
    usage: Usage | None = None
    sources: list[Source] = []
    proposal: str | None = None


_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_encoder = msgspec.json.Encoder()


def decode(frame: str | bytes) -> ClientMessage:
    """Decode one client frame; raises `msgspec.DecodeError` (malformed) or its subclass
    `msgspec.ValidationError` (well-formed, but not a message).

    Half a surrogate pair, which browsers send where a text was cut inside an emoji, becomes U+FFFD:
    else one such text would close its socket again and again.
    """
    try:
        return _decoder.decode(frame)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = _mend(frame)
        if mended is None:
            raise
    return _decoder.decode(mended)


def _mend(frame: str | bytes) -> bytes | None:
    """The frame with U+FFFD for halves of surrogate pairs; None when that is not what ails it."""
    if not isinstance(frame, str) or "\\ud" not in frame.lower():
        return None
    try:
        text = json.dumps(json.loads(frame), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def encode(message: ServerMessage) -> bytes:
    """One server message as UTF-8 JSON."""
    return _encoder.encode(message)


def encode_events(epoch: str, bodies: list[bytes]) -> bytes:
    """An `events` message spliced from encoded events, without decoding them."""
    return b'{"t":"events","epoch":"' + epoch.encode() + b'","events":[' + b",".join(bodies) + b"]}"


def encode_joined(joined: Joined, snapshot: bytes | None, events: list[bytes] | None) -> bytes:
    """A `joined` message (made without `snapshot` and `events`) with their encodings spliced in."""
    head = _encoder.encode(joined)[:-1]
    if snapshot is not None:
        return head + b',"snapshot":' + snapshot + b"}"
    return head + b',"events":[' + b",".join(events or []) + b"]}"
