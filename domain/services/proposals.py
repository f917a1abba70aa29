"""Accepting proposals: pieces become ordinary events in the accepting editor's name.

Owns the order: each piece is checked for staleness and decided on the trip as it stands, recorded
as an event of its own, and at the end one event tells what became of the proposal. Rights were
checked by `domain.services.rooms`, which calls this.
"""

from __future__ import annotations

from domain.decisions import decide
from domain.errors import Conflict, DomainError, NotFound
from domain.events import Event, Suggested
from domain.intent import Intent
from domain.operations import AcceptProposal, kind_of
from domain.ports import UnitOfWork
from domain.proposals import chosen, stale_reason, with_needs
from domain.talk import Piece, Proposal
from domain.talk_decisions import decided
from domain.trip import TripAggregate


def accept(
    uow: UnitOfWork, trip: TripAggregate, op: AcceptProposal, user_id: str, op_id: str, at: str
) -> Event:
    """Apply the pieces meant, as far as they fit; the event that says so carries `op_id`.

    Raises `NotFound`, `Invalid`, or `Conflict` when nothing waits for a decision.
    """
    proposal = uow.talk.proposal(trip.id, op.id)
    if proposal is None:
        raise NotFound("there is no such proposal", t="proposal", id=op.id)
    meant = [proposal.pieces[number] for number in with_needs(proposal, chosen(proposal, op.pieces))]
    waiting = [piece for piece in meant if piece.status == "open"]
    if not waiting:
        raise Conflict("this was found stale already", code="decided")
    for n, piece in enumerate(waiting, start=1):
        # No client can send an op_id with a slash, and so be there first.
        event = _apply_piece(uow, trip, proposal, piece, user_id, f"{op_id}/{n}", at)
        if event is not None:
            proposal.applied.append(event.seq)
    final = Event(trip.seq + 1, op_id, user_id, at, kind_of(op), [], talk=[decided(proposal, user_id)])
    trip.absorb(final)
    uow.trips.record(trip, final)
    return final


def _apply_piece(
    uow: UnitOfWork,
    trip: TripAggregate,
    proposal: Proposal,
    piece: Piece,
    user_id: str,
    op_id: str,
    at: str,
) -> Event | None:
    """Sets the piece's status; the event, unless it is stale or changes nothing any more."""
    reason = stale_reason(trip, proposal, piece)
    if not reason:
        try:
            # What is added counts as proposed by whoever thought of it.
            intent = Intent(piece.op, op_id, proposal.author, trip.seq, trip.seq + 1, at)
            changes = decide(trip, intent)
        except DomainError as error:
            reason = error.code
    if reason:
        piece.status, piece.reason = "stale", reason
        return None
    piece.status = "accepted"
    if not changes:
        return None
    event = Event(
        trip.seq + 1,
        op_id,
        user_id,
        at,
        kind_of(piece.op),
        changes,
        suggested=Suggested(proposal.id, proposal.author),
    )
    trip.absorb(event)
    uow.trips.record(trip, event)
    return event
