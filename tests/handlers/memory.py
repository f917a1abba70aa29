"""`run` for handler tests: the real runner over the in-memory unit of work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from domain.events import Committed
from domain.ports import Outcome
from storage.accounts_memory import AccountsState
from storage.runner import Runner
from storage.unit_of_work_memory import MemoryStore, MemoryUnits


class MemoryRun:
    """Tests look into `state` and `heads`, read what was `published`, and set a `fault`. What is
    committed goes to `tell`, too, where a test has rooms."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.executor = ThreadPoolExecutor(2)
        self.published: list[tuple[str, int]] = []
        self.fault: Exception | None = None
        self.tell: Callable[[str, str, list[Committed]], None] | None = None
        self._runner = Runner(MemoryUnits(self.store), self.executor, self._publish)

    @property
    def state(self) -> AccountsState:
        """The accounts as they are committed now."""
        return self.store.accounts

    def heads(self) -> dict[str, Any]:
        """(epoch, seq, deleted) of every trip."""
        return {trip_id: stored.head for trip_id, stored in self.store.trips.items()}

    def _publish(self, trip_id: str, epoch: str, events: list[Committed]) -> None:
        self.published += [(trip_id, each.event.seq) for each in events]
        if self.tell is not None:
            self.tell(trip_id, epoch, events)

    async def __call__(self, service: Any, command: Any) -> Any:
        if self.fault is not None:
            raise self.fault
        return await self._runner(service, command)

    def submit(self, service: Any, command: Any, answer: Callable[[Outcome[Any]], None]) -> None:
        if self.fault is not None:
            answer(Outcome(error=self.fault))
        else:
            self._runner.submit(service, command, answer)

    async def aclose(self) -> None:
        assert await self._runner.drain(10)
        self.executor.shutdown()
