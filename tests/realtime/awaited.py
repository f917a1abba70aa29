"""`domain.ports.Run` over a coroutine function, for worlds that have no runner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from domain.ports import Outcome


class AwaitedRun:
    """See the module. `run(service, command)` is awaited, also for what is submitted."""

    def __init__(self, run: Callable[[Any, Any], Awaitable[Any]]) -> None:
        self._run = run
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, service: Callable[..., Any], command: Any) -> Awaitable[Any]:
        return self._run(service, command)

    def submit(
        self, service: Callable[..., Any], command: Any, answer: Callable[[Outcome[Any]], None]
    ) -> None:
        async def work() -> None:
            try:
                outcome = Outcome(await self._run(service, command))
            except Exception as error:
                outcome = Outcome(error=error)
            answer(outcome)

        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
