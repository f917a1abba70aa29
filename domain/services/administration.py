"""The services behind the operators' commands on people and trips.

Owns what locking means, and how ownership passes on. What changes a trip is an ordinary event in its log,
by the actor `OPERATOR`, and reaches members like any other. Called through `run(service, command)` by
`operations`.
"""

from __future__ import annotations

import msgspec

from domain.accounts import User, is_locked, lock, login_key, unlock
from domain.administration import (
    MAX_FOUND_USERS,
    OPERATOR,
    DeleteTripAsOperator,
    EndSessions,
    FindUsers,
    LockUser,
    ReadTrip,
    ReadUser,
    RestoreTripAsOperator,
    SetPassword,
    TransferTrip,
    TripReport,
    UnlockUser,
    UserReport,
)
from domain.errors import Conflict, Gone, NotFound
from domain.operations import DeleteTrip, JoinTrip, RestoreTrip, SetMemberRole
from domain.ports import UnitOfWork
from domain.services.accounts import end_links
from domain.services.members import live_members
from domain.services.rooms import apply, join_trip

# --- people -------------------------------------------------------------------------------


def find_users(command: FindUsers, uow: UnitOfWork) -> list[User]:
    """See `FindUsers`; at most `MAX_FOUND_USERS`."""
    return uow.accounts.find_users(command.text, max(1, min(command.limit, MAX_FOUND_USERS)))


def read_user(command: ReadUser, uow: UnitOfWork) -> UserReport:
    """Raises `NotFound`."""
    accounts = uow.accounts
    # Identifiers are ASCII, and databases refuse to look for others.
    by_id = accounts.user(command.who) if command.who.isascii() else None
    user = by_id or accounts.user_by_login(login_key(command.who))
    if user is None:
        raise NotFound(f"there is no user {command.who!r}; `user find` searches")
    return UserReport(
        user,
        accounts.sessions_of(user.id),
        accounts.trips_of(user.id, deleted=False),
        accounts.trips_of(user.id, deleted=True),
    )


def set_password(command: SetPassword, uow: UnitOfWork) -> list[str]:
    """Ends all sessions of the user; returns their ids. Raises `NotFound`, `Conflict`."""
    user = _account(uow, command.user_id)
    if is_locked(user):
        raise Conflict("this user is locked; unlock first", code="locked")
    uow.accounts.update_user(msgspec.structs.replace(user, password_hash=command.password_hash))
    end_links(uow, user.id)
    return uow.accounts.remove_sessions_of(user.id)


def lock_user(command: LockUser, uow: UnitOfWork) -> list[str]:
    """Ends all sessions of the user; returns their ids. Again is fine."""
    uow.accounts.update_user(lock(_account(uow, command.user_id)))
    end_links(uow, command.user_id)
    return uow.accounts.remove_sessions_of(command.user_id)


def unlock_user(command: UnlockUser, uow: UnitOfWork) -> None:
    """Again is fine."""
    uow.accounts.update_user(unlock(_account(uow, command.user_id)))


def end_sessions(command: EndSessions, uow: UnitOfWork) -> list[str]:
    """Returns the ids of those that ended; none: there are no more."""
    return uow.accounts.remove_sessions_before(command.at, command.guests, command.limit)


def _account(uow: UnitOfWork, user_id: str) -> User:
    user = uow.accounts.hold_user(user_id)
    if user is None:
        raise NotFound(f"there is no user {user_id!r}")
    if user.password_hash is None:
        raise Conflict("a guest has no password; `sessions revoke` signs them out for good", code="guest")
    return user


# --- trips --------------------------------------------------------------------------------


def read_trip(command: ReadTrip, uow: UnitOfWork) -> TripReport:
    """Raises `NotFound`."""
    trip = uow.trips.read(command.trip_id)
    return TripReport(trip.trip, trip.seq, live_members(trip), len(trip.live_days()), trip.live_stops)


def transfer_trip(command: TransferTrip, uow: UnitOfWork) -> None:
    """Again is fine. Raises `NotFound`, `Gone`, `LimitReached`."""
    user = uow.accounts.user(command.user_id)
    if user is None:
        raise NotFound(f"there is no user {command.user_id!r}")
    trip = uow.trips.lock(command.trip_id)
    if trip.trip.deleted:
        raise Gone("this trip was deleted; restore it first", t="trip", id=trip.id)
    member = trip.member(user.id)
    if member is None:
        op = JoinTrip(name=user.name, role="owner")
        join_trip(uow, trip, op, user.id, f"{command.op_id}:in", command.at)
    others = [each.id for each in live_members(trip) if each.role == "owner" and each.id != user.id]
    roles = [SetMemberRole(id=each, role="editor") for each in others]
    if member is not None and member.role != "owner":
        # First: a trip has an owner at every moment.
        roles.insert(0, SetMemberRole(id=user.id, role="owner"))
    for n, role in enumerate(roles):
        apply(uow, trip, role, OPERATOR, f"{command.op_id}:{n}", trip.seq, command.at)


def delete_trip(command: DeleteTripAsOperator, uow: UnitOfWork) -> bool:
    """Soft, as by its owner. False: it was deleted already."""
    trip = uow.trips.lock(command.trip_id)
    if trip.trip.deleted:
        return False
    apply(uow, trip, DeleteTrip(), OPERATOR, command.op_id, trip.seq, command.at)
    return True


def restore_trip(command: RestoreTripAsOperator, uow: UnitOfWork) -> bool:
    """Undo a deletion. False: it was not deleted."""
    trip = uow.trips.lock(command.trip_id)
    if not trip.trip.deleted:
        return False
    apply(uow, trip, RestoreTrip(), OPERATOR, command.op_id, trip.seq, command.at)
    return True
