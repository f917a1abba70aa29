"""What every broker promises, on every implementation; and what Redis adds in the way of faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest
from redis.asyncio.client import Pipeline

from realtime.broker import Broker
from realtime.broker_memory import MemoryBroker, MemoryBus
from realtime.broker_redis import RedisBroker
from realtime.broker_redis_cluster import RedisClusterBroker
from realtime.link_redis import MAX_QUEUED
from realtime.nodes_redis import slot_of
from tests.realtime.world import until
from tests.services.redis import Redis
from tests.services.redis_cluster import NODES, RedisCluster


class Node:
    """A started broker and what it received."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.received: list[tuple[str, bytes]] = []
        self.gaps = 0
        broker.listen(self._take, self._gap)

    def _take(self, channel: str, data: bytes) -> None:
        self.received.append((channel, data))
        if data == b"explode":
            raise ValueError("a bad message")

    def _gap(self) -> None:
        self.gaps += 1


MakeNode = Callable[[], Awaitable[Node]]


SERVERS = {
    "redis": "redis_url",
    "redis-secure": "secure_redis_url",
    "redis-cluster": "redis_cluster_url",
    "redis-cluster-secure": "secure_redis_cluster_url",
}
"""Implementations, and fixtures of where they are; with TLS and a login on request."""


@pytest.fixture(params=["memory", *SERVERS])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[MakeNode]:
    bus = MemoryBus()
    url = request.getfixturevalue(SERVERS[request.param]) if request.param in SERVERS else ""
    nodes: list[Node] = []

    async def make_node() -> Node:
        broker: Broker
        if "cluster" in request.param:
            broker = RedisClusterBroker(url)
        else:
            broker = RedisBroker(url) if url else MemoryBroker(bus)
        node = Node(broker)
        nodes.append(node)
        await broker.start()
        await until(lambda: broker.up)
        return node

    yield make_node
    for node in nodes:
        await node.broker.aclose()


async def test_a_message_reaches_every_subscriber_and_no_other(make: MakeNode) -> None:
    a, b, c = await make(), await make(), await make()
    await a.broker.subscribe("room:1")
    await b.broker.subscribe("room:1")
    await c.broker.subscribe("room:2")
    a.broker.publish("room:1", b"\x00binary\n")
    a.broker.publish("room:2", b"two")
    await until(lambda: len(a.received) == len(b.received) == len(c.received) == 1)
    assert a.received == b.received == [("room:1", b"\x00binary\n")]
    assert c.received == [("room:2", b"two")]


async def test_a_burst_arrives_whole_and_in_order(make: MakeNode) -> None:
    a, b = await make(), await make()
    await b.broker.subscribe("room:1")
    sent = [b"%d" % n for n in range(2000)]
    for data in sent:
        a.broker.publish("room:1", data)
    await until(lambda: len(b.received) == 2000)
    assert [data for _, data in b.received] == sent


async def test_many_subscriptions_at_once(make: MakeNode) -> None:
    a, b = await make(), await make()
    names = [f"room:{n}" for n in range(200)]
    await asyncio.gather(*(b.broker.subscribe(name) for name in names))
    for name in names:
        a.broker.publish(name, name.encode())
    await until(lambda: len(b.received) == 200)
    assert sorted(channel for channel, _ in b.received) == sorted(names)


async def test_after_unsubscribing_nothing_arrives_and_one_can_come_back(make: MakeNode) -> None:
    a, b = await make(), await make()
    await b.broker.subscribe("room:1")
    await b.broker.subscribe("marker")
    b.broker.unsubscribe("room:1")
    await b.broker.subscribe("room:3")  # commands are carried out in order
    a.broker.publish("room:1", b"lost")
    a.broker.publish("marker", b"m")
    await until(lambda: bool(b.received))
    assert b.received == [("marker", b"m")]
    await b.broker.subscribe("room:1")
    a.broker.publish("room:1", b"back")
    await until(lambda: len(b.received) == 2)
    b.broker.unsubscribe("room:1")
    await b.broker.subscribe("room:1")  # at once, before the other was confirmed
    a.broker.publish("room:1", b"again")
    await until(lambda: len(b.received) == 3)


async def test_an_error_in_the_receiver_is_logged_and_ends_nothing(
    make: MakeNode, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = await make(), await make()
    await b.broker.subscribe("room:1")
    a.broker.publish("room:1", b"explode")
    a.broker.publish("room:1", b"fine")
    await until(lambda: len(b.received) == 2)
    assert "was not understood" in caplog.text


async def test_a_closed_broker_is_down_and_silent(make: MakeNode) -> None:
    a, b = await make(), await make()
    await a.broker.subscribe("room:1")
    await a.broker.aclose()
    b.broker.publish("room:1", b"late")
    a.broker.publish("room:1", b"from the grave")
    assert not a.broker.up and b.broker.up
    assert a.received == []


# --- outages ------------------------------------------------------------------------------


async def test_memory_outage() -> None:
    bus = MemoryBus()
    node = Node(MemoryBroker(bus))
    await node.broker.start()
    await node.broker.subscribe("room:1")
    bus.down()
    assert not node.broker.up
    node.broker.publish("room:1", b"lost")
    bus.restore()
    assert node.broker.up and node.gaps == 1
    node.broker.publish("room:1", b"heard")
    await until(lambda: node.received == [("room:1", b"heard")])


@pytest.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two brokers with a fast beacon, subscribed to room:1."""
    nodes = Node(RedisBroker(redis_url, beacon=0.1, timeout=0.5)), Node(RedisBroker(redis_url, beacon=0.1))
    for node in nodes:
        await node.broker.start()
        await until(lambda node=node: node.broker.up)  # type: ignore[misc]
        await node.broker.subscribe("room:1")
    yield nodes
    for node in nodes:
        await node.broker.aclose()


async def heard_again(sender: Node, receiver: Node, data: bytes) -> None:
    """Messages pass from one to the other."""
    async with asyncio.timeout(20):
        while ("room:1", data) not in receiver.received:
            sender.broker.publish("room:1", data)
            await asyncio.sleep(0.02)


async def test_redis_restarts_and_both_know_that_messages_may_be_missing(
    pair: tuple[Node, Node], redis_server: Redis
) -> None:
    a, b = pair
    gaps = a.gaps, b.gaps
    await asyncio.to_thread(redis_server.stop)
    await until(lambda: not a.broker.up and not b.broker.up)
    async with asyncio.timeout(5):
        await a.broker.subscribe("room:2")  # does not wait for what is not there
    for n in range(3):
        a.broker.publish("room:1", b"lost %d" % n)
    await asyncio.to_thread(redis_server.start)
    await until(lambda: a.broker.up and b.broker.up, 20)
    assert a.gaps > gaps[0] and b.gaps > gaps[1]
    await heard_again(b, a, b"hello")
    await heard_again(a, b, b"hello back")
    b.broker.publish("room:2", b"two")
    await until(lambda: ("room:2", b"two") in a.received)


async def test_a_quick_restart_is_not_overlooked(pair: tuple[Node, Node], redis_server: Redis) -> None:
    a, b = pair
    before = a.gaps
    await asyncio.to_thread(redis_server.kill)
    await asyncio.to_thread(redis_server.start)
    await until(lambda: a.gaps > before and a.broker.up, 20)
    await heard_again(b, a, b"hello")


async def test_a_frozen_redis_is_noticed_by_the_beacon(pair: tuple[Node, Node], redis_server: Redis) -> None:
    a, b = pair
    before = a.gaps
    redis_server.sigstop()
    try:
        await until(lambda: not a.broker.up and not b.broker.up, 20)
    finally:
        redis_server.sigcont()
    await until(lambda: a.gaps > before and a.broker.up and b.broker.up, 20)
    await heard_again(b, a, b"hello")


async def test_a_publisher_that_lost_messages_warns_the_others(pair: tuple[Node, Node]) -> None:
    a, b = pair
    before = b.gaps
    for n in range(MAX_QUEUED + 500):
        a.broker.publish("elsewhere", b"%d" % n)
    assert isinstance(a.broker, RedisBroker) and a.broker.dropped >= 500, "the queue is bounded"
    await until(lambda: b.gaps > before)


async def test_uvloop_says_in_its_own_way_that_a_connection_is_closed(
    pair: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def closed(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    gaps = pair[1].gaps
    monkeypatch.setattr(Pipeline, "execute", closed)
    pair[0].broker.publish("room:1", b"lost")
    await until(lambda: pair[1].gaps > gaps)
    await heard_again(*pair, b"hello")
    assert "starts again" not in caplog.text


async def test_a_broker_starts_while_redis_is_away(redis_url: str, redis_server: Redis) -> None:
    await asyncio.to_thread(redis_server.stop)
    node = Node(RedisBroker(redis_url, beacon=0.1))
    async with asyncio.timeout(5):
        await node.broker.start()
        await node.broker.subscribe("room:1")
    node.broker.publish("room:1", b"lost")
    assert not node.broker.up
    await asyncio.to_thread(redis_server.start)
    await until(lambda: node.broker.up, 20)
    await heard_again(node, node, b"hello")
    await node.broker.aclose()


# --- a cluster ----------------------------------------------------------------------------

CHANNELS = [f"room:{n}" for n in range(12)]
"""Enough of them that each of three nodes has some."""


@pytest.fixture
async def shards(redis_cluster_url: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two brokers with a fast beacon on a cluster, subscribed to all `CHANNELS`."""
    nodes = [Node(RedisClusterBroker(redis_cluster_url, beacon=0.1, timeout=0.5)) for _ in range(2)]
    for node in nodes:
        await node.broker.start()
        await until(lambda node=node: node.broker.up, 20)  # type: ignore[misc]
        for channel in CHANNELS:
            await node.broker.subscribe(channel)
    yield nodes[0], nodes[1]
    for node in nodes:
        await node.broker.aclose()


async def all_heard(sender: Node, receiver: Node, data: bytes, channels: Iterable[str] = CHANNELS) -> None:
    """Messages pass from one to the other on every channel. Sent again, since with so fast a beacon a busy
    machine is taken for a dead one."""
    async with asyncio.timeout(20):
        while missing := [each for each in channels if (each, data) not in receiver.received]:
            for channel in missing:
                sender.broker.publish(channel, data)
            await asyncio.sleep(0.02)


def owned(cluster: RedisCluster, channels: list[str], node: int) -> list[str]:
    return [each for each in channels if cluster.owner(slot_of(f"tongyou:{each}")) == node]


async def test_channels_are_spread_over_the_nodes(
    shards: tuple[Node, Node], redis_cluster: RedisCluster
) -> None:
    a, b = shards
    assert all(owned(redis_cluster, CHANNELS, node) for node in range(NODES))
    await all_heard(a, b, b"hello")
    assert {channel for channel, _ in b.received} == set(CHANNELS)
    assert all(node.items("PUBSUB SHARDCHANNELS tongyou:room:*") for node in redis_cluster.nodes)


async def test_a_moved_slot_is_followed_and_a_gap_is_told(
    shards: tuple[Node, Node], redis_cluster: RedisCluster
) -> None:
    a, b = shards
    slot = slot_of("tongyou:room:1")
    for _ in range(NODES):
        before = a.gaps, b.gaps
        to = (redis_cluster.owner(slot) + 1) % NODES
        await asyncio.to_thread(redis_cluster.move_slot, slot, to)
        await until(lambda before=before: a.gaps > before[0] and b.gaps > before[1], 20)  # type: ignore[misc]
        await until(lambda: a.broker.up and b.broker.up, 20)
        await all_heard(a, b, b"moved to %d" % to)
        await all_heard(b, a, b"and back from %d" % to)


async def test_a_killed_node_costs_its_own_channels_only(
    shards: tuple[Node, Node], redis_cluster: RedisCluster
) -> None:
    a, b = shards
    before = a.gaps, b.gaps
    lost = owned(redis_cluster, CHANNELS, 1)
    others = set(CHANNELS) - set(lost)
    await asyncio.to_thread(redis_cluster.nodes[1].kill)
    try:
        await until(lambda: not a.broker.up and not b.broker.up, 20)
        async with asyncio.timeout(5):
            await a.broker.subscribe(lost[0])  # does not wait for what is not there
        a.broker.publish(lost[0], b"lost")
        await all_heard(a, b, b"heard", others)
        assert not {channel for channel, data in b.received if data == b"heard"} - others
    finally:
        await asyncio.to_thread(redis_cluster.start)
    await until(lambda: a.broker.up and b.broker.up, 20)
    assert a.gaps > before[0] and b.gaps > before[1]
    await all_heard(a, b, b"hello")
    await all_heard(b, a, b"hello back")


async def test_a_frozen_node_does_not_hold_up_the_others(
    shards: tuple[Node, Node], redis_cluster: RedisCluster
) -> None:
    a, b = shards
    before = a.gaps
    others = set(CHANNELS) - set(owned(redis_cluster, CHANNELS, 2))
    redis_cluster.nodes[2].sigstop()
    try:
        for channel in set(CHANNELS) - others:
            a.broker.publish(channel, b"now")
        await all_heard(a, b, b"now", others)
        assert not {channel for channel, data in b.received if data == b"now"} - others
        await until(lambda: not a.broker.up and not b.broker.up, 20)
    finally:
        redis_cluster.nodes[2].sigcont()
    await until(lambda: a.gaps > before and a.broker.up and b.broker.up, 20)
    await all_heard(a, b, b"hello")


async def test_a_broker_that_was_never_started_says_its_word_before_it_leaves(
    shards: tuple[Node, Node], redis_cluster_url: str
) -> None:
    """What an operator's command does."""
    # It has one try, and a busy machine may need its time for it.
    broker = RedisClusterBroker(redis_cluster_url, timeout=30)
    for channel in CHANNELS:
        broker.publish(channel, b"revoked")
    await broker.aclose()
    assert broker.dropped == 0
    for node in shards:
        await until(lambda node=node: {c for c, d in node.received if d == b"revoked"} == set(CHANNELS))  # type: ignore[misc]


async def test_a_broker_starts_while_a_whole_cluster_is_away(
    redis_cluster_url: str, redis_cluster: RedisCluster
) -> None:
    for each in redis_cluster.nodes:
        await asyncio.to_thread(each.stop)
    node = Node(RedisClusterBroker(redis_cluster_url, beacon=0.1))
    async with asyncio.timeout(5):
        await node.broker.start()
        await node.broker.subscribe("room:1")
    node.broker.publish("room:1", b"lost")
    assert not node.broker.up and node.broker.dropped == 1
    await asyncio.to_thread(redis_cluster.start)
    await until(lambda: node.broker.up, 30)
    await heard_again(node, node, b"hello")
    await node.broker.aclose()
