"""Whether a worker process hears its rings: what its health, its numbers and its sign of life say.

Owns one clock. Celery's own loop beats it (`doorbell_celery.listen`), so it stands still when that loop is
stuck, or tries to reach Redis again. While a job is done the loop stands still, too, and that is well.
"""

from __future__ import annotations

import time
from collections.abc import Callable

TICK_SECONDS = 2.0
SILENT_SECONDS = 10.0
"""Five ticks without a sign."""


class Listening:
    """Beaten in Celery's thread, read in the loop's."""

    def __init__(self, busy: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._busy = busy
        self._clock = clock
        self._heard: float | None = None

    def tick(self) -> None:
        """Celery's loop is here, and connected."""
        self._heard = self._clock()

    def __call__(self) -> bool:
        if self._busy():
            self.tick()  # behind a long job it is not silent at once
        return self._heard is not None and self._clock() - self._heard < SILENT_SECONDS

    async def check(self) -> str | None:
        """A health check: None, or one line."""
        return None if self() else "rings are not heard: Redis does not answer, or the worker just started"
