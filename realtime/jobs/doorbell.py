"""Telling somebody that there is a job: the contract.

The job's row is the truth, a ring is only a hint: it may be lost, come twice, or come late. Implemented
by `doorbell_local` (this process does the work itself) and `doorbell_celery` (worker processes do). Called
after the job's commit by `handlers.exports`, and by `realtime.jobs.rounds` for whoever was not heard.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

Work = Callable[[str], Coroutine[Any, Any, None]]
"""Does the job of this id, if it can be had. Never raises; see `realtime.jobs.worker`."""


class Doorbell(Protocol):
    """Made and used on one event loop."""

    def ring(self, job_id: str, mail: bool = False) -> None:
        """Returns at once and never raises. `mail`: the job is one."""

    async def aclose(self) -> None:
        """Stop. Work of this process that is under way is put back into the queue."""
