"""`AccountRepositories` over SQL, for SQLite, MySQL and MariaDB.

Owns every query of users, sessions, invitations and throttles; the list of a person's trips is in
`storage.trip_lists`. Written in the intersection of the dialects. Made by the unit of work, one
for each transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from domain.accounts import AuthSession, User, login_key
from domain.errors import Conflict
from domain.membership import Invite, TripSummary
from domain.sweeping import Step
from storage.sweeping import sweep
from storage.tables_accounts import auth_sessions, invites, throttles, users
from storage.tables_mail import invite_links
from storage.trip_lists import trips_of

CHUNK = 500
"""Values in one IN (...)."""
S = TypeVar("S", bound=msgspec.Struct)
_HOLDER = (
    select(auth_sessions, users)
    .join(users, users.c.id == auth_sessions.c.user_id)
    .where(auth_sessions.c.token_hash == bindparam("token"))
)
"""Once for nearly every request."""


class SqlAccounts:
    """One transaction's view of the accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- users ------------------------------------------------------------------------------

    def add_user(self, user: User) -> None:
        with self._unique(user):
            self._connection.execute(insert(users).values(**msgspec.structs.asdict(user)))

    def update_user(self, user: User) -> None:
        values = msgspec.structs.asdict(user)
        del values["id"]
        with self._unique(user):
            self._connection.execute(update(users).where(users.c.id == user.id).values(**values))

    def user(self, user_id: str) -> User | None:
        return self._one(users, users.c.id == user_id, User)

    def hold_user(self, user_id: str) -> User | None:
        # SQLite has one writer, and leaves the lock out.
        row = self._connection.execute(select(users).where(users.c.id == user_id).with_for_update())
        found = row.mappings().first()
        return None if found is None else _struct(found, User)

    def user_by_login(self, key: str) -> User | None:
        # A user name has no @ in it, so a key says itself which of the two it is.
        column = users.c.email_key if "@" in key else users.c.username_key
        return self._one(users, column == key, User)

    def find_users(self, text: str, limit: int) -> list[User]:
        key = login_key(text)
        query = (
            select(users)
            .where(
                or_(
                    # MariaDB refuses to compare an ASCII column with anything else.
                    users.c.id == text if text.isascii() else false(),
                    users.c.username_key.contains(key, autoescape=True),
                    users.c.email_key.contains(key, autoescape=True),
                    users.c.name.contains(text, autoescape=True),
                )
            )
            .order_by(users.c.created_at.desc(), users.c.id)
            .limit(limit)
        )
        return [_struct(row, User) for row in self._connection.execute(query).mappings()]

    @contextmanager
    def _unique(self, user: User) -> Iterator[None]:
        """Say which key is taken; the constraint catches those who register at the same moment."""
        for field in ("username", "email"):
            key: str | None = getattr(user, f"{field}_key")
            if key is None:
                continue
            column = users.c[f"{field}_key"]
            other = select(users.c.id).where(column == key, users.c.id != user.id)
            if self._connection.execute(other).first() is not None:
                raise Conflict(f"this {field} is taken", code="taken", field=field)
        try:
            yield
        except IntegrityError:
            raise Conflict("this user name or e-mail address is taken", code="taken") from None

    # --- sessions ---------------------------------------------------------------------------

    def add_session(self, session: AuthSession) -> None:
        self._connection.execute(insert(auth_sessions).values(**msgspec.structs.asdict(session)))

    def holder_of(self, token_hash: str) -> tuple[AuthSession, User] | None:
        row = self._connection.execute(_HOLDER, {"token": token_hash}).first()
        if row is None:
            return None
        columns = len(auth_sessions.columns)
        return _from_row(row[:columns], auth_sessions, AuthSession), _from_row(row[columns:], users, User)

    def sessions_of(self, user_id: str) -> list[AuthSession]:
        query = (
            select(auth_sessions)
            .where(auth_sessions.c.user_id == user_id)
            .order_by(auth_sessions.c.last_seen.desc(), auth_sessions.c.id)
        )
        return [_struct(row, AuthSession) for row in self._connection.execute(query).mappings()]

    def touch_session(self, auth_id: str, last_seen: str, expires_at: str) -> None:
        self._connection.execute(
            update(auth_sessions)
            .where(auth_sessions.c.id == auth_id)
            .values(last_seen=last_seen, expires_at=expires_at)
        )

    def remove_sessions(self, auth_ids: Collection[str]) -> None:
        for chunk in _chunks(auth_ids):
            self._connection.execute(delete(auth_sessions).where(auth_sessions.c.id.in_(chunk)))

    def remove_sessions_of(self, user_id: str, keep: str | None = None) -> list[str]:
        mine = select(auth_sessions.c.id).where(auth_sessions.c.user_id == user_id)
        ended = [found for found in self._connection.scalars(mine) if found != keep]
        self.remove_sessions(ended)
        return ended

    def remove_sessions_before(self, at: str, guests: bool, limit: int) -> list[str]:
        query = select(auth_sessions.c.id).where(auth_sessions.c.created_at <= at)
        if not guests:
            query = query.join(users, users.c.id == auth_sessions.c.user_id).where(~users.c.is_guest)
        found = list(self._connection.scalars(query.order_by(auth_sessions.c.id).limit(limit)))
        self.remove_sessions(found)
        return found

    def remove_expired_sessions(self, user_id: str, at: str) -> None:
        self._connection.execute(
            delete(auth_sessions).where(auth_sessions.c.user_id == user_id, auth_sessions.c.expires_at <= at)
        )

    def sweep_sessions(self, at: str, after: str, limit: int) -> Step:
        return sweep(self._connection, auth_sessions, auth_sessions.c.expires_at <= at, after, limit)

    def valid_sessions(self, auth_ids: Collection[str], at: str) -> set[str]:
        valid: set[str] = set()
        for chunk in _chunks(auth_ids):
            query = select(auth_sessions.c.id).where(
                auth_sessions.c.id.in_(chunk), auth_sessions.c.expires_at > at
            )
            valid.update(self._connection.scalars(query))
        return valid

    # --- throttles --------------------------------------------------------------------------

    def hit(self, key: str, window: int) -> int:
        if not self._add_hit(key, window):
            try:
                with self._connection.begin_nested():
                    self._connection.execute(insert(throttles).values(subject=key, bucket=window, hits=1))
            except IntegrityError:
                self._add_hit(key, window)  # somebody else's first hit came between
        counted = select(throttles.c.hits).where(throttles.c.subject == key)
        return int(self._connection.execute(counted).scalar_one())

    def _add_hit(self, key: str, window: int) -> bool:
        """One more in this window, or in the next one; the first of a new window starts at 1. False: no row
        yet."""
        ahead = throttles.c.bucket == window + 1
        same = or_(throttles.c.bucket == window, ahead)
        # MySQL evaluates assignments from left to right: hits must be set before bucket.
        statement = (
            update(throttles)
            .where(throttles.c.subject == key)
            .ordered_values((throttles.c.hits, case((same, throttles.c.hits + 1), else_=1)),
                            (throttles.c.bucket, case((ahead, throttles.c.bucket), else_=window)))
        )  # fmt: skip
        return self._connection.execute(statement).rowcount > 0

    def forgive(self, key: str, window: int, count: int | None = None) -> None:
        here = (throttles.c.subject == key, throttles.c.bucket == window)
        if count is None:
            self._connection.execute(delete(throttles).where(*here))
            return
        left = case((throttles.c.hits > count, throttles.c.hits - count), else_=0)
        self._connection.execute(update(throttles).where(*here).values(hits=left))

    def draw(self, key: str, now: int, cost: int, room: int) -> int:
        full_at = throttles.c.bucket
        anew = or_(full_at < now, full_at > now + 2 * room)
        drawn = (
            update(throttles)
            .where(throttles.c.subject == key, or_(full_at + cost <= now + room, anew))
            .values(bucket=case((anew, now), else_=full_at) + cost)
        )
        first = insert(throttles).values(subject=key, bucket=now + cost, hits=0)
        for _ in range(3):
            if self._connection.execute(drawn).rowcount:
                return 0
            known = self._connection.execute(select(full_at).where(throttles.c.subject == key)).scalar()
            if known is not None:
                return max(1, int(known) + cost - now - room)
            try:
                with self._connection.begin_nested():
                    self._connection.execute(first)
                return 0
            except IntegrityError:
                continue  # somebody else's first draw came between
        return 1

    def sweep_throttles(self, idle: Sequence[tuple[int, int]], after: str, limit: int) -> Step:
        over = or_(*(throttles.c.bucket.between(low, high) for low, high in idle))
        return sweep(self._connection, throttles, over, after, limit)

    # --- invitations ------------------------------------------------------------------------

    def add_invite(self, invite: Invite) -> None:
        self._connection.execute(insert(invites).values(**msgspec.structs.asdict(invite)))

    def invite_by_token(self, token_hash: str) -> Invite | None:
        found = self._one(invites, invites.c.token_hash == token_hash, Invite)
        if found is not None:
            return found
        mailed = select(invite_links.c.invite_id).where(invite_links.c.token_hash == token_hash)
        invite_id = self._connection.scalar(mailed)
        return None if invite_id is None else self._one(invites, invites.c.id == invite_id, Invite)

    def add_invite_link(self, token_hash: str, invite_id: str) -> None:
        self._connection.execute(insert(invite_links).values(token_hash=token_hash, invite_id=invite_id))

    def invites_of(self, trip_id: str) -> list[Invite]:
        query = (
            select(invites)
            .where(invites.c.trip_id == trip_id)
            .order_by(invites.c.created_at.desc(), invites.c.id.desc())
        )
        return [_struct(row, Invite) for row in self._connection.execute(query).mappings()]

    def revoke_invite(self, trip_id: str, invite_id: str) -> bool:
        here = (invites.c.trip_id == trip_id, invites.c.id == invite_id)
        if self._connection.execute(select(invites.c.id).where(*here)).first() is None:
            return False
        self._connection.execute(update(invites).where(*here).values(revoked=True))
        return True

    def remove_invites(self, trip_id: str, invite_ids: Collection[str]) -> None:
        for chunk in _chunks(invite_ids):
            here = (invites.c.trip_id == trip_id, invites.c.id.in_(chunk))
            self._connection.execute(delete(invites).where(*here))

    def sweep_invites(self, before: str, after: str, limit: int) -> Step:
        # Where the first is NULL, the second decides.
        dead = or_(
            func.coalesce(invites.c.expires_at, "~") <= before,
            and_(invites.c.revoked, invites.c.created_at <= before),
        )
        return sweep(self._connection, invites, dead, after, limit)

    # --- trips ------------------------------------------------------------------------------

    def trips_of(self, user_id: str, deleted: bool) -> list[TripSummary]:
        return trips_of(self._connection, user_id, deleted)

    def _one(self, table: Table, where: ColumnElement[bool], kind: type[S]) -> S | None:
        row = self._connection.execute(select(table).where(where)).mappings().first()
        return None if row is None else _struct(row, kind)


def _from_row(row: Sequence[Any], table: Table, kind: type[S]) -> S:
    """A struct from the columns of a table, in their order."""
    return _struct(dict(zip(table.columns.keys(), row, strict=True)), kind)


def _struct(row: Any, kind: type[S]) -> S:
    return kind(**{name: row[name] for name in kind.__struct_fields__})


def _chunks(values: Collection[str]) -> Iterator[Sequence[str]]:
    rest = iter(values)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
