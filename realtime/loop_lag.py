"""How late the event loop is: a sleep that should last 0.25 s, and what it lasted.

Owns the measuring and its numbers: a distribution, the worst of the last while, the mean of the last
few. A loop that blocks is late for everybody at once, so this is the first number to look at. Read
by metrics and by the readiness check; run by the composition root.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from domain.distribution import Distribution

PAUSE = 0.25
WINDOW = 15.0
"""Seconds of which the worst is kept; with the window before it, so that no scrape misses it."""
RECENT = 20
LIMIT = 1.0
"""Seconds of lag on average over the last `RECENT` looks, above which a process is not ready."""


class LoopLag:
    """See the module. Nothing is known before `keep_measuring` runs."""

    def __init__(self) -> None:
        self.lags = Distribution()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._worst = 0.0
        self._worst_before = 0.0
        self._since = 0.0

    @property
    def worst(self) -> float:
        """The worst lag of the last 15 to 30 seconds."""
        return max(self._worst, self._worst_before)

    @property
    def mean(self) -> float:
        """The mean of the last looks: one long pause does not show, a loop that is late all the time does."""
        return sum(self._recent) / len(self._recent) if self._recent else 0.0

    def note(self, lag: float, now: float) -> None:
        """One look, at `now` of any steady clock."""
        self.lags.observe(lag)
        self._recent.append(lag)
        if now - self._since >= WINDOW:
            self._worst_before = self._worst if now - self._since < 2 * WINDOW else 0.0
            self._worst, self._since = 0.0, now
        self._worst = max(self._worst, lag)

    async def keep_measuring(self, clock: Callable[[], float] | None = None) -> None:
        """For ever; the loop's own clock by default."""
        clock = clock or asyncio.get_running_loop().time
        due = clock() + PAUSE
        while True:
            await asyncio.sleep(PAUSE)
            now = clock()
            self.note(max(0.0, now - due), now)
            due = now + PAUSE

    async def check(self) -> str | None:
        """A health check: None, or one line on how late the loop is."""
        if self.mean <= LIMIT:
            return None
        return f"the event loop is {self.mean:.1f} s late on average"
