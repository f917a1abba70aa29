"""A private Redis Cluster of three masters without replicas.

Owns its nodes and who has which slot. Never listens beyond 127.0.0.1. Called by the contract suites of
brokers and presence, and by tests that move slots and kill nodes.
"""

import time
from types import TracebackType
from typing import Self

from tests.services.process import HOST, ServiceError, free_port
from tests.services.redis import Redis

SLOTS = 16384
NODES = 3
PATIENCE = 30.0


class ClusterNode(Redis):
    """One master; it keeps its place in the cluster when it is killed and started again."""

    name = "redis-node"

    def __init__(self) -> None:
        super().__init__()
        self._bus_port = free_port()

    def command(self) -> list[str]:
        settings = {
            "cluster-enabled": "yes",
            "cluster-port": str(self._bus_port),
            "cluster-node-timeout": "1000",
            # What is still there goes on when a master without a replica is lost.
            "cluster-require-full-coverage": "no",
        }
        return [
            *super().command(),
            *(word for key, value in settings.items() for word in (f"--{key}", value)),
        ]

    @property
    def id(self) -> str:
        """The name of the node within the cluster."""
        return self.send("CLUSTER MYID", bulk=True)

    @property
    def knows(self) -> int:
        """The slots that have an owner, as far as this node knows; -1 while it is not content."""
        told = dict(
            line.split(":", 1) for line in self.send("CLUSTER INFO", bulk=True).split("\r\n") if ":" in line
        )
        known = told["cluster_known_nodes"] == str(NODES) and told["cluster_state"] == "ok"
        return int(told["cluster_slots_ok"]) if known else -1


class RedisCluster:
    """See the module. `nodes[n]` has the n-th third of the slots at first."""

    def __init__(self) -> None:
        self.nodes = [ClusterNode() for _ in range(NODES)]

    @property
    def url(self) -> str:
        """What the application is given."""
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    def start(self) -> Self:
        """Start every node that does not run, and wait until all of them agree."""
        fresh = not any(node.folder.joinpath("nodes.conf").exists() for node in self.nodes)
        for node in self.nodes:
            node.start()
        if fresh:
            self._join()
        self._agree()
        return self

    def remove(self) -> None:
        for node in self.nodes:
            node.remove()

    def flush(self) -> None:
        """Forget everything but the slots."""
        for node in self.nodes:
            node.flush()

    def owner(self, slot: int) -> int:
        """The index of the node that has this slot."""
        shard = self.nodes[0].send("CLUSTER NODES", bulk=True)
        for line in shard.splitlines():
            words = line.split()
            for held in words[8:]:
                first, _, last = held.partition("-")
                if first.isdigit() and int(first) <= slot <= int(last or first):
                    return next(n for n, node in enumerate(self.nodes) if node.id == words[0])
        raise ServiceError(f"nobody has slot {slot}")

    def move_slot(self, slot: int, to: int) -> None:
        """Give a slot to another node, keys included, as `redis-cli --cluster reshard` does."""
        source, target = self.nodes[self.owner(slot)], self.nodes[to]
        if source is target:
            return
        source_id, target_id = source.id, target.id
        expect(target.send(f"CLUSTER SETSLOT {slot} IMPORTING {source_id}"))
        expect(source.send(f"CLUSTER SETSLOT {slot} MIGRATING {target_id}"))
        while keys := source.items(f"CLUSTER GETKEYSINSLOT {slot} 100"):
            expect(source.send(f'MIGRATE {HOST} {target.port} "" 0 5000 KEYS {" ".join(keys)}'))
        for node in (target, source, *(each for each in self.nodes if each not in (source, target))):
            expect(node.send(f"CLUSTER SETSLOT {slot} NODE {target_id}"))

    def _join(self) -> None:
        first = self.nodes[0]
        for n, node in enumerate(self.nodes):
            low, high = n * SLOTS // NODES, (n + 1) * SLOTS // NODES - 1
            expect(node.send(f"CLUSTER ADDSLOTSRANGE {low} {high}"))
            expect(node.send(f"CLUSTER SET-CONFIG-EPOCH {n + 1}"))
        for node in self.nodes[1:]:
            expect(first.send(f"CLUSTER MEET {HOST} {node.port} {node._bus_port}"))

    def _agree(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while any(node.knows != SLOTS for node in self.nodes):
            if time.monotonic() > deadline:
                raise ServiceError("the nodes of the Redis Cluster do not agree")
            time.sleep(0.02)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def expect(answer: str) -> None:
    """OK, or nothing to do. Raises ServiceError."""
    if answer not in ("+OK", "+NOKEY"):
        raise ServiceError(f"the Redis Cluster says {answer}")
