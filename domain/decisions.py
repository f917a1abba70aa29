"""What an operation means for the current state: `decide(trip, intent) -> changes`.

Owns the rules of merging, one function an operation kind. Pure: reads the aggregate, returns
changes or raises a `DomainError`, never mutates. Permissions are checked before by
`domain.services.rooms`; undo lives in `domain.undo`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from zoneinfo import available_timezones

import msgspec
from msgspec import UNSET

from domain import operations as ops
from domain.dates import decide_add_day, decide_dates, decide_move_day, decide_remove_day
from domain.entities import (
    MAX_LINK_IDS,
    MAX_LINKS,
    MAX_MEMBERS,
    MAX_STOPS,
    MAX_STOPS_EVER,
    Day,
    Entity,
    Member,
    Photo,
    RecordType,
    Role,
    Stop,
)
from domain.errors import Conflict, Forbidden, Gone, Invalid, LimitReached, NotFound
from domain.events import Change, Overwrite
from domain.intent import Intent
from domain.positions import place
from domain.trip import LINK_PREFIX, TripAggregate, wire_record, wire_value

COLORS = 8
_ZONES = frozenset(available_timezones())
_RANK: dict[Role, int] = {"viewer": 0, "editor": 1, "owner": 2}
Claims = dict[str | None, list[tuple[str, str]]]
"""(pos, id) by day: places that changes of one event have taken, not yet seen in the aggregate."""


def decide(trip: TripAggregate, intent: Intent) -> list[Change]:
    """The changes that `intent` causes on `trip` as it stands; empty when it changes nothing.

    Raises `NotFound`, `Gone`, `Invalid`, `Conflict`, `Forbidden` or `LimitReached`.
    """
    return _DECIDERS[type(intent.op)](trip, intent, intent.op)


def overwritten(trip: TripAggregate, intent: Intent, changes: list[Change]) -> list[Overwrite]:
    """Values that others had set after the author's `base` and that `changes` now replace."""
    lost: list[Overwrite] = []
    for change in changes:
        if change.new:
            continue
        for field, old in change.old.items():
            stamp = trip.stamp(change.t, change.id, field)
            if stamp is None or field == "pos" or stamp[0] <= intent.base or stamp[1] == intent.actor:
                continue
            lost.append(Overwrite(change.t, change.id, field, old, stamp[1], stamp[0]))
    return lost


# --- fields -------------------------------------------------------------------------------


def patch(t: RecordType, record: Entity, fields: dict[str, Any]) -> list[Change]:
    """A change holding those of `fields` (wire values) that differ from the record."""
    new: dict[str, Any] = {}
    old: dict[str, Any] = {}
    for field, value in fields.items():
        current = wire_value(record, field)
        if current != value:
            new[field], old[field] = value, current
    return [Change(t, record.id, new, old)] if new else []


def given(fields: msgspec.Struct) -> dict[str, Any]:
    """The fields that an operation names, in wire form; a link map becomes `links.<id>` keys."""
    named: dict[str, Any] = {}
    for name in fields.__struct_fields__:
        value = getattr(fields, name)
        if value is UNSET:
            continue
        if name == "links":
            named.update({LINK_PREFIX + key: msgspec.to_builtins(link) for key, link in value.items()})
        else:
            named[name] = value
    check_zone(named.get("time_zone"))
    return named


def check_zone(zone: str | None) -> None:
    """Raise `Invalid` unless it is an IANA time zone, or none."""
    if zone is not None and zone not in _ZONES:
        raise Invalid(f"{zone!r} is not an IANA time zone", field="time_zone")


def _live_stop(trip: TripAggregate, stop_id: str) -> Stop:
    stop = cast(Stop, trip.get("stop", stop_id))
    if stop.deleted:
        raise Gone("this stop was removed meanwhile", t="stop", id=stop_id)
    return stop


def _live_day(trip: TripAggregate, day_id: str) -> Day:
    day = cast(Day, trip.get("day", day_id))
    if day.deleted:
        raise Gone("this day was removed meanwhile", t="day", id=day_id)
    return day


def _set_trip_fields(trip: TripAggregate, _: Intent, op: ops.SetTripFields) -> list[Change]:
    return patch("trip", trip.trip, given(op.fields))


def decide_photo(trip: TripAggregate, op: ops.PhotoOperation, photo: Photo | None) -> list[Change]:
    """The change that shows `photo` (None: none), which is the operation's and ready. Raises `NotFound`,
    `Gone`."""
    value = msgspec.to_builtins(photo)
    if isinstance(op, ops.SetTripCover):
        return patch("trip", trip.trip, {"cover": value})
    return patch("stop", _live_stop(trip, op.id), {"photo": value})


def _set_visibility(trip: TripAggregate, _: Intent, op: ops.SetTripVisibility) -> list[Change]:
    return patch("trip", trip.trip, {"visibility": op.visibility})


def _delete_trip(trip: TripAggregate, _: Intent, op: ops.DeleteTrip) -> list[Change]:
    return patch("trip", trip.trip, {"deleted": True})


def _restore_trip(trip: TripAggregate, _: Intent, op: ops.RestoreTrip) -> list[Change]:
    return patch("trip", trip.trip, {"deleted": False})


def _set_day_fields(trip: TripAggregate, _: Intent, op: ops.SetDayFields) -> list[Change]:
    return patch("day", _live_day(trip, op.id), given(op.fields))


def _set_stop_fields(trip: TripAggregate, _: Intent, op: ops.SetStopFields) -> list[Change]:
    stop = _live_stop(trip, op.id)
    fields = given(op.fields)
    check_links(trip, stop, fields)
    return patch("stop", stop, fields)


def check_links(trip: TripAggregate, stop: Stop, fields: dict[str, Any]) -> None:
    """Raise `LimitReached` when these fields would give the stop more links than it may have."""
    named = {field[len(LINK_PREFIX) :]: v for field, v in fields.items() if field.startswith(LINK_PREFIX)}
    if not named:
        return
    kept = (set(stop.links) | {k for k, v in named.items() if v is not None}) - {
        k for k, v in named.items() if v is None
    }
    used = {f for f in trip.stamps.get(("stop", stop.id), {}) if f.startswith(LINK_PREFIX)}
    if len(used | {LINK_PREFIX + key for key in named}) > MAX_LINK_IDS:
        raise LimitReached(f"a stop has had {MAX_LINK_IDS} links: reuse their ids", limit=MAX_LINK_IDS)
    if len(kept) > MAX_LINKS and len(kept) > len(stop.links):
        raise LimitReached(f"a stop has at most {MAX_LINKS} links", limit=MAX_LINKS)


# --- stops --------------------------------------------------------------------------------


def _add_stop(trip: TripAggregate, intent: Intent, op: ops.AddStop) -> list[Change]:
    if op.id in trip.stops:
        raise Conflict("a stop with this id exists already", code="exists", t="stop", id=op.id)
    if trip.live_stops >= MAX_STOPS:
        raise LimitReached(f"a trip has at most {MAX_STOPS} stops", limit=MAX_STOPS)
    if len(trip.stops) >= MAX_STOPS_EVER:
        raise LimitReached(f"a trip keeps at most {MAX_STOPS_EVER} stops, removed ones included")
    if op.fields.name is UNSET:
        raise Invalid("a stop needs a name", field="fields.name")
    if op.day is not None:
        _live_day(trip, op.day)
    stop = Stop(id=op.id, day_id=op.day, proposed_by=intent.actor)
    if op.day is None and op.fields.status is UNSET:
        stop.status = "idea"
    fields = given(op.fields)
    check_links(trip, stop, fields)
    keys = _places(trip, [op.id], op.day, op.after)
    record = wire_record(stop) | {"pos": keys.pop(op.id)}
    for field, value in fields.items():
        if not field.startswith(LINK_PREFIX):
            record[field] = value
        elif value is not None:
            record["links"][field[len(LINK_PREFIX) :]] = value
    return [Change("stop", op.id, record, {"deleted": True}, new=True), *_renumber(trip, keys)]


def _move_stops(trip: TripAggregate, _: Intent, op: ops.MoveStops) -> list[Change]:
    if op.day is not None:
        _live_day(trip, op.day)
    stops = [cast(Stop, trip.get("stop", stop_id)) for stop_id in dict.fromkeys(op.ids)]
    moved = [stop for stop in stops if not stop.deleted]
    if not moved:
        raise Gone("this stop was removed meanwhile", t="stop", id=op.ids[0])
    keys = _places(trip, [stop.id for stop in moved], op.day, op.after)
    changes: list[Change] = []
    for stop in moved:
        changes += _relocate(stop, op.day, keys.pop(stop.id))
    return changes + _renumber(trip, keys)


def _relocate(stop: Stop, day: str | None, pos: str) -> list[Change]:
    """Day and position are one value: they are always written together."""
    if (stop.day_id, stop.pos) == (day, pos):
        return []
    new: dict[str, Any] = {"day_id": day, "pos": pos}
    old: dict[str, Any] = {"day_id": stop.day_id, "pos": stop.pos}
    if stop.day_id == day:
        del new["day_id"], old["day_id"]
    elif stop.day_id is None and stop.status == "idea":
        new["status"], old["status"] = "planned", "idea"
    return [Change("stop", stop.id, new, old)]


def _renumber(trip: TripAggregate, keys: dict[str, str]) -> list[Change]:
    return [
        Change("stop", stop_id, {"pos": key}, {"pos": trip.stops[stop_id].pos})
        for stop_id, key in keys.items()
    ]


def _places(trip: TripAggregate, ids: list[str], day: str | None, after: str | None) -> dict[str, str]:
    moving = set(ids)
    ordered = [key for key in trip.keys_of(day) if key[1] not in moving]
    if after is None:
        return place(ordered, ids, None)
    anchor = trip.stops.get(after)
    if anchor is None or anchor.day_id != day or after in moving:
        return place(ordered, ids, None, at_end=True)
    return place(ordered, ids, (anchor.pos, anchor.id))


def _remove_stop(trip: TripAggregate, _: Intent, op: ops.RemoveStop) -> list[Change]:
    return patch("stop", _live_stop(trip, op.id), {"deleted": True})


def _restore_stop(trip: TripAggregate, _: Intent, op: ops.RestoreStop) -> list[Change]:
    stop = cast(Stop, trip.get("stop", op.id))
    if not stop.deleted:
        return []
    return revive_stop(trip, stop, stop.day_id, stop.pos)


def revive_stop(
    trip: TripAggregate, stop: Stop, day_id: str | None, pos: str, claims: Claims | None = None
) -> list[Change]:
    """Bring a removed stop back at (day, pos); to the ideas when that day is gone."""
    if trip.live_stops >= MAX_STOPS:
        raise LimitReached(f"a trip has at most {MAX_STOPS} stops", limit=MAX_STOPS)
    if day_id is not None and ((day := trip.days.get(day_id)) is None or day.deleted):
        day_id = None
    keys = free_place(trip, stop.id, day_id, pos, claims)
    record = wire_record(stop) | {"deleted": False, "day_id": day_id, "pos": keys.pop(stop.id)}
    return [Change("stop", stop.id, record, {"deleted": True}, new=True), *_renumber(trip, keys)]


def free_place(
    trip: TripAggregate, stop_id: str, day_id: str | None, pos: str, claims: Claims | None = None
) -> dict[str, str]:
    """`pos` itself where no live stop of the day holds it meanwhile, else the place behind.

    `claims` are places that earlier changes of the same event take; the result is added to them.
    """
    claimed = claims.setdefault(day_id, []) if claims is not None else []
    names = {stop_id, *(name for _, name in claimed)}
    ordered = sorted([key for key in trip.keys_of(day_id) if key[1] not in names] + claimed)
    taken = [key for key in ordered if key[0] == pos]
    keys = place(ordered, [stop_id], taken[-1]) if taken else {stop_id: pos}
    claimed.append((keys[stop_id], stop_id))
    return keys


# --- members ------------------------------------------------------------------------------


def _join(trip: TripAggregate, intent: Intent, op: ops.JoinTrip) -> list[Change]:
    current = trip.member(intent.actor)
    if current is not None:
        better = _RANK[op.role] > _RANK[current.role]
        return patch("member", current, {"role": op.role}) if better else []
    live = [member for member in trip.members.values() if not member.deleted]
    if len(live) >= MAX_MEMBERS:
        raise LimitReached(f"a trip has at most {MAX_MEMBERS} members", limit=MAX_MEMBERS)
    use = [sum(member.color == color for member in live) for color in range(COLORS)]
    member = Member(
        id=intent.actor, name=op.name, role=op.role, color=use.index(min(use)), joined_at=intent.at
    )
    return [Change("member", member.id, wire_record(member), {"deleted": True}, new=True)]


def _live_member(trip: TripAggregate, user_id: str) -> Member:
    member = trip.member(user_id)
    if member is None:
        raise NotFound("this person is not a member of the trip", t="member", id=user_id)
    return member


def _keep_an_owner(trip: TripAggregate, leaving: Member) -> None:
    owners = [m for m in trip.members.values() if m.role == "owner" and not m.deleted]
    if owners == [leaving]:
        raise Conflict("a trip needs an owner: make somebody else an owner first", code="last_owner")


def _set_role(trip: TripAggregate, _: Intent, op: ops.SetMemberRole) -> list[Change]:
    member = _live_member(trip, op.id)
    if member.role == "owner" and op.role != "owner":
        _keep_an_owner(trip, member)
    return patch("member", member, {"role": op.role})


def _remove_member(trip: TripAggregate, intent: Intent, op: ops.RemoveMember) -> list[Change]:
    if op.id != intent.actor and trip.role_of(intent.actor) != "owner":
        raise Forbidden("only an owner may remove somebody else")
    member = _live_member(trip, op.id)
    _keep_an_owner(trip, member)
    return patch("member", member, {"deleted": True})


def _set_name(trip: TripAggregate, intent: Intent, op: ops.SetMemberName) -> list[Change]:
    return patch("member", _live_member(trip, intent.actor), {"name": op.name})


Decider = Callable[[TripAggregate, Intent, Any], list[Change]]
_DECIDERS: dict[type, Decider] = {
    ops.SetTripFields: _set_trip_fields,
    ops.SetTripDates: decide_dates,
    ops.SetTripVisibility: _set_visibility,
    ops.DeleteTrip: _delete_trip,
    ops.RestoreTrip: _restore_trip,
    ops.AddDay: decide_add_day,
    ops.SetDayFields: _set_day_fields,
    ops.MoveDay: decide_move_day,
    ops.RemoveDay: decide_remove_day,
    ops.AddStop: _add_stop,
    ops.SetStopFields: _set_stop_fields,
    ops.MoveStops: _move_stops,
    ops.RemoveStop: _remove_stop,
    ops.RestoreStop: _restore_stop,
    ops.SetMemberRole: _set_role,
    ops.RemoveMember: _remove_member,
    ops.JoinTrip: _join,
    ops.SetMemberName: _set_name,
}
