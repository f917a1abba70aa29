"""What the benchmark found: figures, aims, and those that could not be measured.

Owns the shape of the JSON file. Pure. Called by every part and by `bench.report`.
"""

from __future__ import annotations

import msgspec


class FanOut(msgspec.Struct, frozen=True):
    """One server, one shape of rooms, one way of sending: medians over the rounds.

    CPU in microseconds a delivery: of the server's processes, of Redis and of the database apart. `p50` and
    `p99` in ms: from a message's sending until everybody in its room has it.
    """

    who: str
    processes: int
    shape: str
    mode: str
    deliveries: int
    per_cpu_second: float
    cpu: float
    redis: float
    database: float
    p50: float
    p99: float
    bytes_each: float
    per_second: float
    spread: float
    """(largest - smallest) / median CPU of the rounds."""
    rounds: int = 1


class Operations(msgspec.Struct, frozen=True):
    """Durable operations a second, beside the bare transaction layer's."""

    what: str
    per_second: float
    cpu: float
    """Microseconds of the server an operation; 0 for the bare layer."""
    database: float
    p50: float = 0.0
    p99: float = 0.0


class Flat(msgspec.Struct, frozen=True):
    """What one operation costs in one trip, in microseconds of CPU."""

    stops: int
    log_rows: int
    cpu: float
    database: float
    operations: int


class Memory(msgspec.Struct, frozen=True):
    """KiB of resident memory a joined, idle member."""

    who: str
    kib: float


class Aim(msgspec.Struct, frozen=True):
    """A ratio that this run was to show."""

    name: str
    aim: str
    found: str
    met: bool


class Spent(msgspec.Struct, frozen=True):
    """What share of the samples of a profile was in a function itself."""

    function: str
    share: float


class Profile(msgspec.Struct, frozen=True):
    """What a server did in one part. `file` is beside the JSON."""

    title: str
    file: str
    spent: list[Spent]


class Findings(msgspec.Struct):
    """Everything of one run."""

    machine: dict[str, str] = msgspec.field(default_factory=dict)
    fan_out: list[FanOut] = msgspec.field(default_factory=list)
    operations: list[Operations] = msgspec.field(default_factory=list)
    flat: list[Flat] = msgspec.field(default_factory=list)
    memory: list[Memory] = msgspec.field(default_factory=list)
    aims: list[Aim] = msgspec.field(default_factory=list)
    missing: dict[str, str] = msgspec.field(default_factory=dict)
    """What could not be measured, and why."""
    profiles: list[Profile] = msgspec.field(default_factory=list)
    seconds: float = 0.0
