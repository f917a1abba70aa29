"""Jobs: asked for, taken, finished, and found again when a worker was killed.

Owns the rules: what one person may have under way, how often a job is tried, what the asker of an export
must be allowed to see, when he asks, when it is made, and when it is fetched. Mails are asked for and
ended in `domain.services.mail`. Called through `run(service, command)` by `handlers.exports` and
`realtime.jobs`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.accounts import later
from domain.entities import Snapshot
from domain.errors import Conflict, Forbidden, Gone, LimitReached, NotFound, Throttled, Unauthenticated
from domain.jobs import (
    KEEP_DAYS,
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    MAX_FILE,
    MAX_KEPT,
    MAX_MESSAGES,
    MAX_PHOTO_BYTES,
    MAX_UNDER_WAY,
    RING_SECONDS,
    RING_SECONDS_MOST,
    CareForJobs,
    ClaimJob,
    FailJob,
    FinishJob,
    Job,
    JobKind,
    JobsNow,
    JobStatus,
    LookAtJobs,
    Material,
    ReadExport,
    ReadMaterial,
    RenewLease,
    RequestExport,
)
from domain.mail import MAIL_KEEP_HOURS, MAX_MAIL_ATTEMPTS, backoff
from domain.operations import Channel
from domain.photos import KEEP_JOB_HOURS, KEEP_UNSHOWN_DAYS, WIDTHS
from domain.ports import UnitOfWork
from domain.services.rooms import read_trip
from domain.talk import MAX_OPEN_PROPOSALS, Message

UNDER_WAY: frozenset[JobStatus] = frozenset(("queued", "running"))
RETRY_SECONDS = 10
PAGE = 500
INTERRUPTED = "interrupted"
"""The error of an attempt whose process was told to end."""
LOST = "worker_lost"
"""The error of a job whose workers ended, one after the other."""
_snapshot = msgspec.json.Decoder(Snapshot)


def request_export(command: RequestExport, uow: UnitOfWork) -> Job:
    """Put an export into the queue. Raises as `read_trip` does, and `Throttled`."""
    user_id = command.actor.user_id
    if user_id is None:
        raise Unauthenticated("sign in first")
    known = uow.jobs.job(command.job_id)
    if known is not None:
        if known.user_id != user_id:
            raise Conflict("this id was used for something else", code="op_id_taken")
        return known
    read_trip(uow, command.trip_id, user_id)
    mine = uow.jobs.of_user(user_id, "export")
    if sum(job.status in UNDER_WAY for job in mine) >= MAX_UNDER_WAY:
        raise Throttled(
            f"{MAX_UNDER_WAY} exports are being made for you, wait for one",
            code="exports_busy",
            retry_after=RETRY_SECONDS,
        )
    over = len(mine) + 1 - MAX_KEPT
    if over > 0:
        uow.jobs.remove([job.id for job in mine if job.status not in UNDER_WAY][:over])
    job = Job(
        id=command.job_id,
        user_id=user_id,
        trip_id=command.trip_id,
        format=command.format,
        locale=command.locale,
        created_at=command.at,
        due_at=later(command.at, seconds=RING_SECONDS),
        expires_at=later(command.at, days=KEEP_DAYS),
    )
    uow.jobs.add(job)
    return job


def read_export(command: ReadExport, uow: UnitOfWork) -> Job:
    """One's own export. Raises `NotFound`, also for somebody else's, and as `read_trip` does."""
    user_id = command.actor.user_id
    if user_id is None:
        raise Unauthenticated("sign in first")
    job = uow.jobs.job(command.job_id)
    if job is None or job.kind != "export" or job.user_id != user_id:
        raise NotFound("there is no such export")
    _, role = read_trip(uow, job.trip_id, user_id)
    if job.for_member and role == "spectator":
        raise Forbidden("you are no longer a member of this trip")
    return job


def read_file(command: ReadExport, uow: UnitOfWork) -> tuple[Job, bytes]:
    """The file of one's own export. Raises as `read_export` does; `Conflict` before it is made, `Gone`
    when it never will be."""
    job = read_export(command, uow)
    if job.status in UNDER_WAY:
        raise Conflict("this export is not ready yet", code="not_ready")
    body = uow.jobs.file(job.id) if job.status == "done" else None
    if body is None:
        raise Gone("this export failed, ask for another one", code="export_failed")
    return job, body


def claim_job(command: ClaimJob, uow: UnitOfWork) -> Job | None:
    """Begin an attempt; None when the job is somebody else's, finished, gone, or not to be tried yet."""
    job = uow.jobs.job(command.job_id)
    if job is None or job.status not in UNDER_WAY or job.attempts >= _attempts(job):
        return None
    if job.kind == "mail":
        mail = uow.mails.mail(job.id)
        if mail is None or mail.not_before > command.at or job.expires_at <= command.at:
            return None
    return uow.jobs.claim(job.id, command.token, command.at, later(command.at, seconds=LEASE_SECONDS))


def renew_lease(command: RenewLease, uow: UnitOfWork) -> bool:
    """False: the attempt has lost its lease, and what it makes will not be kept."""
    return uow.jobs.renew(command.job_id, command.token, later(command.at, seconds=LEASE_SECONDS))


def read_material(command: ReadMaterial, uow: UnitOfWork) -> Material:
    """What the asker may see now. Raises as `read_trip` does, and `LimitReached`."""
    trip, role = read_trip(uow, command.trip_id, command.user_id)
    # A copy: the aggregate goes on changing while the file is made.
    material = Material(command.at, trip.seq, role, command.locale, _snapshot.decode(trip.snapshot()))
    if command.photos:
        material = msgspec.structs.replace(material, photos=_photos(uow, material.snapshot))
    if not command.talk or role == "spectator":
        return material
    talk = _messages(uow, trip.id, "chat") + _messages(uow, trip.id, "comment")
    proposals = uow.talk.open_proposals(trip.id, MAX_OPEN_PROPOSALS)
    return msgspec.structs.replace(material, messages=talk, proposals=proposals)


def _photos(uow: UnitOfWork, snapshot: Snapshot) -> dict[str, bytes]:
    """What the trip shows: the cover in a middle size, the stops' photos small, until the room is full."""
    found: dict[str, bytes] = {}
    cover = snapshot.trip.cover
    wanted = [(cover.id, WIDTHS[1])] if cover is not None else []
    wanted += [(stop.photo.id, WIDTHS[0]) for stop in snapshot.stops if stop.photo is not None]
    room = MAX_PHOTO_BYTES
    for photo_id, width in wanted:
        body = None if photo_id in found else uow.photos.file(snapshot.trip.id, photo_id, width)
        if body is not None and len(body) <= room:
            found[photo_id] = body
            room -= len(body)
    return found


def _messages(uow: UnitOfWork, trip_id: str, channel: Channel) -> list[Message]:
    """Oldest first; deleted ones left out. Raises `LimitReached` when they would not fit into a file."""
    found: list[Message] = []
    before: int | None = None
    size = 0
    while len(found) < MAX_MESSAGES:
        page = uow.talk.messages(trip_id, channel, before, PAGE)
        kept = [message for message in page if not message.deleted]
        found += kept
        size += sum(len(message.text) for message in kept)
        if size > MAX_FILE:
            raise LimitReached("this trip is too large for an export", code="too_large")
        if len(page) < PAGE:
            break
        before = page[-1].seq
    return found[:MAX_MESSAGES][::-1]


def finish_job(command: FinishJob, uow: UnitOfWork) -> bool:
    """Keep what an attempt made; False when it had lost its lease: then nothing is kept.

    Raises `LimitReached` for a file that is too large.
    """
    if len(command.file.body) > MAX_FILE:
        raise LimitReached(f"an export has at most {MAX_FILE >> 20} MiB", code="too_large")
    expires_at = later(command.at, days=KEEP_DAYS)
    return uow.jobs.finish(command.job_id, command.token, command.file, command.at, expires_at)


def fail_job(command: FailJob, uow: UnitOfWork) -> bool:
    """End the job, or put it back into the queue for another attempt; True when it is put back."""
    job = uow.jobs.job(command.job_id)
    if job is None or job.token != command.token:
        return False
    if command.final or job.attempts >= _attempts(job):
        if uow.jobs.fail(job.id, command.token, command.error, command.at, _kept_until(job, command.at)):
            _photo_failed(uow, job, command.error, command.at)
        uow.mails.remove([job.id])
        return False
    if job.kind != "mail":
        return uow.jobs.release(job.id, command.token, command.at)
    # A process that ends says nothing about the mail server.
    again_at = later(command.at, seconds=0 if command.error == INTERRUPTED else backoff(job.attempts))
    uow.mails.hold(job.id, again_at)
    return uow.jobs.release(job.id, command.token, again_at)


def look_at_jobs(command: LookAtJobs, uow: UnitOfWork) -> JobsNow:
    """What `care_for_jobs` has to see to, and numbers for metrics."""
    counts = uow.jobs.counts() if command.count else None
    return JobsNow(uow.jobs.due(command.at, command.limit), counts)


def care_for_jobs(command: CareForJobs, uow: UnitOfWork) -> list[str]:
    """Remove what expired, end what was tried too often; the ids of the others, to be called out."""
    # Not what somebody works on: a mail that is being sent keeps its link, and ends in time by itself.
    held = {job.id for job in command.jobs if job.status == "running" and job.due_at >= command.at}
    expired = [job.id for job in command.jobs if job.expires_at < command.at and job.id not in held]
    if expired:
        uow.jobs.remove(expired)
        for job in command.jobs:
            if job.id in expired and job.status in UNDER_WAY:
                _photo_failed(uow, job, LOST, command.at)
    called: list[str] = []
    for job in command.jobs:
        if job.id in expired or job.id in held:
            continue
        if job.attempts >= _attempts(job):
            error = job.error or LOST
            if uow.jobs.abandon(job, error, command.at, _kept_until(job, command.at)):
                uow.mails.remove([job.id])
                _photo_failed(uow, job, error, command.at)
        elif uow.jobs.requeue(job, _next_ring(job, command.at)):
            called.append(job.id)
    return called


def _attempts(job: Job) -> int:
    return MAX_MAIL_ATTEMPTS if job.kind == "mail" else MAX_ATTEMPTS


def _kept_until(job: Job, at: str) -> str:
    hours: dict[JobKind, int] = {"mail": MAIL_KEEP_HOURS, "thumbnail": KEEP_JOB_HOURS}
    return later(at, hours=hours.get(job.kind, 24 * KEEP_DAYS))


def _photo_failed(uow: UnitOfWork, job: Job, error: str, at: str) -> None:
    """Whoever uploaded a photo looks at the photo, not at its job. It counts among those of its trip no
    longer than one that is never shown."""
    photo = uow.photos.of_job(job.id) if job.kind == "thumbnail" else None
    if photo is not None and photo.status == "waiting":
        uow.photos.fail(photo, error)
        uow.photos.keep(photo.trip_id, [photo.id], later(at, days=KEEP_UNSHOWN_DAYS))


def _next_ring(job: Job, at: str) -> str:
    """When to call out again, so that calls do not pile up while there is no worker."""
    waited = (datetime.fromisoformat(at) - datetime.fromisoformat(job.created_at)).total_seconds()
    return later(at, seconds=max(RING_SECONDS, min(waited, RING_SECONDS_MOST)))
