"""A Redis Cluster of three masters whose replicas take over: rooms follow, and nobody loses anything.

Promises R1.3, R1.4, R3.5 (a lost doorbell delays, never loses). Without replicas: `test_redis_cluster`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
from tornado.httpclient import AsyncHTTPClient

from operations.facts_redis import redis_facts
from realtime.broker_redis_cluster import RedisClusterBroker
from realtime.nodes_redis import slot_of
from realtime.presence_redis_cluster import RedisClusterPresenceStore
from tests.contracts.test_broker import CHANNELS, Node, all_heard
from tests.integration.test_processes import Cluster, a_room, agree, work
from tests.realtime.world import until
from tests.services.mariadb import MariaDB
from tests.services.redis_cluster import NODES, RedisCluster

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", params=[1, 3], ids=lambda n: f"{n} replicas")
def nodes(request: pytest.FixtureRequest) -> Iterator[RedisCluster]:
    """Three masters; the first of them, or each, has a replica."""
    with RedisCluster(replicas=request.param) as cluster:
        yield cluster


@pytest.fixture
def whole(nodes: RedisCluster) -> RedisCluster:
    """All of its nodes run, whoever is whose replica by now."""
    return nodes.start()


@pytest.fixture
async def pair(whole: RedisCluster) -> AsyncIterator[tuple[Node, Node]]:
    """Two brokers with a fast beacon, subscribed to all `CHANNELS`."""
    made = [Node(RedisClusterBroker(whole.url, beacon=0.1, timeout=0.5)) for _ in range(2)]
    for node in made:
        await node.broker.start()
        await until(lambda node=node: node.broker.up, 20)  # type: ignore[misc]
        for channel in CHANNELS:
            await node.broker.subscribe(channel)
    yield made[0], made[1]
    for node in made:
        await node.broker.aclose()


async def test_channels_follow_to_the_replica_and_a_gap_is_told(
    pair: tuple[Node, Node], whole: RedisCluster
) -> None:
    a, b = pair
    lost = min(whole.replaceable())
    before = a.gaps, b.gaps
    await asyncio.to_thread(whole.nodes[lost].kill)
    await until(lambda: not a.broker.up and not b.broker.up, 20)
    # Nobody starts it again: the replica is the master now.
    await until(lambda: a.broker.up and b.broker.up, 60)
    assert a.gaps > before[0] and b.gaps > before[1]
    await all_heard(a, b, b"hello")
    await all_heard(b, a, b"hello back")
    owners = {whole.owner(slot_of(f"tongyou:{channel}")) for channel in CHANNELS}
    assert lost not in owners and len(owners) == NODES
    # The old master comes back as a replica, which changes nothing.
    await asyncio.to_thread(whole.start)
    await all_heard(a, b, b"and again")
    assert a.broker.up and b.broker.up


@pytest.fixture
async def store(whole: RedisCluster) -> AsyncIterator[RedisClusterPresenceStore]:
    made = RedisClusterPresenceStore(whole.url, timeout=0.5)
    yield made
    await made.aclose()


async def test_presence_outlives_its_master(store: RedisClusterPresenceStore, whole: RedisCluster) -> None:
    replaceable = whole.replaceable()
    room = next(f"r{n}" for n in range(1000) if whole.owner(slot_of(f"tongyou:people:r{n}")) in replaceable)
    assert await store.write([(room, "ann.1", b"ann")], [])
    owner = whole.owner(slot_of(f"tongyou:people:{room}"))
    await asyncio.to_thread(whole.settle, owner)
    await asyncio.to_thread(whole.nodes[owner].kill)
    async with asyncio.timeout(60):
        while await store.read([room]) != {room: {"ann.1": b"ann"}}:  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.05)
    async with asyncio.timeout(60):
        while not await store.ping():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await store.write([(room, "bob.1", b"bob")], [(room, "ann.1")])
    assert await store.read([room]) == {room: {"bob.1": b"bob"}}


async def well(url: str) -> None:
    """Returns when this process says so of itself."""
    async with asyncio.timeout(60):
        while True:
            answer = await AsyncHTTPClient().fetch(f"{url}/health/ready", raise_error=False)
            if (answer.code, json.loads(answer.body)["status"]) == (200, "ok"):
                return
            await asyncio.sleep(0.1)


async def test_a_room_goes_on_through_a_failover(whole: RedisCluster, mariadb: MariaDB) -> None:
    mariadb.start()
    cluster = Cluster(mariadb.create_database(f"failover_{len(whole.nodes)}"), whole.url)
    try:
        replaceable = whole.replaceable()
        for _ in range(200):
            async with a_room(cluster) as (trip, clients):
                owner = whole.owner(slot_of(f"tongyou:room:{trip}"))
                if owner not in replaceable:
                    continue  # on a master that nobody can replace

                async def kill(owner: int = owner) -> None:
                    await asyncio.to_thread(whole.nodes[owner].kill)

                sent = await work(clients, 31, 40, {8: kill})
                await agree(cluster, trip, clients, sent)
                for url in cluster.urls:
                    await well(url)
                assert not whole.nodes[owner].running, "nobody has started it again"
                sent += await work(clients, 32, 20, {})
                await agree(cluster, trip, clients, sent)
                for client in clients:
                    await client.until(lambda c=client: len(c.people) == 4)  # type: ignore[misc]
                assert not any(client.close_codes for client in clients), "no page had to come back"
                # What is said from now on comes by Redis, and not by looking at the database.
                await clients[0].api.ok("DELETE", f"/api/trips/{trip}/members/{clients[3].api.user_id}")
                await clients[3].until(lambda: 4403 in clients[3].close_codes)
                assert redis_facts(whole.url).fault, "operators are told of the node that is away"
                return
        raise AssertionError("no room on a master with a replica")
    finally:
        cluster.stop()
