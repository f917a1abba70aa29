"""Jobs end to end in one process: never lost, never twice with effect, only what the asker may see.

Real runner and unit of work in memory, a real doorbell; the clock moves when a test says so. Workers that
are killed, and Redis: `tests/integration/test_jobs.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.accounts import Limits, timestamp
from domain.commands import Actor, ApplyOperation
from domain.errors import DomainError, Forbidden, LimitReached, NotFound, Throttled
from domain.jobs import (
    KEEP_DAYS,
    MAX_ATTEMPTS,
    MAX_FILE,
    MAX_KEPT,
    MAX_UNDER_WAY,
    File,
    Job,
    Material,
    ReadExport,
    ReadMaterial,
    RequestExport,
)
from domain.mail import RequestReset
from domain.operations import PostMessage, RemoveMember, SetTripVisibility
from domain.services import jobs, rooms
from domain.services.mail import request_reset
from realtime.jobs.doorbell_local import QUEUE_LIMIT, LocalDoorbell
from realtime.jobs.render import render
from realtime.jobs.rounds import Rounds
from realtime.jobs.worker import Worker
from storage.unit_of_work_memory import MemoryUnits
from tests.handlers.memory import MemoryRun
from tests.realtime.world import turns
from tests.storage.support import make_trip, new_op


class Bench:
    """A store with one trip (ann owns it, bob edits), and workers on it."""

    def __init__(self) -> None:
        self.run = MemoryRun()
        self.threads = ThreadPoolExecutor(4)
        self.now = datetime(2026, 5, 1, 8, tzinfo=UTC)
        self.trip_id = make_trip(MemoryUnits(self.run.store))
        self._asked = 0

    def clock(self) -> str:
        return timestamp(self.now)

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)

    def worker(self, make: Callable[[Job, Material], File] = render, **more: Any) -> Worker:
        return Worker(self.run, make, self.threads, self.clock, **more)

    async def ask(self, by: str = "ann", format: Any = "data", job_id: str | None = None) -> str:
        self._asked += 1
        command = RequestExport(
            job_id or f"j{self._asked}", Actor(by), self.trip_id, format, "zh", self.clock()
        )
        return (await self.run(jobs.request_export, command)).id

    async def job(self, job_id: str, by: str = "ann") -> Job:
        found: Job = await self.run(jobs.read_export, ReadExport(Actor(by), job_id))
        return found

    async def file(self, job_id: str, by: str = "ann") -> bytes:
        _, body = await self.run(jobs.read_file, ReadExport(Actor(by), job_id))
        return bytes(body)

    async def do(self, op: Any, by: str = "ann") -> None:
        command = ApplyOperation(self.trip_id, new_op(), Actor(by), op, 2**40, self.clock())
        await self.run(rooms.apply_operation, command)

    def rounds(self, ring: Callable[[str], None]) -> Rounds:
        return Rounds(self.run, Ringing(ring), self.clock)


class Ringing:
    def __init__(self, ring: Callable[[str], None]) -> None:
        self._told = ring

    def ring(self, job_id: str, mail: bool = False) -> None:
        self._told(job_id)

    async def aclose(self) -> None: ...


class Gate:
    """A way of making files that waits until it is told, and counts."""

    def __init__(self) -> None:
        self.began, self.open = threading.Semaphore(0), threading.Event()
        self.made = 0

    def __call__(self, job: Job, material: Material) -> File:
        self.began.release()
        assert self.open.wait(30)
        self.made += 1
        return render(job, material)

    async def entered(self) -> None:
        assert await asyncio.to_thread(self.began.acquire, True, 30)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.run.aclose()
    made.threads.shutdown()


def failing(job: Job, material: Material) -> File:
    raise RuntimeError("no ink")


async def until(true: Callable[[], Any]) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(30):
        while not await true():  # noqa: ASYNC110  # what is waited for stands in the store
            await asyncio.sleep(0.005)


async def test_a_job_is_done_once_however_often_it_is_called_out(bench: Bench) -> None:
    gate = Gate()
    worker, other = bench.worker(gate), bench.worker(gate)
    job_id = await bench.ask()
    working = [asyncio.create_task(each.work(job_id)) for each in (worker, other, worker, other)]
    await gate.entered()
    gate.open.set()
    await asyncio.gather(*working)
    await worker.work(job_id)
    assert gate.made == 1 and worker.counts["done"] + other.counts["done"] == 1
    job = await bench.job(job_id)
    assert (job.status, job.attempts, job.error) == ("done", 1, None)
    assert json.loads(await bench.file(job_id))["trip"]["title"] == "Yunnan 云南"


async def test_a_worker_that_comes_back_too_late_changes_nothing(bench: Bench) -> None:
    """Frozen so long that its lease ran out and another one took the job."""
    gate = Gate()
    frozen = bench.worker(gate, beat=3_600)
    job_id = await bench.ask()
    working = asyncio.create_task(frozen.work(job_id))
    await gate.entered()
    bench.wait(seconds=31)
    called = await bench.rounds(lambda _: None).look()
    assert called == [job_id]
    await bench.worker(lambda job, material: File("second", "text/plain", b"second", True)).work(job_id)
    gate.open.set()
    await working
    assert frozen.counts == {"done": 0, "failed": 0, "again": 0, "lost": 1}
    assert await bench.file(job_id) == b"second" and (await bench.job(job_id)).attempts == 2


async def test_the_lease_is_held_while_the_file_is_made(bench: Bench) -> None:
    gate = Gate()
    worker = bench.worker(gate, beat=0.001)
    job_id = await bench.ask()
    working = asyncio.create_task(worker.work(job_id))
    await gate.entered()
    for _ in range(3):
        bench.wait(seconds=20)
        lease = timestamp(bench.now + timedelta(seconds=30))

        async def renewed(wanted: str = lease) -> bool:
            return (await bench.job(job_id)).due_at == wanted

        await until(renewed)
        assert await bench.rounds(lambda _: None).look() == []
    gate.open.set()
    await working
    assert (await bench.job(job_id)).attempts == 1


async def test_what_fails_is_tried_again_and_then_given_up(bench: Bench) -> None:
    worker = bench.worker(failing)
    job_id = await bench.ask()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await worker.work(job_id)
        assert (await bench.job(job_id)).attempts == attempt
    job = await bench.job(job_id)
    assert (job.status, job.error) == ("failed", "internal")
    await bench.worker().work(job_id)
    assert (await bench.job(job_id)).status == "failed"
    assert worker.counts == {"done": 0, "failed": 1, "again": 2, "lost": 0}
    with pytest.raises(DomainError) as raised:
        await bench.file(job_id)
    assert raised.value.code == "export_failed"


async def test_a_job_whose_workers_all_die_is_given_up(bench: Bench) -> None:
    job_id = await bench.ask()
    rung: list[str] = []
    rounds = bench.rounds(rung.append)
    for _ in range(MAX_ATTEMPTS):
        dead = asyncio.create_task(bench.worker(gate := Gate(), beat=3_600).work(job_id))
        await gate.entered()
        bench.wait(seconds=31)
        await rounds.look()
        gate.open.set()
        await dead
    job = await bench.job(job_id)
    assert (job.status, job.error, rung) == ("failed", "worker_lost", [job_id] * (MAX_ATTEMPTS - 1))


async def test_a_process_that_drains_gives_its_job_back(bench: Bench) -> None:
    gate = Gate()
    doorbell = LocalDoorbell(bench.worker(gate).work)
    job_id = await bench.ask()
    doorbell.ring(job_id)
    await gate.entered()
    closing = asyncio.create_task(doorbell.aclose())

    async def given_back() -> bool:
        return (await bench.job(job_id)).status == "queued"

    await until(given_back)
    await closing
    bench.wait(seconds=1)
    assert await bench.rounds(lambda _: None).look() == [job_id]
    gate.open.set()
    await bench.worker().work(job_id)
    assert (await bench.job(job_id)).status == "done"


async def test_without_workers_this_process_does_the_work(bench: Bench) -> None:
    doorbell = LocalDoorbell(bench.worker().work, limit=2)
    asked = [await bench.ask(by) for by in ("ann", "ann", "bob")]
    for job_id in [*asked, *asked]:
        doorbell.ring(job_id)
    rounds = Rounds(bench.run, doorbell, bench.clock)

    async def all_done() -> bool:
        await rounds.look()
        return rounds.counts["done"] == 2

    await until(all_done)
    assert rounds.counts == {"queued": 1, "running": 0, "done": 2, "failed": 0}, "the queue held two"
    bench.wait(seconds=31)

    async def the_last() -> bool:
        await rounds.look()
        return rounds.counts["done"] == 3

    await until(the_last)
    await doorbell.aclose()
    doorbell.ring(asked[0])


async def test_a_mail_does_not_wait_behind_files() -> None:
    """Some guests who upload photos would else keep everybody's links for new passwords for an hour."""
    busy, done = asyncio.Event(), asyncio.Event()

    async def work(job_id: str) -> None:
        if job_id == "mail":
            done.set()
        else:
            await busy.wait()

    doorbell = LocalDoorbell(work)
    for n in range(2 * QUEUE_LIMIT):
        doorbell.ring(f"photo{n}")
    await turns()
    doorbell.ring("mail", mail=True)
    async with asyncio.timeout(10):
        await done.wait()
    await doorbell.aclose()


async def test_who_is_called_out_is_known_as_what_it_is(bench: Bench) -> None:
    rung: list[tuple[str, bool]] = []

    class Noting(Ringing):
        def ring(self, job_id: str, mail: bool = False) -> None:
            rung.append((job_id, mail))

    await bench.ask()
    wish = RequestReset("m1", "ann", "en", "192.0.2.1", Limits(), bench.clock())
    await bench.run(request_reset, wish)
    bench.wait(seconds=31)
    await Rounds(bench.run, Noting(rung.clear), bench.clock).look()
    assert sorted(mail for _, mail in rung) == [False, True] and ("m1", True) in rung


async def test_nobody_is_called_out_all_the_time(bench: Bench) -> None:
    job_id = await bench.ask()
    rung: list[float] = []
    began = bench.now
    rounds = bench.rounds(lambda _: rung.append((bench.now - began).total_seconds()))
    for _ in range(120):
        bench.wait(seconds=5)
        await rounds.look()
    assert rung[0] == 35 and len(rung) < 10
    assert max(b - a for a, b in itertools.pairwise(rung)) <= 125
    assert (await bench.job(job_id)).attempts == 0


# --- who may see what ---------------------------------------------------------------------


async def test_a_spectators_export_has_no_talk(bench: Bench) -> None:
    await bench.do(SetTripVisibility("public"))
    await bench.do(PostMessage(id="m1", text="only for us"))
    await bench.do(PostMessage(id="m2", text="two"))
    mine, theirs = await bench.ask("ann"), await bench.ask("eve")
    for job_id in (mine, theirs):
        await bench.worker().work(job_id)
    member = json.loads(await bench.file(mine))
    assert [each["text"] for each in member["messages"]] == ["only for us", "two"]
    seen = await bench.file(theirs, "eve")
    assert b"only for us" not in seen and "messages" not in json.loads(seen)
    for user_id, words in (("ann", 2), ("eve", 0)):
        command = ReadMaterial(bench.trip_id, user_id, "zh", True, bench.clock())
        material = await bench.run(jobs.read_material, command)
        assert len(material.messages) == words
    assert json.loads(seen)["role"] == "spectator" and not (await bench.job(theirs, "eve")).for_member


async def test_whoever_is_removed_gets_nothing_any_more(bench: Bench) -> None:
    made, waiting = await bench.ask("bob"), await bench.ask("bob")
    await bench.worker().work(made)
    assert await bench.file(made, "bob")
    await bench.do(RemoveMember("bob"))
    await bench.worker().work(waiting)
    for job_id in (made, waiting):
        with pytest.raises(Forbidden):
            await bench.file(job_id, "bob")
    # As a spectator he may see the plan, but not what was made for a member.
    await bench.do(SetTripVisibility("public"))
    with pytest.raises(Forbidden):
        await bench.file(made, "bob")
    assert (await bench.job(waiting, "bob")).error == "forbidden"
    new = await bench.ask("bob")
    await bench.worker().work(new)
    assert "messages" not in json.loads(await bench.file(new, "bob"))


async def test_an_export_is_its_askers_alone(bench: Bench) -> None:
    job_id = await bench.ask("ann")
    await bench.worker().work(job_id)
    for other in ("bob", "eve"):
        with pytest.raises(NotFound):
            await bench.file(job_id, other)
    with pytest.raises(NotFound):
        await bench.ask("eve")
    with pytest.raises(DomainError) as raised:
        await bench.ask("bob", job_id=job_id)
    assert raised.value.code == "op_id_taken"
    assert await bench.ask("ann", job_id=job_id) == job_id


# --- limits -------------------------------------------------------------------------------


async def test_what_one_person_may_have(bench: Bench) -> None:
    for _ in range(MAX_UNDER_WAY):
        last = await bench.ask()
    with pytest.raises(Throttled) as raised:
        await bench.ask()
    assert raised.value.code == "exports_busy" and "3 exports" in raised.value.message
    await bench.ask("bob")
    await bench.worker().work(last)
    kept = [last]
    for _ in range(MAX_KEPT):
        kept.append(await bench.ask())
        await bench.worker().work(kept[-1])
        bench.wait(seconds=1)
    with pytest.raises(NotFound):
        await bench.file(kept[0])
    assert await bench.file(kept[-1])


async def test_a_file_that_is_too_large_says_so(bench: Bench) -> None:
    job_id = await bench.ask()
    huge = File("x", "text/plain", bytes(MAX_FILE + 1), True)
    await bench.worker(lambda job, material: huge).work(job_id)
    job = await bench.job(job_id)
    assert (job.status, job.error, job.attempts) == ("failed", "too_large", 1)
    assert LimitReached.retryable is False


async def test_files_go_after_some_days(bench: Bench) -> None:
    job_id = await bench.ask()
    await bench.worker().work(job_id)
    rounds = bench.rounds(lambda _: None)
    bench.wait(days=KEEP_DAYS)
    await rounds.look()
    assert await bench.file(job_id)
    bench.wait(seconds=1)
    await rounds.look()
    with pytest.raises(NotFound):
        await bench.file(job_id)
    assert bench.run.store.jobs.state.files == {}
