"""A person's trips from outside the room: list, make, change by a form.

Owns the summary of a trip and the atomicity of changes that need several operations. The
operations themselves are `domain.services.rooms`'s. Called through `run(service, command)` by
`handlers`.
"""

from __future__ import annotations

from domain import permissions
from domain.commands import Applied
from domain.decisions import decide
from domain.entities import AccessRole
from domain.errors import Conflict, Gone, NotFound, Unauthenticated
from domain.intent import Intent
from domain.membership import MAX_MEMBER_NAMES, ChangeTrip, ListTrips, StartTrip, TripSummary
from domain.operations import kind_of
from domain.ports import UnitOfWork
from domain.services import rooms
from domain.services.members import live_members
from domain.trip import TripAggregate

UNKNOWN_BASE = 2**53 - 1
"""The `base` of a caller that does not say what it had seen: nothing counts as unseen."""


def list_trips(command: ListTrips, uow: UnitOfWork) -> list[TripSummary]:
    """The trips that a user is in, last changed first."""
    return uow.accounts.trips_of(command.user_id, command.deleted)


def start_trip(command: StartTrip, uow: UnitOfWork) -> TripSummary:
    """Make a trip with its days; the same command again returns the trip that it made."""
    user_id = command.actor.user_id
    if user_id is None:
        raise Unauthenticated("sign in first")
    try:
        made = uow.trips.read(command.trip_id)
    except NotFound:
        made = rooms.create_trip(
            uow, command.trip_id, command.epoch, command.op, user_id, command.op_id, command.at
        )
    if made.trip.created_by != user_id:
        raise Conflict("a trip with this id exists already", code="exists")
    return summarize(made, rooms.access(made, user_id), made.trip.created_at)


def change_trip(command: ChangeTrip, uow: UnitOfWork) -> Applied:
    """Apply all operations, or none. Returns the last event's seq.

    They must touch different fields, so that each can be decided on the state before all of them.
    """
    trip = uow.trips.lock(command.trip_id)
    user_id = command.actor.user_id
    role = rooms.access(trip, user_id)
    if user_id is None:
        raise Unauthenticated("sign in first")
    op_ids = [command.op_id, *(f"{command.op_id}:{n}" for n in range(1, len(command.ops)))]
    for op_id in reversed(op_ids):
        seen = rooms.repeat_of(uow, trip, op_id, user_id)
        if seen is not None:
            return Applied(command.op_id, seq=seen, repeated=True)
    for op in command.ops:
        permissions.check(kind_of(op), role)
        if trip.trip.deleted:
            raise Gone("this trip was deleted", t="trip", id=trip.id)
        # Decided once for the refusals, before anything is written: all or nothing.
        decide(trip, Intent(op, command.op_id, user_id, UNKNOWN_BASE, trip.seq + 1, command.at))
    for op_id, op in zip(op_ids, command.ops, strict=True):
        rooms.apply(uow, trip, op, user_id, op_id, UNKNOWN_BASE, command.at)
    return Applied(command.op_id, seq=trip.seq)


def summarize(trip: TripAggregate, role: AccessRole, updated_at: str) -> TripSummary:
    """The summary of a trip at hand; lists come from `AccountRepositories.trips_of`."""
    about = trip.trip
    return TripSummary(
        id=trip.id,
        title=about.title,
        start_date=about.start_date,
        end_date=about.end_date,
        time_zone=about.time_zone,
        visibility=about.visibility,
        role=role,
        seq=trip.seq,
        stop_count=trip.live_stops,
        member_names=[member.name for member in live_members(trip)][:MAX_MEMBER_NAMES],
        updated_at=updated_at,
        deleted=about.deleted,
        cover=about.cover,
    )
