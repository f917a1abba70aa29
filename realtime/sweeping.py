"""Sweeping, hour after hour: one process of the installation, in small steps, with pauses.

Owns when, and how fast. The database decides which process it is; what is dead is `domain.sweeping`'s.
Built by the composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Callable

from domain.errors import Unavailable
from domain.ports import Run
from domain.services import sweeping
from domain.sweeping import SWEPT, ClaimSweep, Sweep, Swept

LOOK_SECONDS = 300.0
PAUSE_SECONDS = 1.0
STEP = 500
"""Rows that are looked at in one transaction."""
log = logging.getLogger(__name__)


class Sweeper:
    """`counts`: rows that this process has removed, by what they were. Seconds are means: jitter keeps
    processes from looking all at once."""

    def __init__(
        self,
        run: Run,
        clock: Callable[[], str],
        look: float = LOOK_SECONDS,
        pause: float = PAUSE_SECONDS,
        step: int = STEP,
    ) -> None:
        self._run = run
        self._clock = clock
        self._look = look
        self._pause = pause
        self._step = step
        self.counts: Counter[Swept] = Counter(dict.fromkeys(SWEPT, 0))

    async def keep_sweeping(self) -> None:
        """For `Tasks.supervise`."""
        while True:
            await self._wait(self._look)
            # Without a database there is nothing to sweep; what is left is for the next hour.
            with contextlib.suppress(Unavailable):
                await self.sweep()

    async def sweep(self) -> bool:
        """Sweep everything, unless it is somebody else's turn: then False."""
        if not await self._run(sweeping.claim_sweep, ClaimSweep(self._clock())):
            return False
        before = self.counts.copy()
        for what in SWEPT:
            after: str | None = ""
            while after is not None:
                step = await self._run(sweeping.sweep, Sweep(what, self._clock(), after, self._step))
                self.counts[what] += step.removed
                after = step.next
                await self._wait(self._pause)
        log.info("swept", extra={what: self.counts[what] - before[what] for what in SWEPT})
        return True

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds * random.uniform(0.5, 1.5))
