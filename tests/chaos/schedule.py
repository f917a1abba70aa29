"""What happens in a run, and when: a pure function of the seed.

Owns the kinds of faults, how long they last, and that two of them never meet on one thing (a process, a
link, the database). Knows nothing of the cluster. The same seed gives the same schedule; how the timing of
the machine interleaves with it differs from run to run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

SERVERS = 3
CLIENTS = 6
"""Client 0 owns the trip and is spared by faults of people."""
PROCESS = {"kill": 3, "freeze": 3, "drain": 2}
REDIS = {"redis restart": 1}
BUS = {"bus lossy": 6, "bus half-open": 2, "bus reset": 1, "bus stalled": 1, "bus late": 1}
DATABASE = {"db restart": 2, "db connections killed": 2, "db row locked": 2, "db deadlocks": 3}
DB_LINK = {"db half-open": 3, "db reset": 1, "db late": 1}
CLIENT = {"client cut": 2, "client reset": 2, "client half-open": 2, "client deaf": 2, "client slow": 2,
          "client sliced": 1, "client late": 1}  # fmt: skip
PEOPLE = {"role changed": 3, "removed": 1, "signed out": 1}
MODEL = {"model reset": 1, "model half-open": 1, "model stalled": 1, "model late": 1}
"""On the link of a server process to the language model."""
ALL_KINDS = (MODEL, PROCESS, REDIS, BUS, DATABASE, DB_LINK, CLIENT, PEOPLE)
"""Each by its weight."""
LONG_ENOUGH = {"bus lossy": (2.0, 5.0), "client slow": (1.0, 3.0), "client deaf": (1.0, 3.0)}
"""Seconds from and to, where they differ from half a second to two and a half."""


@dataclass(frozen=True, order=True)
class Fault:
    """Seconds from the beginning. `target` numbers a server or a client; `level` is 0 to 1."""

    at: float
    seconds: float
    kind: str
    target: int
    level: float

    def __str__(self) -> str:
        return (
            f"{self.at:5.2f} s  {self.kind} ({self.target}) for {self.seconds:.2f} s, level {self.level:.2f}"
        )


@dataclass(frozen=True, order=True)
class Step:
    """One thing that a client does; `seed` decides what exactly, given what the client then knows."""

    at: float
    client: int
    seed: int
    kind: str


@dataclass(frozen=True)
class Schedule:
    seed: int
    seconds: float
    faults: tuple[Fault, ...]
    steps: tuple[Step, ...]

    def kinds(self) -> set[str]:
        return {fault.kind for fault in self.faults}

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {len(self.steps)} steps in {self.seconds:.0f} s"]
        return "\n".join([*lines, *(str(fault) for fault in self.faults)])


def make_schedule(seed: int, seconds: float) -> Schedule:
    """The schedule of a run. `seconds` belong to it as much as the seed."""
    rng = random.Random(f"{seed} {seconds}")
    # Apart, so that what came later did not change the schedules of seeds that have found something.
    talking = random.Random(f"talking {seed} {seconds}")
    faults = sorted([*_faults(rng, seconds), *_model_faults(talking, seconds)])
    steps = sorted([*_steps(rng, seconds), *_talking(talking, seconds)])
    return Schedule(seed, seconds, tuple(faults), tuple(steps))


def _faults(rng: random.Random, seconds: float) -> Iterator[Fault]:
    # (kinds, how many things they can hit, the first of them, seconds between two faults of one thing)
    things = [
        (PROCESS, SERVERS, 0, 14.0),
        (REDIS, 1, 0, 16.0),
        (BUS, SERVERS, 0, 6.0),
        (DATABASE, 1, 0, 5.0),
        (DB_LINK, SERVERS, 0, 12.0),
        (CLIENT, CLIENTS, 0, 7.0),
    ]
    for kinds, count, first, pause in things:
        for target in range(first, first + count):
            at = rng.random() * pause
            while at < seconds - 1.0:
                fault = _fault(rng, rng.choices(list(kinds), list(kinds.values()))[0], at, target)
                yield fault
                at += fault.seconds + pause * rng.uniform(0.5, 1.5)
    people = rng.sample(range(1, CLIENTS), 3)
    for target in people[: rng.randint(1, 3)]:
        kind = rng.choices(list(PEOPLE), list(PEOPLE.values()))[0]
        yield _fault(rng, kind, rng.uniform(1.0, max(1.5, seconds - 3.0)), target)


def _model_faults(rng: random.Random, seconds: float) -> Iterator[Fault]:
    for target in range(SERVERS):
        at = rng.random() * 8.0
        while at < seconds - 1.0:
            fault = _fault(rng, rng.choices(list(MODEL), list(MODEL.values()))[0], at, target)
            yield fault
            at += fault.seconds + 8.0 * rng.uniform(0.5, 1.5)


def _fault(rng: random.Random, kind: str, at: float, target: int) -> Fault:
    low, high = LONG_ENOUGH.get(kind, (0.5, 2.5))
    return Fault(round(at, 2), round(rng.uniform(low, high), 2), kind, target, round(rng.random(), 2))


def _steps(rng: random.Random, seconds: float) -> Iterator[Step]:
    kinds = {"edit": 12, "talk": 2, "undo": 2, "again": 2, "big": 1, "together": 1}
    for client in range(CLIENTS):
        at = rng.random()
        while at < seconds:
            kind = rng.choices(list(kinds), list(kinds.values()))[0]
            yield Step(round(at, 3), client, rng.getrandbits(32), kind)
            at += rng.expovariate(4.0)


def _talking(rng: random.Random, seconds: float) -> Iterator[Step]:
    """Everybody looks around, and now and then somebody asks the assistant."""
    for client in range(CLIENTS):
        at = rng.random()
        while at < seconds:
            kind = rng.choices(["look", "ask"], [8, 1])[0]
            yield Step(round(at, 3), client, rng.getrandbits(32), kind)
            at += rng.expovariate(1.5)
