"""Registering, signing in and out, passwords, guests.

Owns the order of hashing and transactions: a password is verified between two units of work, in
the hasher's executor, and every attempt is counted before it is looked at. Answers to a failed
sign-in are all the same.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from domain import accounts
from domain.accounts import (
    Count,
    CreateGuest,
    FinishLogin,
    FinishPasswordChange,
    ForgiveGuesses,
    Limit,
    Locale,
    Logout,
    LogoutAll,
    NewSession,
    Register,
    StartLogin,
    StartPasswordChange,
    hash_token,
    new_id,
    new_token,
)
from domain.commands import Actor
from domain.errors import Conflict, Forbidden, Unauthenticated
from domain.membership import ListTrips, TakeOver
from domain.services import accounts as services
from domain.services.members import take_over
from domain.services.trips import list_trips
from handlers.base import ApiHandler
from handlers.me import NameText, UserAnswer, rename_in_trips, user_view
from handlers.routes import Endpoint, Route

Password = Annotated[str, Meta(min_length=8, max_length=200)]
Typed = Annotated[str, Meta(min_length=1, max_length=254)]
AnyPassword = Annotated[str, Meta(min_length=1, max_length=200)]


class RegisterBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user name or an e-mail address, or both."""

    password: Password
    name: NameText
    username: Typed | None = None
    email: Typed | None = None
    locale: Locale | None = None


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`login`: user name or e-mail address."""

    login: Typed
    password: AnyPassword


class GuestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: NameText
    locale: Locale = "zh"


class PasswordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    current: AnyPassword
    new: Password


class Ok(msgspec.Struct, frozen=True):
    ok: Literal[True] = True


class AuthHandler(ApiHandler):
    """What the verbs of this module share."""

    def new_session(self) -> tuple[str, NewSession]:
        """A fresh secret for the cookie, and what the database keeps of it."""
        token = new_token()
        agent = self.request.headers.get("User-Agent", "")
        return token, NewSession(new_id(), hash_token(token), agent)

    async def count_here(self, what: str, limit: Limit) -> None:
        """Count one attempt from this address. Raises `Throttled`."""
        await self.deps.run(services.count, Count(f"{what}:{self.address}", limit, self.deps.clock()))

    async def verify_password(self, password: str) -> str:
        """The stored hash that this person's current password fits, before something that only they may do.
        Raises `Forbidden` (`wrong_password`, `guest`), and `Throttled` for whoever guesses."""
        start = StartPasswordChange(self.person.user.id, self.deps.limits, self.deps.clock())
        stored = await self.deps.run(services.start_password_change, start)
        if not await self.deps.hasher.verify(stored, password):
            raise Forbidden("the current password is wrong", code="wrong_password")
        # Apart from what it was asked for: whatever becomes of that, this was no guess.
        forgiven = ForgiveGuesses(self.person.user.id, self.deps.limits, self.deps.clock())
        await self.deps.run(services.forgive_guesses, forgiven)
        return stored

    def notice_id(self) -> str | None:
        """Of a mail about what is done; None where no mail is sent."""
        return new_id() if self.deps.features.mail else None

    async def take_trips_along(self, account: Actor) -> None:
        """A guest who signs in to an account that they have keeps the guest's trips."""
        if self.signed_in is None or not self.signed_in.user.is_guest:
            return
        guest_id, run = self.signed_in.user.id, self.deps.run
        for trip in await run(list_trips, ListTrips(guest_id)):
            command = TakeOver(trip.id, account, guest_id, f"over-{new_id()}", self.deps.clock())
            await run(take_over, command)


class RegisterHandler(AuthHandler):
    async def post(self) -> None:
        body = self.read_body(RegisterBody)
        if not self.deps.features.registration:
            raise Forbidden("registration is closed here", code="closed")
        guest = self.signed_in.user if self.signed_in is not None else None
        if guest is not None and not guest.is_guest:
            raise Conflict("you are signed in to an account already", code="signed_in")
        await self.count_here("register", self.deps.limits.register_address)
        password_hash = await self.deps.hasher.hash(body.password)
        token, session = self.new_session()
        command = Register(
            user_id=new_id(),
            session=session,
            name=body.name,
            username=body.username,
            email=body.email,
            password_hash=password_hash,
            locale=body.locale or (guest.locale if guest is not None else "zh"),
            at=self.deps.clock(),
            guest_id=None if guest is None else guest.id,
        )
        made = await self.deps.run(services.register, command)
        self.set_session_cookie(token)
        await self.end_sessions(made.ended)
        if guest is not None and guest.name != made.user.name:
            await rename_in_trips(self, made.user)
        self.reply(UserAnswer(user_view(made.user)))


class LoginHandler(AuthHandler):
    async def post(self) -> None:
        body = self.read_body(LoginBody)
        run, hasher, limits = self.deps.run, self.deps.hasher, self.deps.limits
        start = StartLogin(body.login, self.address, limits, self.deps.clock())
        candidate = await run(services.start_login, start)
        fits = await hasher.verify(candidate.password_hash, body.password)
        if not fits or candidate.user_id is None or candidate.password_hash is None:
            raise Unauthenticated("the user name or the password is wrong", code="login_failed")
        await self.take_trips_along(Actor(candidate.user_id, candidate.name))
        outdated = hasher.outdated(candidate.password_hash)
        token, session = self.new_session()
        command = FinishLogin(
            user_id=candidate.user_id,
            verified_hash=candidate.password_hash,
            login=body.login,
            address=self.address,
            session=session,
            limits=limits,
            at=self.deps.clock(),
            new_password_hash=await hasher.hash(body.password) if outdated else None,
            old_auth_id=None if self.signed_in is None else self.signed_in.auth_id,
        )
        done = await run(services.finish_login, command)
        self.set_session_cookie(token)
        await self.end_sessions(done.ended)
        self.reply(UserAnswer(user_view(done.user)))


class GuestHandler(AuthHandler):
    async def post(self) -> None:
        body = self.read_body(GuestBody)
        if self.signed_in is not None:
            raise Conflict("you are signed in already", code="signed_in")
        user = await self.become_guest(body.name, body.locale)
        self.reply(UserAnswer(user_view(user)))

    async def become_guest(self, name: str, locale: Locale) -> accounts.User:
        if not self.deps.features.guests:
            raise Forbidden("guests are not admitted here", code="closed")
        await self.count_here("guest", self.deps.limits.guest_address)
        token, session = self.new_session()
        command = CreateGuest(new_id(), session, name, locale, self.deps.clock())
        user = await self.deps.run(services.add_guest, command)
        self.set_session_cookie(token)
        return user


class LogoutHandler(AuthHandler):
    async def post(self) -> None:
        if self.signed_in is not None:
            await self.deps.run(services.logout, Logout(self.signed_in.auth_id))
            await self.end_sessions([self.signed_in.auth_id])
        self.clear_session_cookie()
        self.reply(Ok())


class LogoutAllHandler(AuthHandler):
    async def post(self) -> None:
        user_id = self.person.user.id
        ended = await self.deps.run(services.logout_all, LogoutAll(user_id))
        await self.end_sessions(ended, user_id)
        self.clear_session_cookie()
        self.reply(Ok())


class PasswordHandler(AuthHandler):
    async def post(self) -> None:
        person = self.person
        body = self.read_body(PasswordBody)
        command = FinishPasswordChange(
            user_id=person.user.id,
            auth_id=person.auth_id,
            verified_hash=await self.verify_password(body.current),
            password_hash=await self.deps.hasher.hash(body.new),
            limits=self.deps.limits,
            at=self.deps.clock(),
            notice_id=self.notice_id(),
        )
        await self.end_sessions(await self.deps.run(services.finish_password_change, command))
        if command.notice_id is not None:
            self.deps.ring(command.notice_id, mail=True)
        self.reply(Ok())


_IN = (400, 415, 429)

routes = [
    Route(
        "/api/auth/register",
        RegisterHandler,
        {
            "POST": Endpoint(
                "Make an account; a guest becomes it and keeps their trips",
                UserAnswer, body=RegisterBody, errors=(*_IN, 409, 503), signed_in=False,
            )
        },
    ),
    Route(
        "/api/auth/login",
        LoginHandler,
        {
            "POST": Endpoint(
                "Sign in", UserAnswer, body=LoginBody, errors=(*_IN, 401, 503), signed_in=False,
            )
        },
    ),
    Route(
        "/api/auth/guest",
        GuestHandler,
        {
            "POST": Endpoint(
                "Come in with a name only", UserAnswer, body=GuestBody, errors=(*_IN, 409), signed_in=False,
            )
        },
    ),
    Route("/api/auth/logout", LogoutHandler, {"POST": Endpoint("Sign out here", Ok, signed_in=False)}),
    Route("/api/auth/logout-all", LogoutAllHandler, {"POST": Endpoint("Sign out everywhere", Ok)}),
    Route(
        "/api/auth/password",
        PasswordHandler,
        {
            "POST": Endpoint(
                "Change the password; every other session ends",
                Ok, body=PasswordBody, errors=(*_IN, 409, 503),
            )
        },
    ),
]  # fmt: skip
