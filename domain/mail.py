"""Mail: what is written to whom, and the links that it carries.

Owns the entities, the commands of `domain.services.mail`, and the port `Mails`. A mail is a job (see
`domain.jobs`) with a row beside it, which holds the address and goes when the job ends. No secret is ever
stored: each attempt makes a link of its own, whose hash is kept, and all links of one wish are good
until one of them is used. Times are as in `domain.accounts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

import msgspec

from domain.accounts import Limits, Locale, NewSession, User
from domain.addresses import EmailChange
from domain.commands import RoomCommand
from domain.jobs import Letter
from domain.membership import CreateInvite, InviteRole

MAX_MAIL_ATTEMPTS = 7
BACKOFF_SECONDS = 30
"""Between the first two attempts; it doubles each time: the last one is 31.5 minutes after the first."""
RESET_MINUTES = 60
"""How long a link for a new password is good, from its mail on."""
LINK_WAIT_MINUTES = 60
"""A mail with a link for a password or an address that could not be sent for so long is not sent any more."""
MAIL_KEEP_HOURS = 24
"""An ended mail goes after so long, without its address, which went with its end."""
MAILBOX_FULL = "mailbox_full"
"""The error of a mail with a link that was one too many for its mailbox."""
MAX_INVITED = 20
"""Addresses to which one invitation is sent."""


def backoff(attempts: int) -> int:
    """Seconds from a failed attempt, the `attempts`-th, to the next."""
    return BACKOFF_SECONDS << max(attempts - 1, 0)


# --- entities -----------------------------------------------------------------------------


class Mail(msgspec.Struct, frozen=True):
    """What a mail's job needs, until it ends. `recipient`: an address; of a `reset`, what somebody typed as
    their user name or address. `about`: the id of the invitation, or of the account, empty of a `reset`.
    `not_before`: when it may be tried (again)."""

    job_id: str
    recipient: str
    about: str
    not_before: str


class ResetLink(msgspec.Struct, frozen=True):
    """A link for a new password. `asked_at`: when its mail was asked for; a later wish ends it. Goes with
    its job."""

    token_hash: str
    job_id: str
    user_id: str
    asked_at: str
    expires_at: str
    used: bool = False


class Addressed(msgspec.Struct, frozen=True):
    """One mail to be made: its job's id is chosen by the caller."""

    job_id: str
    address: str


# --- commands -----------------------------------------------------------------------------


class RequestReset(msgspec.Struct, frozen=True):
    """Somebody wants a new password for `login`. What is written does not depend on whether it exists."""

    job_id: str
    login: str
    locale: Locale
    address: str
    limits: Limits
    at: str


class ReadReset(msgspec.Struct, frozen=True):
    """Whose link this is, while it is good."""

    reads_only: ClassVar[bool] = True
    token_hash: str
    at: str


class ResetOffer(msgspec.Struct, frozen=True):
    """Whose password a link sets, and until when."""

    user: User
    expires_at: str


class FinishReset(msgspec.Struct, frozen=True):
    """Set the password, end every session, open a new one, write a notice. `old_auth_id`: the session that
    this browser had."""

    token_hash: str
    user_id: str
    password_hash: str
    session: NewSession
    notice_id: str
    limits: Limits
    at: str
    old_auth_id: str | None = None


class InviteByMail(RoomCommand, frozen=True):
    """Make an invitation and send it to these addresses, each with a link of its own. `address`: where the
    inviter is."""

    create: CreateInvite
    to: list[Addressed]
    locale: Locale
    address: str
    limits: Limits


class PrepareMail(msgspec.Struct, frozen=True):
    """What an attempt is to send; `link_hash` becomes a link where the letter has one."""

    job_id: str
    token: str
    link_hash: str
    limits: Limits
    at: str


class FinishMail(msgspec.Struct, frozen=True):
    """A server has taken the mail."""

    job_id: str
    token: str
    at: str


class Prepared(msgspec.Struct, frozen=True):
    """All that a mail says. `name`: of whom it concerns. `role`, `trip_title`, `inviter_name`: of an
    invitation. `asked_at`: when the job was made, the same for each attempt."""

    job_id: str
    letter: Letter
    to: str
    locale: Locale
    asked_at: str
    name: str = ""
    trip_title: str = ""
    inviter_name: str = ""
    role: InviteRole = "viewer"


# --- port ---------------------------------------------------------------------------------


class Mails(Protocol):
    """Mails, and links for new passwords and for addresses, inside one unit of work. Everything is written at
    once; what belongs to a job goes with `Jobs.remove`, too."""

    def add(self, mail: Mail) -> None:
        """After its job."""

    def mail(self, job_id: str) -> Mail | None: ...

    def hold(self, job_id: str, not_before: str) -> None:
        """Not to be tried before then."""

    def remove(self, job_ids: Sequence[str]) -> None:
        """Forget the addresses."""

    def add_reset(self, link: ResetLink) -> None: ...

    def reset(self, token_hash: str) -> ResetLink | None: ...

    def resets_of(self, user_id: str) -> list[ResetLink]:
        """Used and expired ones, too; last asked for first."""

    def use_resets(self, user_id: str) -> bool:
        """End every link of this user. False when none was unused: of several callers, one gets True."""

    def set_email_change(self, change: EmailChange) -> None:
        """After its job; replaces the user's former one."""

    def email_change(self, user_id: str) -> EmailChange | None: ...

    def end_email_change(self, user_id: str, job_id: str | None = None) -> bool:
        """Forget it, whichever it is or only that of `job_id`: of several callers, one gets True."""

    def add_email_link(self, token_hash: str, job_id: str) -> None:
        """A link of the change whose mail this job sends."""

    def email_change_of(self, token_hash: str) -> EmailChange | None:
        """The change that this link confirms, while it is its user's."""
