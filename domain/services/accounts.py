"""The services of accounts: register, sign in and out, resolve and end sessions, throttle.

Owns what a session and an account may do to each other. Passwords are verified by the handlers
between `start_login` and `finish_login` (hashing must not happen inside a transaction). Called
through `run(service, command)` by `handlers`, and `valid_sessions` by `realtime`.
"""

from __future__ import annotations

import math
from datetime import datetime

import msgspec

from domain.accounts import (
    REFRESH_AFTER_HOURS,
    SESSION_DAYS,
    AccountRepositories,
    AuthSession,
    Candidate,
    ChangeProfile,
    Count,
    CreateGuest,
    Draw,
    FinishLogin,
    FinishPasswordChange,
    ForgiveGuesses,
    Limit,
    Limits,
    Logout,
    LogoutAll,
    NewSession,
    RefreshSession,
    Register,
    ResolveSession,
    SessionChange,
    SignedIn,
    StartLogin,
    StartPasswordChange,
    User,
    ValidSessions,
    clean_email,
    clean_name,
    clean_username,
    hash_token,
    is_locked,
    later,
    login_key,
    mailbox_key,
)
from domain.errors import Conflict, Forbidden, Invalid, Throttled, Unauthenticated
from domain.ports import UnitOfWork
from domain.services.mailing import Notice, queue_notice

MAX_USER_AGENT = 200


# --- sessions -----------------------------------------------------------------------------


def resolve_session(command: ResolveSession, uow: UnitOfWork) -> SignedIn | None:
    """Who holds this token now, or None. Reads only: it runs for nearly every request."""
    found = uow.accounts.holder_of(command.token_hash)
    if found is None or found[0].expires_at <= command.at:
        return None
    session, user = found
    stale = later(session.last_seen, hours=REFRESH_AFTER_HOURS) <= command.at
    return SignedIn(session.id, user, stale)


def refresh_session(command: RefreshSession, uow: UnitOfWork) -> None:
    """Let a session last its full time from now on. One that has ended stays ended."""
    uow.accounts.touch_session(command.auth_id, command.at, later(command.at, days=SESSION_DAYS))


def valid_sessions(command: ValidSessions, uow: UnitOfWork) -> set[str]:
    """Those of the given sessions that have not ended: how open sockets are checked again."""
    return uow.accounts.valid_sessions(command.auth_ids, command.at)


def logout(command: Logout, uow: UnitOfWork) -> None:
    """End one session."""
    uow.accounts.remove_sessions([command.auth_id])


def logout_all(command: LogoutAll, uow: UnitOfWork) -> list[str]:
    """End all sessions of a user; returns their ids."""
    return uow.accounts.remove_sessions_of(command.user_id)


def open_session(accounts: AccountRepositories, user_id: str, new: NewSession, at: str) -> None:
    """Sign a user in."""
    accounts.remove_expired_sessions(user_id, at)
    accounts.add_session(
        AuthSession(
            id=new.id,
            user_id=user_id,
            token_hash=new.token_hash,
            created_at=at,
            expires_at=later(at, days=SESSION_DAYS),
            last_seen=at,
            user_agent=new.user_agent[:MAX_USER_AGENT],
        )
    )


# --- becoming somebody --------------------------------------------------------------------


def add_guest(command: CreateGuest, uow: UnitOfWork) -> User:
    """A person without a password, signed in on this browser only."""
    user = User(
        id=command.user_id,
        name=clean_name(command.name),
        created_at=command.at,
        locale=command.locale,
        is_guest=True,
    )
    uow.accounts.add_user(user)
    open_session(uow.accounts, user.id, command.session, command.at)
    return user


def register(command: Register, uow: UnitOfWork) -> SessionChange:
    """A new account, or the caller's guest turned into one (same id: its trips stay).

    Raises `Invalid`, or `Conflict` (`taken`, `signed_in`).
    """
    if command.username is None and command.email is None:
        raise Invalid("give a user name or an e-mail address", field="username")
    username = None if command.username is None else clean_username(command.username)
    email = None if command.email is None else clean_email(command.email)
    fields = User(
        id=command.guest_id or command.user_id,
        name=clean_name(command.name),
        created_at=command.at,
        locale=command.locale,
        username=username,
        username_key=None if username is None else login_key(username),
        email=email,
        email_key=None if email is None else login_key(email),
        password_hash=command.password_hash,
    )
    ended: list[str] = []
    if command.guest_id is None:
        uow.accounts.add_user(fields)
    else:
        guest = uow.accounts.hold_user(command.guest_id)
        if guest is None or not guest.is_guest:
            raise Conflict("you are signed in to an account already", code="signed_in")
        fields = msgspec.structs.replace(fields, created_at=guest.created_at)
        uow.accounts.update_user(fields)
        ended = uow.accounts.remove_sessions_of(guest.id)
    open_session(uow.accounts, fields.id, command.session, command.at)
    return SessionChange(fields, ended)


# --- passwords ----------------------------------------------------------------------------


def start_login(command: StartLogin, uow: UnitOfWork) -> Candidate:
    """Count the attempt, by account and by address, and return what to verify against.

    Every attempt counts beforehand (so that parallel guesses count too); `finish_login` takes a
    successful one back. Raises `Throttled`. Unknown users are throttled like known ones.
    """
    key = login_key(command.login)
    count_here(uow.accounts, account_key(key), command.limits.login_account, command.at)
    count_here(uow.accounts, _address_key(command.address), command.limits.login_address, command.at)
    user = uow.accounts.user_by_login(key)
    if user is None or is_locked(user):
        return Candidate(None, None)
    return Candidate(user.id, user.password_hash, user.name)


def finish_login(command: FinishLogin, uow: UnitOfWork) -> SessionChange:
    """Open a session for a user whose password was verified."""
    user = uow.accounts.hold_user(command.user_id)
    if user is None or user.password_hash != command.verified_hash:
        raise Unauthenticated("the sign-in failed", code="login_failed")
    limits = command.limits
    forgive(uow.accounts, account_key(login_key(command.login)), limits.login_account, command.at, count=None)
    forgive(uow.accounts, _address_key(command.address), limits.login_address, command.at, count=1)
    if command.new_password_hash is not None:
        user = msgspec.structs.replace(user, password_hash=command.new_password_hash)
        uow.accounts.update_user(user)
    ended = [] if command.old_auth_id is None else [command.old_auth_id]
    uow.accounts.remove_sessions(ended)
    open_session(uow.accounts, user.id, command.session, command.at)
    return SessionChange(user, ended)


def start_password_change(command: StartPasswordChange, uow: UnitOfWork) -> str:
    """The hash that the current password must fit, before it, or the address, is changed. Guesses here count
    like failed log-ins."""
    user = uow.accounts.user(command.user_id)
    if user is None:
        raise Unauthenticated("sign in first")
    if user.password_hash is None:
        raise Forbidden("a guest has no password: create an account instead", code="guest")
    count_here(uow.accounts, f"password:{user.id}", command.limits.login_account, command.at)
    return user.password_hash


def forgive_guesses(command: ForgiveGuesses, uow: UnitOfWork) -> None:
    """The current password was right."""
    forgive(uow.accounts, f"password:{command.user_id}", command.limits.login_account, command.at, count=None)


def finish_password_change(command: FinishPasswordChange, uow: UnitOfWork) -> list[str]:
    """Set the new password, end every other session, and say so by mail; returns their ids."""
    user = uow.accounts.hold_user(command.user_id)
    if user is None or user.password_hash != command.verified_hash:
        raise Conflict("the password was changed meanwhile")
    uow.accounts.update_user(msgspec.structs.replace(user, password_hash=command.password_hash))
    end_links(uow, user.id)
    if command.notice_id is not None:
        tell_owner(uow, command.notice_id, "changed", user, command.limits, command.at)
    return uow.accounts.remove_sessions_of(user.id, keep=command.auth_id)


def end_links(uow: UnitOfWork, user_id: str) -> None:
    """Whatever was mailed under the password until now is good for nothing any more."""
    uow.mails.use_resets(user_id)
    uow.mails.end_email_change(user_id)


def tell_owner(uow: UnitOfWork, job_id: str, notice: Notice, user: User, limits: Limits, at: str) -> None:
    """Word by mail of what has become of the account, to the address in `user`. Nothing without one, and
    nothing after the first few of a day: whose address it is may never have been asked, and a mailbox is not
    to be filled by changing back and forth."""
    if user.email is None:
        return
    window, _ = _window(limits.notice_mails_recipient, at)
    told = uow.accounts.hit(hash_token(f"notice:to:{mailbox_key(user.email)}"), window)
    if told <= limits.notice_mails_recipient.count:
        queue_notice(uow, job_id, notice, user.email, user, at)


# --- profile ------------------------------------------------------------------------------


def change_profile(command: ChangeProfile, uow: UnitOfWork) -> User:
    """Change one's display name or language. Trips learn the name by their own operation."""
    user = uow.accounts.hold_user(command.user_id)
    if user is None:
        raise Unauthenticated("sign in first")
    name = user.name if command.name is None else clean_name(command.name)
    changed = msgspec.structs.replace(user, name=name, locale=command.locale or user.locale)
    if changed != user:
        uow.accounts.update_user(changed)
    return changed


# --- throttles ----------------------------------------------------------------------------


def count(command: Count, uow: UnitOfWork) -> None:
    """Count one event. Apart from the work it guards, so that a failure counts too."""
    count_here(uow.accounts, command.key, command.limit, command.at)


def count_here(accounts: AccountRepositories, key: str, limit: Limit, at: str) -> None:
    """Count one event inside of a service: taken back when the service fails. Raises `Throttled`."""
    window, left = _window(limit, at)
    if accounts.hit(hash_token(key), window) > limit.count:
        raise Throttled("too many attempts, wait a little", retry_after=left)


def draw(command: Draw, uow: UnitOfWork) -> None:
    """Take tokens from a bucket, which holds `limit.count` and fills in `limit.seconds`."""
    limit = command.limit
    now = int(datetime.fromisoformat(command.at).timestamp() * 1000)
    cost = max(1, 1000 * limit.seconds * command.count // limit.count)
    wait = uow.accounts.draw(hash_token(command.key), now, cost, 1000 * limit.seconds)
    if wait:
        raise Throttled("too many requests, wait a moment", retry_after=math.ceil(wait / 1000))


def forgive(accounts: AccountRepositories, key: str, limit: Limit, at: str, count: int | None) -> None:
    """Take back what was counted; None: all."""
    accounts.forgive(hash_token(key), _window(limit, at)[0], count)


def _window(limit: Limit, at: str) -> tuple[int, int]:
    """The number of the fixed window that `at` lies in, and the seconds until it ends."""
    now = int(datetime.fromisoformat(at).timestamp())
    return now // limit.seconds, limit.seconds - now % limit.seconds


def account_key(key: str) -> str:
    """Under which attempts to sign in to an account are counted, by its `login_key`."""
    return f"login:account:{key}"


def _address_key(address: str) -> str:
    return f"login:address:{address}"
