"""A trip as iCalendar (RFC 5545), for any calendar program.

Owns what becomes an event: each dated day lasts all day, with the stops that have no time in its text;
each stop of a dated day that has a time is an event in its own time zone, whose rules come along
(VTIMEZONE). Ideas and days without a date are in no calendar. The `UID`s stay the same, and `SEQUENCE`
is the trip's seq, so a second import brings the first one up to date. Called by `realtime.jobs.render`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event

from domain.entities import Day, Stop
from domain.jobs import Material
from realtime.jobs.texts import TEXTS, show_cost, show_name, show_times

PRODUCT = "-//Tongyou//Trip//EN"
YEARS = range(3, 9_997)
"""Days of other years are left out: with a year before and after, they are beyond what Python counts."""
_STATUS = {
    "booked": "CONFIRMED",
    "done": "CONFIRMED",
    "planned": "TENTATIVE",
    "idea": "TENTATIVE",
    "cancelled": "CANCELLED",
}


def make_calendar(material: Material) -> bytes:
    """The calendar, UTF-8 with CRLF."""
    return _Maker(material).calendar()


class _Maker:
    def __init__(self, material: Material) -> None:
        self._of = material
        self._trip = material.snapshot.trip
        self._texts = TEXTS[material.locale]
        self._made_at = datetime.fromisoformat(material.at).astimezone(UTC).replace(microsecond=0)
        self._days: list[date] = []

    def calendar(self) -> bytes:
        made = Calendar()
        made.add("prodid", PRODUCT)
        made.add("version", "2.0")
        made.add("calscale", "GREGORIAN")
        made.add("method", "PUBLISH")
        made.add("name", _clean(self._trip.title))
        made.add("x-wr-calname", _clean(self._trip.title))
        made.add("x-wr-timezone", self._trip.time_zone)
        if self._trip.description:
            made.add("description", _clean(self._trip.description))
        stops: dict[str | None, list[Stop]] = {}
        for stop in self._of.snapshot.stops:
            stops.setdefault(stop.day_id, []).append(stop)
        for n, day in enumerate(self._of.snapshot.days, 1):
            if day.date is not None and date.fromisoformat(day.date).year in YEARS:
                for event in self._events(n, day, date.fromisoformat(day.date), stops.get(day.id, [])):
                    made.add_component(event)
        if self._days:
            # A zone's rules from a year before to a year after what is planned.
            around = timedelta(days=366)
            made.add_missing_timezones(
                first_date=min(self._days) - around, last_date=max(self._days) + around
            )
        return bytes(made.to_ical())

    def _events(self, n: int, day: Day, on: date, stops: list[Stop]) -> Iterable[Event]:
        self._days.append(on)
        untimed = [stop for stop in stops if not stop.start_time]
        lines = [_line(stop, self._of) for stop in untimed]
        event = self._event(f"day.{day.id}")
        event.add("summary", _clean(f"{self._texts['day'].format(n=n)} · {day.title or self._trip.title}"))
        event.add("dtstart", on)
        event.add("dtend", on + timedelta(days=1))
        event.add("transp", "TRANSPARENT")
        _describe(event, [day.notes, "\n".join(lines)])
        yield event
        yield from (self._stop(stop, on) for stop in stops if stop.start_time)

    def _stop(self, stop: Stop, on: date) -> Event:
        event = self._event(f"stop.{stop.id}")
        event.add("summary", _clean(show_name(stop, self._of.locale)))
        zone = ZoneInfo(stop.time_zone or self._trip.time_zone)
        start = _moment(on, stop.start_time or "00:00", zone)
        event.add("dtstart", start)
        if stop.end_time:
            end = _moment(on, stop.end_time, zone)
            # An end before the start is on the next day.
            event.add("dtend", end if end > start else _moment(on + timedelta(days=1), stop.end_time, zone))
        elif stop.duration_min:
            # Not an end: in the night when the clocks change, it would be said twice or not at all.
            event.add("duration", timedelta(minutes=stop.duration_min))
        event.add("status", _STATUS[stop.status])
        event.add("categories", [self._texts["kind"][stop.kind]])
        if stop.place_name:
            event.add("location", _clean(stop.place_name))
        if stop.lat is not None and stop.lng is not None:
            event.add("geo", (stop.lat, stop.lng))
        links = [f"{link.title} {link.url}".strip() for link in stop.links.values()]
        cost = show_cost(stop, self._trip.currency)
        cost = f"{self._texts['cost']}{self._texts['colon']}{cost}" if cost else ""
        _describe(event, [stop.notes, cost, "\n".join(links)])
        return event

    def _event(self, name: str) -> Event:
        event = Event()
        event.add("uid", f"{name}.{self._trip.id}@tongyou")
        event.add("dtstamp", self._made_at)
        event.add("sequence", self._of.seq)
        return event


def _moment(on: date, clock: str, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(on.year, on.month, on.day, hour, minute, tzinfo=zone)


def _line(stop: Stop, material: Material) -> str:
    times = show_times(stop, material.locale)
    return f"- {show_name(stop, material.locale)}" + (f" ({times})" if times else "")


def _describe(event: Event, parts: list[str]) -> None:
    text = "\n\n".join(part for part in parts if part)
    if text:
        event.add("description", _clean(text))


def _clean(text: str) -> str:
    """Without control characters, which RFC 5545 (section 3.1) does not allow in a text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in lines if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
