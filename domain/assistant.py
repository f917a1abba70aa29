"""What the assistant is told of a trip, within a budget of tokens: a pure selection.

Owns the order of importance: the trip's frame first, then all stops by name and time, then what
the question is about (days and stops that it names, with their notes), the latest talk, and what
other trips say; other notes last. Never renders text: `realtime.assistant.prompts` does, from the
`Selection`. Never sees more than the asker may see: it is given a `TripContext`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from domain.answers import TripContext
from domain.entities import Day, Stop
from domain.search import query_grams
from domain.talk import ASSISTANT, Message, Source

T = TypeVar("T")
L = TypeVar("L")
NOTE_SHARE = 400
"""Characters of a note that is not what the question is about."""
TALK_SHARE = 0.25
SOURCE_SHARE = 0.15
MESSAGE_TEXT = 800
_DAY = re.compile(r"第\s*([0-9一二三四五六七八九十]{1,3})\s*天|\bday\s*([0-9]{1,3})\b", re.IGNORECASE)
_DIGITS = {digit: number for number, digit in enumerate("一二三四五六七八九", start=1)}
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00010000-\U0003ffff]")


class Selection(msgspec.Struct):
    """What goes into the prompt. `days` and `ideas` hold plain dicts of the fields that are told;
    `left_out` counts notes, messages and stops for which there was no room."""

    trip: dict[str, Any]
    days: list[dict[str, Any]]
    ideas: list[dict[str, Any]]
    members: list[dict[str, str]]
    messages: list[dict[str, str]]
    sources: list[dict[str, Any]]
    tokens: int = 0
    left_out: int = 0


def estimate_tokens(text: str) -> int:
    """About how many tokens a model counts: one for each wide character, one for every four others.

    Errs upwards for today's tokenizers (which join many pairs of Han characters)."""
    wide = len(_WIDE.findall(text))
    return wide + (len(text) - wide + 3) // 4


def select(context: TripContext, sources: list[Source], budget: int) -> Selection:
    """Choose what fits into `budget` tokens; the same input gives the same choice."""
    return _Selecting(context, budget).run(sources)


class _Selecting:
    """One selection under way: what was spent, and what found no room."""

    def __init__(self, context: TripContext, budget: int) -> None:
        self._context = context
        self._left = budget
        self._budget = budget
        self._left_out = 0
        self._wanted = query_grams(context.question.text)

    def run(self, sources: list[Source]) -> Selection:
        snapshot = self._context.snapshot
        days = {day.id: self._day(number, day) for number, day in enumerate(snapshot.days, start=1)}
        selection = Selection(
            trip=self._frame(),
            days=list(days.values()),
            ideas=[],
            members=[{"name": m.name, "role": m.role} for m in snapshot.members if not m.deleted],
            messages=[],
            sources=[],
        )
        self._spend(selection.trip, selection.days, selection.members)
        named = self._named_days()
        stops = sorted(snapshot.stops, key=lambda stop: 0 if self._meant(stop, named) else 1)
        told: dict[str, dict[str, Any]] = {}
        for stop in stops:
            line = self._stop(stop)
            if self._fits(line):
                told[stop.id] = line
        for stop in snapshot.stops:
            if stop.id in told:
                home = days.get(stop.day_id) if stop.day_id is not None else None
                (selection.ideas if home is None else home["stops"]).append(told[stop.id])
        meant = [stop for stop in stops if self._meant(stop, named)]
        self._notes(meant, told, days, named, whole=True)
        selection.messages = self._talk()
        selection.sources = self._sources(sources)
        self._notes([stop for stop in stops if stop not in meant], told, days, named, whole=False)
        selection.tokens = self._budget - self._left
        selection.left_out = self._left_out
        return selection

    # --- pieces -----------------------------------------------------------------------------

    def _frame(self) -> dict[str, Any]:
        trip = self._context.snapshot.trip
        return {
            "title": trip.title,
            "start_date": trip.start_date,
            "end_date": trip.end_date,
            "time_zone": trip.time_zone,
            "currency": trip.currency,
            "description": trip.description[:NOTE_SHARE],
        }

    def _day(self, number: int, day: Day) -> dict[str, Any]:
        return _given({"id": day.id, "number": number, "date": day.date, "title": day.title}) | {"stops": []}

    def _stop(self, stop: Stop) -> dict[str, Any]:
        time = f"{stop.start_time or ''}-{stop.end_time or ''}".strip("-")
        fields = {
            "id": stop.id,
            "name": stop.name,
            "name_alt": stop.name_alt,
            "kind": stop.kind,
            "time": time,
            "minutes": stop.duration_min,
            "status": stop.status if stop.status != "planned" else None,
            "place": stop.place_name,
            "lat": None if stop.lat is None else round(stop.lat, 3),
            "lng": None if stop.lng is None else round(stop.lng, 3),
            "cost_minor_units": stop.cost_amount,
            "cost_currency": stop.cost_currency if stop.cost_amount is not None else None,
        }
        return _given(fields)

    def _notes(
        self,
        stops: list[Stop],
        told: dict[str, dict[str, Any]],
        days: dict[str, dict[str, Any]],
        named: set[str],
        whole: bool,
    ) -> None:
        for day in self._context.snapshot.days:
            if day.notes and (day.id in named) == whole:
                self._note(days[day.id], day.notes, whole)
        for stop in stops:
            if stop.notes and stop.id in told:
                self._note(told[stop.id], stop.notes, whole)

    def _note(self, line: dict[str, Any], notes: str, whole: bool) -> None:
        text = notes if whole else notes[:NOTE_SHARE]
        if self._fits({"notes": text}):
            line["notes"] = text
        elif whole and self._fits({"notes": notes[:NOTE_SHARE]}):
            line["notes"] = notes[:NOTE_SHARE]

    def _talk(self) -> list[dict[str, str]]:
        names = {member.id: member.name for member in self._context.snapshot.members}

        def line(message: Message) -> dict[str, str]:
            who = "assistant" if message.author == ASSISTANT else names.get(message.author, "")
            return {"by": who, "text": message.text[:MESSAGE_TEXT]}

        return self._share(list(reversed(self._context.messages)), line, TALK_SHARE)[::-1]

    def _sources(self, sources: list[Source]) -> list[dict[str, Any]]:
        def line(source: Source) -> dict[str, Any]:
            records = [record.name for record in source.records if record.name]
            return _given({"title": source.title, "excerpt": source.excerpt, "places": records})

        return self._share(sources, line, SOURCE_SHARE)

    def _share(self, items: list[T], line: Callable[[T], L], share: float) -> list[L]:
        """As many of the items, from the first on, as a share of the budget has room for."""
        spare = self._left - min(self._left, int(self._budget * share))
        chosen: list[L] = []
        for number, item in enumerate(items):
            made = line(item)
            if self._left - _cost(made) < spare:
                self._left_out += len(items) - number
                break
            self._left -= _cost(made)
            chosen.append(made)
        return chosen

    # --- the budget -------------------------------------------------------------------------

    def _spend(self, *values: Any) -> None:
        self._left -= sum(_cost(value) for value in values)

    def _fits(self, value: Any) -> bool:
        cost = _cost(value)
        if cost > self._left:
            self._left_out += 1
            return False
        self._left -= cost
        return True

    # --- what the question is about ---------------------------------------------------------

    def _named_days(self) -> set[str]:
        numbers = {_number(a or b) for a, b in _DAY.findall(self._context.question.text)}
        days = enumerate(self._context.snapshot.days, start=1)
        return {day.id for number, day in days if number in numbers or self._says(day.title)}

    def _meant(self, stop: Stop, named: set[str]) -> bool:
        return stop.day_id in named or self._says(f"{stop.name} {stop.name_alt}")

    def _says(self, name: str) -> bool:
        folded = name.casefold()
        return any(gram in folded for gram in self._wanted)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _cost(value: Any) -> int:
    return estimate_tokens(msgspec.json.encode(value).decode()) + 2


def _number(text: str) -> int:
    """A day's number: 3, 三, 十, 十二, 二十一; 0 for anything else."""
    if text.isdigit():
        return int(text)
    if text in _DIGITS:
        return _DIGITS[text]
    tens, ten, ones = text.partition("十")
    if not ten or (tens and tens not in _DIGITS) or (ones and ones not in _DIGITS):
        return 0
    return _DIGITS.get(tens, 1) * 10 + _DIGITS.get(ones, 0)
