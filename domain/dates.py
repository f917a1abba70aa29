"""Days and dates: what happens to the itinerary when dates or the order of days change.

Owns the one rule that nothing planned is lost: a day that falls outside the trip becomes
unscheduled (date null) together with its stops; only an empty day goes. Pure, called by
`domain.decisions`.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from msgspec import UNSET

from domain.entities import MAX_DAYS, MAX_DAYS_EVER, Day
from domain.errors import Conflict, Gone, Invalid, LimitReached, NotFound
from domain.events import Change
from domain.intent import Intent
from domain.operations import AddDay, MoveDay, RemoveDay, SetTripDates
from domain.positions import keys_between, place
from domain.trip import TripAggregate, wire_record


def parse_date(text: str, field: str) -> date:
    """An ISO date, or `Invalid` naming the field."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text} is not a date of the calendar", field=field) from None


def date_range(start_date: str | None, end_date: str | None) -> list[str]:
    """All dates of a trip, both ends included; empty for a trip without dates."""
    if start_date is None and end_date is None:
        return []
    if start_date is None or end_date is None:
        raise Invalid("start and end are given together, or neither", field="start_date")
    start, end = parse_date(start_date, "start_date"), parse_date(end_date, "end_date")
    if end < start:
        raise Invalid("the trip ends before it starts", field="end_date")
    count = (end - start).days + 1
    if count > MAX_DAYS:
        raise LimitReached(f"a trip has at most {MAX_DAYS} days", limit=MAX_DAYS)
    return [(start + timedelta(days=n)).isoformat() for n in range(count)]


def new_days(intent: Intent, dates: list[str]) -> list[Change]:
    """Changes that make one empty day a date; ids are derived from the event's seq."""
    return [_new_day(Day(id=f"d{intent.seq}-{day}", date=day)) for day in dates]


def _new_day(day: Day) -> Change:
    return Change("day", day.id, wire_record(day), {"deleted": True}, new=True)


def is_empty(trip: TripAggregate, day: Day) -> bool:
    """Nothing was planned or written on this day."""
    return not (day.title or day.notes or trip.keys_of(day.id))


def decide_dates(trip: TripAggregate, intent: Intent, op: SetTripDates) -> list[Change]:
    """See `SetTripDates`."""
    dates = date_range(op.start_date, op.end_date)
    for field in ("start_date", "end_date"):
        stamp = trip.stamp("trip", trip.id, field)
        if stamp is not None and stamp[0] > intent.base and stamp[1] != intent.actor:
            current = {"start_date": trip.trip.start_date, "end_date": trip.trip.end_date}
            raise Conflict("somebody changed the dates meanwhile", current=current)
    days = trip.live_days()
    dated = [day for day in days if day.date is not None]
    undated = [day for day in days if day.date is None]
    if op.mode == "keep" and dates:
        wanted = set(dates)
        kept: dict[str, Day] = {day.date: day for day in dated if day.date in wanted}
        outside = [day for day in dated if day.date not in wanted]
    else:
        # A trip that gets its first dates gives them to the days that it has, in order.
        line = dated if trip.trip.start_date is not None else undated
        kept = dict(zip(dates, line, strict=False))
        outside = [day for day in line[len(dates) :] if day.date is not None]
    changes = _trip_dates(trip, op.start_date, op.end_date)
    changes += [_redate(day, when) for when, day in kept.items() if day.date != when]
    if dates:
        changes += _unschedule(trip, outside, undated)
        changes += new_days(intent, [when for when in dates if when not in kept])
    else:
        changes += _undate_all(dated, undated)
    _check_count(trip, changes)
    return changes


def _trip_dates(trip: TripAggregate, start: str | None, end: str | None) -> list[Change]:
    old = {"start_date": trip.trip.start_date, "end_date": trip.trip.end_date}
    new = {"start_date": start, "end_date": end}
    return [] if new == old else [Change("trip", trip.id, dict(new), dict(old))]


def _redate(day: Day, when: str) -> Change:
    return Change("day", day.id, {"date": when}, {"date": day.date})


def _unschedule(trip: TripAggregate, outside: list[Day], undated: list[Day]) -> list[Change]:
    changes = [
        Change("day", day.id, {"deleted": True}, {"deleted": False}) for day in outside if is_empty(trip, day)
    ]
    kept = [day for day in outside if not is_empty(trip, day)]
    last = undated[-1].pos if undated else None
    for day, pos in zip(kept, keys_between(last, None, len(kept)), strict=True):
        changes.append(Change("day", day.id, {"date": None, "pos": pos}, {"date": day.date, "pos": day.pos}))
    return changes


def _undate_all(dated: list[Day], undated: list[Day]) -> list[Change]:
    """The trip loses its dates: its days stay, in order, before those without a date."""
    first = undated[0].pos if undated else None
    return [
        Change("day", day.id, {"date": None, "pos": pos}, {"date": day.date, "pos": day.pos})
        for day, pos in zip(dated, keys_between(None, first, len(dated)), strict=True)
    ]


def _check_count(trip: TripAggregate, changes: list[Change]) -> None:
    made = sum(1 for change in changes if change.new)
    if made and len(trip.days) + made > MAX_DAYS_EVER:
        raise LimitReached(f"a trip keeps at most {MAX_DAYS_EVER} days, removed ones included")
    if made and len(trip.live_days()) + made > 2 * MAX_DAYS:
        raise LimitReached(f"a trip has at most {MAX_DAYS} days", limit=MAX_DAYS)


def decide_add_day(trip: TripAggregate, _: Intent, op: AddDay) -> list[Change]:
    """See `AddDay`."""
    if op.id in trip.days:
        raise Conflict("a day with this id exists already", code="exists", t="day", id=op.id)
    days = trip.live_days()
    if len(days) >= MAX_DAYS or len(trip.days) >= MAX_DAYS_EVER:
        raise LimitReached(f"a trip has at most {MAX_DAYS} days", limit=MAX_DAYS)
    undated = [day.pos for day in days if day.date is None]
    pos = keys_between(undated[-1] if undated else None, None, 1)[0]
    day = Day(id=op.id, pos=pos)
    if op.fields.title is not UNSET:
        day.title = op.fields.title
    if op.fields.notes is not UNSET:
        day.notes = op.fields.notes
    return [_new_day(day)]


def _live(trip: TripAggregate, day_id: str) -> Day:
    day = trip.days.get(day_id)
    if day is None:
        raise NotFound(f"there is no day {day_id} in this trip", t="day", id=day_id)
    if day.deleted:
        raise Gone("this day was removed meanwhile", t="day", id=day_id)
    return day


def decide_move_day(trip: TripAggregate, _: Intent, op: MoveDay) -> list[Change]:
    """See `MoveDay`. A day put among dated ones gets a date (the trip grows by one day), and one
    put among the unscheduled gives its date up (the trip shrinks by one)."""
    day = _live(trip, op.id)
    if op.after == op.id:
        return []
    dated = [each for each in trip.live_days() if each.date is not None and each.id != day.id]
    undated = [each for each in trip.live_days() if each.date is None and each.id != day.id]
    anchor = None if op.after is None else _live(trip, op.after)
    to_dated = bool(dated or day.date) if anchor is None else anchor.date is not None
    if not to_dated:
        keys = place(
            [(each.pos, each.id) for each in undated],
            [day.id],
            (anchor.pos, anchor.id) if anchor is not None else None,
        )
        changes = _repositions(trip, day, keys)
        return changes + (_reflow(trip, dated) if day.date is not None else [])
    index = dated.index(anchor) + 1 if anchor is not None else 0
    dated.insert(index, day)
    return _reflow(trip, dated)


def _repositions(trip: TripAggregate, day: Day, keys: dict[str, str]) -> list[Change]:
    changes: list[Change] = []
    for day_id, pos in keys.items():
        record = trip.days[day_id]
        new: dict[str, Any] = {"pos": pos}
        old: dict[str, Any] = {"pos": record.pos}
        if day_id == day.id and day.date is not None:
            new["date"], old["date"] = None, day.date
        changes.append(Change("day", day_id, new, old))
    return changes


def _reflow(trip: TripAggregate, ordered: list[Day]) -> list[Change]:
    """Give consecutive dates from the trip's start to `ordered`, and the trip its new end."""
    if not ordered or trip.trip.start_date is None:
        raise Conflict("a trip with dates keeps at least one day", code="last_day")
    if len(ordered) > MAX_DAYS:
        raise LimitReached(f"a trip has at most {MAX_DAYS} days", limit=MAX_DAYS)
    start = date.fromisoformat(trip.trip.start_date)
    if (date.max - start).days < len(ordered) - 1:
        raise LimitReached("the calendar ends here", limit=(date.max - start).days + 1)
    dates = [(start + timedelta(days=n)).isoformat() for n in range(len(ordered))]
    changes = [_redate(day, when) for day, when in zip(ordered, dates, strict=True) if day.date != when]
    return changes + _trip_dates(trip, trip.trip.start_date, dates[-1])


def decide_remove_day(trip: TripAggregate, _: Intent, op: RemoveDay) -> list[Change]:
    """See `RemoveDay`."""
    day = _live(trip, op.id)
    stops = [trip.stops[stop_id] for _, stop_id in trip.keys_of(day.id)]
    ideas = trip.keys_of(None)
    keys = keys_between(ideas[-1][0] if ideas else None, None, len(stops))
    changes = [
        Change("stop", stop.id, {"day_id": None, "pos": pos}, {"day_id": day.id, "pos": stop.pos})
        for stop, pos in zip(stops, keys, strict=True)
    ]
    changes.append(Change("day", day.id, {"deleted": True}, {"deleted": False}))
    if day.date is not None:
        rest = [each for each in trip.live_days() if each.date is not None and each.id != day.id]
        changes += _reflow(trip, rest)
    return changes
