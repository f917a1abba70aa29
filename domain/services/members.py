"""Who is in a trip, and the invitations by which people join.

Owns the rules of invitation links. Changes of roles and removals are ordinary operations
(`rooms.apply_operation`). Every failure of a link is the same `NotFound`: its holder learns nothing
about trips that they are not in. Called through `run(service, command)` by `handlers`.
"""

from __future__ import annotations

from domain.commands import OpenRoom
from domain.entities import Member, Role
from domain.errors import Forbidden, LimitReached, NotFound, Unauthenticated
from domain.membership import (
    Accepted,
    AcceptInvite,
    CreateInvite,
    Invite,
    InvitePreview,
    ListInvites,
    ReadInvite,
    RevokeInvite,
    TakeOver,
)
from domain.operations import JoinTrip, RemoveMember
from domain.ports import UnitOfWork
from domain.services.rooms import access, apply, join_trip, read_trip
from domain.trip import TripAggregate

MAX_INVITES = 200
"""Invitations of a trip that work. So many are kept in all: dead ones make room for new ones."""
_RANK: dict[Role, int] = {"viewer": 0, "editor": 1, "owner": 2}


def read_members(command: OpenRoom, uow: UnitOfWork) -> list[Member]:
    """Live members in order of joining, for whoever may read the trip."""
    trip, _ = read_trip(uow, command.trip_id, command.actor.user_id)
    return live_members(trip)


def live_members(trip: TripAggregate) -> list[Member]:
    """Those who are in, in order of joining."""
    live = [member for member in trip.members.values() if not member.deleted]
    return sorted(live, key=lambda member: (member.joined_at, member.id))


def create_invite(command: CreateInvite, uow: UnitOfWork) -> Invite:
    """Make a link. Owners only."""
    trip = _as_owner(uow.trips.lock(command.trip_id), command.actor.user_id)
    kept = uow.accounts.invites_of(trip.id)
    dead = [each.id for each in kept if not each.usable(command.at)]
    if len(kept) - len(dead) >= MAX_INVITES:
        message = f"a trip has at most {MAX_INVITES} invitations that work; withdraw some"
        raise LimitReached(message, limit=MAX_INVITES)
    # Newest first: the oldest dead ones make room.
    uow.accounts.remove_invites(trip.id, dead[len(dead) - max(0, len(kept) + 1 - MAX_INVITES) :])
    invite = Invite(
        id=command.invite_id,
        trip_id=trip.id,
        token_hash=command.token_hash,
        role=command.role,
        created_by=command.actor.user_id or "",
        inviter_name=command.actor.name,
        created_at=command.at,
        made_at_seq=trip.seq,
        expires_at=command.expires_at,
    )
    uow.accounts.add_invite(invite)
    return invite


def list_invites(command: ListInvites, uow: UnitOfWork) -> list[Invite]:
    """All links of a trip, newest first. Owners only."""
    trip = _as_owner(uow.trips.read(command.trip_id), command.actor.user_id)
    return uow.accounts.invites_of(trip.id)


def revoke_invite(command: RevokeInvite, uow: UnitOfWork) -> None:
    """End a link; revoking it again is fine. Owners only."""
    trip = _as_owner(uow.trips.lock(command.trip_id), command.actor.user_id)
    if not uow.accounts.revoke_invite(trip.id, command.invite_id):
        raise NotFound("there is no such invitation")


def read_invite(command: ReadInvite, uow: UnitOfWork) -> InvitePreview:
    """What a link offers. Anybody who holds it may ask."""
    invite = _usable(uow, command.token_hash, command.at)
    trip = uow.trips.read(invite.trip_id)
    if trip.trip.deleted:
        raise _no_invite()
    member = trip.member(command.actor.user_id) is not None
    return InvitePreview(trip.id, trip.trip.title, invite.role, invite.inviter_name, member)


def accept_invite(command: AcceptInvite, uow: UnitOfWork) -> Accepted:
    """Join by a link. Idempotent; a member keeps the higher of the two roles.

    Whoever was removed by somebody else, or given a lower role, needs a link made after that.
    """
    user_id = command.actor.user_id
    if user_id is None:
        raise Unauthenticated("sign in first")
    trip = uow.trips.lock(command.trip_id)
    invite = _usable(uow, command.token_hash, command.at)
    if invite.trip_id != trip.id or trip.trip.deleted:
        raise _no_invite()
    member = trip.member(user_id)
    role = _role_offered(trip, user_id, invite)
    if member is not None and _RANK[member.role] >= _RANK[role]:
        return Accepted(trip.id, member.role)
    if member is None and _removed_since(trip, user_id, invite):
        raise Forbidden("you were removed from this trip: ask for a new invitation", code="removed")
    if uow.trips.seq_of(trip.id, command.op_id) is None:
        op = JoinTrip(name=command.actor.name, role=role)
        join_trip(uow, trip, op, user_id, command.op_id, command.at)
    joined = trip.member(user_id)
    if joined is None:
        raise _no_invite()
    return Accepted(trip.id, joined.role)


def take_over(command: TakeOver, uow: UnitOfWork) -> None:
    """Give the guest's place in one trip, with its role, to the actor. Again is fine."""
    user_id = command.actor.user_id
    trip = uow.trips.lock(command.trip_id)
    guest = trip.member(command.guest_id)
    if user_id is None or guest is None or trip.trip.deleted:
        return
    current, role = trip.member(user_id), guest.role
    owners = [member.id for member in live_members(trip) if member.role == "owner"]

    def leave() -> None:
        op = RemoveMember(id=guest.id)
        apply(uow, trip, op, guest.id, f"{command.op_id}-out", trip.seq, command.at)

    # The only owner stays until the other has come; everybody else makes room first, in a full trip.
    last = owners == [guest.id]
    if not last:
        leave()
    if current is None or _RANK[current.role] < _RANK[role]:
        op = JoinTrip(name=command.actor.name, role=role)
        join_trip(uow, trip, op, user_id, f"{command.op_id}-in", command.at)
    if last:
        leave()


def _usable(uow: UnitOfWork, token_hash: str, at: str) -> Invite:
    invite = uow.accounts.invite_by_token(token_hash)
    if invite is None or not invite.usable(at):
        raise _no_invite()
    return invite


def _no_invite() -> NotFound:
    return NotFound("this invitation is unknown, has expired or was withdrawn")


def _removed_since(trip: TripAggregate, user_id: str, invite: Invite) -> bool:
    if user_id not in trip.members:
        return False
    stamp = trip.stamp("member", user_id, "deleted")
    return stamp is not None and stamp[1] != user_id and stamp[0] > invite.made_at_seq


def _role_offered(trip: TripAggregate, user_id: str, invite: Invite) -> Role:
    """The link's role, or the lower one that somebody else has given this person since."""
    known, stamp = trip.members.get(user_id), trip.stamp("member", user_id, "role")
    if known is None or stamp is None or stamp[1] == user_id or stamp[0] <= invite.made_at_seq:
        return invite.role
    return known.role if _RANK[known.role] < _RANK[invite.role] else invite.role


def _as_owner(trip: TripAggregate, user_id: str | None) -> TripAggregate:
    if access(trip, user_id) != "owner":
        raise Forbidden("only an owner may do this")
    return trip
