"""A private Redis Cluster of three masters, with replicas on request.

Owns its nodes and who has which slot. Never listens beyond 127.0.0.1. Called by the contract suites of
brokers and presence, and by tests that move slots and kill nodes.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.services.certificate import Certificate
from tests.services.process import HOST, ServiceError, free_port
from tests.services.redis import Login, Redis

SLOTS = 16384
NODES = 3
PATIENCE = 30.0


class ClusterNode(Redis):
    """One master; it keeps its place in the cluster when it is killed and started again."""

    name = "redis-node"

    def __init__(self, login: Login | None, certificate: Certificate | None, size: int) -> None:
        super().__init__(login=login, certificate=certificate)
        self._bus_port = free_port()
        self._size = size

    def command(self) -> list[str]:
        settings = {
            "cluster-enabled": "yes",
            "cluster-port": str(self._bus_port),
            "cluster-node-timeout": "1000",
            # What is still there goes on when a master without a replica is lost.
            "cluster-require-full-coverage": "no",
            # A replica that was kept waiting, on a busy machine, may still stand for election.
            "cluster-replica-validity-factor": "0",
            # One replica is all there is to wait for: seconds, at each start.
            "repl-diskless-sync-delay": "0",
        }
        if self.certificate is not None:
            settings |= {"tls-cluster": "yes", "tls-replication": "yes"}
        if self.login is not None:
            settings |= {"masteruser": self.login[0], "masterauth": self.login[1]}
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
        known = told["cluster_known_nodes"] == str(self._size) and told["cluster_state"] == "ok"
        return int(told["cluster_slots_ok"]) if known else -1

    @property
    def followers(self) -> int:
        """Replicas of this node that are fed."""
        return sum("state=online" in line for line in self._replication().values())

    @property
    def followed(self) -> bool:
        """A replica has said that it has all that was written here. It says so once a second."""
        told = self._replication()
        return any(f"state=online,offset={told['master_repl_offset']}," in line for line in told.values())

    @property
    def following(self) -> bool:
        """It is a replica, and has all that its master had when they met."""
        return self._replication().get("master_link_status") == "up"

    def _replication(self) -> dict[str, str]:
        told = self.send("INFO replication", bulk=True)
        return dict(line.split(":", 1) for line in told.split("\r\n") if ":" in line)


class RedisCluster:
    """See the module. `nodes[n]` has the n-th third of the slots at first; those behind the third follow the
    first, second ... of them."""

    def __init__(
        self, replicas: int = 0, login: Login | None = None, certificate: Certificate | None = None
    ) -> None:
        size = NODES + replicas
        self.nodes = [ClusterNode(login, certificate, size) for _ in range(size)]

    @property
    def url(self) -> str:
        """What the application is given."""
        one = self.nodes[0]
        hosts = ",".join(f"{HOST}:{node.port}" for node in self.nodes)
        return f"{one.scheme}+cluster://{one.login_in_url}{hosts}{one.trust_in_url}"

    def start(self) -> Self:
        """Start every node that does not run, and wait until all of them agree."""
        fresh = not any(node.folder.joinpath("nodes.conf").exists() for node in self.nodes)
        for node in self.nodes:
            node.start()
        if fresh:
            self._join()
        self._agree()
        # Both ends must say so: a replica that its master lost while it loaded can never take over.
        replicas = len(self.nodes) - NODES
        _wait(lambda: sum(node.following for node in self.nodes) == replicas)
        _wait(lambda: sum(node.followers for node in self.nodes) == replicas)
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
        asked = next(node for node in self.nodes if node.running)
        for line in asked.send("CLUSTER NODES", bulk=True).splitlines():
            words = line.split()
            for held in words[8:]:
                first, _, last = held.partition("-")
                if first.isdigit() and int(first) <= slot <= int(last or first):
                    port = words[1].partition("@")[0].rpartition(":")[2]
                    return next(n for n, node in enumerate(self.nodes) if str(node.port) == port)
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

    def settle(self, master: int) -> None:
        """Wait until what was written to this master is on its replica, too. (WAIT counts only what its own
        connection wrote.)"""
        _wait(lambda: self.nodes[master].followed)

    def _join(self) -> None:
        first, replicas = self.nodes[0], self.nodes[NODES:]
        for n, node in enumerate(self.nodes[:NODES]):
            low, high = n * SLOTS // NODES, (n + 1) * SLOTS // NODES - 1
            expect(node.send(f"CLUSTER ADDSLOTSRANGE {low} {high}"))
            expect(node.send(f"CLUSTER SET-CONFIG-EPOCH {n + 1}"))
        for node in self.nodes[1:]:
            expect(first.send(f"CLUSTER MEET {HOST} {node.port} {node._bus_port}"))
        if not replicas:
            return
        self._agree()
        for n, node in enumerate(replicas):
            expect(node.send(f"CLUSTER REPLICATE {self.nodes[n % NODES].id}"))
            _wait(lambda node=node: node.following)  # type: ignore[misc]

    def _agree(self) -> None:
        _wait(lambda: all(node.knows == SLOTS for node in self.nodes))

    def replaceable(self) -> set[int]:
        """Indices of the masters whose replica is ready to take over."""
        return {n for n, node in enumerate(self.nodes) if node.running and node.followers}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise ServiceError("the nodes of the Redis Cluster do not agree")
        time.sleep(0.02)


def expect(answer: str) -> None:
    """OK, or nothing to do. Raises ServiceError."""
    if answer not in ("+OK", "+NOKEY"):
        raise ServiceError(f"the Redis Cluster says {answer}")
