"""The e-mail address of an account: asked for, confirmed by a link, removed.

Owns what an account may do with its address, and that of several who want the same one gets it. Each service
holds the account's row before it believes anything: a password that is changed or reset at that moment is
changed either before, and then the link is dead, or after, and then the address was confirmed in time. Mails
are prepared in `domain.services.mail`. Called through `run(service, command)` by `handlers.addresses`.
"""

from __future__ import annotations

import msgspec

from domain.accounts import Limits, User, clean_email, is_locked, later, login_key, mailbox_key
from domain.addresses import (
    EMAIL_HOURS,
    CancelEmail,
    ConfirmEmail,
    Delivery,
    EmailChange,
    EmailOffer,
    EmailState,
    PendingEmail,
    ReadEmail,
    ReadEmailLink,
    RemoveEmail,
    RequestEmail,
    ResendEmail,
)
from domain.errors import Conflict, DomainError, Forbidden, Gone, Unauthenticated
from domain.jobs import Job
from domain.mail import MAILBOX_FULL
from domain.ports import UnitOfWork
from domain.services.accounts import tell_owner
from domain.services.mail import count_mail
from domain.services.mailing import Notice, queue_mail


def read_email(command: ReadEmail, uow: UnitOfWork) -> EmailState:
    """One's own address, and the one that waits."""
    user = uow.accounts.user(command.user_id)
    if user is None:
        raise Unauthenticated("sign in first")
    return _state(uow, user, command.at)


def request_email(command: RequestEmail, uow: UnitOfWork) -> EmailState:
    """Put the mail with the link into the queue; the account has its old address until the link is opened.

    Says the same whether another account has the address or not. Raises `Invalid`, `Throttled`, `Conflict`
    (`same_email`: it is confirmed already) and as `_hold` does.
    """
    email = clean_email(command.email)
    user = _hold(uow, command.user_id, command.verified_hash)
    if email == user.email and user.email_confirmed_at is not None:
        raise Conflict("this is the address of your account already", code="same_email")
    return _send_link(uow, user, email, command)


def resend_email(command: ResendEmail, uow: UnitOfWork) -> EmailState:
    """Send the link again. Raises `Throttled`, and `Conflict` (`no_email`) when nothing waits for it."""
    user = _hold(uow, command.user_id)
    pending = _pending(uow, user, command.at)
    unconfirmed = user.email if user.email_confirmed_at is None else None
    email = unconfirmed if pending is None else pending.email
    if email is None:
        raise Conflict("there is no address that waits to be confirmed", code="no_email")
    return _send_link(uow, user, email, command)


def cancel_email(command: CancelEmail, uow: UnitOfWork) -> None:
    """End the link that was sent."""
    uow.mails.end_email_change(command.user_id)


def remove_email(command: RemoveEmail, uow: UnitOfWork) -> EmailState:
    """Take the address away, with every link that was sent to it, and say so there. Again is fine.

    Raises `Conflict` (`only_login`) when there is no user name to sign in with, and as `_hold` does.
    """
    user = _hold(uow, command.user_id, command.verified_hash)
    if user.username is None:
        raise Conflict("you sign in with this address: it can be changed, not removed", code="only_login")
    uow.mails.end_email_change(user.id)
    bare = msgspec.structs.replace(user, email=None, email_key=None, email_confirmed_at=None)
    _put(uow, user, bare, command)
    return _state(uow, bare, command.at)


def read_email_link(command: ReadEmailLink, uow: UnitOfWork) -> EmailOffer:
    """What this link confirms. Raises `Gone`, whatever the reason."""
    change, user = _offered(uow, command.token_hash, command.at)
    return EmailOffer(user, change.email, change.expires_at)


def confirm_email(command: ConfirmEmail, uow: UnitOfWork) -> User:
    """Make it the address of the account. Every link that was sent to the old one ends, and a notice goes
    there. Raises `Gone`; `Conflict` (`email_taken`) when another account has it: who opens the link has shown
    whose mailbox it is, and may know."""
    change, offered = _offered(uow, command.token_hash, command.at)
    user = uow.accounts.hold_user(offered.id)
    # Of several callers one finds it, and none whose wish was replaced meanwhile.
    if user is None or not _may_have_mail(user) or not uow.mails.end_email_change(user.id, change.job_id):
        raise _no_link()
    confirmed = msgspec.structs.replace(
        user, email=change.email, email_key=login_key(change.email), email_confirmed_at=command.at
    )
    try:
        _put(uow, user, confirmed, command)
    except Conflict:
        raise Conflict("another account has this address", code="email_taken") from None
    return confirmed


def _put(uow: UnitOfWork, old: User, new: User, command: ConfirmEmail | RemoveEmail) -> None:
    uow.accounts.update_user(new)
    if old.email_key is None or old.email_key == new.email_key:
        return
    uow.mails.use_resets(old.id)
    if command.notice_id is not None:
        notice: Notice = "unlinked" if new.email is None else "moved"
        tell_owner(uow, command.notice_id, notice, old, command.limits, command.at)


def _hold(uow: UnitOfWork, user_id: str, verified_hash: str | None = None) -> User:
    """Raises `Unauthenticated`, `Forbidden` (`guest`), and `Conflict` when the password was changed."""
    user = uow.accounts.hold_user(user_id)
    if user is None:
        raise Unauthenticated("sign in first")
    if user.password_hash is None:
        raise Forbidden("a guest has no address: create an account instead", code="guest")
    if verified_hash is not None and user.password_hash != verified_hash:
        raise Conflict("the password was changed meanwhile")
    return user


def _send_link(uow: UnitOfWork, user: User, email: str, command: RequestEmail | ResendEmail) -> EmailState:
    limits: Limits = command.limits
    for key, limit in (
        (f"email:account:{user.id}", limits.email_account),
        (f"email:address:{command.address}", limits.email_address),
        (f"email:to:{mailbox_key(email)}", limits.email_recipient),
    ):
        count_mail(uow, key, limit, command.at)
    before = uow.mails.email_change(user.id)
    queue_mail(
        uow,
        command.job_id,
        "confirm",
        user.locale,
        command.at,
        recipient=email,
        about=user.id,
        user_id=user.id,
    )
    expires_at = later(command.at, hours=EMAIL_HOURS)
    uow.mails.set_email_change(EmailChange(user.id, command.job_id, email, command.at, expires_at))
    if before is not None:
        uow.jobs.remove([before.job_id])  # with its links
    return _state(uow, user, command.at)


def _state(uow: UnitOfWork, user: User, at: str) -> EmailState:
    change = _pending(uow, user, at)
    pending = None
    if change is not None:
        delivery = _delivery(uow.jobs.job(change.job_id))
        pending = PendingEmail(change.email, delivery, change.asked_at, change.expires_at)
    confirmed = user.email is not None and user.email_confirmed_at is not None
    removable = user.email is not None and user.username is not None
    return EmailState(user.email, confirmed, removable, pending)


def _pending(uow: UnitOfWork, user: User, at: str) -> EmailChange | None:
    change = uow.mails.email_change(user.id)
    return None if change is None or change.expires_at <= at else change


def _delivery(job: Job | None) -> Delivery:
    """That a mailbox has had enough is not said: it would tell that there is an account for which mails were
    sent there."""
    if job is None or job.status == "done" or job.error == MAILBOX_FULL:
        return "sent"
    return "failed" if job.status == "failed" else "sending"


def _offered(uow: UnitOfWork, token_hash: str, at: str) -> tuple[EmailChange, User]:
    change = uow.mails.email_change_of(token_hash)
    user = None if change is None or change.expires_at <= at else uow.accounts.user(change.user_id)
    if change is None or user is None or not _may_have_mail(user):
        raise _no_link()
    return change, user


def _may_have_mail(user: User) -> bool:
    return user.password_hash is not None and not is_locked(user)


def _no_link() -> DomainError:
    return Gone("this link has expired, was used, or was replaced by a newer one", code="link_expired")
