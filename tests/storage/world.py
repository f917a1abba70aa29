"""A runner over one store, with faults to inject, and what it published."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import pymysql.err
from sqlalchemy.exc import OperationalError

from domain.commands import Applied, ApplyOperation, ReadEvents, RoomCommand
from domain.events import Committed, decode_event
from domain.operations import AddStop, StopFields
from domain.ports import UnitOfWork
from domain.services.rooms import apply_operation, read_events
from storage.runner import Runner
from storage.unit import Unit, UnitFactory
from tests.storage.support import command, make_trip


def mysql_error(code: int) -> OperationalError:
    return OperationalError("UPDATE", {}, pymysql.err.OperationalError(code, "injected"))


class Faulty:
    """A factory whose units fail as told: `at` names a moment, `errors` are raised in turn."""

    def __init__(self, units: UnitFactory) -> None:
        self.units = units
        self.errors: dict[str, list[Exception | None]] = {}
        self.begun = 0

    def __call__(self, writing: bool) -> Unit:
        self.begun += 1
        return _FaultyUnit(self, self.units(writing))

    def fail(self, at: str) -> None:
        waiting = self.errors.get(at)
        error = waiting.pop(0) if waiting else None
        if error is not None:
            raise error


class _FaultyUnit:
    def __init__(self, owner: Faulty, unit: Unit) -> None:
        self._owner = owner
        self._unit = unit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unit, name)

    def __enter__(self) -> Self:
        self._owner.fail("begin")
        self._unit.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unit.__exit__(kind, error, trace)

    def commit(self) -> None:
        self._owner.fail("before commit")
        self._unit.commit()
        self._owner.fail("after commit")


class World:
    """A runner over one store, with faults, and what it published."""

    def __init__(self, units: UnitFactory, **limits: int) -> None:
        self.units = Faulty(units)
        self.executor = ThreadPoolExecutor(4)
        self.published: list[tuple[str, int]] = []
        self.bodies: list[bytes] = []
        self.run = Runner(self.units, self.executor, self._publish, **limits)
        self.trip = make_trip(units)

    def _publish(self, trip_id: str, epoch: str, events: list[Committed]) -> None:
        assert epoch == "epoch-1"
        self.published += [(trip_id, done.event.seq) for done in events]
        self.bodies += [done.body for done in events]

    @property
    def seqs(self) -> list[int]:
        return [seq for trip_id, seq in self.published if trip_id == self.trip]

    def add(self, stop_id: str, **more: Any) -> asyncio.Task[Applied]:
        op = AddStop(stop_id, StopFields(name=stop_id))
        return self.apply(command(self.trip, op, **more))

    def apply(self, made: ApplyOperation) -> asyncio.Task[Applied]:
        async def submit() -> Applied:
            return await self.run(apply_operation, made)

        return asyncio.get_running_loop().create_task(submit())

    async def log(self) -> list[int]:
        bodies = await self.run(read_events, ReadEvents(self.trip, after=2))
        return [decode_event(body).seq for body in bodies]

    async def hold(self) -> Callable[[], None]:
        """Occupy the trip's lane with a command that waits; returns what lets it go."""
        begun, go = threading.Event(), threading.Event()

        def wait(_: RoomCommand, __: UnitOfWork) -> None:
            begun.set()
            assert go.wait(20)

        task = asyncio.create_task(call(self.run, wait, RoomCommand(self.trip)))
        self._held = task
        assert await asyncio.to_thread(begun.wait, 20)
        return go.set


async def call(run: Runner, service: Any, given: Any) -> Any:
    return await run(service, given)
