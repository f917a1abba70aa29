"""The doorbell of an installation without workers: this process does the work, a few jobs at a time.

Owns two bounded queues of ids, of mails and of files; what does not fit is found again by
`realtime.jobs.rounds`. Chosen by the composition root.
"""

from __future__ import annotations

import asyncio
from functools import partial

from realtime.jobs.doorbell import Work
from realtime.tasks import Tasks

QUEUE_LIMIT = 100
"""Of each queue."""
MAILS_AT_ONCE = 4
"""One mail whose server does not answer must not hold up all others."""
FILES_AT_ONCE = 2
"""Exports and photos, whose computation has one thread. However many wait: a link for a new password, which
is good for an hour, does not wait behind them, nor they behind a mail server that does not answer."""


class LocalDoorbell:
    """See `realtime.jobs.doorbell.Doorbell`."""

    def __init__(self, work: Work, limit: int = QUEUE_LIMIT) -> None:
        self._work = work
        self._mails: asyncio.Queue[str] = asyncio.Queue(limit)
        self._files: asyncio.Queue[str] = asyncio.Queue(limit)
        self._known: set[str] = set()
        self._tasks = Tasks()
        for name, waiting, count in (
            ("mails", self._mails, MAILS_AT_ONCE),
            ("files", self._files, FILES_AT_ONCE),
        ):
            for n in range(count):
                self._tasks.supervise(f"{name} {n}", partial(self._keep_working, waiting))

    def ring(self, job_id: str, mail: bool = False) -> None:
        waiting = self._mails if mail else self._files
        if job_id in self._known or waiting.full():
            return
        self._known.add(job_id)
        waiting.put_nowait(job_id)

    async def _keep_working(self, waiting: asyncio.Queue[str]) -> None:
        while True:
            job_id = await waiting.get()
            # Before the work, not after it: a ring that comes meanwhile may be for the next attempt.
            self._known.discard(job_id)
            await self._work(job_id)

    async def aclose(self) -> None:
        await self._tasks.aclose()
