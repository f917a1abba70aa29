"""Proposed operations: from a list of operations to pieces with their diff, and when one is stale.

Owns the copy of the trip on which proposals are tried out, what each piece builds on, and the rule
of staleness (mirrored by `frontend/src/realtime/proposals.ts` for what happens live). Pure. Called
by `domain.talk_decisions` and `domain.services`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from domain import operations as ops
from domain.decisions import decide
from domain.entities import Day, Member, Stop, Trip
from domain.errors import Conflict, DomainError, Invalid, LimitReached
from domain.events import Change, Event
from domain.intent import Intent
from domain.operations import Proposable, kind_of
from domain.talk import Piece, Proposal, Touch
from domain.trip import RecordKey, TripAggregate

GONE = "gone"
CHANGED = "changed"
MAX_BYTES = 256 * 1024
"""Of a proposal's pieces, encoded. A short operation may replace long texts, and all of it travels to
everybody whenever a piece is decided: more than this would cut slow readers."""
Refusals = list[tuple[int, DomainError]]
R = TypeVar("R", Trip, Day, Stop, Member)


def build(trip: TripAggregate, wanted: Sequence[Proposable], intent: Intent) -> tuple[list[Piece], Refusals]:
    """Try operations one after the other on a copy of `trip`; the pieces of those that can be
    applied, and the numbers (in `wanted`) and errors of the others."""
    scratch = copy_of(trip)
    pieces: list[Piece] = []
    refused: Refusals = []
    made_by: dict[RecordKey, int] = {}
    size = 0
    for number, op in enumerate(wanted):
        try:
            changes = decide(
                scratch, msgspec.structs.replace(intent, op=op, base=scratch.seq, seq=scratch.seq + 1)
            )
            if not changes:
                raise Invalid("this would change nothing", code="no_change")
            touches = _touches(trip, op, changes)
            needs = sorted({made_by[t.t, t.id] for t in touches if (t.t, t.id) in made_by})
            piece = Piece(op, changes, touches, needs)
            encoded = len(msgspec.json.encode(piece))
            if size + encoded > MAX_BYTES:
                raise LimitReached("a proposal holds too much text: propose less at once", limit=MAX_BYTES)
        except DomainError as error:
            refused.append((number, error))
            continue
        scratch.absorb(Event(scratch.seq + 1, intent.op_id, intent.actor, intent.at, kind_of(op), changes))
        if isinstance(op, ops.AddStop | ops.AddDay):
            made_by["stop" if isinstance(op, ops.AddStop) else "day", op.id] = len(pieces)
        pieces.append(piece)
        size += encoded
    return pieces, refused


def copy_of(trip: TripAggregate) -> TripAggregate:
    """A trip that can be changed without changing `trip`."""
    return TripAggregate(
        trip=_copied(trip.trip, Trip),
        epoch=trip.epoch,
        seq=trip.seq,
        days=[_copied(day, Day) for day in trip.days.values()],
        stops=[_copied(stop, Stop) for stop in trip.stops.values()],
        members=[_copied(member, Member) for member in trip.members.values()],
        stamps={key: dict(stamps) for key, stamps in trip.stamps.items()},
    )


def _copied(record: R, kind: type[R]) -> R:
    return msgspec.json.decode(msgspec.json.encode(record), type=kind)


def _touches(trip: TripAggregate, op: Proposable, changes: list[Change]) -> list[Touch]:
    """What a change by somebody else makes the operation stale."""
    match op:
        case ops.SetTripFields():
            return [Touch("trip", trip.id, list(changes[0].set))]
        case ops.SetTripDates():
            return [Touch("trip", trip.id, ["start_date", "end_date"])]
        case ops.SetDayFields():
            return [Touch("day", op.id, list(changes[0].set))]
        case ops.SetStopFields():
            return [Touch("stop", op.id, list(changes[0].set))]
        case ops.MoveDay():
            return [Touch("day", op.id, ["date", "pos"])]
        case ops.RemoveDay():
            return [Touch("day", op.id)]
        case ops.AddStop():
            return [] if op.day is None else [Touch("day", op.day, ["deleted"])]
        case ops.MoveStops():
            day = [] if op.day is None else [Touch("day", op.day, ["deleted"])]
            return [Touch("stop", stop, ["day_id", "pos"]) for stop in dict.fromkeys(op.ids)] + day
        case ops.RemoveStop():
            return [Touch("stop", op.id)]
        case ops.RestoreStop():
            return [Touch("stop", op.id, ["deleted"])]
        case _:
            return []


def stale_reason(trip: TripAggregate, proposal: Proposal, piece: Piece) -> str:
    """Why `piece` no longer fits the trip: `GONE`, `CHANGED`, or nothing."""
    for touch in piece.touches:
        record = trip.find(touch.t, touch.id)
        if record is None:
            if not any(proposal.pieces[n].status == "open" for n in piece.needs):
                return GONE
            continue
        if record.deleted and not isinstance(piece.op, ops.RestoreStop):
            return GONE
        stamps = trip.stamps.get((touch.t, touch.id), {})
        for field in touch.fields or stamps:
            stamp = stamps.get(field)
            if stamp is not None and stamp[0] > proposal.base and stamp[0] not in proposal.applied:
                return CHANGED
    return ""


def mark_stale(trip: TripAggregate, proposal: Proposal) -> Proposal:
    """The proposal with those of its open pieces that do not fit any more marked."""
    for piece in proposal.pieces:
        if piece.status == "open" and (reason := stale_reason(trip, proposal, piece)):
            piece.status, piece.reason = "stale", reason
    return proposal


def chosen(proposal: Proposal, pieces: list[int] | None) -> list[int]:
    """Numbers of the pieces meant that still wait for a decision, ascending.

    Raises `Invalid` for a number that there is not, `Conflict` when nothing waits."""
    if pieces is not None and any(number >= len(proposal.pieces) for number in pieces):
        raise Invalid("the proposal has no such piece", field="pieces")
    named = range(len(proposal.pieces)) if pieces is None else sorted(set(pieces))
    waiting = [number for number in named if proposal.pieces[number].status in ("open", "stale")]
    if not waiting:
        raise Conflict("this was decided already", code="decided")
    return waiting


def with_needs(proposal: Proposal, numbers: list[int]) -> list[int]:
    """These pieces and the open ones that they build on, ascending."""
    found: set[int] = set()
    waiting = list(numbers)
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting += [n for n in proposal.pieces[number].needs if proposal.pieces[n].status == "open"]
    return sorted(found)
