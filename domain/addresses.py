"""The e-mail address of an account: added, changed, confirmed, removed.

Owns the entity `EmailChange` and the commands of `domain.services.addresses`. A new address takes the place
of the old one only when a link that was sent to it is opened; until then it waits as the account's one
`EmailChange`, which a newer wish replaces. Who asks is never told whether another account has the address:
its mailbox is. Times are as in `domain.accounts`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from domain.accounts import Limits, User

EMAIL_HOURS = 24
"""How long a link that confirms an address is good, from the wish on. No longer than its mail's job is kept
(`domain.mail.MAIL_KEEP_HOURS`), with which it goes."""

Delivery = Literal["sending", "sent", "failed"]
"""Of the mail with the link. `failed`: no mail server has taken it, and it is not tried any more."""


# --- entities -----------------------------------------------------------------------------


class EmailChange(msgspec.Struct, frozen=True):
    """An address that waits until it is confirmed: at most one of each account. Goes with the job of its
    mail."""

    user_id: str
    job_id: str
    email: str
    asked_at: str
    expires_at: str


class PendingEmail(msgspec.Struct, frozen=True):
    """The same, as its owner sees it."""

    email: str
    delivery: Delivery
    asked_at: str
    expires_at: str


class EmailState(msgspec.Struct, frozen=True):
    """`removable`: there is a user name to sign in with. `pending`: what waits to be confirmed."""

    email: str | None
    confirmed: bool
    removable: bool
    pending: PendingEmail | None


# --- commands -----------------------------------------------------------------------------


class ReadEmail(msgspec.Struct, frozen=True):
    reads_only: ClassVar[bool] = True
    user_id: str
    at: str


class RequestEmail(msgspec.Struct, frozen=True):
    """Send a link to `email`, with which it becomes the address of the account. The current password fits
    `verified_hash`. `address`: where the person is."""

    user_id: str
    job_id: str
    email: str
    verified_hash: str
    address: str
    limits: Limits
    at: str


class ResendEmail(msgspec.Struct, frozen=True):
    """Send the link again, and end the one before: to the address that waits, else to the account's own, if
    nobody has confirmed it."""

    user_id: str
    job_id: str
    address: str
    limits: Limits
    at: str


class CancelEmail(msgspec.Struct, frozen=True):
    """Let the address that waits be. Again is fine."""

    user_id: str


class RemoveEmail(msgspec.Struct, frozen=True):
    """Be without an address. `notice_id`: of the mail to it; None where no mail is sent."""

    user_id: str
    verified_hash: str
    notice_id: str | None
    limits: Limits
    at: str


class ReadEmailLink(msgspec.Struct, frozen=True):
    """What this link confirms, while it is good."""

    reads_only: ClassVar[bool] = True
    token_hash: str
    at: str


class EmailOffer(msgspec.Struct, frozen=True):
    """Whose address a link confirms, and until when."""

    user: User
    email: str
    expires_at: str


class ConfirmEmail(msgspec.Struct, frozen=True):
    """The link was opened. `notice_id`: of the mail to the former address; None where no mail is sent."""

    token_hash: str
    notice_id: str | None
    limits: Limits
    at: str
