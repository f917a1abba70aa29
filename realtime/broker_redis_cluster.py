"""The broker over Redis Cluster, with sharded Pub/Sub (Redis 7 or newer, or Valkey).

A channel lives on the node that has its slot, so every node is a server of its own with a link and an
outlet of its own, and what happens to one does not hold up the others. Owns the knowledge that slots
move and nodes come and go: whatever was on its way meanwhile may be lost, so a channel that is heard
again means `on_gap`. Chosen by the composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections.abc import Collection
from dataclasses import dataclass

import redis.asyncio as redis
from redis.exceptions import MovedError

from realtime.broker_redis import RedisBroker
from realtime.link_redis import FIRST_PAUSE, LONGEST_PAUSE, LOST, Link, Outlet, client
from realtime.nodes_redis import Nodes, slot_of

log = logging.getLogger(__name__)

EARLY = 100
"""Messages that wait for the nodes to be known, in a broker that was not started."""
LOOK_SECONDS = 30.0
"""So often the cluster is asked for its nodes when nothing seems wrong."""


@dataclass(frozen=True)
class Shard:
    """What belongs to one node."""

    link: Link
    outlet: Outlet
    clients: tuple[redis.Redis, redis.Redis]
    running: tuple[asyncio.Task[None], ...]


class RedisClusterBroker(RedisBroker):
    """See `realtime.broker.Broker`; `url` as for `Nodes`, the rest as for `RedisBroker`."""

    sharded = True

    def _make(self, url: str, timeout: float) -> None:
        self._timeout = timeout
        self._nodes = Nodes(url, lambda node: client(node, timeout, max_connections=1))
        self._shards: dict[str, Shard] = {}
        self._stale = asyncio.Event()
        self._started = False
        self._early: list[tuple[str, bytes]] = []

    @property
    def up(self) -> bool:
        return self._nodes.complete and all(
            address in self._shards and self._shards[address].link.up for address in self._nodes.masters
        )

    async def start(self) -> None:
        self._started = True
        self._tasks.supervise("redis cluster", self._keep_looking)
        self._tasks.supervise("redis beacon", self._send_beacons)

    def send_on(self, name: str, data: bytes, hops: int) -> None:
        if not self._started and len(self._early) < EARLY:
            self._early.append((name, data))
        else:
            super().send_on(name, data, hops)

    async def aclose(self) -> None:
        """Also of a broker that was never started, of which an operator's command has a word for others."""
        if not self._started and self._early:
            with contextlib.suppress(*LOST):
                await self._nodes.refresh()
                self._arrange()
            self._started = True
            for name, data in self._early:
                self.send_on(name, data, 0)
        await super().aclose()

    async def _disconnect(self) -> None:
        for shard in self._shards.values():
            for each in shard.clients:
                await each.aclose()
        await self._nodes.aclose()

    def _links(self) -> Collection[Link]:
        return [shard.link for shard in self._shards.values()]

    def _outlets(self) -> Collection[Outlet]:
        return [shard.outlet for shard in self._shards.values()]

    def _shard_of(self, name: str) -> Shard | None:
        address = self._nodes.owner(slot_of(name))
        return None if address is None else self._shards.get(address)

    def _link_of(self, name: str) -> Link | None:
        shard = self._shard_of(name)
        return None if shard is None else shard.link

    def _outlet_of(self, name: str) -> Outlet | None:
        shard = self._shard_of(name)
        return None if shard is None else shard.outlet

    # --- the cluster changes --------------------------------------------------------------------

    def moved(self, error: MovedError | None) -> None:
        if error is not None:
            self._nodes.note(error)
            self._arrange()
        self._stale.set()

    async def _keep_looking(self) -> None:
        pause = FIRST_PAUSE
        failing = False
        while True:
            self._stale.clear()
            try:
                await self._nodes.refresh()
                self._arrange()
                await self._end_others()
                failing = False
                pause = FIRST_PAUSE
            except LOST as error:
                if not failing:
                    log.warning("the Redis Cluster does not say where its slots are: %s", error)
                failing = True
                self._stale.set()
                pause = min(pause * 2, LONGEST_PAUSE)
            # Not at every sign: a cluster in trouble is not helped by questions.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stale.wait()
            except TimeoutError:
                continue

    def _arrange(self) -> None:
        """Give every channel to the link of the node that has it."""
        for address in self._nodes.masters - self._shards.keys():
            shard = self._open(address)
            if shard is None:
                return  # the process ends
            self._shards[address] = shard
        wanted: dict[str, set[str]] = {address: set() for address in self._shards}
        for name in self._wanted:
            owner = self._nodes.owner(slot_of(name))
            if owner is not None:
                wanted[owner].add(name)
        for address, shard in self._shards.items():
            link = shard.link
            if address in self._nodes.masters and self._nodes.owner(slot_of(link.beacon)) != address:
                link.beacon = self._beacon_of(address)
            names = wanted[address] | {link.beacon}
            if names != link.wanted:
                link.wanted = names
                link.change()

    def _open(self, address: str) -> Shard | None:
        url = self._nodes.url_of(address)
        clients = client(url, self._timeout), client(url, self._timeout, max_connections=1)
        link = Link(clients[0], self._beacon_of(address), self, self._beacon, self._missed, True)
        outlet = Outlet(clients[1], self, self._beacon, True)
        hearing = self._tasks.supervise(f"redis subscriber {address}", lambda: link.run(self._tasks))
        speaking = self._tasks.supervise(f"redis publisher {address}", outlet.run)
        if hearing is None or speaking is None:
            return None
        log.info("Redis Cluster: node %s", address)
        return Shard(link, outlet, clients, (hearing, speaking))

    async def _end_others(self) -> None:
        """Let go of nodes that have no slot any more."""
        for address in self._shards.keys() - self._nodes.masters:
            shard = self._shards.pop(address)
            self._unsent += shard.outlet.dropped
            async with shard.outlet.executing:
                for task in shard.running:
                    task.cancel()
            await asyncio.wait(shard.running)
            shard.link.set_down()
            for each in shard.clients:
                await each.aclose()

    def _beacon_of(self, address: str) -> str:
        """A channel of this process that lives on this node."""
        names = (f"{self._prefix}beacon:{self._node}:{n}" for n in itertools.count())
        return next(name for name in names if self._nodes.owner(slot_of(name)) == address)
