"""What an operator may ask about people and trips, and do to them.

Owns the commands of `domain.services.administration` and their answers. No right is checked there: who may
run the operators' commands may do this. Times are as in `domain.accounts`. Never sees a password, only
hashes.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from domain.accounts import AuthSession, User
from domain.commands import RoomCommand
from domain.entities import Member, Trip
from domain.membership import TripSummary

OPERATOR = "operator"
"""The actor of what an operator does in a trip; no user's id, for those are hexadecimal."""
MAX_FOUND_USERS = 200


class FindUsers(msgspec.Struct, frozen=True):
    """Users whose id is `text`, or whose user name, address or name contains it; newest first."""

    reads_only: ClassVar[bool] = True
    text: str
    limit: int = 50


class ReadUser(msgspec.Struct, frozen=True):
    """One user, by id, user name or e-mail address."""

    reads_only: ClassVar[bool] = True
    who: str


class UserReport(msgspec.Struct, frozen=True):
    """What there is of one person. `sessions` are those that have not been ended."""

    user: User
    sessions: list[AuthSession]
    trips: list[TripSummary]
    deleted_trips: list[TripSummary]


class SetPassword(msgspec.Struct, frozen=True):
    user_id: str
    password_hash: str


class LockUser(msgspec.Struct, frozen=True):
    """Nobody can sign in as this user until `UnlockUser`, and whoever is signed in is signed out."""

    user_id: str


class UnlockUser(msgspec.Struct, frozen=True):
    """The old password is good again."""

    user_id: str


class EndSessions(msgspec.Struct, frozen=True):
    """End at most `limit` sessions that were made by `at`, those of guests only if `guests`."""

    at: str
    guests: bool
    limit: int = 500


class ReadTrip(RoomCommand, frozen=True):
    reads_only: ClassVar[bool] = True


class TripReport(msgspec.Struct, frozen=True):
    """A trip, deleted or not, at `seq`."""

    trip: Trip
    seq: int
    members: list[Member]
    days: int
    stops: int


class TransferTrip(RoomCommand, frozen=True):
    """Make `user_id` the owner, as a new member where they are none. The owners until now become
    editors."""

    user_id: str
    op_id: str
    at: str


class DeleteTripAsOperator(RoomCommand, frozen=True):
    op_id: str
    at: str


class RestoreTripAsOperator(RoomCommand, frozen=True):
    op_id: str
    at: str
