"""The runner: `await run(service, command)`, from the event loop to a commit and back.

Owns the lanes. Commands of one room queue in its lane, on the loop and not on threads; while a
transaction is in flight the next ones gather, and the transaction after it commits them together,
each with its own result. Owns the retries: nobody else repeats a transaction. Publishes what was
committed, on the loop, in lane order, before it answers. Never knows SQL or a rule of the domain.

A caller that is cancelled leaves its command running: nothing is ever committed without being
published. Called by `realtime` and `handlers` through `domain.ports.Run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from structlog.contextvars import bind_contextvars

from domain.commands import ReadEvents, RoomCommand
from domain.distribution import Distribution
from domain.errors import DomainError, Unavailable
from domain.events import Committed
from domain.ports import Outcome, UnitOfWork
from storage.faults import Fault, fault_of
from storage.trips_buffer import Recorded
from storage.unit import Unit, UnitFactory

GROUP = 32
"""Commands in one transaction at most."""
LANE_LIMIT = 1_000
QUEUE_LIMIT = 5_000
"""Commands that wait for, or are in, a transaction: in one lane, and in all."""
ATTEMPTS: dict[Fault, int] = {Fault.CONTENTION: 3, Fault.LOST: 2, Fault.EXHAUSTED: 1}
PAUSE_SECONDS = 0.02
"""Before the second attempt; doubled for each further one, and jittered."""

_APPLIED, _REPEATED = ("applied", ""), ("repeated", "")

Publish = Callable[[str, str, list[Committed]], None]
C = TypeVar("C")
R = TypeVar("R")
log = logging.getLogger(__name__)
_OP_ID = copy_context().run(bind_contextvars, op_id="")["op_id"].var
"""What `bind_contextvars(op_id=...)` sets; to be set by itself for each operation."""


class Job:
    """One command on its way. Its outcome is filled in the thread, and answered on the loop."""

    __slots__ = ("_answer", "command", "context", "op_id", "outcome", "service")

    def __init__(
        self,
        service: Callable[[Any, UnitOfWork], Any],
        command: Any,
        answer: Callable[[Outcome[Any]], None],
    ) -> None:
        self.service = service
        self.command = command
        self.context = copy_context()
        op_id = getattr(command, "op_id", None)
        self.op_id: str | None = op_id if isinstance(op_id, str) else None
        """What makes the command safe to repeat after a commit of unknown outcome."""
        if self.op_id is not None:
            self.context.run(_OP_ID.set, op_id)
        self.outcome: Outcome[Any] = Outcome()
        self._answer = answer

    def perform(self, unit: Unit) -> None:
        self.outcome.result = self.outcome.error = None
        self.outcome.result = self.context.run(self.service, self.command, unit)

    def fail(self, error: BaseException) -> None:
        self.outcome.result, self.outcome.error = None, error

    def log(self, level: int, message: str, *arguments: Any, error: BaseException | None = None) -> None:
        """A line with the ids of whoever sent the command. In this or any other thread."""
        self.context.run(log.log, level, message, *arguments, exc_info=error)

    def answer(self) -> None:
        try:
            self.context.run(self._answer, self.outcome)
        except Exception as error:
            self.log(logging.ERROR, "answering a command failed", error=error)


@dataclass(eq=False, slots=True)
class Lane:
    """Commands of one room that wait; writes and reads take turns, so that neither starves."""

    writes: deque[Job] = field(default_factory=deque)
    reads: deque[Job] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.writes) + len(self.reads)


@dataclass(slots=True)
class Gauges:
    """Plain numbers for metrics."""

    queued: int = 0
    """Commands accepted and not answered."""
    in_flight: int = 0
    """Transactions in a thread, or waiting for one."""
    transactions: int = 0
    grouped: int = 0
    """Commands that went through lanes; divided by `groups` it is the mean size of a group."""
    groups: int = 0
    largest_group: int = 0
    retries: int = 0
    refused: int = 0
    events: int = 0
    operations: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Commands with an `op_id`, through whatever door, by what became of them: `applied`, `repeated`,
    `rejected` or `failed`, and the code of the error."""
    group_sizes: Distribution = field(default_factory=lambda: Distribution((1, 2, 4, 8, 16, 24, GROUP)))
    """Commands of each writing transaction of a lane."""
    waits: Distribution = field(default_factory=Distribution)
    """Seconds from the loop to a thread."""
    writes: Distribution = field(default_factory=Distribution)
    reads: Distribution = field(default_factory=Distribution)
    """Seconds of a transaction in its thread, commit included."""


class _Failed(Exception):
    """An attempt failed; `committing`: maybe not, it was about to commit `recorded`."""

    def __init__(self, cause: Exception, committing: bool, recorded: Sequence[Recorded]) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.committing = committing
        self.recorded = recorded


class Runner:
    """Implements `domain.ports.Run`. Made and used on one event loop. `threads`: how many `executor` has."""

    def __init__(
        self,
        units: UnitFactory,
        executor: Executor,
        publish: Publish,
        *,
        threads: int = 8,
        queue_limit: int = QUEUE_LIMIT,
        lane_limit: int = LANE_LIMIT,
    ) -> None:
        self._units = units
        self._executor = executor
        self._publish = publish
        self._queue_limit = queue_limit
        self._lane_limit = lane_limit
        self._lanes: dict[str, Lane] = {}
        self._turns = asyncio.Semaphore(threads)
        """For groups of lanes: one that would only wait for a thread gathers what arrives meanwhile."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self._ended = False
        self.gauges = Gauges()

    @property
    def lanes(self) -> int:
        """Rooms with a transaction in flight or waiting."""
        return len(self._lanes)

    async def __call__(self, service: Callable[[C, UnitOfWork], R], command: C) -> R:
        """See `domain.ports.Run`. Raises `Unavailable` when too much is waiting already."""
        done: asyncio.Future[Outcome[R]] = asyncio.get_running_loop().create_future()
        self.submit(service, command, partial(_resolve, done))
        try:
            return (await done).get()
        finally:
            del done  # it leads to the error, and its traceback to here: a cycle

    def submit(
        self, service: Callable[[C, UnitOfWork], R], command: C, answer: Callable[[Outcome[R]], None]
    ) -> None:
        """See `domain.ports.Run`. The error is `Unavailable` when too much is waiting already."""
        job = Job(service, command, answer)
        if self._draining:
            self._refuse(job, "the server is restarting")
        elif self.gauges.queued >= self._queue_limit:
            self._refuse(job, "the server is busy")
        elif isinstance(command, RoomCommand) and not isinstance(command, ReadEvents):
            self._enter(command.trip_id, job)
        else:
            self.gauges.queued += 1
            self._spawn(self._alone(job))

    async def drain(self, deadline: float) -> bool:
        """Refuse new commands and wait for those accepted; False when `deadline` seconds pass: what has
        not begun by then is refused, too, for the threads are about to end."""
        self._draining = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=deadline)
        self._ended = bool(self._tasks)
        return not self._tasks

    def _refuse(self, job: Job, why: str) -> None:
        self.gauges.refused += 1
        job.fail(Unavailable(f"{why}, try again"))
        self._count(job)
        job.answer()

    def _count(self, job: Job) -> None:
        if job.op_id is not None:
            self.gauges.operations[_ended(job.outcome)] += 1

    def _spawn(self, work: Any) -> None:
        # A context of its own: a lane outlives the request that opened it.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- lanes ------------------------------------------------------------------------------

    def _enter(self, trip_id: str, job: Job) -> None:
        lane = self._lanes.get(trip_id)
        if lane is not None and len(lane) >= self._lane_limit:
            self._refuse(job, "this trip is busy")
            return
        self.gauges.queued += 1
        opened = lane is None
        if lane is None:
            lane = self._lanes[trip_id] = Lane()
        (lane.reads if _only_reads(job) else lane.writes).append(job)
        if opened:
            self._spawn(self._serve(trip_id, lane))

    async def _serve(self, trip_id: str, lane: Lane) -> None:
        bind_contextvars(trip_id=trip_id)  # in this lane's own context
        while lane:
            for waiting, writing in ((lane.writes, True), (lane.reads, False)):
                if not waiting:
                    continue
                async with self._turns:
                    group = [waiting.popleft() for _ in range(min(len(waiting), GROUP))]
                    self.gauges.groups += 1
                    self.gauges.grouped += len(group)
                    self.gauges.largest_group = max(self.gauges.largest_group, len(group))
                    if writing:
                        self.gauges.group_sizes.observe(len(group))
                    await self._finish(group, writing, in_lane=True)
        del self._lanes[trip_id]  # nothing was awaited since the lane was seen empty

    async def _alone(self, job: Job) -> None:
        await self._finish([job], not _only_reads(job), in_lane=False)

    async def _finish(self, group: list[Job], writing: bool, in_lane: bool) -> None:
        """Run a group, publish, answer everybody. Never raises."""
        try:
            for each in await self._persist(group, writing, in_lane):
                self._announce(each)
        except Exception as error:
            log.exception("a group of %d commands failed", len(group))
            for job in group:
                job.fail(error)
        self.gauges.queued -= len(group)
        for job in group:
            self._count(job)
            job.answer()

    def _announce(self, recorded: Recorded) -> None:
        self.gauges.events += len(recorded.events)
        try:
            self._publish(recorded.trip_id, recorded.epoch, recorded.events)
        except Exception:
            # Durable already; members catch up from the log when the head is next compared.
            log.exception("publishing events of trip %s failed", recorded.trip_id)

    # --- attempts ---------------------------------------------------------------------------

    async def _persist(self, group: list[Job], writing: bool, in_lane: bool) -> list[Recorded]:
        """Run a group until it is durable or hopeless; sets each job's result or error."""
        doubtful: Sequence[Recorded] = ()
        attempt = 0
        while True:
            if self._ended:
                for job in group:
                    job.fail(Unavailable("the server is restarting, try again"))
                return []
            attempt += 1
            try:
                return await self._in_thread(group, writing, in_lane, doubtful)
            except _Failed as failed:
                fault = fault_of(failed.cause)
                in_doubt = failed.committing and fault is Fault.LOST
                if in_doubt:
                    doubtful = failed.recorded
                if fault is None:
                    return await self._singly(group, writing, in_lane, failed.cause)
                once = in_doubt and any(job.op_id is None for job in group)
                if once or attempt >= ATTEMPTS[fault]:
                    self._give_up(group, fault, failed.cause)
                    return []
                self.gauges.retries += 1
                said = "transaction of %d commands failed (%s), attempt %d: %s"
                group[0].log(logging.WARNING, said, len(group), fault.value, attempt, failed.cause)
            await asyncio.sleep(PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))

    async def _singly(
        self, group: list[Job], writing: bool, in_lane: bool, cause: Exception
    ) -> list[Recorded]:
        """Find the command that the database refuses, so that it does not fail its neighbours."""
        if len(group) == 1:
            group[0].log(logging.ERROR, "a command failed: %s", cause, error=cause)
            group[0].fail(cause)
            return []
        recorded: list[Recorded] = []
        for job in group:
            recorded += await self._persist([job], writing, in_lane)
        return recorded

    def _give_up(self, group: list[Job], fault: Fault, cause: Exception) -> None:
        for job in group:
            job.log(logging.ERROR, "giving up on a command (%s): %s", fault.value, cause)
            job.fail(Unavailable("the database did not answer in time, try again"))

    async def _in_thread(
        self, group: list[Job], writing: bool, in_lane: bool, doubtful: Sequence[Recorded]
    ) -> list[Recorded]:
        loop, gauges = asyncio.get_running_loop(), self.gauges
        ended: asyncio.Future[tuple[float, float, Outcome[list[Recorded]]]] = loop.create_future()

        def work() -> None:
            began = perf_counter()
            outcome: Outcome[list[Recorded]] = Outcome()
            try:
                outcome.result = self._transact(group, writing, in_lane, doubtful)
            except BaseException as error:
                outcome.error = error
            ran = (began, perf_counter(), outcome)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, ended, ran)

        gauges.in_flight += 1
        gauges.transactions += 1
        asked = perf_counter()
        try:
            # The future of `run_in_executor` would be one more lock and three more callbacks.
            self._executor.submit(work)
            began, done, outcome = await ended
        finally:
            gauges.in_flight -= 1
        gauges.waits.observe(began - asked)
        (gauges.writes if writing else gauges.reads).observe(done - began)
        return outcome.get()

    # --- in the thread ----------------------------------------------------------------------

    def _transact(
        self, group: list[Job], writing: bool, in_lane: bool, doubtful: Sequence[Recorded]
    ) -> list[Recorded]:
        committing = False
        unit: Unit | None = None
        try:
            with self._units(writing) as unit:
                done = [each for each in doubtful if _is_durable(unit, each)]
                if in_lane:
                    op_ids = [op_id for job in group if (op_id := job.op_id) is not None]
                    unit.expect(group[0].command.trip_id, op_ids)
                for job in group:
                    if in_lane:
                        unit.mark()
                    if not _perform(job, unit, in_lane):
                        return done  # alone: leaving without commit rolls back
                committing = True
                unit.commit()
                return done + unit.recorded
        except Exception as error:
            raise _Failed(error, committing, unit.recorded if unit is not None else ()) from error


def _perform(job: Job, unit: Unit, in_lane: bool) -> bool:
    """Run one command. What it wrote before it failed is dropped; False when it cannot be."""
    try:
        job.perform(unit)
        return True
    except Exception as error:
        if fault_of(error) is not None:
            raise
        if not isinstance(error, DomainError):
            job.log(logging.ERROR, "%s failed", getattr(job.service, "__name__", job.service), error=error)
        # Without its traceback: that leads to the job, which holds the error, and is of no use to anybody.
        job.fail(error.with_traceback(None))
        if in_lane:
            unit.drop(broken=not isinstance(error, DomainError))
        return in_lane


def _ended(outcome: Outcome[Any]) -> tuple[str, str]:
    """For `Gauges.operations`."""
    error = outcome.error
    if error is None:
        return _REPEATED if getattr(outcome.result, "repeated", False) else _APPLIED
    return ("rejected", error.code) if isinstance(error, DomainError) else ("failed", "internal")


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():  # else the caller was cancelled
        future.set_result(result)


def _only_reads(job: Job) -> bool:
    return bool(getattr(job.command, "reads_only", False))


def _is_durable(unit: Unit, recorded: Recorded) -> bool:
    """Whether a commit whose answer was lost had happened."""
    first = recorded.events[0].event.seq
    stored = unit.trips.events_after(recorded.trip_id, first - 1, len(recorded.events))
    return stored == [done.body for done in recorded.events]
