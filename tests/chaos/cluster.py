"""The cluster of a run: a database, a Redis, server processes, and a faulty link between any two of them.

Owns starting, proxies and what each kind of fault does to which of them, and puts everything right again in
`heal`. Knows nothing of clients but their links. Called by `tests.chaos.story`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import signal
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pymysql

from tests.chaos.model import Model
from tests.chaos.schedule import CLIENTS, SERVERS, Fault
from tests.faults.bus import BusFaults
from tests.faults.proxy import Proxy
from tests.services.mariadb import MariaDB
from tests.services.process import HOST
from tests.services.redis import Redis
from tests.services.server import ServerProcess

POOL = 4
PRESENCE_TTL = 6.0
"""Seconds after which people of a killed process vanish, here; see `tests.chaos.entry`."""
DATABASE = "chaos"
STEP = 60.0
"""No single thing of the cluster may take longer."""


class ChaosServer(ServerProcess):
    """`tests.chaos.entry` with these settings, on a port for people and one for operators."""

    def __init__(self, environment: dict[str, str], metrics_port: int) -> None:
        super().__init__(environment)
        self.metrics_port = metrics_port
        self.tasks_path = self.folder / "tasks.json"
        self._settings |= {"METRICS_PORT": str(metrics_port), "CHAOS_TASKS": str(self.tasks_path)}

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.chaos.entry"]

    def tasks(self) -> dict[str, int]:
        """How many tasks run, by name. TimeoutError when it does not answer."""
        self.tasks_path.unlink(missing_ok=True)
        self._signal(signal.SIGUSR1)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                found: dict[str, int] = json.loads(self.tasks_path.read_text("utf-8"))
                return found
            time.sleep(0.02)
        raise TimeoutError(f"a server did not say its tasks:\n{self.log_tail()}")

    def metrics(self) -> dict[str, float]:
        """All samples by their text, labels included."""
        with urllib.request.urlopen(f"http://{HOST}:{self.metrics_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {
            name: float(value) for name, value in re.findall(r"^([^#\s][^ ]*) (\S+)$", text, re.MULTILINE)
        }


class Cluster:
    """See the module. Everything that blocks runs in threads."""

    def __init__(self, rng: random.Random, defect: str = "") -> None:
        self.rng = rng
        self.defect = defect
        self.servers: list[ChaosServer] = []
        self.bus: list[Proxy] = []
        self.bus_faults: list[BusFaults] = []
        self.db_links: list[Proxy] = []
        self.model_links: list[Proxy] = []
        self.links: list[list[Proxy]] = []
        """Of each client to each server."""
        self.trip = ""
        self._stack = AsyncExitStack()
        self._broken: set[asyncio.Task[None]] = set()

    # --- life -------------------------------------------------------------------------------

    async def start(self, mariadb: MariaDB, redis: Redis) -> Cluster:
        """Empty database and Redis; all processes ready."""
        self.mariadb, self.redis, self.model = mariadb, redis, Model()
        self._stack.push_async_callback(self.model.aclose)
        await self._blocking(self._empty)
        for number in range(SERVERS):
            faults = BusFaults(random.Random(self.rng.getrandbits(32)))
            self.bus_faults.append(faults)
            self.bus.append(await self._proxy(redis.port, filter=faults.filter))
            self.db_links.append(await self._proxy(mariadb.port))
            self.model_links.append(await self._proxy(self.model.port))
            self.servers.append(ChaosServer(self._settings(number), await asyncio.to_thread(_port)))
            self._stack.push_async_callback(self._blocking, self.servers[number].remove)
        await self._blocking(self.servers[0].migrate)
        await asyncio.gather(*(self._blocking(server.start) for server in self.servers))
        self.links = [[await self._proxy(server.port) for server in self.servers] for _ in range(CLIENTS)]
        return self

    def _empty(self) -> None:
        self.redis.start()
        self.redis.flush()
        self.mariadb.start()
        self.mariadb.drop_database(DATABASE)
        self.mariadb.create_database(DATABASE)

    def _settings(self, number: int) -> dict[str, str]:
        link = self.db_links[number].port
        return {
            "DATABASE_URL": f"mysql+pymysql://root@{HOST}:{link}/{DATABASE}?charset=utf8mb4",
            "REDIS_URL": f"redis://{HOST}:{self.bus[number].port}/0",
            "PROCESSES": str(SERVERS),
            "DB_POOL_SIZE": str(POOL),
            "DRAIN_SECONDS": "4",
            "THROTTLE_FACTOR": "1000",
            "AI_API_KEY": "none",
            "AI_BASE_URL": f"http://{HOST}:{self.model_links[number].port}/v1",
            "AI_FIRST_TOKEN_SECONDS": "3",
            "AI_SILENCE_SECONDS": "3",
            "CHAOS_BREAK": self.defect,
        }

    async def _proxy(self, port: int, **more: Any) -> Proxy:
        return await self._stack.enter_async_context(
            Proxy((HOST, port), seed=self.rng.getrandbits(32), **more)
        )

    async def aclose(self) -> None:
        """End everything but database and Redis."""
        for server in self.servers:
            server.sigcont()
        await self._stack.aclose()

    async def _blocking(self, function: Callable[..., Any], *arguments: Any) -> Any:
        async with asyncio.timeout(STEP):
            return await asyncio.to_thread(function, *arguments)

    # --- faults -----------------------------------------------------------------------------

    async def apply(self, fault: Fault) -> None:
        """Begin the fault, wait, and end it; returns when it is over."""
        name = fault.kind.replace(" ", "_").replace("-", "_")
        method: Callable[[Fault], Awaitable[None]] = getattr(self, f"_{name}")
        await method(fault)

    async def _kill(self, fault: Fault) -> None:
        server = self.servers[fault.target]
        await self._blocking(server.kill)
        await asyncio.sleep(fault.seconds)
        await self._again(server)

    async def _drain(self, fault: Fault) -> None:
        server = self.servers[fault.target]
        server.terminate()
        status = await self._blocking(server.wait, 20)
        assert status == 0, f"the drain of process {fault.target} ended with {status}:\n{server.log_tail()}"
        await self._again(server)

    async def _again(self, server: ChaosServer) -> None:
        # It refuses to begin, with an exit status, where the database is away just now.
        async with asyncio.timeout(STEP):
            while not server.running:
                with contextlib.suppress(Exception):
                    await self._blocking(server.start)

    async def _freeze(self, fault: Fault) -> None:
        server = self.servers[fault.target]
        server.sigstop()
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            server.sigcont()

    async def _redis_restart(self, fault: Fault) -> None:
        await self._blocking(self.redis.kill)
        await asyncio.sleep(fault.seconds)
        await self._blocking(self.redis.start)

    async def _bus_lossy(self, fault: Fault) -> None:
        faults = self.bus_faults[fault.target]
        faults.drop, faults.duplicate, faults.reorder = fault.level * 0.5, 0.2, 0.3
        await asyncio.sleep(fault.seconds)
        faults.quiet()

    async def _bus_half_open(self, fault: Fault) -> None:
        await self._half_open(self.bus[fault.target], fault)

    async def _bus_reset(self, fault: Fault) -> None:
        self.bus[fault.target].reset()

    async def _bus_stalled(self, fault: Fault) -> None:
        await self._for_a_while(self.bus[fault.target], fault, stalled=True)

    async def _bus_late(self, fault: Fault) -> None:
        await self._for_a_while(self.bus[fault.target], fault, latency=0.2 * fault.level, jitter=0.1)

    async def _db_restart(self, fault: Fault) -> None:
        await self._blocking(self.mariadb.kill)
        await self._blocking(self.mariadb.start)

    async def _db_connections_killed(self, fault: Fault) -> None:
        await self._blocking(self._kill_connections)

    def _kill_connections(self) -> None:
        with contextlib.suppress(pymysql.Error):
            for row in self.mariadb.execute(
                "SELECT id FROM information_schema.processlist WHERE db = 'chaos'"
            ):
                with contextlib.suppress(pymysql.Error):
                    self.mariadb.execute(f"KILL CONNECTION {row[0]}")

    async def _db_row_locked(self, fault: Fault) -> None:
        await self._blocking(self._lock, ["trips WHERE id"], fault.seconds * 2)

    async def _db_deadlocks(self, fault: Fault) -> None:
        """Locks in the opposite order: first what an operation writes, then the row it locked first."""
        end = time.monotonic() + fault.seconds
        while time.monotonic() < end:
            await self._blocking(self._lock, ["stops WHERE trip_id", "trips WHERE id"], 0.02)

    def _lock(self, tables: list[str], seconds: float) -> None:
        with contextlib.suppress(pymysql.Error):
            connection = pymysql.connect(host=HOST, port=self.mariadb.port, user="root", database=DATABASE)
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
                    for table in tables:
                        cursor.execute(f"SELECT 1 FROM {table} = '{self.trip}' FOR UPDATE")
                        time.sleep(seconds)
                connection.rollback()
            finally:
                connection.close()

    async def _db_half_open(self, fault: Fault) -> None:
        """Commits do not arrive, and their locks are held; or they happen, and nobody is told."""
        link = self.db_links[fault.target]
        link.half_open("up" if fault.level < 0.5 else "down")
        await asyncio.sleep(fault.seconds)
        link.reset()
        link.heal()

    async def _db_reset(self, fault: Fault) -> None:
        self.db_links[fault.target].reset()

    async def _db_late(self, fault: Fault) -> None:
        await self._for_a_while(self.db_links[fault.target], fault, latency=0.02 * fault.level)

    async def _model_reset(self, fault: Fault) -> None:
        self.model_links[fault.target].reset()

    async def _model_half_open(self, fault: Fault) -> None:
        await self._half_open(self.model_links[fault.target], fault)

    async def _model_stalled(self, fault: Fault) -> None:
        await self._for_a_while(self.model_links[fault.target], fault, stalled=True)

    async def _model_late(self, fault: Fault) -> None:
        await self._for_a_while(self.model_links[fault.target], fault, latency=0.5 * fault.level)

    async def _client_cut(self, fault: Fault) -> None:
        for link in self.links[fault.target]:
            link.cut()

    async def _client_reset(self, fault: Fault) -> None:
        for link in self.links[fault.target]:
            link.reset()

    async def _client_half_open(self, fault: Fault) -> None:
        await asyncio.gather(*(self._half_open(link, fault) for link in self.links[fault.target]))

    async def _client_deaf(self, fault: Fault) -> None:
        await self._for_all(fault, "down", stalled=True)

    async def _client_slow(self, fault: Fault) -> None:
        await self._for_all(fault, "both", bandwidth=500 + 20_000 * fault.level)

    async def _client_sliced(self, fault: Fault) -> None:
        await self._for_all(fault, "both", slice=1 + int(8 * fault.level))

    async def _client_late(self, fault: Fault) -> None:
        await self._for_all(fault, "both", latency=0.3 * fault.level, jitter=0.1)

    async def _half_open(self, link: Proxy, fault: Fault) -> None:
        link.half_open()
        await asyncio.sleep(fault.seconds)
        link.heal()

    async def _for_a_while(self, link: Proxy, fault: Fault, direction: str = "both", **values: Any) -> None:
        link.set(direction, **values)
        await asyncio.sleep(fault.seconds)
        link.heal()

    async def _for_all(self, fault: Fault, direction: str, **values: Any) -> None:
        links = self.links[fault.target]
        await asyncio.gather(*(self._for_a_while(link, fault, direction, **values) for link in links))

    # --- afterwards -------------------------------------------------------------------------

    async def heal(self) -> None:
        """Everything runs and every link passes."""
        links = [*self.bus, *self.db_links, *self.model_links]
        for link in [*links, *(each for links in self.links for each in links)]:
            link.heal()
        for faults in self.bus_faults:
            faults.quiet()
        await self._blocking(self.redis.start)
        await self._blocking(self.mariadb.start)
        for server in self.servers:
            server.sigcont()
            await self._again(server)

    def logs(self) -> dict[str, str]:
        """What each process said."""
        return {f"server {number}": server.log() for number, server in enumerate(self.servers)}

    def head(self) -> int:
        """The trip's seq, as the database has it. pymysql.Error while it is away."""
        rows = self.mariadb.execute(f"SELECT seq FROM trips WHERE id = '{self.trip}'", DATABASE)
        return int(rows[0][0])

    def keep_logs(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.logs().items():
            (folder / f"{name.replace(' ', '-')}.log").write_text(text, "utf-8")


def _port() -> int:
    from tests.services.process import free_port

    return free_port()
