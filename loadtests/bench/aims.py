"""The aims of the benchmark: ratios between figures of one run.

Owns their numbers. Pure: figures in, verdicts out; an aim whose figures are not there is not judged. Called
by `bench.main`.
"""

from __future__ import annotations

from collections.abc import Iterator

from loadtests.bench.durable import BARE_MANY, BARE_ONE, MANY_ROOMS, ONE_ROOM
from loadtests.bench.fan_out import CALM, LOAD, taken_apart
from loadtests.bench.figures import Aim, FanOut, Findings
from loadtests.bench.stands import OURS
from loadtests.peers import BARE_HANDLER, FLASK_SOCKETIO, PICOWS, WRITE_MESSAGE, WS

ROOM, MANY = "room of 100", "200 rooms of 5"
CALM_TIMES_BARE = 1.3
TIMES_WRITE_MESSAGE = 6.0
TIMES_FLASK = 10.0
DURABLE_SHARE = 0.60
FLAT_WITHIN = 0.10
IDLE_KIB = 2.0


def judge(findings: Findings) -> list[Aim]:
    """Every aim that this run can say something about."""
    return [
        *_fan_out(findings),
        *_operations(findings),
        *_flat(findings),
        *_memory(findings),
    ]


def _fan_out(findings: Findings) -> Iterator[Aim]:
    def cell(who: str, shape: str, mode: str) -> FanOut | None:
        return next(
            (
                each
                for each in findings.fan_out
                if (each.who, each.processes, each.shape, each.mode) == (who, 1, shape, mode)
            ),
            None,
        )

    def against(name: str, aim: str, who: str, shape: str, mode: str, least: float) -> Iterator[Aim]:
        """CPU a delivery of the peer over ours: how many times better we are."""
        ours, theirs = cell(OURS, shape, mode), cell(who, shape, mode)
        if ours is not None and theirs is not None:
            times = theirs.cpu / ours.cpu
            yield Aim(name, aim, f"{times:.2f} ({ours.cpu:.1f} and {theirs.cpu:.1f} us)", times >= least)

    ours, bare = cell(OURS, ROOM, CALM), cell(PICOWS.name, ROOM, CALM)
    if ours is not None and bare is not None:
        ratio = ours.cpu / bare.cpu
        name = f"CPU a delivery over the bare loop's, {ROOM}, {CALM}"
        found = f"{ratio:.2f} ({ours.cpu:.1f} and {bare.cpu:.1f} us)"
        yield Aim(name, f"at most {CALM_TIMES_BARE}", found, ratio <= CALM_TIMES_BARE)
    lines = {each.who: each.member for each in taken_apart(findings)}
    if OURS in lines and PICOWS.name in lines:
        ratio = lines[OURS] / lines[PICOWS.name]
        found = f"{ratio:.2f} ({lines[OURS]:.2f} and {lines[PICOWS.name]:.2f} us)"
        name = f"the same without what a message costs however few hear it, {CALM}"
        yield Aim(name, f"at most {CALM_TIMES_BARE}", found, ratio <= CALM_TIMES_BARE)
    ours, bare = cell(OURS, ROOM, LOAD), cell(PICOWS.name, ROOM, LOAD)
    if ours is not None and bare is not None:
        ratio = ours.cpu / bare.cpu
        name = f"CPU a delivery over the bare loop's, {ROOM}, {LOAD}"
        yield Aim(name, "below 1", f"{ratio:.2f} ({ours.cpu:.1f} and {bare.cpu:.1f} us)", ratio < 1)
    name = f"times better than write_message, {ROOM}, {LOAD}"
    aim = f"at least {TIMES_WRITE_MESSAGE:.0f}"
    yield from against(name, aim, WRITE_MESSAGE.name, ROOM, LOAD, TIMES_WRITE_MESSAGE)
    yield from against(f"times better than Node ws, {MANY}, {LOAD}", "more than 1", WS.name, MANY, LOAD, 1.0)
    name, aim = f"times better than Flask-SocketIO, {MANY}, {LOAD}", f"at least {TIMES_FLASK:.0f}"
    yield from against(name, aim, FLASK_SOCKETIO.name, MANY, LOAD, TIMES_FLASK)


def _operations(findings: Findings) -> Iterator[Aim]:
    found = {each.what: each.per_second for each in findings.operations}
    for whole, bare in ((ONE_ROOM, BARE_ONE), (MANY_ROOMS, BARE_MANY)):
        if whole in found and bare in found:
            share = found[whole] / found[bare]
            said = f"{share:.0%} ({found[whole]:,.0f} of {found[bare]:,.0f} a second)"
            aim = f"at least {DURABLE_SHARE:.0%}"
            yield Aim(f"{whole}, share of {bare}", aim, said, share >= DURABLE_SHARE)


def _flat(findings: Findings) -> Iterator[Aim]:
    if len(findings.flat) == 2:
        small, large = findings.flat
        ratio = (large.cpu + large.database) / (small.cpu + small.database)
        name = (
            f"CPU an operation, {large.stops:,} stops and {large.log_rows:,} log rows"
            f" over {small.stops} and {small.log_rows}"
        )
        found = f"{ratio:.2f} ({large.cpu + large.database:.0f} and {small.cpu + small.database:.0f} us)"
        yield Aim(name, f"within {FLAT_WITHIN:.0%}", found, abs(ratio - 1) <= FLAT_WITHIN)


def _memory(findings: Findings) -> Iterator[Aim]:
    kib = {each.who: each.kib for each in findings.memory}
    if OURS in kib and BARE_HANDLER.name in kib:
        more = kib[OURS] - kib[BARE_HANDLER.name]
        found = f"{more:.1f} KiB ({kib[OURS]:.1f} and {kib[BARE_HANDLER.name]:.1f})"
        name = "memory an idle member above a bare WebSocketHandler"
        yield Aim(name, f"at most {IDLE_KIB:.0f} KiB", found, more <= IDLE_KIB)
