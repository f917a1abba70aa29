"""What a load run is and what it must reach: the profiles of `targets.toml`, and the verdict on a run.

Owns the shape of a profile and of a result, and the comparison of the two. Pure but for reading the file;
never imports locust. Called by `loadtests.run` (the verdict) and by the users (how many, at which pace).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

PATH = Path(__file__).with_name("targets.toml")
Kind = Literal["member", "spectator", "asker", "rest", "storm"]
KINDS: tuple[Kind, ...] = ("member", "spectator", "asker", "rest", "storm")
MAX_SPECTATORS = 180
"""Spectators are not signed in, and the server admits 200 connections of one address that are not."""

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]
Span = tuple[Seconds, Seconds]


class TargetsError(Exception):
    """`targets.toml` is wrong, or has no such profile; the message is for who wrote it."""


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Highest allowed milliseconds; None is not judged."""

    p50: Seconds | None = None
    p95: Seconds | None = None
    p99: Seconds | None = None
    max: Seconds | None = None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run must keep. `per_second` are lowest rates; tables are keyed by the name of a row. A row that
    has a limit must have been measured at all. `growth`: how many times as much memory and as many open files
    the servers may have at the end as in the beginning; see `Meter.growth`."""

    lost: Count
    duplicates: Count
    errors: Count
    latency_ms: dict[str, Latency]
    per_second: dict[str, Seconds] = {}
    growth: dict[Literal["memory", "files"], Seconds] = {}


class Storms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All storm users leave at once, stay away, and return within `spread_seconds` (0: at once); repeated."""

    count: Positive
    away_seconds: Seconds
    pause_seconds: Seconds
    spread_seconds: Seconds = 0


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of run. `seconds` are those that are measured, after everybody has come and `warm_up_seconds`;
    then all fall silent, and have `settle_seconds` to become current."""

    about: str
    processes: Positive
    seconds: Positive
    rooms: Positive
    users: dict[Kind, Count]
    limits: Limits
    spawn_per_second: Positive = 25
    warm_up_seconds: Seconds = 3
    settle_seconds: Seconds = 30
    think_seconds: Span = (2, 8)
    rest_think_seconds: Span = (0.5, 2)
    ask_think_seconds: Span = (3, 9)
    accounts_percent: Annotated[int, Meta(ge=0, le=100)] = 5
    """So many of a hundred members have a password and log in with it; the others are guests, made before."""
    storms: Storms | None = None
    rolling_restart: bool = False

    def of(self, kind: Kind) -> int:
        """How many users of this kind."""
        return self.users.get(kind, 0)

    @property
    def crowd(self) -> int:
        """How many users in all."""
        return sum(self.users.values())


class Row(msgspec.Struct, frozen=True):
    """One line of the statistics; milliseconds."""

    kind: str
    name: str
    count: int
    failures: int
    per_second: float
    p50: float
    p95: float
    p99: float
    max: float


class Result(msgspec.Struct):
    """What the generator found. Spans are in seconds of the machine's monotonic clock."""

    profile: str
    rows: list[Row]
    errors: int
    lost: int
    duplicates: int
    disordered: int
    faults: dict[str, int]
    examples: list[str]
    exceptions: list[str]
    figures: dict[str, float]
    measured: tuple[float, float]
    storms: list[tuple[float, float]] = []
    growth: dict[str, float] = {}
    """Not the generator's: it is measured beside it."""


class Check(msgspec.Struct, frozen=True):
    """One target and how the run stands to it."""

    name: str
    target: str
    found: str
    met: bool


def load(path: Path = PATH) -> dict[str, Profile]:
    """All profiles by name. Raises `TargetsError` naming the file, the place and what is wrong."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise TargetsError(f"{path.name}: {error}") from None
    found = {}
    for name, table in tables.items():
        try:
            found[name] = msgspec.convert(table, Profile)
        except msgspec.ValidationError as error:
            raise TargetsError(f"{path.name}, [{name}]: {error}") from None
        if problem := _problem(found[name]):
            raise TargetsError(f"{path.name}, [{name}]: {problem}")
    return found


def profile(name: str, path: Path = PATH) -> Profile:
    """One profile. Raises `TargetsError`."""
    found = load(path)
    if name not in found:
        raise TargetsError(
            f"there is no profile {name!r} in {path.name}; there are {', '.join(sorted(found))}"
        )
    return found[name]


def _problem(given: Profile) -> str | None:
    """What is wrong with a profile beyond the types of its fields."""
    if not given.crowd:
        return "users: nobody takes part"
    if given.of("spectator") > MAX_SPECTATORS:
        return f"users: at most {MAX_SPECTATORS} spectators come from one address"
    if bool(given.of("storm")) != bool(given.storms):
        return "storms and users.storm need each other"
    for name in ("think_seconds", "rest_think_seconds", "ask_think_seconds"):
        low, high = getattr(given, name)
        if low > high:
            return f"{name}: {low} is more than {high}"
    if given.rolling_restart and given.processes < 2:
        return "rolling_restart: needs two processes"
    return None


def check(limits: Limits, result: Result) -> list[Check]:
    """Every target with what was found, in the order in which they are reported."""
    counts = [
        ("lost", limits.lost, result.lost),
        ("duplicates", limits.duplicates, result.duplicates),
        # Order is promised without exception, and a generator that stumbles has measured nothing.
        ("out of order", 0, result.disordered),
        ("errors", limits.errors, result.errors),
        ("exceptions in users", 0, len(result.exceptions)),
    ]
    checks = [Check(name, f"at most {most}", str(found), found <= most) for name, most, found in counts]
    rows = {row.name: row for row in result.rows}
    for name, latency in limits.latency_ms.items():
        for key in latency.__struct_fields__:
            most = getattr(latency, key)
            if most is not None:
                checks.append(_latency(f"{name} {key}", most, rows.get(name), key))
    for name, least in limits.per_second.items():
        rate = rows[name].per_second if name in rows else 0.0
        checks.append(Check(f"{name} per second", f"at least {least:g}", f"{rate:.1f}", rate >= least))
    for what, times in limits.growth.items():
        grown = result.growth.get(what)
        said = "never measured" if grown is None else f"{grown:.3f} times"
        checks.append(
            Check(f"growth of {what}", f"at most {times:g} times", said, grown is not None and grown <= times)
        )
    return checks


def _latency(name: str, most: float, row: Row | None, key: str) -> Check:
    if row is None or row.count - row.failures <= 0:
        return Check(name, f"at most {most:g} ms", "never measured", False)
    found = getattr(row, key)
    return Check(name, f"at most {most:g} ms", f"{found:.0f} ms", found <= most)
