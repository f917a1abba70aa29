"""Trips as their members see them from outside the room: lists, making, inviting, joining.

Owns invitations, the summary of a trip, and the commands of `domain.services.trips`, `.members`
and `.demo`. What happens inside a room is in `domain.commands`. Times are as in `domain.accounts`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from domain.commands import Actor, RoomCommand
from domain.entities import AccessRole, Photo, Role, Visibility
from domain.operations import AnyOperation, CreateTrip

MAX_MEMBER_NAMES = 8
InviteRole = Literal["editor", "viewer"]


class Invite(msgspec.Struct, frozen=True):
    """A link that makes its holder a member. `made_at_seq`: the trip's seq when it was made."""

    id: str
    trip_id: str
    token_hash: str
    role: InviteRole
    created_by: str
    inviter_name: str
    created_at: str
    made_at_seq: int
    expires_at: str | None = None
    revoked: bool = False

    def usable(self, at: str) -> bool:
        return not self.revoked and (self.expires_at is None or at < self.expires_at)


class TripSummary(msgspec.Struct, frozen=True):
    """A trip in a member's list. `member_names`: at most eight, in order of joining. `unread`:
    messages by others that the member has not read, at most 100."""

    id: str
    title: str
    start_date: str | None
    end_date: str | None
    time_zone: str
    visibility: Visibility
    role: AccessRole
    seq: int
    stop_count: int
    member_names: list[str]
    updated_at: str
    deleted: bool
    unread: int = 0
    cover: Photo | None = None


# --- commands -----------------------------------------------------------------------------


class StartTrip(RoomCommand, frozen=True):
    """Make the trip `trip_id` with the actor as owner; made once, however often asked."""

    actor: Actor
    epoch: str
    op_id: str
    op: CreateTrip
    at: str


class ChangeTrip(RoomCommand, frozen=True):
    """Apply several operations on different fields of the trip together, or none of them."""

    actor: Actor
    op_id: str
    ops: list[AnyOperation]
    at: str


class ListTrips(msgspec.Struct, frozen=True):
    reads_only: ClassVar[bool] = True
    user_id: str
    deleted: bool = False


class CreateInvite(RoomCommand, frozen=True):
    actor: Actor
    invite_id: str
    token_hash: str
    role: InviteRole
    expires_at: str | None
    at: str


class ListInvites(RoomCommand, frozen=True):
    reads_only: ClassVar[bool] = True
    actor: Actor


class RevokeInvite(RoomCommand, frozen=True):
    actor: Actor
    invite_id: str


class ReadInvite(msgspec.Struct, frozen=True):
    reads_only: ClassVar[bool] = True
    token_hash: str
    actor: Actor
    at: str


class InvitePreview(msgspec.Struct, frozen=True):
    """What the holder of a link may know before joining."""

    trip_id: str
    trip_title: str
    role: InviteRole
    inviter_name: str
    member: bool


class AcceptInvite(RoomCommand, frozen=True):
    actor: Actor
    token_hash: str
    op_id: str
    at: str


class TakeOver(RoomCommand, frozen=True):
    """`actor` takes the place of the guest that they were on this browser."""

    actor: Actor
    guest_id: str
    op_id: str
    at: str


class Accepted(msgspec.Struct, frozen=True):
    trip_id: str
    role: Role
