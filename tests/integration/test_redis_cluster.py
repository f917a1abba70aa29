"""Two real server processes on a real Redis Cluster of three nodes, whose slots move and whose nodes die.

Promises R3.5 (a lost doorbell delays, never loses) and R7.1 across a cluster. The suites of the broker and of
presence are in `tests/contracts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from operations.facts_redis import redis_facts
from realtime.nodes_redis import slot_of
from tests.integration.test_processes import Cluster, a_room, agree, work
from tests.services.mariadb import MariaDB
from tests.services.redis_cluster import NODES, RedisCluster

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def cluster(mariadb: MariaDB, redis_cluster: RedisCluster) -> Iterator[Cluster]:
    mariadb.start()
    made = Cluster(mariadb.create_database("redis_cluster"), redis_cluster.start().url)
    yield made
    made.stop()


async def test_a_room_goes_on_while_its_slot_moves(cluster: Cluster, redis_cluster: RedisCluster) -> None:
    async with a_room(cluster) as (trip, clients):
        slots = {slot_of(f"tongyou:{kind}:{trip}") for kind in ("room", "people")}

        async def move() -> None:
            for slot in slots:
                to = (redis_cluster.owner(slot) + 1) % NODES
                await asyncio.to_thread(redis_cluster.move_slot, slot, to)

        sent = await work(clients, 11, 30, {6: move, 14: move, 22: move})
        await agree(cluster, trip, clients, sent)
        for client in clients:
            await client.until(lambda c=client: len(c.people) == len(clients))  # type: ignore[misc]


async def test_a_room_goes_on_while_its_node_is_away(cluster: Cluster, redis_cluster: RedisCluster) -> None:
    async with a_room(cluster) as (trip, clients):
        node = redis_cluster.nodes[redis_cluster.owner(slot_of(f"tongyou:room:{trip}"))]

        async def kill() -> None:
            await asyncio.to_thread(node.kill)

        assert not redis_facts(redis_cluster.url).fault
        try:
            sent = await work(clients, 12, 30, {8: kill})
            await agree(cluster, trip, clients, sent)  # across processes by polling alone
            assert redis_facts(redis_cluster.url).fault, "operators are told"
        finally:
            await asyncio.to_thread(redis_cluster.start)
        sent += await work(clients, 13, 10, {})
        await agree(cluster, trip, clients, sent)


async def test_a_removed_member_leaves_on_the_other_process(cluster: Cluster) -> None:
    async with a_room(cluster, 2) as (trip, [owner, editor]):
        await owner.api.ok("DELETE", f"/api/trips/{trip}/members/{editor.api.user_id}")
        await editor.until(lambda: 4403 in editor.close_codes)
