"""Seeded convergence: many clients on several processes over a bus that loses, repeats and
reorders; random operations, lost connections, publications that never happen.

At the end every client equals the database, every acknowledged operation is in the log exactly
once, and no rejected one is (R1.3, R1.4, R3.3, R3.4, R3.5). Everything runs in one loop on the
in-memory unit of work, so a failing seed can be replayed:
``pytest tests/integration/test_convergence.py -k "seed_7 "`` or ``CONVERGENCE_SEEDS=7``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from domain.commands import Actor, ReadEvents, RoomCommand
from domain.entities import Snapshot
from domain.events import Committed, decode_event
from domain.membership import StartTrip
from domain.operations import CreateTrip, JoinTrip
from domain.ports import UnitOfWork
from domain.services.rooms import join_trip, read_events
from domain.services.trips import start_trip
from realtime.admission import HubLimits
from realtime.broker_memory import MemoryBroker, MemoryBus
from realtime.hub import Hub, Times
from realtime.presence import PresenceTimes
from realtime.presence_memory import MemoryPresenceStore
from realtime.publisher import Publisher
from storage.runner import Runner
from storage.unit_of_work_memory import MemoryStore, MemoryUnits
from tests.integration.random_edits import random_edit
from tests.integration.replica import Replica, live
from tests.realtime.world import FakeTransport, admitted, split_frames

SEEDS = [int(seed) for seed in os.environ.get("CONVERGENCE_SEEDS", "").split(",") if seed] or list(range(12))
TRIP, AT = "t1", "2026-05-01T08:00:00.000Z"
USERS = ["ann", "bob", "cai", "dee", "eve", "fay"]
QUICK = Times(
    hold=0.005, poll=0.05, poll_down=0.05, heartbeat=0.05, sign_ins=3600, linger=3600,
    presence=PresenceTimes(tick=0.01, refresh=3600, leave=0.05),
)  # fmt: skip
FREE = HubLimits(frames_per_second=1e6)


class FaultyBus(MemoryBus):
    """Loses 15 % of the messages, repeats 10 %, and delivers late and out of order."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng
        self.kind = True
        """Behaves like the plain bus."""

    def publish(self, channel: str, data: bytes) -> None:
        if self.kind:
            super().publish(channel, data)
            return
        loop = asyncio.get_running_loop()
        for _ in range(self.rng.choice([0, *[1] * 6, 2])):
            loop.call_later(self.rng.random() * 0.02, super().publish, channel, data)


class Process:
    """One server process without sockets. `forgetful`: sometimes dies between commit and publish."""

    def __init__(self, store: MemoryStore, bus: FaultyBus, executor: ThreadPoolExecutor) -> None:
        self.rng, self.bus = bus.rng, bus
        self.run = Runner(MemoryUnits(store), executor, self.publish)
        broker = MemoryBroker(bus)

        async def all_valid(auth_ids: set[str]) -> set[str]:
            return auth_ids

        self.hub = Hub(self.run, broker, MemoryPresenceStore(), all_valid, times=QUICK, limits=FREE)
        self.publisher = Publisher(self.hub, broker)

    def publish(self, trip_id: str, epoch: str, committed: list[Committed]) -> None:
        if self.bus.kind or self.rng.random() > 0.05:
            self.publisher.publish(trip_id, epoch, committed)


class Tab(Replica):
    """One client; frames are handed over by hand, one after the other, like a socket's."""

    def __init__(self, user: str, processes: list[Process], rng: random.Random) -> None:
        super().__init__(TRIP)
        self.user, self.processes, self.rng = user, processes, rng
        self.connected = False
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()

    def _send(self, message: dict[str, Any]) -> None:
        if self.connected and self.joins:
            self._frames.put_nowait(json.dumps(message))

    def drop(self) -> None:
        self.connected = False
        self._frames.put_nowait(None)

    async def run(self) -> None:
        """Connect, serve the connection until it ends, come back; until cancelled."""
        while True:
            await self._connection(self.rng.choice(self.processes).hub)
            await asyncio.sleep(self.rng.random() * 0.02)

    async def _connection(self, hub: Hub) -> None:
        transport = InOrder(self)
        self._frames = asyncio.Queue()
        session = admitted(hub, transport, Actor(self.user, self.user.title()))
        transport.on_end = self.drop
        self.connected = True
        self._frames.put_nowait(json.dumps(self.join_message()))
        while (frame := await self._frames.get()) is not None:
            session.receive(frame)
            while session.waits:  # noqa: ASYNC110 (it ends within a few turns)
                await asyncio.sleep(0)
        transport.tab = None  # what is written from now on reaches nobody
        session.left()


class InOrder(FakeTransport):
    """Hands every frame that the server writes to the tab at once."""

    def __init__(self, tab: Tab) -> None:
        super().__init__()
        self.tab: Tab | None = tab

    def write(self, data: bytes) -> None:
        for opcode, payload in split_frames(data):
            if self.tab is not None and self.tab.connected and opcode == 1:
                self.tab.receive(json.loads(payload))


async def settle(condition: Callable[[], bool], tabs: list[Tab], seed: int) -> None:
    """Resend until the condition holds, as every client does."""
    for _ in range(400):
        if condition():
            return
        for tab in tabs:
            tab.resend()
        await asyncio.sleep(0.025)
    state = [(tab.user, tab.seq, len(tab.pending), tab.connected) for tab in tabs]
    raise AssertionError(f"seed {seed} does not settle: {state}")


async def make_room(process: Process) -> None:
    op = CreateTrip(title="云南", owner_name="Ann", start_date="2026-05-01", end_date="2026-05-04")
    await process.run(start_trip, StartTrip(TRIP, Actor("ann", "Ann"), "e1", "op-start", op, AT))

    def join_all(_: JoinAll, uow: UnitOfWork) -> None:
        trip = uow.trips.lock(TRIP)
        for user in USERS[1:]:
            join_trip(uow, trip, JoinTrip(name=user.title(), role="editor"), user, f"join-{user}", AT)

    await process.run(join_all, JoinAll(TRIP))


class JoinAll(RoomCommand, frozen=True):
    """A command of this test: everybody becomes a member."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed_{seed} ")
async def test_everybody_ends_with_the_same_trip(seed: int) -> None:
    rng = random.Random(seed)
    store, bus, executor = MemoryStore(), FaultyBus(rng), ThreadPoolExecutor(4)
    processes = [Process(store, bus, executor) for _ in range(3)]
    for process in processes:
        await process.hub.start()
    await make_room(processes[0])
    bus.kind = False
    tabs = [Tab(user, processes, rng) for user in USERS]
    tasks = [asyncio.create_task(tab.run()) for tab in tabs]
    sent: set[str] = set()
    for n in range(40):
        for tab in tabs:
            if rng.random() < 0.05:
                tab.drop()
            sent.add(tab.submit(random_edit(rng, tab, n), base=max(0, tab.seq - rng.randint(0, 3))))
            if rng.random() < 0.1:
                tab.resend()
        await asyncio.sleep(rng.random() * 0.01)
    await settle(lambda: not any(tab.pending for tab in tabs), tabs, seed)
    bodies = await processes[0].run(read_events, ReadEvents(TRIP, 0, 10_000))
    events = [decode_event(body) for body in bodies]
    await settle(lambda: all(tab.seq == len(events) for tab in tabs), tabs, seed)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for process in processes:
        await process.hub.aclose()
    executor.shutdown()

    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    log = [event.op_id for event in events]
    assert len(set(log)) == len(log), f"seed {seed}: an operation was applied twice"
    acked = {op_id for tab in tabs for op_id in tab.acked}
    rejected = {op_id for tab in tabs for op_id in tab.rejected}
    assert acked | rejected == sent, f"seed {seed}"
    assert acked <= set(log), f"seed {seed}"
    assert not rejected & set(log), f"seed {seed}"
    with MemoryUnits(store)() as unit:
        truth = live_of(msgspec.to_builtins(unit.trips.read(TRIP).view()))
    for tab in tabs:
        assert tab.view() == truth, f"seed {seed}: {tab.user} differs from the database"


def live_of(snapshot: dict[str, Any]) -> dict[str, Any]:
    """A snapshot as `Replica.view` shows it."""
    assert set(snapshot) == set(Snapshot.__struct_fields__)
    records = {("trip", TRIP): snapshot["trip"]}
    for t, key in (("day", "days"), ("stop", "stops"), ("member", "members")):
        records |= {(t, record["id"]): record for record in snapshot[key]}
    return live(records)
