"""A trip as one HTML file to print, or to take along where there is no network.

Owns what the page shows; the template is `templates/page.j2`. The file needs nothing else: no script and
no font of its own, and the photos are in it. HTML and not PDF, because a PDF shows Chinese, emoji and every
other script only with fonts put into it (ten megabytes and more), while every phone and browser has its own.
Whatever people wrote is escaped, and the file forbids itself to load or run anything. Called by
`realtime.jobs.render`.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from domain.entities import Day, Photo, Stop
from domain.jobs import Material
from domain.photos import MEDIA_TYPE
from realtime.jobs.texts import TEXTS, show_cost, show_date, show_name, show_range, show_times

_FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Entry:
    """One stop as it is shown."""

    stop: Stop
    name: str
    times: str
    cost: str
    kind: str
    status: str
    place: str
    zone: str
    photo: str


@dataclass(frozen=True)
class Section:
    """A day, or the ideas."""

    title: str
    date: str
    notes: str
    entries: list[Entry]


def make_page(material: Material) -> bytes:
    """The page, UTF-8."""
    snapshot, locale = material.snapshot, material.locale
    return (
        _template()
        .render(
            trip=snapshot.trip,
            texts=TEXTS[locale],
            language="zh-CN" if locale == "zh" else "en",
            cover=_address(snapshot.trip.cover, material),
            dates=show_range(snapshot.trip.start_date, snapshot.trip.end_date, locale),
            members=[member.name for member in snapshot.members if not member.deleted],
            sections=_sections(material),
            at=material.at[:16].replace("T", " "),
        )
        .encode("utf-8", "replace")
    )


def _sections(material: Material) -> list[Section]:
    snapshot, locale = material.snapshot, material.locale
    texts = TEXTS[locale]
    stops: dict[str | None, list[Entry]] = {}
    for stop in snapshot.stops:
        stops.setdefault(stop.day_id, []).append(_entry(stop, material))

    def section(n: int, day: Day) -> Section:
        number = texts["day"].format(n=n)
        shown = show_date(day.date, locale) if day.date else texts["unscheduled"]
        title = f"{number} · {day.title}" if day.title else number
        return Section(title, shown, day.notes, stops.get(day.id, []))

    made = [section(n, day) for n, day in enumerate(snapshot.days, 1)]
    if ideas := stops.get(None):
        made.append(Section(texts["ideas"], "", "", ideas))
    return made


def _entry(stop: Stop, material: Material) -> Entry:
    trip, texts = material.snapshot.trip, TEXTS[material.locale]
    return Entry(
        stop=stop,
        name=show_name(stop, material.locale),
        times=show_times(stop, material.locale),
        cost=show_cost(stop, trip.currency),
        kind=texts["kind"][stop.kind],
        # What is merely planned, or an idea, goes without saying.
        status=texts["status"][stop.status] if stop.status in ("booked", "done", "cancelled") else "",
        place="" if stop.lat is None or stop.lng is None else f"{stop.lat:.5f},{stop.lng:.5f}",
        photo=_address(stop.photo, material),
        zone=stop.time_zone if stop.time_zone and stop.time_zone != trip.time_zone else "",
    )


def _address(photo: Photo | None, material: Material) -> str:
    """The photo itself as an address (RFC 2397); empty when there is none, or it did not fit."""
    body = None if photo is None else material.photos.get(photo.id)
    return "" if body is None else f"data:{MEDIA_TYPE};base64,{b64encode(body).decode()}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.j2")
