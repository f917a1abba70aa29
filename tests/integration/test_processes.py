"""Two real server processes, a real MariaDB, a real Redis, and faults in all three.

Promises R1.3 (acknowledged = durable), R1.4 (exactly once), R3.3 and R3.4 (no gap, no duplicate),
R3.5 (a lost doorbell delays, never loses), R7.1 (live authority), R7.2 (drain).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from storage.schema import upgrade
from tests.integration.random_edits import random_edit
from tests.integration.room_client import Api, RoomClient, snapshot_view
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis
from tests.services.server import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


class Cluster:
    """Two server processes on one database and one Redis."""

    def __init__(self, database_url: str, redis_url: str, **more: str) -> None:
        self.settings = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PROCESSES": "2",
            "THROTTLE_FACTOR": "100",
            **more,
        }
        self.servers = [ServerProcess(self.settings), ServerProcess(self.settings)]
        upgrade(database_url)  # in this process, for it is faster than the command
        with ThreadPoolExecutor(len(self.servers)) as pool:
            list(pool.map(ServerProcess.start, self.servers))

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
            server.remove()


@pytest.fixture(scope="module")
def own_mariadb() -> Iterator[MariaDB]:
    """A database server that these tests may kill."""
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture(scope="module")
def cluster(own_mariadb: MariaDB, own_redis: Redis) -> Iterator[Cluster]:
    made = Cluster(own_mariadb.create_database("processes"), own_redis.url)
    yield made
    made.stop()


@asynccontextmanager
async def a_room(cluster: Cluster, people: int = 4) -> AsyncIterator[tuple[str, list[RoomClient]]]:
    """A new trip with `people` editors, spread over both processes."""
    async with AsyncExitStack() as stack:
        owner = await Api(cluster.urls[0]).guest("Ann")
        body = {"title": "云南 Yunnan", "start_date": "2026-05-01", "end_date": "2026-05-03"}
        trip = (await owner.ok("POST", "/api/trips", body))["trip"]["id"]
        invite = await owner.ok("POST", f"/api/trips/{trip}/invites", {"role": "editor"})
        apis = [owner]
        for n in range(people - 1):
            guest = await Api(cluster.urls[n % 2]).guest(f"Guest {n}")
            await guest.ok("POST", "/api" + invite["url"].replace("/invite/", "/invites/") + "/accept")
            apis.append(guest)
        clients: list[RoomClient] = []
        for n, api in enumerate(apis):
            urls = cluster.urls if n % 2 == 0 else cluster.urls[::-1]
            client = RoomClient(api.elsewhere(urls[0]), trip, urls)
            stack.push_async_callback(client.stop)
            clients.append(await client.start())
        yield trip, clients


async def work(
    clients: list[RoomClient], seed: int, count: int, faults: dict[int, Callable[[], Awaitable[None]]]
) -> list[str]:
    """Each client submits `count` random edits; before the n-th round runs `faults[n]`."""
    rng = random.Random(seed)
    sent: list[str] = []
    for n in range(count):
        if n in faults:
            await faults[n]()
        for client in clients:
            sent.append(client.submit(random_edit(rng, client, n)))
        await asyncio.sleep(0)  # lets frames leave; nothing is awaited on purpose
        if n % 5 == 4:
            await clients[n % len(clients)].until_pending_below(40)
    return sent


async def agree(cluster: Cluster, trip: str, clients: list[RoomClient], sent: list[str]) -> None:
    """All operations answered, each applied at most once, all replicas equal to the database."""
    for client in clients:
        await client.settle(60)
    api = clients[0].api.elsewhere(cluster.urls[1])
    seq, truth = await snapshot_view(api, trip)
    for client in clients:
        await client.until(lambda c=client: c.seq >= seq, 30)  # type: ignore[misc]
    history: list[str] = []
    before = ""
    while True:
        page = await api.ok("GET", f"/api/trips/{trip}/history?limit=200{before}")
        history += [event["op_id"] for event in page["events"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert len(history) == len(set(history)) == seq, "an operation is in the log twice, or seq has a gap"
    acked = {op_id for client in clients for op_id in client.acked}
    rejected = {op_id for client in clients for op_id in client.rejected}
    assert acked | rejected == set(sent) and not acked & rejected
    assert acked <= set(history), "an acknowledged operation is not in the log"
    assert not rejected & set(history), "a rejected operation is in the log"
    for client in clients:
        assert client.view() == truth, "a replica differs from the database"


async def test_two_processes_agree_without_faults(cluster: Cluster) -> None:
    async with a_room(cluster) as (trip, clients):
        sent = await work(clients, 1, 30, {})
        await agree(cluster, trip, clients, sent)


async def test_a_killed_process_loses_nothing_acknowledged(cluster: Cluster) -> None:
    async def kill() -> None:
        cluster.servers[1].kill()

    async def back() -> None:
        await asyncio.to_thread(cluster.servers[1].start)

    async with a_room(cluster) as (trip, clients):
        sent = await work(clients, 2, 40, {12: kill, 28: back})
        await agree(cluster, trip, clients, sent)
        assert any(client.close_codes for client in clients)


async def test_redis_may_vanish_and_return(cluster: Cluster, own_redis: Redis) -> None:
    async def stop() -> None:
        await asyncio.to_thread(own_redis.stop)

    async def back() -> None:
        await asyncio.to_thread(own_redis.start)

    async with a_room(cluster) as (trip, clients):
        sent = await work(clients, 3, 30, {8: stop})
        await agree(cluster, trip, clients, sent)  # across processes by polling alone
        await back()
        sent += await work(clients, 4, 10, {})
        await agree(cluster, trip, clients, sent)


async def test_the_database_may_restart(cluster: Cluster, own_mariadb: MariaDB) -> None:
    async def restart() -> None:
        await asyncio.to_thread(own_mariadb.kill)
        await asyncio.to_thread(own_mariadb.start)

    async with a_room(cluster) as (trip, clients):
        sent = await work(clients, 5, 30, {10: restart})
        await agree(cluster, trip, clients, sent)


async def test_a_drained_process_says_restart_and_nobody_loses_anything(cluster: Cluster) -> None:
    async def drain() -> None:
        cluster.servers[0].terminate()

    async with a_room(cluster) as (trip, clients):
        sent = await work(clients, 6, 30, {10: drain})
        assert await asyncio.to_thread(cluster.servers[0].wait, 45) == 0
        await asyncio.to_thread(cluster.servers[0].start)
        await agree(cluster, trip, clients, sent)
        restarts = [c for client in clients for c in client.closings if c["code"] == 1012]
        assert restarts and all(c["resume"] for c in restarts)


async def test_a_demoted_and_a_removed_member_lose_their_rights_on_the_other_process(
    cluster: Cluster,
) -> None:
    async with a_room(cluster, 2) as (trip, [owner, editor]):
        await owner.api.ok("PATCH", f"/api/trips/{trip}/members/{editor.api.user_id}", {"role": "viewer"})
        await editor.until(lambda: editor.role == "viewer")
        refused = editor.submit({"kind": "stop.add", "id": "no", "fields": {"name": "no"}})
        await editor.settle()
        assert editor.rejected[refused]["code"] == "forbidden"
        await owner.api.ok("DELETE", f"/api/trips/{trip}/members/{editor.api.user_id}")
        await editor.until(lambda: 4403 in editor.close_codes)
        assert owner.close_codes == []


async def test_logging_out_ends_sockets_on_the_other_process(cluster: Cluster) -> None:
    async with a_room(cluster, 2) as (_, [owner, editor]):
        await editor.api.elsewhere(cluster.urls[0]).ok("POST", "/api/auth/logout")
        await editor.until(lambda: 4401 in editor.close_codes)
        assert owner.close_codes == []


async def test_people_of_both_processes_see_each_other(cluster: Cluster) -> None:
    async with a_room(cluster, 4) as (_, clients):
        for client in clients:
            await client.until(lambda c=client: len(c.people) == 4)  # type: ignore[misc]


def test_a_process_without_a_bus_refuses_to_be_one_of_two(tmp_path: Path) -> None:
    """A contradictory setting stops the start with one clear line."""
    server = ServerProcess({"PROCESSES": "2", "DATA_DIR": str(tmp_path)})
    with pytest.raises(Exception, match="REDIS_URL"):
        server.start()
    server.remove()
