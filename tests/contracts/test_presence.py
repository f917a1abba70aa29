"""What every presence store promises, on every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio.client import Pipeline

from realtime.nodes_redis import slot_of
from realtime.presence import PresenceStore
from realtime.presence_memory import MemoryPresenceStore
from realtime.presence_redis import RedisPresenceStore
from realtime.presence_redis_cluster import RedisClusterPresenceStore
from tests.realtime.world import until
from tests.services.redis import Redis
from tests.services.redis_cluster import NODES, RedisCluster

Make = Callable[[float], PresenceStore]


SERVERS = {
    "redis": "redis_url",
    "redis-secure": "secure_redis_url",
    "redis-cluster": "redis_cluster_url",
    "redis-cluster-secure": "secure_redis_cluster_url",
}
"""Implementations, and fixtures of where they are; with TLS and a login on request."""


@pytest.fixture(params=["memory", *SERVERS])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    url = request.getfixturevalue(SERVERS[request.param]) if request.param in SERVERS else ""
    made: list[PresenceStore] = []

    def make_store(ttl: float = 60.0) -> PresenceStore:
        if "cluster" in request.param:
            made.append(RedisClusterPresenceStore(url, ttl=ttl, timeout=20))
        else:
            made.append(RedisPresenceStore(url, ttl=ttl, timeout=20) if url else MemoryPresenceStore(ttl))
        return made[-1]

    yield make_store
    for store in made:
        await store.aclose()


async def eventually(store: PresenceStore, expected: dict[str, dict[str, bytes]]) -> None:
    """Room r1 reads like this, within a bounded time."""
    async with asyncio.timeout(10):
        while await store.read(["r1"]) != expected:  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.02)


async def test_what_was_written_is_read_by_room(make: Make) -> None:
    store = make(60)
    body = '["n",{"name":"小|林"}]'.encode()
    assert await store.write([("r1", "ann.1", body), ("r1", "bob.1", b"b"), ("r2", "ann.1", b"c")], [])
    assert await store.read(["r1", "r2", "r3"]) == {
        "r1": {"ann.1": body, "bob.1": b"b"},
        "r2": {"ann.1": b"c"},
        "r3": {},
    }
    assert await store.read([]) == {}


async def test_writing_again_replaces_and_removing_removes(make: Make) -> None:
    store = make(60)
    await store.write([("r1", "a", b"old"), ("r1", "b", b"b")], [])
    assert await store.write([("r1", "a", b"new")], [("r1", "b"), ("r1", "unknown"), ("nowhere", "x")])
    assert await store.read(["r1"]) == {"r1": {"a": b"new"}}
    assert await store.write([], [])


async def test_each_entry_expires_by_itself(make: Make) -> None:
    store = make(0.4)
    await store.write([("r1", "silent", b"s"), ("r1", "alive", b"a")], [])
    async with asyncio.timeout(10):
        while (await store.read(["r1"]) or {}).get("r1") != {"alive": b"a"}:
            await store.write([("r1", "alive", b"a")], [])
            await asyncio.sleep(0.05)
    await eventually(store, {"r1": {}})


async def test_many_entries_of_one_room(make: Make) -> None:
    store = make(60)
    people = [("r1", f"s{n}", b"x" * 200) for n in range(500)]
    assert await store.write(people, [])
    found = await store.read(["r1"])
    assert found is not None and len(found["r1"]) == 500


async def test_many_rooms_may_ask_at_once(make: Make) -> None:
    store = make(60)
    rooms = [f"r{n}" for n in range(200)]
    await store.write([(room, "ann.1", b"a") for room in rooms], [])
    found = await asyncio.gather(*(store.read([room]) for room in rooms))
    assert found == [{room: {"ann.1": b"a"}} for room in rooms]


async def test_redis_away_is_not_known_never_an_error(redis_url: str, redis_server: Redis) -> None:
    store = RedisPresenceStore(redis_url)
    assert await store.write([("r1", "a", b"1")], [])
    await asyncio.to_thread(redis_server.stop)
    assert not await store.write([("r1", "a", b"1")], [])
    assert await store.read(["r1"]) is None
    await asyncio.to_thread(redis_server.start)
    assert await store.write([("r1", "a", b"1")], [])
    assert await store.read(["r1"]) == {"r1": {"a": b"1"}}
    await store.aclose()


async def test_a_connection_that_uvloop_calls_closed_is_no_error(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def closed(*_: object, **__: object) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    store = RedisPresenceStore(redis_url)
    monkeypatch.setattr(Pipeline, "execute", closed)
    assert not await store.write([("room", "sid", b"{}")], [])
    assert await store.read(["room"]) is None
    await store.aclose()


async def test_redis_frozen_takes_no_longer_than_the_timeout(redis_url: str, redis_server: Redis) -> None:
    store = RedisPresenceStore(redis_url, timeout=0.2)
    await store.write([("r1", "a", b"1")], [])
    redis_server.sigstop()
    try:
        async with asyncio.timeout(10):
            assert await store.read(["r1"]) is None
    finally:
        redis_server.sigcont()
    await eventually(store, {"r1": {"a": b"1"}})
    await store.aclose()


async def test_expired_fields_leave_redis_and_keys_expire_when_nobody_writes(
    redis_url: str, redis_server: Redis
) -> None:
    store = RedisPresenceStore(redis_url, ttl=0.3)
    await store.write([("r1", "a", b"1")], [])
    assert redis_server.send("EXISTS tongyou:people:r1") == ":1"
    await until(lambda: redis_server.send("EXISTS tongyou:people:r1") == ":0")
    await store.aclose()


async def test_rooms_are_spread_over_a_cluster_and_follow_their_slot(
    redis_cluster_url: str, redis_cluster: RedisCluster
) -> None:
    store = RedisClusterPresenceStore(redis_cluster_url)
    rooms = [f"r{n}" for n in range(12)]
    slots = {room: slot_of(f"tongyou:people:{room}") for room in rooms}
    assert {redis_cluster.owner(slot) for slot in slots.values()} == set(range(NODES))
    assert await store.write([(room, "a", room.encode()) for room in rooms], [])
    wanted = {room: {"a": room.encode()} for room in rooms}
    assert await store.read(rooms) == wanted
    for room in rooms[:3]:
        to = (redis_cluster.owner(slots[room]) + 1) % NODES
        await asyncio.to_thread(redis_cluster.move_slot, slots[room], to)
    assert await store.read(rooms) == wanted
    assert await store.write([], [(room, "a") for room in rooms[:3]])
    assert await store.read(rooms[:4]) == {room: {} for room in rooms[:3]} | {rooms[3]: wanted[rooms[3]]}
    await store.aclose()


async def test_a_node_away_costs_its_own_rooms_only(
    redis_cluster_url: str, redis_cluster: RedisCluster
) -> None:
    store = RedisClusterPresenceStore(redis_cluster_url)
    rooms = [f"r{n}" for n in range(12)]
    there = [room for room in rooms if redis_cluster.owner(slot_of(f"tongyou:people:{room}")) != 0]
    await store.write([(room, "a", b"1") for room in rooms], [])
    assert await store.ping()
    await asyncio.to_thread(redis_cluster.nodes[0].kill)
    try:
        assert not await store.ping()
        assert not await store.write([(room, "a", b"2") for room in rooms], [])
        assert await store.read(rooms) == {room: {"a": b"2"} for room in there}
        assert await store.read([room for room in rooms if room not in there]) is None
    finally:
        await asyncio.to_thread(redis_cluster.start)
    assert await store.write([(room, "a", b"3") for room in rooms], [])
    assert await store.read(rooms) == {room: {"a": b"3"} for room in rooms}
    assert await store.ping()
    await store.aclose()
