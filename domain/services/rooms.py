"""The services of a room: apply an operation, open a room, read its log.

Owns the order of checks that makes the promises of docs/PROTOCOL.md true: lock, recognise a
repeat, check the right, decide, record. Called through `run(service, command)` by
`realtime.session` and by the REST handlers; never publishes (the runner does, after the commit).
"""

from __future__ import annotations

from domain import permissions
from domain.commands import (
    Applied,
    ApplyOperation,
    HistoryPage,
    OpenRoom,
    ReadEvents,
    ReadHeads,
    ReadHistory,
    RoomHead,
    RoomState,
)
from domain.dates import date_range, new_days
from domain.decisions import check_zone, decide, decide_photo, overwritten
from domain.entities import AccessRole, Member, Trip
from domain.errors import Conflict, Forbidden, Gone, NotFound, Unauthenticated
from domain.events import Change, Event, TalkChange, decode_event, encode_event, has_talk, redact
from domain.intent import Intent
from domain.operations import (
    AcceptProposal,
    AnyOperation,
    CreateTrip,
    JoinTrip,
    PhotoOperation,
    RestoreTrip,
    TalkOperation,
    Undo,
    kind_of,
)
from domain.ports import UnitOfWork
from domain.services import photos, proposals
from domain.talk_decisions import decide_talk
from domain.trip import TripAggregate, wire_record
from domain.undo import decide_undo, is_whole, touches_days

RESUME_LIMIT = 500
"""A client further behind than this many events gets a snapshot."""
MAX_HISTORY_PAGE = 200


def apply_operation(command: ApplyOperation, uow: UnitOfWork) -> Applied:
    """Apply one operation exactly once.

    Raises `NotFound` (no such trip for this actor), `Gone` (trip deleted), `Forbidden`,
    or what `domain.decisions` raises. An `op_id` seen before returns its first result; somebody
    else's is a `Conflict`.
    """
    trip = uow.trips.lock(command.trip_id)
    user_id = command.actor.user_id
    role = trip.role_of(user_id)
    if role is None or user_id is None:
        raise _no_access(trip, role, user_id)
    seen = repeat_of(uow, trip, command.op_id, user_id)
    if seen is not None:
        return Applied(command.op_id, seq=seen, repeated=True)
    permissions.check(kind_of(command.op), role)
    if trip.trip.deleted and not isinstance(command.op, RestoreTrip):
        raise Gone("this trip was deleted", t="trip", id=trip.id)
    event = apply(uow, trip, command.op, user_id, command.op_id, command.base, command.at)
    return Applied(command.op_id, seq=event.seq)


def repeat_of(uow: UnitOfWork, trip: TripAggregate, op_id: str, user_id: str) -> int | None:
    """The event that the actor's `op_id` has become, if any. Raises `Conflict` for somebody
    else's: an answer as if this one had been applied would lose it silently."""
    seen = uow.trips.seq_of(trip.id, op_id)
    if seen is not None:
        made = uow.trips.event(trip.id, seen)
        if made is not None and made.actor != user_id:
            raise Conflict("somebody else has used this op_id", code="op_id_taken")
    return seen


def apply(
    uow: UnitOfWork, trip: TripAggregate, op: AnyOperation, user_id: str, op_id: str, base: int, at: str
) -> Event:
    """Decide `op` on a locked trip, absorb and record it. Rights are the caller's to check."""
    if isinstance(op, AcceptProposal):
        return proposals.accept(uow, trip, op, user_id, op_id, at)
    intent = Intent(op=op, op_id=op_id, actor=user_id, base=base, seq=trip.seq + 1, at=at)
    event = Event(intent.seq, op_id, user_id, at, kind_of(op), [])
    if isinstance(op, Undo):
        target = uow.trips.event(trip.id, op.seq)
        if target is None:
            raise NotFound(f"there is no event {op.seq} to undo", seq=op.seq)
        event.changes = decide_undo(trip, intent, target, is_whole(target, touches_days(target)))
        photos.check_kept(uow, trip, event.changes)
        event.undoes = op.seq
    elif isinstance(op, TalkOperation):
        event.talk = decide_talk(trip, intent, uow.talk)
    else:
        if isinstance(op, PhotoOperation):
            event.changes = decide_photo(trip, op, photos.ready_photo(uow, trip, op))
        else:
            event.changes = decide(trip, intent)
        event.overwrote = overwritten(trip, intent, event.changes)
    trip.absorb(event)
    uow.trips.record(trip, event)
    photos.settle(uow, trip, event)
    return event


def create_trip(
    uow: UnitOfWork, trip_id: str, epoch: str, op: CreateTrip, user_id: str, op_id: str, at: str
) -> TripAggregate:
    """Make a new trip with its days and its owner, as event 1. Raises `Invalid`, `LimitReached`."""
    check_zone(op.time_zone)
    dates = date_range(op.start_date, op.end_date)
    record = Trip(
        id=trip_id,
        title=op.title,
        description=op.description,
        start_date=op.start_date,
        end_date=op.end_date,
        time_zone=op.time_zone,
        currency=op.currency,
        created_by=user_id,
        created_at=at,
    )
    owner = Member(id=user_id, name=op.owner_name, role="owner", color=0, joined_at=at)
    intent = Intent(op=op, op_id=op_id, actor=user_id, base=0, seq=1, at=at)
    changes = [
        Change("trip", trip_id, wire_record(record)),
        *new_days(intent, dates),
        Change("member", user_id, wire_record(owner), {"deleted": True}, new=True),
    ]
    trip = TripAggregate(Trip(id=trip_id, title=op.title), epoch)
    uow.trips.create(trip)
    event = Event(1, op_id, user_id, at, kind_of(op), changes)
    trip.absorb(event)
    uow.trips.record(trip, event)
    return trip


def join_trip(uow: UnitOfWork, trip: TripAggregate, op: JoinTrip, user_id: str, op_id: str, at: str) -> Event:
    """Make the actor a member of a locked trip (or raise their role); see `JoinTrip`."""
    if trip.trip.deleted:
        raise Gone("this trip was deleted", t="trip", id=trip.id)
    event = apply(uow, trip, op, user_id, op_id, trip.seq, at)
    if event.changes:
        # What was said before somebody came is not news to them.
        uow.talk.mark(trip.id, user_id, event.seq)
    return event


def read_trip(uow: UnitOfWork, trip_id: str, user_id: str | None) -> tuple[TripAggregate, AccessRole]:
    """A trip to read, and the actor's role in it. Raises as `access` does.

    To nobody signed in, a trip that is not there looks like one that is private.
    """
    try:
        trip = uow.trips.read(trip_id)
    except NotFound:
        if user_id is None:
            raise Unauthenticated("sign in first") from None
        raise
    return trip, access(trip, user_id)


def read_as_member(uow: UnitOfWork, trip_id: str, user_id: str | None) -> TripAggregate:
    """A trip to read for what only members see. Raises as `member_access` does."""
    trip, role = read_trip(uow, trip_id, user_id)
    if role == "spectator":
        raise Forbidden("only members see this")
    return trip


def member_access(trip: TripAggregate, user_id: str | None) -> AccessRole:
    """Like `access`, for what only members see. Raises `Forbidden` for spectators, too."""
    role = access(trip, user_id)
    if role == "spectator":
        raise Forbidden("only members see this")
    return role


def access(trip: TripAggregate, user_id: str | None) -> AccessRole:
    """The actor's role for reading. Raises `NotFound`, `Unauthenticated` or `Gone`."""
    role = trip.role_of(user_id)
    if role is None:
        raise _no_access(trip, role, user_id)
    if trip.trip.deleted:
        raise Gone("this trip was deleted", t="trip", id=trip.id)
    return role


def _no_access(trip: TripAggregate, role: AccessRole | None, user_id: str | None) -> Exception:
    # A stranger learns nothing: a private trip looks like one that does not exist.
    if user_id is None:
        return Unauthenticated("sign in first")
    if role is None:
        removed = trip.members.get(user_id)
        if removed is not None:
            return Forbidden("you are no longer a member of this trip")
        return NotFound("there is no such trip")
    return Forbidden("you may not do this here")


def open_room(command: OpenRoom, uow: UnitOfWork) -> RoomState:
    """What a joining client needs, as of one seq; see `RoomState`."""
    trip, role = read_trip(uow, command.trip_id, command.actor.user_id)
    member = trip.member(command.actor.user_id)
    color = member.color if member is not None else 0
    since = command.since
    resumes = command.epoch == trip.epoch and since is not None and 0 <= trip.seq - since <= RESUME_LIMIT
    if resumes and since is not None and since >= _first_seen(trip, role):
        events = uow.trips.events_after(trip.id, since, RESUME_LIMIT) if since < trip.seq else []
        events = events[: trip.seq - since]
        if role == "spectator":
            events = [redact(body) for body in events]
        if len(events) == trip.seq - since:
            return RoomState(trip.id, trip.epoch, trip.seq, role, True, color, events=events)
    return RoomState(trip.id, trip.epoch, trip.seq, role, False, color, snapshot=trip.snapshot())


def _first_seen(trip: TripAggregate, role: AccessRole) -> int:
    """The seq from which on this reader may have the log: events of before a trip became public
    hold what was removed or overwritten in private."""
    stamp = trip.stamp("trip", trip.id, "visibility") if role == "spectator" else None
    return 0 if stamp is None else stamp[0]


def read_events(command: ReadEvents, uow: UnitOfWork) -> list[bytes]:
    """Encoded events after a seq, ascending. For processes, not for users: checks no right."""
    return uow.trips.events_after(command.trip_id, command.after, command.limit)


def read_heads(command: ReadHeads, uow: UnitOfWork) -> list[RoomHead]:
    """Heads of the trips that exist. For processes, not for users: checks no right."""
    return uow.trips.heads(command.trip_ids)


def read_history(command: ReadHistory, uow: UnitOfWork) -> HistoryPage:
    """One page of the timeline. Members only: it names people and old values. What was said is
    left out: it may have been edited or deleted since."""
    trip = read_as_member(uow, command.trip_id, command.actor.user_id)
    limit = max(1, min(command.limit, MAX_HISTORY_PAGE))
    events = uow.trips.history(trip.id, command.before, limit + 1, command.record)
    page = [_without_words(body) for body in events[:limit]]
    more = len(events) > limit
    return HistoryPage(page, decode_event(page[-1]).seq if more else None)


_KEPT_IN_HISTORY = ("channel", "about", "reply_to", "author", "resolved_by", "message", "asked_by", "open")


def _without_words(body: bytes) -> bytes:
    if not has_talk(body):
        return body
    event = decode_event(body)
    event.talk = [
        TalkChange(each.t, each.id, {k: v for k, v in each.set.items() if k in _KEPT_IN_HISTORY}, each.new)
        for each in event.talk
    ]
    return encode_event(event)
