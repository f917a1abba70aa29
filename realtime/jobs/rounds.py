"""Looking after jobs: whoever was not heard, lost its worker, or has expired.

Owns when to look, and the numbers of the last look. Every server process looks; the database decides
which of them calls a job out again. Built by the composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable

from domain.errors import Unavailable
from domain.jobs import CareForJobs, JobStatus, LookAtJobs
from domain.ports import Run
from domain.services import jobs
from realtime.jobs.doorbell import Doorbell

LOOK_SECONDS = 5.0
COUNT_EVERY = 6
"""Looks from one count to the next: it costs more, and numbers may be half a minute old."""


class Rounds:
    """`counts`: jobs of the whole installation by status, as they were when they were last counted."""

    def __init__(
        self, run: Run, doorbell: Doorbell, clock: Callable[[], str], seconds: float = LOOK_SECONDS
    ) -> None:
        self._run = run
        self._doorbell = doorbell
        self._clock = clock
        self._seconds = seconds
        self.counts: dict[JobStatus, int] = dict.fromkeys(("queued", "running", "done", "failed"), 0)

    async def keep_looking(self) -> None:
        """For `Tasks.supervise`."""
        for n in itertools.count():
            # Jitter, so that processes do not look all at once.
            await asyncio.sleep(self._seconds * random.uniform(0.5, 1.5))
            # Without a database there is nothing to see to; health and metrics say so.
            with contextlib.suppress(Unavailable):
                await self.look(count=n % COUNT_EVERY == 0)

    async def look(self, count: bool = True) -> list[str]:
        """Look once; the ids that were called out again."""
        now = await self._run(jobs.look_at_jobs, LookAtJobs(self._clock(), count))
        self.counts = now.counts or self.counts
        if not now.due:
            return []
        called = await self._run(jobs.care_for_jobs, CareForJobs(now.due, self._clock()))
        mails = {job.id for job in now.due if job.kind == "mail"}
        for job_id in called:
            self._doorbell.ring(job_id, mail=job_id in mails)
        return called
