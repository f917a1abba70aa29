"""The sample trip: something alive to look at, without typing first.

Owns how a sample file becomes a trip: by ordinary operations, in one unit of work, so that its
history, undo and merging are those of any trip. The file itself is read and given by the caller.
Called through `run(service, command)` by `handlers.demo`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import msgspec
from msgspec import UNSET

from domain.accounts import CreateGuest, Locale, later
from domain.commands import Actor, RoomCommand
from domain.entities import Link, StopKind, StopStatus
from domain.membership import Invite
from domain.operations import AddStop, AnyOperation, CreateTrip, DayFields, SetDayFields, StopFields
from domain.ports import UnitOfWork
from domain.services import rooms
from domain.services.accounts import add_guest

NOTICE_DAYS = 14
"""The sample starts on the first Saturday at least this far ahead."""
SATURDAY = 5
INVITE_DAYS = 30


class SampleStop(msgspec.Struct, frozen=True):
    """`name` is English, `name_alt` Chinese; which comes first is the reader's language."""

    name: str
    name_alt: str = ""
    kind: StopKind = "sight"
    place_name: str = ""
    lat: float | None = None
    lng: float | None = None
    start_time: str | None = None
    end_time: str | None = None
    duration_min: int | None = None
    notes_zh: str = ""
    notes_en: str = ""
    links: list[Link] = []
    cost_amount: int | None = None
    cost_currency: str | None = None
    status: StopStatus | None = None


class SampleDay(msgspec.Struct, frozen=True):
    title_zh: str = ""
    title_en: str = ""
    notes_zh: str = ""
    notes_en: str = ""
    stops: list[SampleStop] = []


class Sample(msgspec.Struct, frozen=True):
    """A whole trip in both languages."""

    title_zh: str
    title_en: str
    days: list[SampleDay]
    description_zh: str = ""
    description_en: str = ""
    ideas: list[SampleStop] = []
    time_zone: str = "Asia/Shanghai"
    currency: str = "CNY"


class StartDemo(RoomCommand, frozen=True):
    """Make the sample trip and an invitation of an editor to it, and first the guest, if given."""

    actor: Actor
    guest: CreateGuest | None
    epoch: str
    locale: Locale
    sample: Sample
    invite_id: str
    token_hash: str
    at: str


def decode_sample(raw: bytes) -> Sample:
    """Raises `msgspec.ValidationError` when the file is not a sample."""
    return msgspec.json.decode(raw, type=Sample)


def start_demo(command: StartDemo, uow: UnitOfWork) -> str:
    """Make the trip; returns its id. The actor becomes its owner."""
    if command.guest is not None:
        add_guest(command.guest, uow)
    user_id = command.actor.user_id or ""
    sample, zh = command.sample, command.locale == "zh"
    dates = sample_dates(command.at, len(sample.days))
    first = CreateTrip(
        title=sample.title_zh if zh else sample.title_en,
        owner_name=command.actor.name,
        description=sample.description_zh if zh else sample.description_en,
        start_date=dates[0] if dates else None,
        end_date=dates[-1] if dates else None,
        time_zone=sample.time_zone,
        currency=sample.currency,
    )
    prefix = f"demo-{command.trip_id}"
    trip = rooms.create_trip(uow, command.trip_id, command.epoch, first, user_id, f"{prefix}-0", command.at)
    day_ids = [day.id for day in trip.live_days()]
    for number, op in enumerate(operations(sample, day_ids, zh), start=1):
        rooms.apply(uow, trip, op, user_id, f"{prefix}-{number}", trip.seq, command.at)
    uow.accounts.add_invite(
        Invite(
            id=command.invite_id,
            trip_id=trip.id,
            token_hash=command.token_hash,
            role="editor",
            created_by=user_id,
            inviter_name=command.actor.name,
            created_at=command.at,
            made_at_seq=trip.seq,
            expires_at=later(command.at, days=INVITE_DAYS),
        )
    )
    return trip.id


def sample_dates(at: str, count: int) -> list[str]:
    """`count` dates from the first Saturday at least `NOTICE_DAYS` after `at`."""
    start: date = datetime.fromisoformat(at).date() + timedelta(days=NOTICE_DAYS)
    start += timedelta(days=(SATURDAY - start.weekday()) % 7)
    return [(start + timedelta(days=n)).isoformat() for n in range(count)]


def operations(sample: Sample, day_ids: list[str], zh: bool) -> Iterator[AnyOperation]:
    """What somebody would have done by hand to write this trip, in order."""
    for number, (day, day_id) in enumerate(zip(sample.days, day_ids, strict=True), start=1):
        title = day.title_zh if zh else day.title_en
        notes = day.notes_zh if zh else day.notes_en
        if title or notes:
            yield SetDayFields(id=day_id, fields=DayFields(title=title, notes=notes))
        yield from _stops(day.stops, day_id, f"s{number}", zh)
    yield from _stops(sample.ideas, None, "idea", zh)


def _stops(stops: list[SampleStop], day_id: str | None, prefix: str, zh: bool) -> Iterator[AnyOperation]:
    after: str | None = None
    for number, stop in enumerate(stops, start=1):
        stop_id = f"{prefix}-{number}"
        yield AddStop(id=stop_id, fields=_fields(stop, zh), day=day_id, after=after)
        after = stop_id


def _fields(stop: SampleStop, zh: bool) -> StopFields:
    swap = zh and bool(stop.name_alt)
    return StopFields(
        name=stop.name_alt if swap else stop.name,
        name_alt=stop.name if swap else stop.name_alt,
        kind=stop.kind,
        place_name=stop.place_name,
        lat=stop.lat,
        lng=stop.lng,
        start_time=stop.start_time,
        end_time=stop.end_time,
        duration_min=stop.duration_min,
        notes=stop.notes_zh if zh else stop.notes_en,
        links={f"l{n}": link for n, link in enumerate(stop.links, start=1)},
        cost_amount=stop.cost_amount,
        cost_currency=stop.cost_currency,
        status=UNSET if stop.status is None else stop.status,
    )
