"""`Jobs` over SQL, for SQLite, MySQL and MariaDB.

Owns every query of jobs and their files. Whoever's UPDATE finds the row as it must be wins: the database
decides between two workers, and one transaction ends a job and stores its file. Everything is written
at once, behind the `fence` of the unit of work. Made by `storage.unit_of_work`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Update, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from domain.jobs import File, Job, JobKind, JobStatus
from storage.faults import Contention
from storage.tables_jobs import PIECE, job_files, jobs
from storage.tables_mail import email_changes, email_links, mails, reset_links
from storage.trips_buffer import is_id

COLUMNS = [jobs.c[name] for name in Job.__struct_fields__]


class SqlJobs:
    """One transaction's view of jobs."""

    def __init__(self, connection: Connection, fence: Callable[[], None]) -> None:
        self._connection = connection
        self._fence = fence

    def _write(self, statement: Any) -> int:
        self._fence()
        return self._connection.execute(statement).rowcount

    def add(self, job: Job, given: bytes | None = None) -> None:
        try:
            self._write(insert(jobs).values(**msgspec.structs.asdict(job)))
        except IntegrityError as error:
            raise Contention("somebody added this at the same moment") from error
        if given is not None:
            self._put(job.id, given)

    def _put(self, job_id: str, body: bytes) -> None:
        for n, start in enumerate(range(0, len(body), PIECE)):
            self._write(insert(job_files).values(job_id=job_id, n=n, body=body[start : start + PIECE]))

    def _pieces(self, job_id: str) -> Sequence[bytes]:
        query = select(job_files.c.body).where(job_files.c.job_id == job_id).order_by(job_files.c.n)
        return self._connection.scalars(query).all()

    def _forget(self, job_id: str) -> None:
        self._write(delete(job_files).where(job_files.c.job_id == job_id))

    def given(self, job_id: str) -> bytes | None:
        job = self.job(job_id)
        if job is None or job.status not in ("queued", "running"):
            return None
        return b"".join(found) if (found := self._pieces(job_id)) else None

    def job(self, job_id: str) -> Job | None:
        if not is_id(job_id):
            return None
        row = self._connection.execute(select(*COLUMNS).where(jobs.c.id == job_id)).first()
        return None if row is None else Job(*row)

    def of_user(self, user_id: str, kind: JobKind) -> list[Job]:
        mine = (jobs.c.user_id == user_id, jobs.c.kind == kind)
        query = select(*COLUMNS).where(*mine).order_by(jobs.c.created_at, jobs.c.id)
        return [Job(*row) for row in self._connection.execute(query)]

    def due(self, at: str, limit: int) -> list[Job]:
        waiting = and_(jobs.c.status.in_(("queued", "running")), jobs.c.due_at < at)
        found: dict[str, Job] = {}
        # Two queries, each with its index.
        for condition in (waiting, jobs.c.expires_at < at):
            query = select(*COLUMNS).where(condition).order_by(jobs.c.due_at, jobs.c.id).limit(limit)
            found.update((row.id, Job(*row)) for row in self._connection.execute(query))
        return sorted(found.values(), key=lambda job: (job.due_at, job.id))[:limit]

    def claim(self, job_id: str, token: str, at: str, lease_until: str) -> Job | None:
        free = or_(jobs.c.status == "queued", and_(jobs.c.status == "running", jobs.c.due_at < at))
        taken = (
            update(jobs)
            .where(jobs.c.id == job_id, free)
            .values(status="running", token=token, due_at=lease_until, attempts=jobs.c.attempts + 1)
        )
        return self.job(job_id) if is_id(job_id) and self._write(taken) else None

    def renew(self, job_id: str, token: str, lease_until: str) -> bool:
        return self._write(_held(job_id, token).values(due_at=lease_until)) > 0

    def finish(self, job_id: str, token: str, file: File, at: str, expires_at: str) -> bool:
        done = _held(job_id, token).values(
            status="done",
            token=None,
            error=None,
            finished_at=at,
            expires_at=expires_at,
            name=file.name,
            media_type=file.media_type,
            size=len(file.body),
            for_member=file.for_member,
        )
        if not self._write(done):
            return False
        self._forget(job_id)
        self._put(job_id, file.body)
        return True

    def end(self, job_id: str, token: str, at: str, expires_at: str) -> bool:
        done = _held(job_id, token).values(
            status="done", token=None, error=None, finished_at=at, expires_at=expires_at
        )
        return self._write(done) > 0

    def fail(self, job_id: str, token: str, error: str, at: str, expires_at: str) -> bool:
        return self._end(job_id, _held(job_id, token).values(**_failed(error, at, expires_at)))

    def _end(self, job_id: str, statement: Update) -> bool:
        if not self._write(statement):
            return False
        self._forget(job_id)
        return True

    def release(self, job_id: str, token: str, due_at: str) -> bool:
        return self._write(_held(job_id, token).values(status="queued", token=None, due_at=due_at)) > 0

    def requeue(self, job: Job, due_at: str) -> bool:
        return self._write(_as_seen(job).values(status="queued", token=None, due_at=due_at)) > 0

    def abandon(self, job: Job, error: str, at: str, expires_at: str) -> bool:
        return self._end(job.id, _as_seen(job).values(**_failed(error, at, expires_at)))

    def remove(self, job_ids: Sequence[str]) -> None:
        if not job_ids:
            return
        for table in (job_files, mails, reset_links, email_links, email_changes):
            self._write(delete(table).where(table.c.job_id.in_(job_ids)))
        self._write(delete(jobs).where(jobs.c.id.in_(job_ids)))

    def file(self, job_id: str) -> bytes | None:
        job = self.job(job_id)
        if job is None or job.status != "done":
            return None
        return b"".join(self._pieces(job_id))

    def counts(self) -> dict[JobStatus, int]:
        found: dict[JobStatus, int] = dict.fromkeys(("queued", "running", "done", "failed"), 0)
        query = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        found.update((status, count) for status, count in self._connection.execute(query))
        return found


def _held(job_id: str, token: str) -> Update:
    """A change of a job by the attempt that holds its lease. A lease that ran out, but that nobody else
    has taken, is still good: the work is done."""
    return update(jobs).where(jobs.c.id == job_id, jobs.c.status == "running", jobs.c.token == token)


def _as_seen(job: Job) -> Update:
    """A change of a job that nobody has touched since it was read."""
    seen = (jobs.c.status == job.status, jobs.c.due_at == job.due_at, jobs.c.attempts == job.attempts)
    return update(jobs).where(jobs.c.id == job.id, *seen)


def _failed(error: str, at: str, expires_at: str) -> dict[str, Any]:
    return {
        "status": "failed",
        "token": None,
        "error": error,
        "finished_at": at,
        "expires_at": expires_at,
    }
