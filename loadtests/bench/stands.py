"""What is measured, running: the application in one or two processes, and each peer.

Owns starting and stopping them, and how clients come into their rooms. Called by the parts of the benchmark.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.clock import cpu, cpu_of
from loadtests.bench.traffic import Group
from loadtests.bench.wires import STOP, WIRES, Ours, Wire
from loadtests.peers import Peer, install
from loadtests.sink import Client
from tests.integration.room_client import Api
from tests.services.mariadb import MariaDB
from tests.services.process import HOST, Service
from tests.services.redis import Redis
from tests.services.server import ROOT, ServerProcess

OURS = "Tongyou"
AT_ONCE = 100
"""Handshakes under way."""
MAKING = 16
"""Requests under way while trips are made."""
SETTINGS = {
    "MAX_CONNECTIONS_PER_USER": "5000",
    "LOG_LEVEL": "WARNING",
    "FRAMES_PER_SECOND": "100000",
    # Everybody comes from one address here.
    "THROTTLE_FACTOR": "1000",
}


@dataclass
class Stand:
    """One thing to measure. `apart`: processes that work for it and are counted by themselves."""

    name: str
    processes: int
    ports: list[int]
    pids: list[int]
    apart: dict[str, int]
    wire: Wire
    new_rooms: Callable[[int], list[str]]
    cookie: str = ""
    database_url: str = ""

    @property
    def label(self) -> str:
        return self.name if self.processes == 1 else f"{self.name}, {self.processes} processes"

    def spent(self) -> tuple[float, dict[str, float]]:
        """CPU seconds so far: of its own processes, and of those apart."""
        return cpu_of(self.pids), {name: cpu(pid) for name, pid in self.apart.items()}

    def groups(self, rooms: int, members: int, everybody_sends: bool = False) -> list[Group]:
        """New rooms with clients that have joined; neighbours sit on different processes."""
        return self.groups_in(self.new_rooms(rooms), members, everybody_sends)

    def groups_in(self, rooms: list[str], members: int, everybody_sends: bool = False) -> list[Group]:
        """The same in these rooms."""
        clients = self._connect(len(rooms) * members)
        for frame, answer in self.wire.hello():
            for client in clients:
                client.send_many([frame])
            for client in clients:
                client.wait_for(answer)
        groups: list[Group] = []
        for room in rooms:
            mine = clients[len(groups) * members : (len(groups) + 1) * members]
            for client in mine:
                client.send_many([self.wire.join(room)])
            groups.append(Group(mine, mine if everybody_sends else mine[:1]))
        for client in clients:
            client.wait_for(self.wire.joined, 60)
        return groups

    def keep_alive(self, groups: list[Group]) -> None:
        """Answer pings that may have come; at least every few seconds, and never while measuring."""
        if self.wire.alive:
            for group in groups:
                for client in group.members:
                    client.socket.send(self.wire.alive)

    def _connect(self, count: int) -> list[Client]:
        clients: list[Client] = []
        while len(clients) < count:
            places = range(len(clients), min(count, len(clients) + AT_ONCE))
            ports = [self.ports[n % len(self.ports)] for n in places]
            asked = [Client(port, self.wire.path, self.cookie, wait=False) for port in ports]
            for client in asked:
                client.accepted()
            clients += asked
        return clients


def leave(groups: list[Group]) -> None:
    """Close every client."""
    for group in groups:
        for client in group.members:
            client.close()


# --- the application ------------------------------------------------------------------------


@contextmanager
def application(database: MariaDB, processes: int, trips: int) -> Iterator[Stand]:
    """The whole application on a database of its own; with Redis when it has several processes. `trips`
    rooms can be taken from it."""
    with ExitStack() as stack:
        apart = {"database": database.pid}
        name = f"bench_{processes}_{secrets.token_hex(3)}"
        settings = SETTINGS | {"DATABASE_URL": database.create_database(name)}
        if processes > 1:
            redis = stack.enter_context(Redis())
            apart["redis"] = redis.pid
            settings["REDIS_URL"] = redis.url
        first = ServerProcess(settings)
        first.migrate()
        servers = [stack.enter_context(first)]
        # One folder, as on one machine: who signed in at one is known to the other.
        settings["DATA_DIR"] = str(first.folder / "data")
        servers += [stack.enter_context(ServerProcess(settings)) for _ in range(processes - 1)]
        api = asyncio.run(Api(first.url).guest("Bench"))
        free = asyncio.run(_make_trips(api, trips))
        stand = Stand(
            name=OURS,
            processes=processes,
            ports=[server.port for server in servers],
            pids=[server.pid for server in servers],
            apart=apart,
            wire=Ours(),
            new_rooms=lambda count: [free.pop() for _ in range(count)],
            cookie=api.cookie_header,
            database_url=settings["DATABASE_URL"],
        )
        try:
            yield stand
        except (OSError, TimeoutError):
            print("\n".join(server.log_tail() for server in servers), flush=True)
            raise


async def _make_trips(api: Api, count: int) -> list[str]:
    gate = asyncio.Semaphore(MAKING)

    async def held(work: Awaitable[str]) -> str:
        async with gate:
            return await work

    return list(await asyncio.gather(*(held(_make_trip(api, n)) for n in range(count))))


async def _make_trip(api: Api, n: int) -> str:
    trip = str((await api.ok("POST", "/api/trips", {"title": f"Bench {n}"}))["trip"]["id"])
    op = {"kind": "stop.add", "id": STOP, "fields": {"name": "洱海 Erhai"}}
    body = {"op_id": secrets.token_hex(10), "base": 0, "op": op}
    await api.ok("POST", f"/api/trips/{trip}/operations", body)
    return trip


# --- peers ----------------------------------------------------------------------------------


class PeerProcess(Service):
    """One process of a peer, ready when it accepts connections."""

    name = "peer"

    def __init__(self, command: list[str], arguments: list[str], environment: dict[str, str]) -> None:
        super().__init__()
        self._command = command
        self._arguments = arguments
        self._environment = environment

    def command(self) -> list[str]:
        return [*self._command, str(self.port), *self._arguments]

    def environment(self) -> dict[str, str]:
        return self._environment

    def working_folder(self) -> Path:
        return ROOT

    def is_ready(self) -> bool:
        socket.create_connection((HOST, self.port), timeout=2).close()
        return True


@contextmanager
def peer(what: Peer, processes: int = 1) -> Iterator[Stand]:
    """A peer in one or more processes. Raises `install.NotInstalled`."""
    command, environment = install.command(what), install.environment(what)
    with ExitStack() as stack:
        apart, url = {}, ""
        if what.redis == "always" or (what.redis == "several" and processes > 1):
            redis = stack.enter_context(Redis())
            apart["redis"], url = redis.pid, redis.url
        started = []
        for _ in range(processes):
            arguments = [*([url] if url else []), *what.arguments]
            started.append(stack.enter_context(PeerProcess(command, arguments, environment)))
        yield Stand(
            name=what.name,
            processes=processes,
            ports=[process.port for process in started],
            pids=[process.pid for process in started],
            apart=apart,
            wire=WIRES[what.wire](),
            new_rooms=lambda count: [secrets.token_hex(6) for _ in range(count)],
        )
