"""Putting a mail into the queue, inside of any service that has a reason to write to somebody.

Owns the two rows of a mail, and how long it may wait. Called by other services only.
"""

from __future__ import annotations

from typing import Literal

from domain.accounts import Locale, User, later
from domain.jobs import RING_SECONDS, Job, Letter
from domain.mail import LINK_WAIT_MINUTES, MAIL_KEEP_HOURS, Mail
from domain.ports import UnitOfWork

Notice = Literal["changed", "moved", "unlinked"]


def queue_mail(
    uow: UnitOfWork,
    job_id: str,
    letter: Letter,
    locale: Locale,
    at: str,
    *,
    recipient: str,
    about: str = "",
    user_id: str = "",
    trip_id: str = "",
) -> None:
    """Store the job and its mail; whoever called the service rings for it after the commit."""
    linked = letter in ("reset", "confirm")
    wait = {"minutes": LINK_WAIT_MINUTES} if linked else {"hours": MAIL_KEEP_HOURS}
    job = Job(
        id=job_id,
        user_id=user_id,
        trip_id=trip_id,
        format=letter,
        locale=locale,
        created_at=at,
        due_at=later(at, seconds=RING_SECONDS),
        expires_at=later(at, **wait),
        kind="mail",
    )
    uow.jobs.add(job)
    uow.mails.add(Mail(job_id, recipient, about, at))


def queue_notice(uow: UnitOfWork, job_id: str, notice: Notice, address: str, user: User, at: str) -> None:
    """Word to the owner of an account of what has become of it."""
    queue_mail(uow, job_id, notice, user.locale, at, recipient=address, about=user.id, user_id=user.id)
