"""Profiles are read with clear errors, and a run that misses a target, or never measured it, is told so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from loadtests.servers import Meter, Sample
from loadtests.targets import Latency, Limits, Result, Row, TargetsError, check, load, profile

GOOD = """
[tiny]
about = "two people"
processes = 1
seconds = 5
rooms = 1
users = { member = 2 }
limits = { lost = 0, duplicates = 0, errors = 0, latency_ms = {} }
"""


def test_the_profiles_of_the_project_can_be_read_and_are_the_ones_that_were_asked_for() -> None:
    found = load()
    assert {"smoke", "seed", "node", "storm", "soak", "restart"} == set(found)
    for each in found.values():
        assert (each.limits.lost, each.limits.duplicates) == (0, 0)
    assert found["node"].of("member") == 2_000 and found["node"].rooms == 400
    assert found["node"].processes == 1 and found["storm"].of("storm") == 5_000
    assert found["soak"].seconds == 1_800 and found["smoke"].seconds <= 60
    assert found["seed"].of("member") + found["seed"].of("spectator") == 500


def write(folder: Path, text: str) -> Path:
    path = folder / "targets.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (
            GOOD.replace("seconds = 5", "seconds = 'x'"),
            r"\[tiny\]: Expected `int`, got `str` - at `\$.seconds`",
        ),
        (GOOD.replace("rooms = 1", "room = 1"), r"\[tiny\].*room"),
        (GOOD.replace("lost = 0, ", ""), r"missing required field `lost` - at `\$.limits`"),
        (GOOD.replace("latency_ms = {}", "latency_ms = {seen = {p90 = 1}}"), r"p90"),
        (GOOD.replace("member = 2", "members = 2"), r"members"),
        (GOOD.replace("member = 2", "member = 0"), "nobody takes part"),
        (GOOD.replace("member = 2", "storm = 2"), "storms and users.storm need each other"),
        (GOOD.replace("member = 2", "spectator = 200"), "at most 180 spectators"),
        (GOOD + "rolling_restart = true\n", "needs two processes"),
        (GOOD + "think_seconds = [5, 2]\n", "think_seconds: 5.0 is more than 2.0"),
        (GOOD.replace("[tiny]", "[tiny"), "targets.toml: "),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, broken: str, complaint: str) -> None:
    if "rolling_restart" in broken or "think_seconds" in broken:
        lines = broken.strip().splitlines()
        broken = "\n".join([lines[0], lines[-1], *lines[1:-1]])
    with pytest.raises(TargetsError, match=complaint):
        load(write(tmp_path, broken))


def test_an_unknown_profile_is_refused_with_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert profile("tiny", path).crowd == 2
    with pytest.raises(TargetsError, match=r"no profile 'seeed' in .*; there are tiny"):
        profile("seeed", path)


LIMITS = Limits(0, 0, 2, {"submit to seen": Latency(p50=100, p95=200)}, {"list trips": 50}, {"memory": 1.1})
GOOD_RUN = Result(
    profile="tiny",
    rows=[
        Row("WS", "submit to seen", 900, 0, 90, p50=40, p95=200, p99=450, max=800),
        Row("GET", "list trips", 600, 0, 60, p50=5, p95=9, p99=12, max=20),
    ],
    errors=2,
    lost=0,
    duplicates=0,
    disordered=0,
    faults={},
    examples=[],
    exceptions=[],
    figures={},
    measured=(0, 10),
    growth={"memory": 1.1, "files": 9.0},
)


def missed(**changes: object) -> list[str]:
    """Names and findings of the targets that a run, changed like this, misses."""
    result = msgspec.structs.replace(GOOD_RUN, **changes)
    return [f"{each.name}: {each.found}" for each in check(LIMITS, result) if not each.met]


def test_a_run_that_reaches_every_target_misses_none() -> None:
    assert missed() == []
    assert len(check(LIMITS, GOOD_RUN)) == 9


def test_every_kind_of_miss_is_named() -> None:
    rows = GOOD_RUN.rows
    assert missed(lost=1) == ["lost: 1"]
    assert missed(duplicates=3) == ["duplicates: 3"]
    assert missed(disordered=1) == ["out of order: 1"]
    assert missed(errors=3) == ["errors: 3"]
    assert missed(exceptions=["KeyError('x')"]) == ["exceptions in users: 1"]
    slow = msgspec.structs.replace(rows[0], p95=201.0)
    assert missed(rows=[slow, rows[1]]) == ["submit to seen p95: 201 ms"]
    rare = msgspec.structs.replace(rows[1], per_second=49.5)
    assert missed(rows=[rows[0], rare]) == ["list trips per second: 49.5"]
    assert missed(growth={"memory": 1.101}) == ["growth of memory: 1.101 times"]


def test_what_was_never_measured_is_missed() -> None:
    never = "never measured"
    rows = GOOD_RUN.rows
    assert missed(rows=rows[1:]) == [f"submit to seen p50: {never}", f"submit to seen p95: {never}"]
    failed = msgspec.structs.replace(rows[0], failures=900)
    assert missed(rows=[failed, rows[1]]) == [f"submit to seen p50: {never}", f"submit to seen p95: {never}"]
    assert missed(rows=rows[:1]) == ["list trips per second: 0.0"]
    assert missed(growth={}) == [f"growth of memory: {never}"]


def test_growth_is_seen_whatever_the_beginning_and_the_middle_were_like() -> None:
    meter = Meter({"servers": 1})

    def run(memory: Callable[[int], int]) -> dict[str, float]:
        meter.samples = [
            Sample(n, {}, {"servers": memory(n)}, {"servers": 300 + n % 2}) for n in range(5, 406)
        ]
        return meter.growth(100, 400)

    assert run(lambda n: 50 if n < 150 else 100) == {"memory": 1.0, "files": 1.0}
    assert run(lambda n: 100 + n)["memory"] == pytest.approx(485 / 275, rel=0.01)
    assert run(lambda n: 900 if n % 11 == 0 else 100)["memory"] == 1.0, "a moment is no growth"
    meter.samples = meter.samples[:20]
    assert meter.growth(0, 30) == {}
