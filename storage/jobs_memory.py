"""`Jobs` in memory: the same answers as SQL, for tests and benchmarks.

Owns the jobs and files of the in-memory store. Made by the in-memory unit of work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from domain.addresses import EmailChange
from domain.jobs import File, Job, JobKind, JobStatus
from domain.mail import Mail, ResetLink
from storage.drafts import Draft


@dataclass
class JobsState:
    """Tables as dicts by primary key."""

    jobs: dict[str, Job] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    """What a job works on, then what it made."""
    mails: dict[str, Mail] = field(default_factory=dict)
    reset_links: dict[str, ResetLink] = field(default_factory=dict)
    email_changes: dict[str, EmailChange] = field(default_factory=dict)
    email_links: dict[str, str] = field(default_factory=dict)

    def copy(self) -> JobsState:
        return JobsState(
            dict(self.jobs),
            dict(self.files),
            dict(self.mails),
            dict(self.reset_links),
            dict(self.email_changes),
            dict(self.email_links),
        )


class MemoryJobs:
    """One unit of work's view of jobs."""

    def __init__(self, draft: Draft[JobsState]) -> None:
        self._draft = draft

    def _change(self, job: Job, **fields: Any) -> Job:
        changed = msgspec.structs.replace(job, **fields)
        self._draft.write().jobs[job.id] = changed
        return changed

    def _held(self, job_id: str, token: str) -> Job | None:
        job = self._draft.write().jobs.get(job_id)
        return job if job is not None and job.status == "running" and job.token == token else None

    def _as_seen(self, job: Job) -> Job | None:
        found = self._draft.write().jobs.get(job.id)
        if found is None or _seen(found) != _seen(job):
            return None
        return found

    def add(self, job: Job, given: bytes | None = None) -> None:
        state = self._draft.write()
        state.jobs[job.id] = job
        if given:
            state.files[job.id] = given

    def given(self, job_id: str) -> bytes | None:
        job = self.job(job_id)
        waits = job is not None and job.status in ("queued", "running")
        return self._draft.seen.files.get(job_id) if waits else None

    def job(self, job_id: str) -> Job | None:
        return self._draft.seen.jobs.get(job_id)

    def of_user(self, user_id: str, kind: JobKind) -> list[Job]:
        jobs = self._draft.seen.jobs.values()
        mine = [job for job in jobs if job.user_id == user_id and job.kind == kind]
        return sorted(mine, key=lambda job: (job.created_at, job.id))

    def due(self, at: str, limit: int) -> list[Job]:
        found = [
            job
            for job in self._draft.seen.jobs.values()
            if job.expires_at < at or (job.status in ("queued", "running") and job.due_at < at)
        ]
        return sorted(found, key=lambda job: (job.due_at, job.id))[:limit]

    def claim(self, job_id: str, token: str, at: str, lease_until: str) -> Job | None:
        job = self._draft.write().jobs.get(job_id)
        if job is None or not (job.status == "queued" or (job.status == "running" and job.due_at < at)):
            return None
        return self._change(job, status="running", token=token, due_at=lease_until, attempts=job.attempts + 1)

    def renew(self, job_id: str, token: str, lease_until: str) -> bool:
        job = self._held(job_id, token)
        return job is not None and bool(self._change(job, due_at=lease_until))

    def finish(self, job_id: str, token: str, file: File, at: str, expires_at: str) -> bool:
        job = self._held(job_id, token)
        if job is None:
            return False
        self._change(
            job,
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
        self._draft.write().files[job_id] = file.body
        return True

    def end(self, job_id: str, token: str, at: str, expires_at: str) -> bool:
        job = self._held(job_id, token)
        done = {"status": "done", "token": None, "error": None, "finished_at": at, "expires_at": expires_at}
        return job is not None and bool(self._change(job, **done))

    def _fail(self, job: Job | None, error: str, at: str, expires_at: str) -> bool:
        if job is None:
            return False
        self._change(job, status="failed", token=None, error=error, finished_at=at, expires_at=expires_at)
        self._draft.write().files.pop(job.id, None)
        return True

    def fail(self, job_id: str, token: str, error: str, at: str, expires_at: str) -> bool:
        return self._fail(self._held(job_id, token), error, at, expires_at)

    def release(self, job_id: str, token: str, due_at: str) -> bool:
        job = self._held(job_id, token)
        return job is not None and bool(self._change(job, status="queued", token=None, due_at=due_at))

    def requeue(self, job: Job, due_at: str) -> bool:
        found = self._as_seen(job)
        return found is not None and bool(self._change(found, status="queued", token=None, due_at=due_at))

    def abandon(self, job: Job, error: str, at: str, expires_at: str) -> bool:
        return self._fail(self._as_seen(job), error, at, expires_at)

    def remove(self, job_ids: Sequence[str]) -> None:
        state = self._draft.write()
        for job_id in job_ids:
            state.jobs.pop(job_id, None)
            state.files.pop(job_id, None)
            state.mails.pop(job_id, None)
        gone = [link.token_hash for link in state.reset_links.values() if link.job_id in job_ids]
        for token_hash in gone:
            del state.reset_links[token_hash]
        for token_hash in [each for each, job_id in state.email_links.items() if job_id in job_ids]:
            del state.email_links[token_hash]
        for user_id in [each.user_id for each in state.email_changes.values() if each.job_id in job_ids]:
            del state.email_changes[user_id]

    def file(self, job_id: str) -> bytes | None:
        job = self.job(job_id)
        return self._draft.seen.files.get(job_id) if job is not None and job.status == "done" else None

    def counts(self) -> dict[JobStatus, int]:
        counted = Counter(job.status for job in self._draft.seen.jobs.values())
        return {status: counted[status] for status in ("queued", "running", "done", "failed")}


def _seen(job: Job) -> tuple[str, str, int]:
    return job.status, job.due_at, job.attempts
