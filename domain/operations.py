"""Every way in which a trip can be changed: operations, as sent by clients.

Owns the tagged union `Operation` and its field types. An operation states an intent at field
level; `domain.trip` decides what it means for the current state. Decoded by the same codec from
sockets, REST, the sample trip and the assistant.

Rule of merging: an operation of kind `*.set_fields` names only the fields that it means to
change. A field set to null is cleared; a field left out is not touched.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain.entities import (
    ClockTime,
    CurrencyCode,
    Id,
    IsoDate,
    Latitude,
    Link,
    Longitude,
    LongText,
    MinorUnits,
    Minutes,
    Role,
    ShortText,
    StopKind,
    StopStatus,
    Title,
    Visibility,
    ZoneName,
)

MAX_MOVED = 100
MAX_SEQ = 2**53 - 1
"""Larger numbers are not exact in a browser."""
MAX_PIECES = 50
"""Operations in one proposal."""
MAX_MENTIONS = 50

Channel = Literal["chat", "comment"]
MessageText = Annotated[str, Meta(min_length=1, max_length=4_000)]
Mentions = Annotated[list[Id], Meta(max_length=MAX_MENTIONS)]
Emoji = Annotated[
    str, Meta(min_length=1, max_length=16, pattern=r"^([0-9#*]\ufe0f?\u20e3|[^\x00-\x7f]+)(?!\n)$")
]
"""One emoji, as the keyboard made it (a family is several code points); see `domain.talk_decisions`."""
Pieces = Annotated[list[Annotated[int, Meta(ge=0, lt=MAX_PIECES)]], Meta(min_length=1, max_length=MAX_PIECES)]
"""Numbers of a proposal's pieces, from 0."""


class _Fields(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A patch: unset fields are left alone."""


class TripFields(_Fields):
    title: Title | UnsetType = UNSET
    description: LongText | UnsetType = UNSET
    time_zone: ZoneName | UnsetType = UNSET
    currency: CurrencyCode | UnsetType = UNSET


class DayFields(_Fields):
    title: ShortText | UnsetType = UNSET
    notes: LongText | UnsetType = UNSET


class StopFields(_Fields):
    """`links` is a map: each key given is set, or removed when null; other keys are untouched.

    So is the other name: a new `name` alone leaves `name_alt`, which readers of the other language go on
    reading, as it is. Whoever renames gives both; the empty `name_alt` lets all read `name`.
    """

    name: Title | UnsetType = UNSET
    name_alt: ShortText | UnsetType = UNSET
    kind: StopKind | UnsetType = UNSET
    place_name: ShortText | UnsetType = UNSET
    lat: Latitude | None | UnsetType = UNSET
    lng: Longitude | None | UnsetType = UNSET
    start_time: ClockTime | None | UnsetType = UNSET
    end_time: ClockTime | None | UnsetType = UNSET
    duration_min: Minutes | None | UnsetType = UNSET
    time_zone: ZoneName | None | UnsetType = UNSET
    notes: LongText | UnsetType = UNSET
    links: dict[Id, Link | None] | UnsetType = UNSET
    cost_amount: MinorUnits | None | UnsetType = UNSET
    cost_currency: CurrencyCode | None | UnsetType = UNSET
    status: StopStatus | UnsetType = UNSET


class _Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """Base of all operations; `kind` is the tag."""


OPERATION_BASE = _Operation


class SetTripFields(_Operation, frozen=True, tag="trip.set_fields"):
    fields: TripFields


class SetTripDates(_Operation, frozen=True, tag="trip.set_dates"):
    """Give the trip new dates, both ends included, or none (both null: days keep their order).

    `mode` "shift": day 1 stays day 1, whatever its date. "keep": days keep their dates.
    Days that fall outside become unscheduled with their stops; empty ones go. Rejected with
    `conflict` when somebody changed the dates after `base`.
    """

    start_date: IsoDate | None
    end_date: IsoDate | None
    mode: Literal["shift", "keep"] = "shift"


class SetTripVisibility(_Operation, frozen=True, tag="trip.set_visibility"):
    """Owner only."""

    visibility: Visibility


class DeleteTrip(_Operation, frozen=True, tag="trip.delete"):
    """Owner only. Soft: `trip.restore` brings everything back."""


class RestoreTrip(_Operation, frozen=True, tag="trip.restore"):
    """Owner only."""


class SetTripCover(_Operation, frozen=True, tag="trip.set_cover"):
    """Show a photo of this trip as its cover, or none (null). The photo was uploaded before and is ready:
    otherwise `not_found`, `not_ready`."""

    photo: Id | None


class AddDay(_Operation, frozen=True, tag="day.add"):
    """Append an unscheduled day (a trip without dates grows this way)."""

    id: Id
    fields: DayFields = msgspec.field(default_factory=DayFields)


class SetDayFields(_Operation, frozen=True, tag="day.set_fields"):
    id: Id
    fields: DayFields


class MoveDay(_Operation, frozen=True, tag="day.move"):
    """Put a day behind `after` (null = first). Days swap dates; their stops go with them."""

    id: Id
    after: Id | None = None


class RemoveDay(_Operation, frozen=True, tag="day.remove"):
    """Remove a day; its stops become ideas. In a dated trip later days move up by one date."""

    id: Id


class AddStop(_Operation, frozen=True, tag="stop.add"):
    """Add a stop to a day, or to the ideas (`day` null), behind `after` (null = first)."""

    id: Id
    fields: StopFields
    day: Id | None = None
    after: Id | None = None


class SetStopFields(_Operation, frozen=True, tag="stop.set_fields"):
    id: Id
    fields: StopFields


class MoveStops(_Operation, frozen=True, tag="stop.move"):
    """Move stops, in the order given, to `day` (null = ideas) behind `after` (null = first).

    When the anchor has left that day meanwhile, they go to the day's end.
    """

    ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_MOVED)]
    day: Id | None = None
    after: Id | None = None


class RemoveStop(_Operation, frozen=True, tag="stop.remove"):
    id: Id


class RestoreStop(_Operation, frozen=True, tag="stop.restore"):
    id: Id


class SetStopPhoto(_Operation, frozen=True, tag="stop.set_photo"):
    """Show a photo of this trip at a stop, or none (null); as `trip.set_cover`."""

    id: Id
    photo: Id | None


class SetMemberRole(_Operation, frozen=True, tag="member.set_role"):
    """Owner only. The last owner cannot step down."""

    id: Id
    role: Role


class RemoveMember(_Operation, frozen=True, tag="member.remove"):
    """By an owner, or by the member themself (leaving). The last owner cannot leave."""

    id: Id


class Undo(_Operation, frozen=True, tag="undo"):
    """Take back one's own operation `seq`, as far as nobody changed those fields since.

    Undoing an undo is redo. Rejected with `conflict` when nothing of it is left to take back.
    """

    seq: Annotated[int, Meta(ge=1, le=MAX_SEQ)]


Proposable = (
    SetTripFields
    | SetTripDates
    | AddDay
    | SetDayFields
    | MoveDay
    | RemoveDay
    | AddStop
    | SetStopFields
    | MoveStops
    | RemoveStop
    | RestoreStop
)
"""What may be proposed: everything that changes the itinerary, nothing about people or access."""


# --- talk ---------------------------------------------------------------------------------


class About(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A record, and where a note is meant its field: what a comment or a card refers to."""

    t: Literal["trip", "day", "stop"]
    id: Id
    field: Literal["notes", "description"] | None = None


class PostMessage(_Operation, frozen=True, tag="message.post"):
    """Say something. A comment needs `about`, or `reply_to` (then it is about the same thing)."""

    id: Id
    text: MessageText
    channel: Channel = "chat"
    reply_to: Id | None = None
    about: About | None = None
    mentions: Mentions = []


class EditMessage(_Operation, frozen=True, tag="message.edit"):
    """One's own message only."""

    id: Id
    text: MessageText
    mentions: Mentions = []


class DeleteMessage(_Operation, frozen=True, tag="message.delete"):
    """One's own message, an answer that one asked for; an owner of the trip any message."""

    id: Id


class ReactToMessage(_Operation, frozen=True, tag="message.react"):
    """Put one's own reaction, or take it back (`on` false)."""

    id: Id
    emoji: Emoji
    on: bool = True


class ResolveComment(_Operation, frozen=True, tag="comment.resolve"):
    """Close a thread (named by its first comment), or open it again. Editors, and its author."""

    id: Id
    resolved: bool = True


class OpenProposal(_Operation, frozen=True, tag="proposal.open"):
    """Propose operations instead of applying them. They are validated in order, as if each were
    applied on top of the ones before; one that cannot be applied refuses the whole."""

    id: Id
    ops: Annotated[list[Proposable], Meta(min_length=1, max_length=MAX_PIECES)]
    note: Annotated[str, Meta(max_length=4_000)] = ""


class AcceptProposal(_Operation, frozen=True, tag="proposal.accept"):
    """Apply pieces (none named: all that are open) in the accepting editor's name. Pieces that
    others' changes have made stale are marked, not forced; pieces that those accepted need come
    along."""

    id: Id
    pieces: Pieces | None = None


class DeclineProposal(_Operation, frozen=True, tag="proposal.decline"):
    """Refuse pieces (none named: all that are open). Editors, and its author."""

    id: Id
    pieces: Pieces | None = None


TalkOperation = (
    PostMessage
    | EditMessage
    | DeleteMessage
    | ReactToMessage
    | ResolveComment
    | OpenProposal
    | AcceptProposal
    | DeclineProposal
)

PhotoOperation = SetTripCover | SetStopPhoto
"""What shows a photo: looked up before it is decided."""

Operation = (
    SetTripFields
    | SetTripDates
    | SetTripVisibility
    | SetTripCover
    | DeleteTrip
    | RestoreTrip
    | AddDay
    | SetDayFields
    | MoveDay
    | RemoveDay
    | AddStop
    | SetStopFields
    | MoveStops
    | RemoveStop
    | RestoreStop
    | SetStopPhoto
    | SetMemberRole
    | RemoveMember
    | Undo
    | PostMessage
    | EditMessage
    | DeleteMessage
    | ReactToMessage
    | ResolveComment
    | OpenProposal
    | AcceptProposal
    | DeclineProposal
)


class CreateTrip(_Operation, frozen=True, tag="trip.create"):
    """Internal: the first operation of every trip. Never accepted from a client's frame."""

    title: Title
    owner_name: ShortText
    description: LongText = ""
    start_date: IsoDate | None = None
    end_date: IsoDate | None = None
    time_zone: ZoneName = "UTC"
    currency: CurrencyCode = "CNY"


class JoinTrip(_Operation, frozen=True, tag="member.join"):
    """Internal: the actor becomes a member, by an invitation that the service has checked."""

    name: ShortText
    role: Role


class SetMemberName(_Operation, frozen=True, tag="member.set_name"):
    """Internal: the actor's display name changed."""

    name: ShortText


AnyOperation = Operation | CreateTrip | JoinTrip | SetMemberName


def kind_of(op: AnyOperation) -> str:
    """The wire name of an operation, such as ``stop.move``."""
    tag = type(op).__struct_config__.tag
    assert isinstance(tag, str)
    return tag


_decoder: msgspec.json.Decoder[Operation] = msgspec.json.Decoder(Operation)


def decode_operation(raw: bytes | msgspec.Raw) -> Operation:
    """Decode one operation sent by a client; raises `msgspec.ValidationError` naming the field."""
    return _decoder.decode(raw)
