"""Mail: asked for, prepared by an attempt, and what its links do.

Owns what a mail may say and to whom, when it is not sent after all, and the rules of links for new
passwords; those of links for addresses are in `domain.services.addresses`. Whoever asks for a new password,
or for an address, learns nothing about other accounts: the same is written for any name, and who is meant is
found out by the worker. Called through `run(service, command)` by `handlers.resets`, `handlers.invites` and
`realtime.jobs`.
"""

from __future__ import annotations

import msgspec

from domain.accounts import Limit, Limits, SessionChange, User, is_locked, later, login_key, mailbox_key
from domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Gone,
    LimitReached,
    NotFound,
    Throttled,
    Unavailable,
)
from domain.jobs import LEASE_SECONDS, Job
from domain.mail import (
    MAIL_KEEP_HOURS,
    MAILBOX_FULL,
    MAX_INVITED,
    RESET_MINUTES,
    FinishMail,
    FinishReset,
    InviteByMail,
    Mail,
    Prepared,
    PrepareMail,
    ReadReset,
    RequestReset,
    ResetLink,
    ResetOffer,
)
from domain.membership import Invite
from domain.ports import UnitOfWork
from domain.services.accounts import account_key, count_here, forgive, open_session, tell_owner
from domain.services.mailing import queue_mail
from domain.services.members import create_invite


def request_reset(command: RequestReset, uow: UnitOfWork) -> None:
    """Put the mail into the queue, whoever `login` is. Raises `Throttled`, for unknown names, too."""
    limits, key = command.limits, login_key(command.login)
    count_mail(uow, f"reset:address:{command.address}", limits.reset_address, command.at)
    count_mail(uow, f"reset:account:{key}", limits.reset_account, command.at)
    queue_mail(uow, command.job_id, "reset", command.locale, command.at, recipient=command.login)


def read_reset(command: ReadReset, uow: UnitOfWork) -> ResetOffer:
    """Whose link this is. Raises `Gone`, whatever the reason."""
    return _offer(uow, command.token_hash, command.at)


def finish_reset(command: FinishReset, uow: UnitOfWork) -> SessionChange:
    """Set the password. `ended`: every session that the account had, and `old_auth_id`. An address that
    somebody wanted for the account is forgotten; the one that the link came to is confirmed by it. Raises
    `Gone`."""
    offered = _offer(uow, command.token_hash, command.at).user
    user = uow.accounts.hold_user(offered.id)
    # Of several callers, one finds a link that is not used.
    if (
        user is None
        or user.id != command.user_id
        or not _may_reset(user)
        or not uow.mails.use_resets(user.id)
    ):
        raise _no_link()
    uow.mails.end_email_change(user.id)
    confirmed_at = None if user.email is None else user.email_confirmed_at or command.at
    user = msgspec.structs.replace(user, password_hash=command.password_hash, email_confirmed_at=confirmed_at)
    uow.accounts.update_user(user)
    for key in (user.username_key, user.email_key):
        if key is not None:
            forgive(uow.accounts, account_key(key), command.limits.login_account, command.at, count=None)
    ended = uow.accounts.remove_sessions_of(user.id)
    if command.old_auth_id is not None and command.old_auth_id not in ended:
        uow.accounts.remove_sessions([command.old_auth_id])
        ended.append(command.old_auth_id)
    open_session(uow.accounts, user.id, command.session, command.at)
    tell_owner(uow, command.notice_id, "changed", user, command.limits, command.at)
    return SessionChange(user, ended)


def invite_by_mail(command: InviteByMail, uow: UnitOfWork) -> Invite:
    """Make an invitation and a mail for each address. Raises as `create_invite`, `Throttled`, and `Forbidden`
    for guests: an account is what a sender of mail has to lose."""
    create, limits = command.create, command.limits
    invite = create_invite(create, uow)
    if create.actor.is_guest:
        raise Forbidden("a guest sends no mail: create an account first", code="guest")
    if len(command.to) > MAX_INVITED:
        raise LimitReached(f"an invitation is sent to at most {MAX_INVITED} addresses", limit=MAX_INVITED)
    shared = (
        (f"invite:account:{create.actor.user_id}", limits.invite_mails_account),
        (f"invite:address:{command.address}", limits.invite_mails_address),
        (f"invite:trip:{create.trip_id}", limits.invite_mails_trip),
    )
    for mail in command.to:
        for key, limit in shared:
            count_mail(uow, key, limit, create.at)
        count_mail(uow, f"invite:to:{mailbox_key(mail.address)}", limits.invite_mails_recipient, create.at)
        queue_mail(
            uow,
            mail.job_id,
            "invite",
            command.locale,
            create.at,
            user_id=create.actor.user_id or "",
            trip_id=create.trip_id,
            recipient=mail.address,
            about=invite.id,
        )
    return invite


def prepare_mail(command: PrepareMail, uow: UnitOfWork) -> Prepared | None:
    """What this attempt is to send, with its link made good; None when there is nothing to send: then the
    job has ended. Raises `Conflict` when the attempt has lost its lease, `Gone` for what must not be sent
    any more."""
    lease = later(command.at, seconds=LEASE_SECONDS)
    job, mail = uow.jobs.job(command.job_id), uow.mails.mail(command.job_id)
    # Before the job, as whoever removes the job of an older wish does.
    user = None if job is None or mail is None else _hold_owner(uow, job, mail)
    if job is None or mail is None or not uow.jobs.renew(job.id, command.token, lease):
        raise Conflict("somebody else sends this mail", code="lease_lost")
    match job.format:
        case "reset":
            return _prepare_reset(command, uow, job, user)
        case "confirm":
            return _prepare_confirm(command, uow, job, user)
        case "changed" | "moved" | "unlinked":
            about = uow.accounts.user(mail.about)
            name = "" if about is None else about.name
            return Prepared(job.id, job.format, mail.recipient, job.locale, job.created_at, name=name)
        case "invite":
            return _prepare_invite(command, uow, job, mail)
        case _:
            raise Unavailable("this mail is of a version to come")


def _hold_owner(uow: UnitOfWork, job: Job, mail: Mail) -> User | None:
    """Who is to get a link, held: while it is made good, neither the address that it goes to nor the password
    is changed, for both end all links."""
    if job.format == "confirm":
        return uow.accounts.hold_user(mail.about)
    if job.format != "reset":
        return None
    key = login_key(mail.recipient)
    found = uow.accounts.user_by_login(key)
    user = None if found is None else uow.accounts.hold_user(found.id)
    return user if user is not None and key in (user.username_key, user.email_key) else None


def _prepare_reset(command: PrepareMail, uow: UnitOfWork, job: Job, user: User | None) -> Prepared | None:
    if user is None or not _may_reset(user) or user.email is None:
        _end(uow, job.id, command.token, command.at)
        return None
    known = uow.mails.resets_of(user.id)
    if any(link.asked_at > job.created_at for link in known):
        raise Gone("a newer mail was asked for", code="superseded")
    if any(link.used for link in known if link.job_id == job.id):
        raise Gone("this link was used", code="superseded")
    _count_mailbox(uow, job, user.email, command.limits, command.at)
    older = [link.job_id for link in known if link.job_id != job.id]
    uow.jobs.remove(list(dict.fromkeys(older)))
    expires_at = later(command.at, minutes=RESET_MINUTES)
    uow.mails.add_reset(ResetLink(command.link_hash, job.id, user.id, job.created_at, expires_at))
    return Prepared(job.id, "reset", user.email, job.locale, job.created_at, name=user.name)


def _prepare_confirm(command: PrepareMail, uow: UnitOfWork, job: Job, user: User | None) -> Prepared | None:
    change = None if user is None else uow.mails.email_change(user.id)
    if user is None or not _may_reset(user):
        _end(uow, job.id, command.token, command.at)
        return None
    if change is None or change.job_id != job.id or change.expires_at <= command.at:
        raise Gone("this address is not wanted any more", code="superseded")
    _count_mailbox(uow, job, change.email, command.limits, command.at)
    holder = uow.accounts.user_by_login(login_key(change.email))
    if holder is not None and holder.id != user.id:
        # Who asked is not told, whose mailbox it is may know.
        return Prepared(job.id, "in_use", change.email, job.locale, job.created_at, name=holder.name)
    uow.mails.add_email_link(command.link_hash, job.id)
    return Prepared(job.id, "confirm", change.email, job.locale, job.created_at, name=user.name)


def _count_mailbox(uow: UnitOfWork, job: Job, address: str, limits: Limits, at: str) -> None:
    """One more mail with a link for this mailbox, counted when it is first tried. Raises `Gone`: whoever
    asked has been answered long ago, and does not hear of it."""
    if job.attempts > 1:
        return
    mailbox = mailbox_key(address)
    allowed = [(f"link:to:{mailbox}", limits.link_mails_recipient)]
    if job.format == "reset":
        allowed.append((f"reset:to:{mailbox}", limits.more_resets_recipient))
    for key, limit in allowed:
        try:
            count_here(uow.accounts, key, limit, at)
            return
        except Throttled:
            continue
    raise Gone("this mailbox has had its mails of the day", code=MAILBOX_FULL)


def _prepare_invite(command: PrepareMail, uow: UnitOfWork, job: Job, mail: Mail) -> Prepared:
    invite = next((each for each in uow.accounts.invites_of(job.trip_id) if each.id == mail.about), None)
    if invite is None or not invite.usable(command.at):
        raise Gone("this invitation was withdrawn, or has expired", code="withdrawn")
    try:
        trip = uow.trips.read(job.trip_id).trip
    except NotFound:
        trip = None
    if trip is None or trip.deleted:
        raise Gone("this trip was deleted", code="withdrawn")
    uow.accounts.add_invite_link(command.link_hash, invite.id)
    return Prepared(
        job.id,
        "invite",
        mail.recipient,
        job.locale,
        job.created_at,
        trip_title=trip.title,
        inviter_name=invite.inviter_name,
        role=invite.role,
    )


def finish_mail(command: FinishMail, uow: UnitOfWork) -> bool:
    """A server has taken it. False when the attempt had lost its lease: another one sends the same mail."""
    return _end(uow, command.job_id, command.token, command.at)


def _end(uow: UnitOfWork, job_id: str, token: str, at: str) -> bool:
    done = uow.jobs.end(job_id, token, at, later(at, hours=MAIL_KEEP_HOURS))
    if done:
        uow.mails.remove([job_id])
    return done


def _offer(uow: UnitOfWork, token_hash: str, at: str) -> ResetOffer:
    link = uow.mails.reset(token_hash)
    user = None if link is None or link.used or link.expires_at <= at else uow.accounts.user(link.user_id)
    if link is None or user is None or not _may_reset(user):
        raise _no_link()
    return ResetOffer(user, link.expires_at)


def _may_reset(user: User) -> bool:
    return user.password_hash is not None and not is_locked(user)


def _no_link() -> DomainError:
    return Gone("this link has expired, was used, or was replaced by a newer one", code="reset_expired")


def count_mail(uow: UnitOfWork, key: str, limit: Limit, at: str) -> None:
    """Count one mail that somebody asks for. Raises `Throttled`, in words for them."""
    try:
        count_here(uow.accounts, key, limit, at)
    except Throttled as error:
        message = "so many mails have been asked for, wait a little"
        raise Throttled(message, code="mail_throttled", **error.details) from None
