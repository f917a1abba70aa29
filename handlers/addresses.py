"""The e-mail address of an account: look at it, ask for another one, confirm it with a link, remove it.

Owns that each act asks for what it needs: the current password, or the secret of a link, which comes in a
body and never in a path or a query. Nobody learns here whether another account has an address. Mails are
`realtime.jobs`' business. Lines of the log name the account, never an address.
"""

from __future__ import annotations

import logging

import msgspec

from domain import addresses
from domain.accounts import hash_token, new_id
from domain.addresses import (
    CancelEmail,
    ConfirmEmail,
    Delivery,
    EmailState,
    ReadEmail,
    ReadEmailLink,
    RemoveEmail,
    RequestEmail,
    ResendEmail,
)
from domain.errors import Forbidden
from domain.services import addresses as services
from handlers.auth import AnyPassword, AuthHandler, Typed
from handlers.resets import TokenBody
from handlers.routes import Endpoint, Route

log = logging.getLogger("tongyou.accounts")


class EmailBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`current`: the password."""

    email: Typed
    current: AnyPassword


class CurrentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`current`: the password."""

    current: AnyPassword


class PendingEmail(msgspec.Struct, frozen=True):
    """An address that waits until the link that was sent there is opened. `delivery`: of that mail."""

    email: str
    delivery: Delivery
    asked_at: str
    expires_at: str


class EmailAnswer(msgspec.Struct, frozen=True):
    """One's own address. `removable`: there is a user name to sign in with."""

    email: str | None
    confirmed: bool
    removable: bool
    pending: PendingEmail | None


class EmailLink(msgspec.Struct, frozen=True):
    """Which address a link confirms, and whose account gets it."""

    email: str
    name: str
    expires_at: str


class ConfirmedEmail(msgspec.Struct, frozen=True):
    """What is now the address of whom."""

    email: str
    name: str


class AddressHandler(AuthHandler):
    """What all verbs on one's own address share."""

    async def state(self) -> EmailState:
        command = ReadEmail(self.person.user.id, self.deps.clock())
        return await self.deps.run(services.read_email, command)

    def insist_on_mail(self) -> None:
        """An address that cannot be confirmed is not taken: links for new passwords would go there."""
        if not self.deps.features.mail:
            raise Forbidden("this site sends no mail, so no address can be confirmed", code="mail_off")

    def answer(self, state: EmailState, status: int = 200) -> None:
        waits = state.pending
        pending = None if waits is None else PendingEmail(**msgspec.structs.asdict(waits))
        self.reply(EmailAnswer(state.email, state.confirmed, state.removable, pending), status)


class EmailHandler(AddressHandler):
    async def get(self) -> None:
        self.answer(await self.state())

    async def post(self) -> None:
        user_id = self.person.user.id
        body = self.read_body(EmailBody)
        self.insist_on_mail()
        command = RequestEmail(
            user_id=user_id,
            job_id=new_id(),
            email=body.email,
            verified_hash=await self.verify_password(body.current),
            address=self.address,
            limits=self.deps.limits,
            at=self.deps.clock(),
        )
        state = await self.deps.run(services.request_email, command)
        log.info("an address was asked for")
        self.deps.ring(command.job_id, mail=True)
        self.answer(state, status=202)


class ResendHandler(AddressHandler):
    async def post(self) -> None:
        user_id = self.person.user.id
        self.insist_on_mail()
        command = ResendEmail(user_id, new_id(), self.address, self.deps.limits, self.deps.clock())
        state = await self.deps.run(services.resend_email, command)
        self.deps.ring(command.job_id, mail=True)
        self.answer(state, status=202)


class CancelHandler(AddressHandler):
    async def post(self) -> None:
        await self.deps.run(services.cancel_email, CancelEmail(self.person.user.id))
        self.answer(await self.state())


class RemoveHandler(AddressHandler):
    async def post(self) -> None:
        user_id = self.person.user.id
        body = self.read_body(CurrentBody)
        command = RemoveEmail(
            user_id=user_id,
            verified_hash=await self.verify_password(body.current),
            notice_id=self.notice_id(),
            limits=self.deps.limits,
            at=self.deps.clock(),
        )
        state = await self.deps.run(services.remove_email, command)
        self.deps.sessions.forget(user_id=user_id)
        log.info("the address was removed")
        if command.notice_id is not None:
            self.deps.ring(command.notice_id, mail=True)
        self.answer(state)


class LinkHandler(AuthHandler):
    """What both verbs on a link share."""

    async def offer(self, token: str) -> addresses.EmailOffer:
        """Raises `Gone`, and `Throttled` for whoever tries many, of whichever kind."""
        await self.count_here("reset", self.deps.limits.reset_use_address)
        command = ReadEmailLink(hash_token(token), self.deps.clock())
        return await self.deps.run(services.read_email_link, command)


class LinkCheckHandler(LinkHandler):
    async def post(self) -> None:
        offer = await self.offer(self.read_body(TokenBody).token)
        self.reply(EmailLink(offer.email, offer.user.name, offer.expires_at))


class ConfirmHandler(LinkHandler):
    async def post(self) -> None:
        token = self.read_body(TokenBody).token
        await self.offer(token)
        command = ConfirmEmail(hash_token(token), self.notice_id(), self.deps.limits, self.deps.clock())
        user = await self.deps.run(services.confirm_email, command)
        self.deps.sessions.forget(user_id=user.id)
        # Whoever opens the link need not be signed in, nor as this account.
        log.info("an address was confirmed", extra={"account_id": user.id})
        if command.notice_id is not None:
            self.deps.ring(command.notice_id, mail=True)
        self.reply(ConfirmedEmail(user.email or "", user.name))


_MAIL = (400, 403, 409, 415, 429)

routes = [
    Route(
        "/api/me/email",
        EmailHandler,
        {
            "GET": Endpoint("One's own e-mail address, and the one that waits to be confirmed", EmailAnswer),
            "POST": Endpoint(
                "Ask for an address, or for another one: it counts once the link that is sent there is "
                "opened; the answer is the same for one that another account has",
                EmailAnswer, status=202, body=EmailBody, errors=(*_MAIL, 503),
            ),
        },
    ),
    Route(
        "/api/me/email/resend",
        ResendHandler,
        {
            "POST": Endpoint(
                "Send the link again: to the address that waits, else to one's own that nobody confirmed",
                EmailAnswer, status=202, errors=(403, 409, 429),
            )
        },
    ),
    Route(
        "/api/me/email/cancel",
        CancelHandler,
        {"POST": Endpoint("Let the address that waits be; its link ends", EmailAnswer)},
    ),
    Route(
        "/api/me/email/remove",
        RemoveHandler,
        {
            "POST": Endpoint(
                "Be without an address; a notice goes there", EmailAnswer, body=CurrentBody,
                errors=(*_MAIL, 503),
            )
        },
    ),
    Route(
        "/api/auth/email/check",
        LinkCheckHandler,
        {
            "POST": Endpoint(
                "Which address this link confirms, while it is good",
                EmailLink, body=TokenBody, errors=(400, 410, 415, 429), signed_in=False,
            )
        },
    ),
    Route(
        "/api/auth/email",
        ConfirmHandler,
        {
            "POST": Endpoint(
                "Confirm an address with a link: from now on it is the account's",
                ConfirmedEmail, body=TokenBody, errors=(400, 409, 410, 415, 429), signed_in=False,
            )
        },
    ),
]  # fmt: skip
