"""A forgotten password: ask for a mail, look at its link, set a new one.

Owns that nobody learns here whether an account exists: the answer, and the work behind it, is the same for
any name. The secret of a link comes in a body, never in a path or a query. Mails are `realtime.jobs`'
business.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from domain.accounts import Locale, hash_token, new_id
from domain.commands import Actor
from domain.errors import Forbidden
from domain.mail import FinishReset, ReadReset, RequestReset, ResetOffer
from domain.services import mail
from handlers.auth import AuthHandler, Ok, Password, Typed
from handlers.me import UserAnswer, user_view
from handlers.routes import Endpoint, Route

Token = Annotated[str, Meta(min_length=1, max_length=100)]


class ForgotBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`login`: user name or e-mail address. `locale`: of the mail."""

    login: Typed
    locale: Locale = "zh"


class TokenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token`: what stands in the link after `#`."""

    token: Token


class ResetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Token
    password: Password


class ResetView(msgspec.Struct, frozen=True):
    """Whose password the link sets: for the page, and for managers of passwords."""

    login: str
    name: str
    expires_at: str


class ForgotHandler(AuthHandler):
    async def post(self) -> None:
        body = self.read_body(ForgotBody)
        if not self.deps.features.mail:
            raise Forbidden("this site sends no mail", code="mail_off")
        command = RequestReset(
            new_id(), body.login, body.locale, self.address, self.deps.limits, self.deps.clock()
        )
        await self.deps.run(mail.request_reset, command)
        self.deps.ring(command.job_id, mail=True)
        self.reply(Ok(), status=202)


class ResetLinkHandler(AuthHandler):
    """What both verbs on a link share."""

    async def offer(self, token: str) -> ResetOffer:
        """Raises `Gone`, and `Throttled` for whoever tries many."""
        await self.count_here("reset", self.deps.limits.reset_use_address)
        command = ReadReset(hash_token(token), self.deps.clock())
        return await self.deps.run(mail.read_reset, command)


class ResetCheckHandler(ResetLinkHandler):
    async def post(self) -> None:
        offer = await self.offer(self.read_body(TokenBody).token)
        user = offer.user
        self.reply(ResetView(user.username or user.email or "", user.name, offer.expires_at))


class ResetHandler(ResetLinkHandler):
    async def post(self) -> None:
        body = self.read_body(ResetBody)
        user = (await self.offer(body.token)).user
        password_hash = await self.deps.hasher.hash(body.password)
        await self.take_trips_along(Actor(user.id, user.name))
        token, session = self.new_session()
        command = FinishReset(
            token_hash=hash_token(body.token),
            user_id=user.id,
            password_hash=password_hash,
            session=session,
            notice_id=new_id(),
            limits=self.deps.limits,
            at=self.deps.clock(),
            old_auth_id=None if self.signed_in is None else self.signed_in.auth_id,
        )
        done = await self.deps.run(mail.finish_reset, command)
        self.set_session_cookie(token)
        await self.end_sessions(done.ended)
        self.deps.ring(command.notice_id, mail=True)
        self.reply(UserAnswer(user_view(done.user)))


_IN = (400, 415, 429)

routes = [
    Route(
        "/api/auth/forgot",
        ForgotHandler,
        {
            "POST": Endpoint(
                "Ask for a mail with a link for a new password; the answer is the same for any name",
                Ok, status=202, body=ForgotBody, errors=(*_IN, 403), signed_in=False,
            )
        },
    ),
    Route(
        "/api/auth/reset/check",
        ResetCheckHandler,
        {
            "POST": Endpoint(
                "Whose link this is, while it is good",
                ResetView, body=TokenBody, errors=(*_IN, 410), signed_in=False,
            )
        },
    ),
    Route(
        "/api/auth/reset",
        ResetHandler,
        {
            "POST": Endpoint(
                "Set a new password with a link; every session ends, a new one begins",
                UserAnswer, body=ResetBody, errors=(*_IN, 410, 503), signed_in=False,
            )
        },
    ),
]  # fmt: skip
