"""The nouns of a trip: Trip, Day, Stop, Member, and the types of their fields.

Owns shapes and limits only. Instances belong to one aggregate (`domain.trip`), which alone
changes them. msgspec structs are used because the same declaration validates, encodes and
generates the client's TypeScript.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# Limits. Each is named in docs/PROTOCOL.md.
MAX_STOPS = 2_000
MAX_STOPS_EVER = 10_000
"""Stops of a trip with the removed ones, which are kept so that they can be restored."""
MAX_DAYS = 366
MAX_DAYS_EVER = 5_000
"""Days of a trip with the removed ones."""
MAX_MEMBERS = 200
MAX_LINKS = 20
MAX_LINK_IDS = 200
"""Link ids that a stop may ever have used: who changed each is remembered for undo."""

# `$` alone would let a final newline pass (which MariaDB cuts off), and `\d` every script's digits.
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,40}(?!\n)$")]
"""Client-made or server-made identifier, unique inside its trip (trips and users: globally)."""
IsoDate = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?!\n)$")]
ClockTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](?!\n)$")]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
ShortText = Annotated[str, Meta(max_length=300)]
LongText = Annotated[str, Meta(max_length=10_000)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
CurrencyCode = Annotated[str, Meta(pattern=r"^[A-Z]{3}(?!\n)$")]
MinorUnits = Annotated[int, Meta(ge=0, le=10_000_000_000_00)]
Minutes = Annotated[int, Meta(ge=0, le=60 * 24 * 30)]
ZoneName = Annotated[str, Meta(max_length=64)]
Url = Annotated[str, Meta(max_length=2000, pattern=r"^https?://[^\s]+(?!\n)$")]

StopKind = Literal["sight", "food", "lodging", "transport", "activity", "shopping", "nature", "other"]
StopStatus = Literal["idea", "planned", "booked", "done", "cancelled"]
Visibility = Literal["private", "public"]
Role = Literal["owner", "editor", "viewer"]
AccessRole = Literal["owner", "editor", "viewer", "spectator"]
"""A member's role, or `spectator`: anybody reading a public trip."""
RecordType = Literal["trip", "day", "stop", "member"]


class Link(msgspec.Struct, forbid_unknown_fields=True):
    """One web address attached to a stop."""

    url: Url
    title: ShortText = ""


class Photo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A photo as a trip shows it: its id, the size of its largest form in pixels, and its average colour
    (`#rrggbb`), which stands in its place until it is loaded. The pixels are fetched by id."""

    id: Id
    width: Annotated[int, Meta(ge=1)]
    height: Annotated[int, Meta(ge=1)]
    color: Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}(?!\n)$")]


class Trip(msgspec.Struct):
    """What a trip says about itself. `start_date`/`end_date` are both set or both None."""

    id: str
    title: str
    description: str = ""
    start_date: str | None = None
    end_date: str | None = None
    time_zone: str = "UTC"
    currency: str = "CNY"
    visibility: Visibility = "private"
    created_by: str = ""
    created_at: str = ""
    deleted: bool = False
    cover: Photo | None = None


class Day(msgspec.Struct):
    """One day of the itinerary. `date` None = an unscheduled day, ordered by `pos`."""

    id: str
    date: str | None = None
    pos: str = "a0"
    title: str = ""
    notes: str = ""
    deleted: bool = False


class Stop(msgspec.Struct):
    """One thing to see, eat, ride or sleep in. `day_id` None = an idea without a day.

    `pos` is a fractional index key, compared as ASCII bytes inside its day. `cost_amount` is in
    minor units of `cost_currency`. `name_alt` is the name in the other language. Times are wall
    clock in `time_zone` (None = the trip's).
    """

    id: str
    day_id: str | None = None
    pos: str = "a0"
    name: str = ""
    name_alt: str = ""
    kind: StopKind = "sight"
    place_name: str = ""
    lat: float | None = None
    lng: float | None = None
    start_time: str | None = None
    end_time: str | None = None
    duration_min: int | None = None
    time_zone: str | None = None
    notes: str = ""
    links: dict[str, Link] = msgspec.field(default_factory=dict)
    cost_amount: int | None = None
    cost_currency: str | None = None
    status: StopStatus = "planned"
    proposed_by: str | None = None
    deleted: bool = False
    photo: Photo | None = None


class Member(msgspec.Struct):
    """A person of the trip; `id` is the user id. `color` is an index 0..7 of the palette.

    `deleted` means removed: the record stays so that the history can name its authors.
    """

    id: str
    name: str = ""
    role: Role = "viewer"
    color: int = 0
    joined_at: str = ""
    deleted: bool = False


Entity = Trip | Day | Stop | Member
ENTITY_TYPES: dict[RecordType, type[Entity]] = {"trip": Trip, "day": Day, "stop": Stop, "member": Member}


class Snapshot(msgspec.Struct):
    """The live state of a trip: removed days and stops left out, removed members kept."""

    trip: Trip
    days: list[Day]
    stops: list[Stop]
    members: list[Member]
