"""One mail from its job to the server that takes it: prepare, write, hand over, record.

Owns the secret of each attempt's link, which is made here, stands in the mail and nowhere else, and what
becomes of each outcome. Called by `realtime.jobs.worker`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from domain.accounts import Limits, hash_token, new_id, new_token
from domain.jobs import Job, Letter
from domain.mail import FinishMail, PrepareMail
from domain.ports import Run
from domain.services import mail
from realtime.jobs.letters import write_letter, write_trial
from realtime.jobs.smtp import Send, Undelivered

Result = Literal["sent", "nobody", "deferred", "refused"]
"""`nobody`: there was no account to write to; `deferred`: to be tried again; `refused`: the server will not
take it."""
RESULTS: tuple[Result, ...] = ("sent", "nobody", "deferred", "refused")
PATHS: dict[Letter, str] = {
    "reset": "/reset#{token}",
    "changed": "/login",
    "invite": "/invite/{token}",
    "confirm": "/confirm#{token}",
    "in_use": "/forgot",
    "moved": "/login",
    "unlinked": "/login",
}
"""A fragment is never sent to a server, nor to the next page; what is behind /invite/ is kept out of logs."""


@dataclass(frozen=True)
class Post:
    """`site`: the address of this site, without a slash at the end. `sender`: name and address. `limits`: how
    many mails a mailbox gets."""

    send: Send
    site: str
    sender: tuple[str, str]
    limits: Limits = field(default_factory=Limits)

    @property
    def domain(self) -> str:
        """Right side of our Message-IDs."""
        return self.sender[1].rpartition("@")[2]


async def send_trial(post: Post, to: str) -> None:
    """Send an operator's test, at once. Raises `Undelivered`."""
    message = write_trial(to, post.site, post.sender, new_id(), datetime.now(UTC))
    await post.send(message, post.sender[1], to)


class Postman:
    """Sends mails. `counts`: attempts of this process by what became of them."""

    def __init__(self, run: Run, post: Post, clock: Callable[[], str]) -> None:
        self._run = run
        self._post = post
        self._clock = clock
        self.counts: Counter[Result] = Counter(dict.fromkeys(RESULTS, 0))

    async def deliver(self, job: Job, token: str) -> bool:
        """Send the mail of this job, unless it has become pointless. False when the attempt lost its lease
        meanwhile. Raises `Undelivered`, and as `prepare_mail` does."""
        secret = new_token()
        command = PrepareMail(job.id, token, hash_token(secret), self._post.limits, self._clock())
        prepared = await self._run(mail.prepare_mail, command)
        if prepared is None:
            self.counts["nobody"] += 1
            return True
        link = self._post.site + PATHS[prepared.letter].format(token=secret)
        message = write_letter(prepared, link, self._post.sender, self._post.domain)
        try:
            await self._post.send(message, self._post.sender[1], prepared.to)
        except Undelivered as error:
            self.counts["refused" if error.final else "deferred"] += 1
            raise
        self.counts["sent"] += 1
        return await self._run(mail.finish_mail, FinishMail(job.id, token, self._clock()))
