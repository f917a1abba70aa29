"""Invitation links: made and withdrawn by owners, looked at and accepted by their holders.

The link's secret leaves the server once, in the answer to its making; mails have links of their own. A link
that does not work gets one vague 404, whatever the reason.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain import membership
from domain.accounts import Locale, clean_email, hash_token, later, login_key, new_id, new_token
from domain.entities import Role
from domain.errors import Forbidden, Invalid
from domain.mail import MAX_INVITED, Addressed, InviteByMail
from domain.membership import AcceptInvite, CreateInvite, InviteRole, ListInvites, ReadInvite, RevokeInvite
from domain.services import mail, members
from handlers.auth import Ok, Typed
from handlers.base import ApiHandler
from handlers.routes import Endpoint, Route


class Invite(msgspec.Struct, frozen=True):
    """`expires_at` null: never."""

    id: str
    role: InviteRole
    created_at: str
    expires_at: str | None
    revoked: bool


class InviteList(msgspec.Struct, frozen=True):
    invites: list[Invite]


class InviteAnswer(msgspec.Struct, frozen=True):
    """`url` is relative to this site, and is not shown again. `mails`: how many are on their way, each with a
    link of its own."""

    invite: Invite
    url: str
    mails: int


class InviteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without `expires_in_hours` the link works until it is withdrawn. `send_to`: addresses to which it is
    mailed, in the language of `locale`; accounts only."""

    role: InviteRole
    expires_in_hours: Annotated[int, Meta(ge=1, le=8760)] | None = None
    send_to: Annotated[list[Typed], Meta(max_length=MAX_INVITED)] = []
    locale: Locale = "zh"


class InviteOffer(msgspec.Struct, frozen=True):
    """What a link offers. `trip_id` is there only for those who are in already."""

    trip_title: str
    role: InviteRole
    inviter_name: str
    member: bool
    trip_id: str | UnsetType = UNSET


class AcceptAnswer(msgspec.Struct, frozen=True):
    """The role that the caller now has."""

    trip_id: str
    role: Role


def _view(invite: membership.Invite) -> Invite:
    return Invite(invite.id, invite.role, invite.created_at, invite.expires_at, invite.revoked)


class InvitesHandler(ApiHandler):
    async def get(self, trip_id: str) -> None:
        found = await self.deps.run(members.list_invites, ListInvites(trip_id, self.actor))
        self.reply(InviteList([_view(invite) for invite in found]))

    async def post(self, trip_id: str) -> None:
        actor = self.actor
        body = self.read_body(InviteBody)
        token, now = new_token(), self.deps.clock()
        command = CreateInvite(
            trip_id=trip_id,
            actor=actor,
            invite_id=new_id(),
            token_hash=hash_token(token),
            role=body.role,
            expires_at=None if body.expires_in_hours is None else later(now, hours=body.expires_in_hours),
            at=now,
        )
        mails = self.mails(body.send_to)
        if mails:
            sending = InviteByMail(trip_id, command, mails, body.locale, self.address, self.deps.limits)
            made = await self.deps.run(mail.invite_by_mail, sending)
        else:
            made = await self.deps.run(members.create_invite, command)
        for each in mails:
            self.deps.ring(each.job_id, mail=True)
        self.reply(InviteAnswer(_view(made), f"/invite/{token}", len(mails)), status=201)

    def mails(self, addresses: list[str]) -> list[Addressed]:
        """One for each address, however often it is named. Raises `Invalid`, and `Forbidden` without mail."""
        if addresses and not self.deps.features.mail:
            raise Forbidden("this site sends no mail", code="mail_off")
        wanted: dict[str, str] = {}
        for n, text in enumerate(addresses):
            try:
                address = clean_email(text)
            except Invalid as error:
                raise Invalid(error.message, field=f"send_to.{n}") from None
            wanted.setdefault(login_key(address), address)
        return [Addressed(new_id(), address) for address in wanted.values()]


class TripInviteHandler(ApiHandler):
    async def delete(self, trip_id: str, invite_id: str) -> None:
        await self.deps.run(members.revoke_invite, RevokeInvite(trip_id, self.actor, invite_id))
        self.reply(Ok())


class InviteHandler(ApiHandler):
    async def get(self, token: str) -> None:
        command = ReadInvite(hash_token(token), self.visitor, self.deps.clock())
        offer = await self.deps.run(members.read_invite, command)
        self.reply(
            InviteOffer(
                offer.trip_title,
                offer.role,
                offer.inviter_name,
                offer.member,
                offer.trip_id if offer.member else UNSET,
            )
        )


class AcceptHandler(ApiHandler):
    async def post(self, token: str) -> None:
        actor, now = self.actor, self.deps.clock()
        # Which trip it is decides in which lane the acceptance, with all its checks, runs.
        offer = await self.deps.run(members.read_invite, ReadInvite(hash_token(token), actor, now))
        command = AcceptInvite(offer.trip_id, actor, hash_token(token), f"join-{new_id()}", now)
        done = await self.deps.run(members.accept_invite, command)
        self.reply(AcceptAnswer(done.trip_id, done.role))


_OWNER = (403, 404, 410)

routes = [
    Route(
        "/api/trips/{trip_id}/invites",
        InvitesHandler,
        {
            "GET": Endpoint("Links of a trip, newest first (owner)", InviteList, errors=_OWNER),
            "POST": Endpoint(
                "Make a link, and mail it if wanted (owner)",
                InviteAnswer,
                status=201,
                body=InviteBody,
                errors=(400, *_OWNER, 415, 422, 429),
            ),
        },
    ),
    Route(
        "/api/trips/{trip_id}/invites/{invite_id}",
        TripInviteHandler,
        {"DELETE": Endpoint("Withdraw a link (owner)", Ok, errors=_OWNER)},
    ),
    Route(
        "/api/invites/{token}",
        InviteHandler,
        {"GET": Endpoint("What a link offers", InviteOffer, errors=(404,), signed_in=False)},
    ),
    Route(
        "/api/invites/{token}/accept",
        AcceptHandler,
        {"POST": Endpoint("Join by a link", AcceptAnswer, errors=(403, 404, 422))},
    ),
]
