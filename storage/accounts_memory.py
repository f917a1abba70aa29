"""`AccountRepositories` in memory: the same answers as SQL, for tests and the benchmark.

Owns `AccountsState`, which the in-memory unit of work copies at its start and puts back when it
does not commit. All stored values are frozen, so a shallow copy is a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from domain.accounts import AuthSession, User, login_key
from domain.errors import Conflict
from domain.membership import Invite, TripSummary
from domain.services.trips import summarize
from domain.sweeping import Step
from domain.trip import TripAggregate

T = TypeVar("T")


@dataclass
class AccountsState:
    """Tables as dicts by primary key."""

    users: dict[str, User] = field(default_factory=dict)
    sessions: dict[str, AuthSession] = field(default_factory=dict)
    invites: dict[str, Invite] = field(default_factory=dict)
    throttles: dict[str, tuple[int, int]] = field(default_factory=dict)
    invite_links: dict[str, str] = field(default_factory=dict)

    def copy(self) -> AccountsState:
        return AccountsState(
            dict(self.users),
            dict(self.sessions),
            dict(self.invites),
            dict(self.throttles),
            dict(self.invite_links),
        )


TripSource = Callable[[], Iterable[tuple[TripAggregate, str]]]
"""All trips of this unit of work, each with the time of its last event."""
Unread = Callable[[str, str], int]
"""How much of a trip a user has not read."""


class MemoryAccounts:
    """One unit of work's view of the accounts. `trips` and `unread` feed the list of a person's trips."""

    def __init__(
        self, state: AccountsState, trips: TripSource = tuple, unread: Unread = lambda trip_id, user_id: 0
    ) -> None:
        self._state = state
        self._trips = trips
        self._unread = unread

    # --- users ------------------------------------------------------------------------------

    def add_user(self, user: User) -> None:
        self._refuse_taken(user)
        self._state.users[user.id] = user

    def update_user(self, user: User) -> None:
        self._refuse_taken(user)
        if user.id in self._state.users:
            self._state.users[user.id] = user

    def user(self, user_id: str) -> User | None:
        return self._state.users.get(user_id)

    def hold_user(self, user_id: str) -> User | None:
        return self.user(user_id)  # one unit of work at a time

    def user_by_login(self, key: str) -> User | None:
        found = (user for user in self._state.users.values() if key in (user.username_key, user.email_key))
        return next(found, None)

    def find_users(self, text: str, limit: int) -> list[User]:
        key, name = login_key(text), text.casefold()
        found = [
            user
            for user in self._state.users.values()
            if user.id == text
            or any(key in each for each in (user.username_key, user.email_key) if each is not None)
            or name in user.name.casefold()
        ]
        found.sort(key=lambda user: user.id)
        return sorted(found, key=lambda user: user.created_at, reverse=True)[:limit]

    def _refuse_taken(self, user: User) -> None:
        for other in self._state.users.values():
            if other.id == user.id:
                continue
            if user.username_key is not None and other.username_key == user.username_key:
                raise Conflict("this username is taken", code="taken", field="username")
            if user.email_key is not None and other.email_key == user.email_key:
                raise Conflict("this email is taken", code="taken", field="email")

    # --- sessions ---------------------------------------------------------------------------

    def add_session(self, session: AuthSession) -> None:
        self._state.sessions[session.id] = session

    def holder_of(self, token_hash: str) -> tuple[AuthSession, User] | None:
        found = (each for each in self._state.sessions.values() if each.token_hash == token_hash)
        session = next(found, None)
        user = None if session is None else self.user(session.user_id)
        return None if session is None or user is None else (session, user)

    def sessions_of(self, user_id: str) -> list[AuthSession]:
        mine = [each for each in self._state.sessions.values() if each.user_id == user_id]
        mine.sort(key=lambda session: session.id)
        return sorted(mine, key=lambda session: session.last_seen, reverse=True)

    def touch_session(self, auth_id: str, last_seen: str, expires_at: str) -> None:
        session = self._state.sessions.get(auth_id)
        if session is not None:
            self._state.sessions[auth_id] = msgspec.structs.replace(
                session, last_seen=last_seen, expires_at=expires_at
            )

    def remove_sessions(self, auth_ids: Collection[str]) -> None:
        for auth_id in auth_ids:
            self._state.sessions.pop(auth_id, None)

    def remove_sessions_of(self, user_id: str, keep: str | None = None) -> list[str]:
        mine = [each.id for each in self._state.sessions.values() if each.user_id == user_id]
        ended = [auth_id for auth_id in mine if auth_id != keep]
        self.remove_sessions(ended)
        return ended

    def remove_sessions_before(self, at: str, guests: bool, limit: int) -> list[str]:
        found = sorted(
            each.id
            for each in self._state.sessions.values()
            if each.created_at <= at and (guests or not self._state.users[each.user_id].is_guest)
        )[:limit]
        self.remove_sessions(found)
        return found

    def remove_expired_sessions(self, user_id: str, at: str) -> None:
        self.remove_sessions(
            [s.id for s in self._state.sessions.values() if s.user_id == user_id and s.expires_at <= at]
        )

    def sweep_sessions(self, at: str, after: str, limit: int) -> Step:
        return _sweep(self._state.sessions, lambda each: each.expires_at <= at, after, limit)

    def valid_sessions(self, auth_ids: Collection[str], at: str) -> set[str]:
        sessions = self._state.sessions
        return {each for each in auth_ids if each in sessions and sessions[each].expires_at > at}

    # --- throttles --------------------------------------------------------------------------

    def hit(self, key: str, window: int) -> int:
        bucket, hits = self._state.throttles.get(key, (window, 0))
        if bucket not in (window, window + 1):
            bucket, hits = window, 0
        hits += 1
        self._state.throttles[key] = (bucket, hits)
        return hits

    def forgive(self, key: str, window: int, count: int | None = None) -> None:
        bucket, hits = self._state.throttles.get(key, (window, 0))
        if bucket != window:
            return
        if count is None:
            self._state.throttles.pop(key, None)
        else:
            self._state.throttles[key] = (window, max(0, hits - count))

    def draw(self, key: str, now: int, cost: int, room: int) -> int:
        known = self._state.throttles.get(key, (now, 0))[0]
        full_at = (known if now <= known <= now + 2 * room else now) + cost
        if full_at > now + room:
            return full_at - now - room
        self._state.throttles[key] = (full_at, 0)
        return 0

    def sweep_throttles(self, idle: Sequence[tuple[int, int]], after: str, limit: int) -> Step:
        def over(counted: tuple[int, int]) -> bool:
            return any(low <= counted[0] <= high for low, high in idle)

        return _sweep(self._state.throttles, over, after, limit)

    # --- invitations ------------------------------------------------------------------------

    def add_invite(self, invite: Invite) -> None:
        self._state.invites[invite.id] = invite

    def invite_by_token(self, token_hash: str) -> Invite | None:
        found = (each for each in self._state.invites.values() if each.token_hash == token_hash)
        mailed = self._state.invites.get(self._state.invite_links.get(token_hash, ""))
        return next(found, mailed)

    def add_invite_link(self, token_hash: str, invite_id: str) -> None:
        self._state.invite_links[token_hash] = invite_id

    def invites_of(self, trip_id: str) -> list[Invite]:
        mine = [each for each in self._state.invites.values() if each.trip_id == trip_id]
        return sorted(mine, key=lambda each: (each.created_at, each.id), reverse=True)

    def revoke_invite(self, trip_id: str, invite_id: str) -> bool:
        invite = self._state.invites.get(invite_id)
        if invite is None or invite.trip_id != trip_id:
            return False
        self._state.invites[invite_id] = msgspec.structs.replace(invite, revoked=True)
        return True

    def remove_invites(self, trip_id: str, invite_ids: Collection[str]) -> None:
        for invite_id in invite_ids:
            if invite_id in self._state.invites and self._state.invites[invite_id].trip_id == trip_id:
                del self._state.invites[invite_id]

    def sweep_invites(self, before: str, after: str, limit: int) -> Step:
        def dead(invite: Invite) -> bool:
            expired = invite.expires_at is not None and invite.expires_at <= before
            return expired or (invite.revoked and invite.created_at <= before)

        return _sweep(self._state.invites, dead, after, limit)

    # --- trips ------------------------------------------------------------------------------

    def trips_of(self, user_id: str, deleted: bool) -> list[TripSummary]:
        mine = []
        for trip, updated_at in self._trips():
            member = trip.member(user_id)
            if member is not None and trip.trip.deleted == deleted:
                summary = summarize(trip, member.role, updated_at)
                unread = self._unread(trip.id, user_id)
                mine.append(msgspec.structs.replace(summary, unread=unread))
        return sorted(mine, key=lambda each: (each.updated_at, each.id), reverse=True)


def _sweep(rows: dict[str, T], dead: Callable[[T], bool], after: str, limit: int) -> Step:
    seen = sorted(key for key in rows if key > after)[:limit]
    doomed = [key for key in seen if dead(rows[key])]
    for key in doomed:
        del rows[key]
    return Step(len(doomed), seen[-1] if len(seen) == limit else None)
