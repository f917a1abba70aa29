"""The part `fan-out`: what a delivery costs, in rooms of several sizes, beside the peers.

Owns shapes, ways of sending and rounds. All servers of a shape run at the same time and are measured in turn,
round after round, so that what else the machine does meets all of them. Called by `bench.main`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from loadtests.bench.figures import FanOut, Findings
from loadtests.bench.profiling import Profiler
from loadtests.bench.stands import OURS, Stand, leave
from loadtests.bench.traffic import Group, Outcome, Traffic

WARM_UP = 0.2
PROFILED = 2.0
LONG = 4.0
"""Seconds of a round after which a stand is slow: one round of it must do."""
SHAPE_SECONDS = 20.0
"""After so long no new round of a shape begins."""


@dataclass(frozen=True)
class Shape:
    """`window`: messages of a room that may be unseen under load."""

    name: str
    rooms: int
    members: int
    window: int
    everybody_sends: bool = False


SHAPES = (
    Shape("room of 10", 1, 10, 48),
    Shape("room of 100", 1, 100, 48),
    Shape("room of 1,000", 1, 1_000, 8),
    Shape("200 rooms of 5", 200, 5, 10, everybody_sends=True),
)
CALM, LOAD = "one at a time", "under load"


@dataclass(frozen=True)
class Round:
    """One measurement. `cpu` in seconds, `apart` of other processes by name."""

    outcome: Outcome
    cpu: float
    apart: dict[str, float]


@dataclass(eq=False)
class Seat:
    """A stand with its clients in one shape. After an error it is left out of what follows."""

    stand: Stand
    shape: Shape
    groups: list[Group]
    rounds: dict[str, list[Round]] = field(default_factory=lambda: {CALM: [], LOAD: []})
    slow: set[str] = field(default_factory=set)
    error: str = ""

    def measure(self, mode: str, seconds: float, warm_up: bool = False) -> None:
        """One round."""
        if self.error or mode in self.slow:
            return
        window = 1 if mode == CALM else self.shape.window
        traffic = Traffic(self.groups, self.stand.wire.message, window)
        try:
            if warm_up:
                traffic.run(WARM_UP)
            before, apart = self.stand.spent()
            outcome = traffic.run(seconds)
            after, apart_after = self.stand.spent()
        except (OSError, TimeoutError) as error:
            self.error = f"{type(error).__name__}: {error}"
            return
        spent = {name: apart_after[name] - seconds for name, seconds in apart.items()}
        self.rounds[mode].append(Round(outcome, after - before, spent))
        if outcome.seconds > LONG:
            self.slow.add(mode)

    def figure(self, mode: str) -> FanOut:
        """The medians of the rounds."""
        rounds = self.rounds[mode]

        def micros(seconds: Callable[[Round], float]) -> list[float]:
            return [seconds(each) / each.outcome.deliveries * 1e6 for each in rounds]

        cpu = micros(lambda each: each.cpu)
        middle = median(cpu)
        latencies = sorted(ms for each in rounds for ms in each.outcome.latencies)
        deliveries = sum(each.outcome.deliveries for each in rounds)
        return FanOut(
            who=self.stand.name,
            processes=self.stand.processes,
            shape=self.shape.name,
            mode=mode,
            deliveries=deliveries,
            per_cpu_second=1e6 / middle,
            cpu=middle,
            redis=median(micros(lambda each: each.apart.get("redis", 0.0))),
            database=median(micros(lambda each: each.apart.get("database", 0.0))),
            p50=latencies[len(latencies) // 2],
            p99=latencies[int(len(latencies) * 0.99)],
            bytes_each=sum(each.outcome.bytes for each in rounds) / deliveries,
            per_second=deliveries / sum(each.outcome.seconds for each in rounds),
            spread=(max(cpu) - min(cpu)) / middle,
            rounds=len(rounds),
        )


def measure(
    stands: Sequence[Stand], shapes: Sequence[Shape], rounds: int, seconds: float, profiler: Profiler
) -> Findings:
    """Every stand in every shape. What broke is `missing`, with why."""
    findings = Findings()
    for shape in shapes:
        print(f"fan-out, {shape.name} ...", flush=True)
        seats = [_seat(stand, shape) for stand in stands]
        began = time.monotonic()
        for n in range(rounds):
            if n and time.monotonic() - began > SHAPE_SECONDS:
                break
            # Not always the same one comes first.
            turn = n % len(seats)
            for seat in seats[turn:] + seats[:turn]:
                for mode in (CALM, LOAD):
                    _keep_alive(seats)
                    seat.measure(mode, seconds, warm_up=n == 0)
        for seat in seats:
            if seat.stand.name == OURS and seat.stand.processes == 1 and not seat.error:
                _profile(seat, profiler)
            leave(seat.groups)
            if seat.error:
                findings.missing[f"{seat.stand.label}, {shape.name}"] = seat.error
            findings.fan_out += [seat.figure(mode) for mode in (CALM, LOAD) if seat.rounds[mode]]
    return findings


def _seat(stand: Stand, shape: Shape) -> Seat:
    try:
        return Seat(stand, shape, stand.groups(shape.rooms, shape.members, shape.everybody_sends))
    except (OSError, TimeoutError) as error:
        return Seat(stand, shape, [], error=f"{type(error).__name__}: {error}")


def _keep_alive(seats: list[Seat]) -> None:
    for seat in seats:
        try:
            seat.stand.keep_alive(seat.groups)
        except OSError as error:
            seat.error = seat.error or f"{type(error).__name__}: {error}"


def _profile(seat: Seat, profiler: Profiler) -> None:
    for mode, window in ((CALM, 1), (LOAD, seat.shape.window)):
        with profiler.watch(seat.stand.pids[0], f"fan-out, {seat.shape.name}, {mode}") as watching:
            if watching:
                Traffic(seat.groups, seat.stand.wire.message, window).run(PROFILED)


class Line(NamedTuple):
    """Microseconds of CPU: of a message, however few hear it, and of each member that does."""

    who: str
    message: float
    member: float


def taken_apart(findings: Findings) -> list[Line]:
    """A straight line through the smallest and the largest room, one message at a time, of each server in one
    process that was measured in both."""
    sizes = {shape.name: shape.members for shape in SHAPES if shape.rooms == 1}
    few, many = min(sizes.values()), max(sizes.values())
    found: list[Line] = []
    for who in dict.fromkeys(each.who for each in findings.fan_out):
        # CPU a message, by members.
        spent = {
            sizes[each.shape]: each.cpu * sizes[each.shape]
            for each in findings.fan_out
            if (each.who, each.processes, each.mode) == (who, 1, CALM) and each.shape in sizes
        }
        if few in spent and many in spent:
            member = (spent[many] - spent[few]) / (many - few)
            found.append(Line(who, spent[few] - few * member, member))
    return found
