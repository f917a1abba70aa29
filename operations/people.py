"""`tongyou user ...` and `tongyou sessions ...`: people, their passwords, and where they are signed in.

Owns the arguments and the lines. Everything goes through services of the domain; sockets of sessions that
ended close at once where Redis carries the word, else within the 15 seconds in which every process asks
the database again. A password comes from a prompt or from standard input, never from the arguments, which
everybody on the machine can read.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence
from typing import Any

from domain.accounts import LogoutAll, User, is_locked
from domain.administration import (
    EndSessions,
    FindUsers,
    LockUser,
    ReadUser,
    SetPassword,
    UnlockUser,
    UserReport,
)
from domain.services.accounts import logout_all
from domain.services.administration import (
    end_sessions,
    find_users,
    lock_user,
    read_user,
    set_password,
    unlock_user,
)
from operations import Domain, Failed, Installation, journal

MIN_PASSWORD = 8
MAX_PASSWORD = 200
SOCKETS_NOTICE_SECONDS = 15
"""How often a process asks whether the sign-ins of its sockets are still valid (`realtime.hub.Times`)."""


def add(groups: Any) -> None:
    """Add the commands to the parser."""
    user = groups.add_parser("user", help="find, show, lock and unlock people; set a password")
    acts = user.add_subparsers(title="what", metavar="WHAT", required=True)
    find = acts.add_parser("find", help="search by a part of the name, user name or address")
    find.add_argument("text", nargs="?", default="")
    find.add_argument("--limit", type=int, default=50)
    find.set_defaults(act=_find)
    for name, act, help_text in (
        ("show", _show, "one person: account, sessions, trips"),
        ("password", _password, "set a password (asked for, or from standard input) and sign out everywhere"),
        ("lock", _lock, "let nobody sign in as this person, and sign out everywhere"),
        ("unlock", _unlock, "let them sign in again with their old password"),
    ):
        made = acts.add_parser(name, help=help_text, description=help_text)
        made.add_argument("who", help="id, user name or e-mail address")
        made.set_defaults(act=act)
    sessions = groups.add_parser("sessions", help="list or end the sessions of a person")
    acts = sessions.add_subparsers(title="what", metavar="WHAT", required=True)
    listing = acts.add_parser("list", help="where a person is signed in")
    listing.add_argument("who", help="id, user name or e-mail address")
    listing.set_defaults(act=_show)
    revoke = acts.add_parser(
        "revoke",
        help="sign a person, or everybody, out everywhere; open pages end, too",
        description="Signs a person out everywhere, or everybody (--all). Open pages end, too. A guest has "
        "no password and cannot come back as the same person.",
    )
    whose = revoke.add_mutually_exclusive_group(required=True)
    whose.add_argument("who", nargs="?", help="id, user name or e-mail address")
    whose.add_argument("--all", action="store_true", help="everybody")
    revoke.add_argument("--keep-guests", action="store_true", help="with --all: leave guests signed in")
    revoke.set_defaults(act=_revoke)


def _find(installation: Installation, given: argparse.Namespace) -> None:
    async def act() -> list[User]:
        async with installation.domain() as domain:
            with journal.act(installation, "user find", text=given.text):
                return await domain.run(find_users, FindUsers(given.text, given.limit))

    found = asyncio.run(act())
    for user in found:
        print(f"{user.id}  {_account(user):<28}  {user.created_at[:10]}  {user.name}")
    print(f"{len(found)} found")


def _show(installation: Installation, given: argparse.Namespace) -> None:
    async def act() -> UserReport:
        async with installation.domain() as domain:
            with journal.act(installation, "user show", user=given.who):
                return await domain.run(read_user, ReadUser(given.who))

    report = asyncio.run(act())
    user = report.user
    print(f"{user.id}  {user.name}  ({_account(user)}, {user.locale}, since {user.created_at})")
    if user.email is not None:
        print(f"{user.email}  ({_confirmed(user)})")
    print(f"{len(report.sessions)} session(s)")
    for each in report.sessions:
        print(f"  {each.id}  last used {each.last_seen}, until {each.expires_at}  {each.user_agent[:60]}")
    print(f"{len(report.trips)} trip(s), {len(report.deleted_trips)} deleted")
    for trip in (*report.trips, *report.deleted_trips):
        print(f"  {trip.id}  {trip.role}{', deleted' if trip.deleted else ''}  {trip.title}")


def _password(installation: Installation, given: argparse.Namespace) -> None:
    async def act() -> int:
        async with installation.domain() as domain:
            user = (await domain.run(read_user, ReadUser(given.who))).user
            password = await asyncio.to_thread(_read_password, user)
            with journal.act(installation, "user password", user=user.id):
                command = SetPassword(user.id, await domain.hash(password))
                return await _end(domain, user.id, await domain.run(set_password, command))

    _say_ended(installation, asyncio.run(act()), "The password is set.")


def _lock(installation: Installation, given: argparse.Namespace) -> None:
    async def act() -> int:
        async with installation.domain() as domain:
            user = (await domain.run(read_user, ReadUser(given.who))).user
            with journal.act(installation, "user lock", user=user.id):
                return await _end(domain, user.id, await domain.run(lock_user, LockUser(user.id)))

    _say_ended(installation, asyncio.run(act()), "Locked.")


def _unlock(installation: Installation, given: argparse.Namespace) -> None:
    async def act() -> None:
        async with installation.domain() as domain:
            user = (await domain.run(read_user, ReadUser(given.who))).user
            with journal.act(installation, "user unlock", user=user.id):
                await domain.run(unlock_user, UnlockUser(user.id))

    asyncio.run(act())
    print("Unlocked: the old password is good again.")


def _revoke(installation: Installation, given: argparse.Namespace) -> None:
    if given.all:
        _revoke_all(installation, guests=not given.keep_guests)
        return
    if given.keep_guests:
        raise Failed("--keep-guests goes with --all")

    async def act() -> int:
        async with installation.domain() as domain:
            user = (await domain.run(read_user, ReadUser(given.who))).user
            with journal.act(installation, "sessions revoke", user=user.id):
                return await _end(domain, user.id, await domain.run(logout_all, LogoutAll(user.id)))

    _say_ended(installation, asyncio.run(act()), "Signed out.")


def _revoke_all(installation: Installation, guests: bool) -> None:
    async def act() -> int:
        async with installation.domain() as domain:
            with journal.act(installation, "sessions revoke --all", guests="too" if guests else "kept"):
                # Who signs in meanwhile stays: the list would have no end.
                command, count = EndSessions(domain.clock(), guests), 0
                while ended := await domain.run(end_sessions, command):
                    await domain.revoke(auth_ids=ended)
                    count += len(ended)
                return count

    _say_ended(installation, asyncio.run(act()), "Everybody is signed out.")


async def _end(domain: Domain, user_id: str, auth_ids: Sequence[str]) -> int:
    await domain.revoke(auth_ids=auth_ids, user_id=user_id)
    return len(auth_ids)


def _say_ended(installation: Installation, count: int, done: str) -> None:
    when = "now" if installation.redis_url else f"within {SOCKETS_NOTICE_SECONDS} seconds (there is no Redis)"
    print(f"{done} {count} session(s) ended; their open pages end {when}.")


def _account(user: User) -> str:
    if user.is_guest:
        return "guest"
    return (user.username or user.email or "account") + (", locked" if is_locked(user) else "")


def _confirmed(user: User) -> str:
    at = user.email_confirmed_at
    return "nobody has confirmed this address" if at is None else f"confirmed {at}"


def _read_password(user: User) -> str:
    """From the terminal, twice; or the first line of standard input."""
    if sys.stdin.isatty():
        password = getpass.getpass(f"New password of {user.name}: ")
        if getpass.getpass("Once more: ") != password:
            raise Failed("the two are not the same")
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Failed(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    return password
