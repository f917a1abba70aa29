"""Writes what the domain decides, as an example for the client's predictions to be measured by.

A seeded random room: each step holds an operation and the changes that the server made of it, or
the code of its refusal. Run by hand when decisions change (`python -m tests.frontend.decisions`);
the test beside it asserts that the file is up to date.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec

from domain import operations as ops
from domain.entities import Link
from domain.errors import DomainError
from domain.operations import AnyOperation, DayFields, StopFields, TripFields
from tests.domain.rooms import Room

TARGET = Path(__file__).resolve().parents[2] / "frontend/src/realtime/testing/decisions.json"
STEPS = 400
LINK = {"url": "https://example.org/", "title": "page"}


def make() -> str:
    """The whole file, as text."""
    chance = random.Random(20260501)
    room = Room(start_date="2026-05-01", end_date="2026-05-04")
    start = msgspec.to_builtins(room.trip.view())
    steps: list[dict[str, Any]] = []
    for count in range(STEPS):
        op = _operation(room, chance, count)
        actor = chance.choice(["ann", "bob"])
        step: dict[str, Any] = {"op": msgspec.to_builtins(op), "actor": actor}
        try:
            room.do(op, actor)
        except DomainError as error:
            step["refused"] = error.code
        else:
            changes = msgspec.to_builtins(room.last.changes)
            step["changes"] = [{key: change[key] for key in change if key != "old"} for change in changes]
        steps.append(step)
    lines = ",\n".join(json.dumps(step, ensure_ascii=False, separators=(",", ":")) for step in steps)
    head = json.dumps(start, ensure_ascii=False, separators=(",", ":"))
    first = room.trip.seq - sum("changes" in step for step in steps)
    return f'{{"seq":{first},"start":{head},"steps":[\n{lines}\n]}}\n'


def _operation(room: Room, chance: random.Random, count: int) -> AnyOperation:
    stops = [*room.trip.stops] or ["none"]
    days = [*room.trip.days] if chance.random() < 0.1 else room.day_ids()
    stop = chance.choice(stops) if chance.random() < 0.97 else "unknown"
    day = chance.choice(days)
    list_of = None if chance.random() < 0.2 else day
    keys = room.trip.keys_of(list_of)
    after = chance.choice(keys)[1] if keys and chance.random() < 0.7 else chance.choice([None, None, stop])
    booked = StopFields(name="x", links={"k": _link()}, status="booked")
    linked = StopFields(links={"k": chance.choice([None, _link()]), f"l{count % 3}": _link()})
    end = f"2026-05-0{chance.randint(2, 8)}"
    made: list[tuple[float, AnyOperation]] = [
        (6, ops.AddStop(f"s{count}", StopFields(name=f"n{count}"), list_of, after)),
        (1, ops.AddStop(f"s{count}", booked, list_of, after)),
        (3, ops.SetStopFields(stop, StopFields(name=f"m{count}", cost_amount=count, lat=1.5))),
        (2, ops.SetStopFields(stop, linked)),
        (6, ops.MoveStops([stop], list_of, after)),
        (4, ops.MoveStops(chance.choices(stops, k=3), list_of, after)),
        (2, ops.RemoveStop(stop)),
        (2, ops.RestoreStop(stop)),
        (1, ops.AddDay(f"d{count}", DayFields(title="extra"))),
        (1, ops.SetDayFields(day, DayFields(notes=f"notes {count}"))),
        (2, ops.MoveDay(day, chance.choice([None, *days]))),
        (1, ops.RemoveDay(day)),
        (0.3, ops.SetTripDates("2026-05-01", end, chance.choice(["shift", "keep"]))),
        (0.1, ops.SetTripDates(None, None)),
        (1, ops.SetTripFields(TripFields(title=f"title {count}"))),
    ]  # fmt: skip
    return chance.choices([op for _, op in made], [weight for weight, _ in made])[0]


def _link() -> Any:
    return msgspec.convert(LINK, Link)


if __name__ == "__main__":
    TARGET.write_text(make(), encoding="utf-8")
