"""One job from its row to its end: claim, then make a file, send a mail, or make the sizes of a photo.

Owns the heartbeat that holds the lease while the work is done, and what becomes of each kind of failure.
Rendering and shrinking are computation and run in a thread; everything else is `run(service, command)`.
Called by the doorbells: in a server process, or in a worker process.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Literal

from structlog.contextvars import bound_contextvars

from domain.accounts import new_id
from domain.distribution import Distribution
from domain.errors import DomainError
from domain.jobs import (
    LEASE_SECONDS,
    ClaimJob,
    FailJob,
    File,
    FinishJob,
    Job,
    Material,
    ReadMaterial,
    RenewLease,
)
from domain.photos import FinishThumbnails, ReadOriginal, Thumbnails
from domain.ports import Run
from domain.services import jobs, uploads
from realtime.jobs.postman import RESULTS, Postman, Result
from realtime.jobs.smtp import Undelivered
from realtime.jobs.thumbnails import make_thumbnails

Render = Callable[[Job, Material], File]
Shrink = Callable[[bytes], Thumbnails]
"""The sizes of a photo. Raises `DomainError` for what is none."""
Outcome = Literal["done", "failed", "again", "lost"]
"""`again`: put back into the queue; `lost`: the lease had gone to somebody else."""
OUTCOMES: tuple[Outcome, ...] = ("done", "failed", "again", "lost")
BEAT_SECONDS = LEASE_SECONDS / 3
log = logging.getLogger(__name__)


class Worker:
    """Does jobs. `counts`: attempts of this process, by what became of them; `seconds`: how long one took;
    `under_way`: how many there are now."""

    def __init__(
        self,
        run: Run,
        render: Render,
        executor: Executor,
        clock: Callable[[], str],
        beat: float = BEAT_SECONDS,
        postman: Postman | None = None,
        shrink: Shrink = make_thumbnails,
    ) -> None:
        self._run = run
        self._render = render
        self._shrink = shrink
        self._executor = executor
        self._clock = clock
        self._beat = beat
        self._postman = postman
        self.counts: Counter[Outcome] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.seconds = Distribution()
        self.under_way = 0

    async def work(self, job_id: str) -> None:
        """Do this job, unless somebody else does, or has. Never raises; a cancelled attempt puts the job
        back into the queue."""
        with bound_contextvars(job_id=job_id):
            token = new_id()
            try:
                job = await self._run(jobs.claim_job, ClaimJob(job_id, token, self._clock()))
            except DomainError as error:
                log.warning("a job could not be taken: %s", error.message)
                return
            if job is None:
                return
            began = time.monotonic()
            self.under_way += 1
            try:
                self.counts[await self._attempt(job, token)] += 1
            finally:
                self.under_way -= 1
                self.seconds.observe(time.monotonic() - began)

    async def _attempt(self, job: Job, token: str) -> Outcome:
        beating = asyncio.get_running_loop().create_task(self._keep_lease(job, token), name="lease of a job")
        try:
            return "done" if await self._do(job, token) else "lost"
        except Undelivered as error:
            log.warning("a mail was not taken, attempt %d: %s", job.attempts, error.code)
            return await self._fail(job, token, error.code, final=error.final)
        except DomainError as error:
            if error.code == "lease_lost":
                return "lost"
            return await self._fail(job, token, error.code, final=not error.retryable)
        except asyncio.CancelledError:
            await asyncio.shield(self._fail(job, token, jobs.INTERRUPTED, final=False))
            raise
        except Exception:
            log.exception("a job failed, attempt %d", job.attempts)
            return await self._fail(job, token, "internal", final=False)
        finally:
            beating.cancel()

    async def _do(self, job: Job, token: str) -> bool:
        """False when the attempt had lost its lease."""
        if job.kind == "mail":
            if self._postman is None:  # the settings were taken away while it waited
                raise Undelivered("mail_off")
            return await self._postman.deliver(job, token)
        if job.kind == "thumbnail":
            return await self._thumbnails(job, token)
        return await self._export(job, token)

    @property
    def mails(self) -> Mapping[Result, int]:
        """Mails of this process, by what became of each attempt."""
        return dict.fromkeys(RESULTS, 0) if self._postman is None else self._postman.counts

    async def _export(self, job: Job, token: str) -> bool:
        talk, photos = job.format == "data", job.format != "calendar"
        command = ReadMaterial(job.trip_id, job.user_id, job.locale, talk, self._clock(), photos)
        material = await self._run(jobs.read_material, command)
        loop = asyncio.get_running_loop()
        file = await loop.run_in_executor(self._executor, self._render, job, material)
        return await self._run(jobs.finish_job, FinishJob(job.id, token, file, self._clock()))

    async def _thumbnails(self, job: Job, token: str) -> bool:
        original = await self._run(uploads.read_original, ReadOriginal(job.id))
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(self._executor, self._shrink, original)
        command = FinishThumbnails(job.id, token, made, self._clock())
        return await self._run(uploads.finish_thumbnails, command)

    async def _keep_lease(self, job: Job, token: str) -> None:
        while True:
            await asyncio.sleep(self._beat)
            try:
                if not await self._run(jobs.renew_lease, RenewLease(job.id, token, self._clock())):
                    return
            except DomainError as error:
                log.warning("the lease of a job could not be renewed: %s", error.message)

    async def _fail(self, job: Job, token: str, error: str, *, final: bool) -> Outcome:
        try:
            again = await self._run(jobs.fail_job, FailJob(job.id, token, error, final, self._clock()))
        except DomainError as failure:
            log.warning("a job is left to its lease: %s", failure.message)
            return "again"
        return "again" if again else "failed"
