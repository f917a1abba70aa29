"""The doorbell of an installation without workers: this process does the work, a few jobs at a time.

Owns a bounded queue of ids; what does not fit is found again by `realtime.jobs.rounds`. Chosen by the
composition root.
"""

from __future__ import annotations

import asyncio

from realtime.jobs.doorbell import Work
from realtime.tasks import Tasks

QUEUE_LIMIT = 100
AT_ONCE = 4
"""A mail server that does not answer must not hold up exports, nor one mail all others. Files are made one
after the other all the same: that is computation, and has one thread."""


class LocalDoorbell:
    """See `realtime.jobs.doorbell.Doorbell`."""

    def __init__(self, work: Work, limit: int = QUEUE_LIMIT) -> None:
        self._work = work
        self._waiting: asyncio.Queue[str] = asyncio.Queue(limit)
        self._known: set[str] = set()
        self._tasks = Tasks()
        for n in range(AT_ONCE):
            self._tasks.supervise(f"jobs {n}", self._keep_working)

    def ring(self, job_id: str) -> None:
        if job_id in self._known or self._waiting.full():
            return
        self._known.add(job_id)
        self._waiting.put_nowait(job_id)

    async def _keep_working(self) -> None:
        while True:
            job_id = await self._waiting.get()
            # Before the work, not after it: a ring that comes meanwhile may be for the next attempt.
            self._known.discard(job_id)
            await self._work(job_id)

    async def aclose(self) -> None:
        await self._tasks.aclose()
