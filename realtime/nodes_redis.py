"""The masters of a Redis Cluster, and which of them has which slot.

Owns the table of slots and one client for each master. What a node answers is taken as it is: nodes
learn of a moved slot one after the other, and whoever is asked in vain says where to go (`note`).
redis-py's own cluster client is not used, because one dead node makes it fail for all. Used by
`broker_redis_cluster` and `presence_redis_cluster` alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio as redis
from redis.crc import key_slot
from redis.exceptions import MovedError

from realtime.link_redis import LOST

SLOTS = 16384
SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}


class Nodes:
    """`url`: ``redis+cluster://user:password@host:port,host:port``, where to ask first, with options of
    redis-py behind a ``?``; `connect` makes a client from the URL of one node. A node is named by its
    address, ``host:port``, as the cluster says."""

    def __init__(self, url: str, connect: Callable[[str], redis.Redis]) -> None:
        parts = urlsplit(url)
        login, _, hosts = parts.netloc.rpartition("@")
        self._scheme = SCHEMES[parts.scheme]
        self._login = f"{login}@" if login else ""
        self._options = f"?{parts.query}" if parts.query else ""
        self._seeds = [_with_port(host.strip()) for host in hosts.split(",") if host.strip()]
        if not self._seeds:
            raise ValueError("a cluster needs at least one host:port")
        self._connect = connect
        self._owners: list[str | None] = [None] * SLOTS
        self._clients: dict[str, redis.Redis] = {}

    @property
    def masters(self) -> set[str]:
        """Those that have slots."""
        return {owner for owner in self._owners if owner is not None}

    @property
    def complete(self) -> bool:
        """Every slot has an owner."""
        return None not in self._owners

    def owner(self, slot: int) -> str | None:
        return self._owners[slot]

    def note(self, error: MovedError) -> None:
        """What a node said that was asked in vain."""
        self._owners[error.slot_id] = f"{error.host}:{error.port}"

    def client(self, address: str) -> redis.Redis:
        """The client of a node, for commands."""
        found = self._clients.get(address)
        if found is None:
            found = self._clients[address] = self._connect(self.url_of(address))
        return found

    def url_of(self, address: str) -> str:
        """The URL of one node."""
        return f"{self._scheme}://{self._login}{address}/0{self._options}"

    async def refresh(self) -> None:
        """Ask the nodes, one after the other, until one answers. Raises `LOST`."""
        known = list(self.masters)
        random.shuffle(known)
        failure: Exception = ConnectionError("no node of the cluster answers")
        for address in dict.fromkeys([*known, *self._seeds]):
            try:
                told = await self._ask(address)
            except LOST as error:
                failure = error
                continue
            self._take(told, address.rpartition(":")[0])
            await self._forget_others()
            return
        raise failure

    async def _ask(self, address: str) -> list[Any]:
        # As two words, or redis-py makes something else of the answer.
        told: list[Any] = await self.client(address).execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
        return told

    def _take(self, told: list[Any], asked: str) -> None:
        owners: list[str | None] = [None] * SLOTS
        for first, last, master, *_ in told:
            # Without a name of its own, a node is where it was asked.
            host = master[0].decode() if master[0] else asked
            owners[first : last + 1] = [f"{host}:{master[1]}"] * (last - first + 1)
        self._owners = owners

    async def _forget_others(self) -> None:
        for address in self._clients.keys() - self.masters - set(self._seeds):
            await self._clients.pop(address).aclose()

    async def aclose(self) -> None:
        for each in self._clients.values():
            await each.aclose()


def slot_of(name: str) -> int:
    """The slot of a key or channel; only what stands in its first ``{}`` counts, if there is any."""
    return key_slot(name.encode())


def _with_port(host: str) -> str:
    return host if host.rpartition(":")[2].isdigit() and not host.endswith("]") else f"{host}:6379"
