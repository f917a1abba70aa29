"""Undo of one's own operation that respects what others did since.

Owns the inverse of an event. A field is taken back only while it is what the event made it, by its
author's hand; fields that somebody changed since are left as they are. Events that rearrange dates
or days are taken back whole or not at all. Pure, called by `domain.services.rooms`.
"""

from __future__ import annotations

from typing import Any

from domain.dates import date_range
from domain.decisions import Claims, check_links, free_place, revive_stop
from domain.entities import Day, Stop
from domain.errors import Conflict, Forbidden, Invalid
from domain.events import Change, Event
from domain.intent import Intent
from domain.trip import TripAggregate, wire_record, wire_value

_UNDOABLE = frozenset(
    {
        "trip.set_fields", "trip.set_dates", "trip.set_cover",
        "day.add", "day.set_fields", "day.move", "day.remove", "stop.set_photo",
        "stop.add", "stop.set_fields", "stop.move", "stop.remove", "stop.restore", "undo",
    }
)  # fmt: skip
_WHOLE = frozenset({"trip.set_dates", "day.add", "day.move", "day.remove"})


def decide_undo(trip: TripAggregate, intent: Intent, target: Event, whole: bool) -> list[Change]:
    """The changes that take `target` back. `whole`: all or nothing (see `is_whole`).

    Raises `Forbidden` for somebody else's event, `Invalid` for one that has no undo, `Conflict`
    (code ``changed_since``) when nothing of it can be taken back.
    """
    if target.actor != intent.actor:
        raise Forbidden("only one's own changes can be undone")
    if target.kind not in _UNDOABLE:
        raise Invalid(f"{target.kind} has no undo", field="seq")
    if not target.changes:
        raise Conflict("this changed nothing", code="changed_since")
    changes: list[Change] = []
    claims: Claims = {}
    for change in target.changes:
        inverse = _invert(trip, target, change, whole, claims)
        if inverse is None and whole:
            raise Conflict("somebody changed this since", code="changed_since")
        changes += inverse or []
    if not changes or not _calendar_holds(trip, changes):
        raise Conflict("somebody changed this since", code="changed_since")
    return changes


def _calendar_holds(trip: TripAggregate, changes: list[Change]) -> bool:
    """Whether the days still fill the trip's dates, one each: days that came back to their dates
    may find others there by now."""
    dates = {day.id: day.date for day in trip.days.values() if not day.deleted}
    start, end = trip.trip.start_date, trip.trip.end_date
    for change in changes:
        if change.t == "trip":
            start = change.set.get("start_date", start)
            end = change.set.get("end_date", end)
        elif change.t == "day" and change.set.get("deleted"):
            dates.pop(change.id, None)
        elif change.t == "day" and ("date" in change.set or change.new):
            dates[change.id] = change.set["date"]
    return sorted(date for date in dates.values() if date is not None) == date_range(start, end)


def is_whole(event: Event, touches_days: bool) -> bool:
    """Whether an event can only be taken back entirely."""
    return event.kind in _WHOLE or (event.kind == "undo" and touches_days)


def touches_days(event: Event) -> bool:
    """Whether an event rearranged days (dates, order, existence)."""
    return any(c.t == "day" and {"date", "pos", "deleted"} & c.set.keys() for c in event.changes)


def _invert(
    trip: TripAggregate, target: Event, change: Change, whole: bool, claims: Claims
) -> list[Change] | None:
    """The inverse of one change, or None when it is not (or no longer) to be had.

    With `whole`, a change of which only some fields are still this event's counts as lost."""
    back = {field: value for field, value in change.old.items() if _still(trip, target, change, field)}
    if "day_id" in change.old and not {"day_id", "pos"} <= back.keys():
        back.pop("day_id", None)
        back.pop("pos", None)  # day and position are one value
    if not back or (whole and back.keys() != change.old.keys()):
        return None
    record = trip.get(change.t, change.id)
    if isinstance(record, Stop):
        return _invert_stop(trip, target, record, back, claims)
    if isinstance(record, Day):
        return _invert_day(trip, target, change, record, back)
    return [Change(change.t, change.id, back, {field: change.set[field] for field in back})]


def _still(trip: TripAggregate, target: Event, change: Change, field: str) -> bool:
    """Whether a field still is what `target` made it, and nobody else wrote it last.

    The last write may be a later one of the same actor that led back to this value, such as the
    undo of a second edit: so undo can go back step by step.
    """
    stamp = trip.stamp(change.t, change.id, field)
    record = trip.find(change.t, change.id)
    if stamp is None or record is None or stamp[1] != target.actor:
        return False
    return stamp[0] == target.seq or bool(wire_value(record, field) == change.set.get(field))


def _invert_stop(
    trip: TripAggregate, target: Event, stop: Stop, back: dict[str, Any], claims: Claims
) -> list[Change] | None:
    if back.get("deleted") is False:
        return revive_stop(trip, stop, stop.day_id, stop.pos, claims)
    if back.get("deleted") is True:
        if _others_since(trip, target, "stop", stop.id):
            return None
        return [Change("stop", stop.id, {"deleted": True}, {"deleted": False})]
    if stop.deleted:
        return None
    extra: list[Change] = []
    if "pos" in back:
        day_id = back.get("day_id", stop.day_id)
        if not _has_day(trip, target, day_id):
            del back["pos"]
            back.pop("day_id", None)
        if "pos" in back:
            keys = free_place(trip, stop.id, day_id, back["pos"], claims)
            back["pos"] = keys.pop(stop.id)
            extra = [Change("stop", i, {"pos": key}, {"pos": trip.stops[i].pos}) for i, key in keys.items()]
    if not back:
        return None
    check_links(trip, stop, back)
    old = {field: wire_value(stop, field) for field in back}
    return [Change("stop", stop.id, back, old), *extra]


def _has_day(trip: TripAggregate, target: Event, day_id: str | None) -> bool:
    """Whether a day is there, or comes back in the same undo because `target` removed it."""
    if day_id is None or ((day := trip.days.get(day_id)) is not None and not day.deleted):
        return True
    return any(c.t == "day" and c.id == day_id and c.old.get("deleted") is False for c in target.changes)


def _invert_day(
    trip: TripAggregate, target: Event, change: Change, day: Day, back: dict[str, Any]
) -> list[Change] | None:
    if back.get("deleted") is True:
        redated = not _still(trip, target, change, "date")
        if redated or trip.keys_of(day.id) or _others_since(trip, target, "day", day.id):
            return None
        return [Change("day", day.id, {"deleted": True}, {"deleted": False})]
    if back.get("deleted") is False:
        return [Change("day", day.id, wire_record(day) | back, {"deleted": True}, new=True)]
    if day.deleted:
        return None
    return [Change("day", day.id, back, {field: getattr(day, field) for field in back})]


def _others_since(trip: TripAggregate, target: Event, t: Any, record_id: str) -> bool:
    stamps = trip.stamps.get((t, record_id), {})
    return any(seq > target.seq and user != target.actor for seq, user in stamps.values())
