"""Heavy work that is done beside the requests: jobs, each a row, and the files that they make.

Owns the entities, the commands of `domain.services.jobs`, and the port `Jobs`. The row is the truth: a
job is committed before anybody is told of it, a worker takes it with a *lease* and the token of its
*attempt*, and only the attempt that still holds the lease can finish it. So a job is never lost with
its worker, and never has its effect twice, however often and by whomever the doorbell is rung. What a
job makes is kept with the row, in pieces, for a while. Times are as in `domain.accounts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

import msgspec

from domain.accounts import Locale
from domain.commands import Actor, RoomCommand
from domain.entities import AccessRole, Snapshot
from domain.talk import Message, Proposal

LEASE_SECONDS = 30
RING_SECONDS = 30
RING_SECONDS_MOST = 120
"""A job that nobody has taken is called out again after so long, less often the longer it waits."""
MAX_ATTEMPTS = 3
"""Of an export; for mails see `domain.mail`."""
MAX_UNDER_WAY = 3
"""Exports of one person that wait or are worked on."""
MAX_KEPT = 10
"""Exports that are kept for one person: the oldest makes room."""
KEEP_DAYS = 3
"""A finished job, with its file, goes after so long; one that nobody finished, too."""
MAX_FILE = 32 * 1024 * 1024
"""Bytes of a file."""
MAX_PHOTO_BYTES = 12 * 1024 * 1024
"""Bytes of photos in an export: the cover first, then those of the stops in order."""
MAX_MESSAGES = 20_000
"""Messages of each channel in an export: the newest."""

JobKind = Literal["export", "mail", "thumbnail"]
JobStatus = Literal["queued", "running", "done", "failed"]
Format = Literal["calendar", "page", "data"]
"""iCalendar; a page to print or take along; everything one may see, as JSON."""
Letter = Literal["reset", "changed", "invite", "confirm", "in_use", "moved", "unlinked"]
"""Mails: a link for a new password; word that the password was changed; an invitation to a trip; a link that
makes an address an account's own, or word that it is another account's; word to the former address that
another one has taken its place, or none."""
JobFormat = Format | Letter | Literal["webp"]
"""What a job makes: an export's format, a mail, or the sizes of a photo."""


# --- entities -----------------------------------------------------------------------------


class Job(msgspec.Struct, frozen=True):
    """One piece of work. `due_at`: of a queued job, when it is called out again; of a running one, the
    end of its lease. `token` names the attempt that holds the lease. `error` is a stable code.
    `name`, `media_type` and `size` are those of the file. `for_member`: it holds what only members see.
    `user_id` is who asked for it, `trip_id` what it is about; both may be empty for a mail.
    """

    id: str
    user_id: str
    trip_id: str
    format: JobFormat
    locale: Locale
    created_at: str
    due_at: str
    expires_at: str
    kind: JobKind = "export"
    status: JobStatus = "queued"
    attempts: int = 0
    token: str | None = None
    finished_at: str | None = None
    error: str | None = None
    name: str = ""
    media_type: str = ""
    size: int = 0
    for_member: bool = False


class File(msgspec.Struct, frozen=True):
    """What a job made."""

    name: str
    media_type: str
    body: bytes
    for_member: bool


class Material(msgspec.Struct, frozen=True):
    """What an export is made of: what its asker may see, at one seq. Spectators get no talk. `photos`:
    WebP by id, of those that the trip shows, as far as they fit."""

    at: str
    seq: int
    role: AccessRole
    locale: Locale
    snapshot: Snapshot
    messages: list[Message] = []
    proposals: list[Proposal] = []
    photos: dict[str, bytes] = {}


# --- commands -----------------------------------------------------------------------------


class RequestExport(msgspec.Struct, frozen=True):
    """Put an export into the queue. The same `job_id` again is the same job."""

    job_id: str
    actor: Actor
    trip_id: str
    format: Format
    locale: Locale
    at: str


class ReadExport(msgspec.Struct, frozen=True):
    """One's own export, while one may see what it holds."""

    reads_only: ClassVar[bool] = True
    actor: Actor
    job_id: str


class ClaimJob(msgspec.Struct, frozen=True):
    """Take a job that waits, or whose lease has run out."""

    job_id: str
    token: str
    at: str


class RenewLease(msgspec.Struct, frozen=True):
    job_id: str
    token: str
    at: str


class ReadMaterial(RoomCommand, frozen=True):
    """What `user_id` may see of a trip now. `talk`: with messages and proposals; `photos`: with those."""

    reads_only: ClassVar[bool] = True
    user_id: str
    locale: Locale
    talk: bool
    at: str
    photos: bool = False


class FinishJob(msgspec.Struct, frozen=True):
    """Store what an attempt made, if it still holds the lease."""

    job_id: str
    token: str
    file: File
    at: str


class FailJob(msgspec.Struct, frozen=True):
    """An attempt did not succeed. `final`: another one would not, either."""

    job_id: str
    token: str
    error: str
    final: bool
    at: str


class LookAtJobs(msgspec.Struct, frozen=True):
    """Ask for jobs that were not taken, lost their worker, or have expired; `count`: and for how many
    there are, which reads the index of all of them."""

    reads_only: ClassVar[bool] = True
    at: str
    count: bool = False
    limit: int = 100


class CareForJobs(msgspec.Struct, frozen=True):
    """See to `jobs`, found by `LookAtJobs`: those that are to be called out come back."""

    jobs: list[Job]
    at: str


class JobsNow(msgspec.Struct, frozen=True):
    """`counts`: how many jobs of each status there are; all four are named. None: not asked for."""

    due: list[Job]
    counts: dict[JobStatus, int] | None


# --- port ---------------------------------------------------------------------------------


class Jobs(Protocol):
    """Jobs and their files inside one unit of work. Everything is written at once."""

    def add(self, job: Job, given: bytes | None = None) -> None:
        """`given`: what the job works on. It is kept until the job ends, well or not."""

    def given(self, job_id: str) -> bytes | None:
        """What a job that has not ended works on."""

    def job(self, job_id: str) -> Job | None: ...

    def of_user(self, user_id: str, kind: JobKind) -> list[Job]:
        """Oldest first."""

    def due(self, at: str, limit: int) -> list[Job]:
        """Queued and running ones with `due_at` before `at`, and those that expired; oldest first."""

    def claim(self, job_id: str, token: str, at: str, lease_until: str) -> Job | None:
        """Begin an attempt of a job that is queued, or running on a lease that ended before `at`.
        None when there is none: of several callers, one gets it."""

    def renew(self, job_id: str, token: str, lease_until: str) -> bool:
        """False when the attempt does not hold the lease any more."""

    def finish(self, job_id: str, token: str, file: File, at: str, expires_at: str) -> bool:
        """Store the file and end the job, together; False, and nothing is stored, when the attempt
        does not hold the lease any more."""

    def end(self, job_id: str, token: str, at: str, expires_at: str) -> bool:
        """The job is done, and made no file; False as in `finish`."""

    def fail(self, job_id: str, token: str, error: str, at: str, expires_at: str) -> bool:
        """End the job without a file; False as in `finish`."""

    def release(self, job_id: str, token: str, due_at: str) -> bool:
        """Put the job back into the queue; False as in `finish`."""

    def requeue(self, job: Job, due_at: str) -> bool:
        """Put a job that is due into the queue (again), whoever held its lease; it will be due next at
        `due_at`. False when it is not as it was seen: of several callers, one gets True."""

    def abandon(self, job: Job, error: str, at: str, expires_at: str) -> bool:
        """End a job that is due, without a file. False as in `requeue`."""

    def remove(self, job_ids: Sequence[str]) -> None:
        """With their files, mails, and links for new passwords."""

    def file(self, job_id: str) -> bytes | None:
        """What a job that is done made."""

    def counts(self) -> dict[JobStatus, int]:
        """How many there are of each status; all four are named."""
