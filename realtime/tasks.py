"""Supervised background tasks: nothing in this process runs unwatched.

Owns the strong references to tasks, the logging of their failures, their restart with backoff and
jitter, and their cancellation. Knows nothing about what they do. Called by `realtime.hub`, the
brokers, and the composition root.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 15.0
CANCEL_AGAIN = 0.5
CALM = 60.0
"""A job that ran this long starts again with the first pause."""


class Tasks:
    """A set of tasks that end together, in `aclose`."""

    def __init__(self, first_pause: float = FIRST_PAUSE, longest_pause: float = LONGEST_PAUSE) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """Run `work` once. A failure is logged, never lost. None, and nothing runs, after `aclose`."""
        if self._closed:
            work.close()
            log.info("task %s is not started: the process ends", name)
            return None
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def supervise(self, name: str, job: Callable[[], Awaitable[None]]) -> asyncio.Task[Any] | None:
        """Run `job` for ever: when it raises or returns it is started again, after a pause that
        doubles with each failure in a row and carries jitter."""
        return self.spawn(name, self._keep_running(name, job))

    async def _keep_running(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        pause = self._first_pause
        while True:
            started = loop.time()
            try:
                await job()
                log.warning("task %s returned and starts again", name)
            except Exception:
                log.exception("task %s failed and starts again", name)
            if loop.time() - started > CALM:
                pause = self._first_pause
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, self._longest_pause)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task %s failed", task.get_name(), exc_info=error)

    async def aclose(self) -> None:
        """Cancel every task and wait until each has ended."""
        self._closed = True
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            # Client libraries have been seen to swallow a cancellation, so it is repeated.
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN)
