"""`make test`: every check of the project, one after the other, with a summary at the end.

Owns the order of the stages and the summary. Never stops at the first failure: one run shows everything that
is wrong. Runs on a bare Python, since the first stage is what installs the rest.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv" / "bin"
PYTHON = str(VENV / "python")
FRONTEND = ROOT / "frontend" / "package.json"
# pytest's processes wait for servers a third of their time, so there is one more than there are cores. Above
# four, the servers that each process starts cost more than it saves.
PROCESSES = min(4, (os.cpu_count() or 2) + 1)
# A browser keeps a core busy by itself.
BROWSERS = min(4, max(2, os.cpu_count() or 2))


@dataclass
class Counts:
    """How the tests of one or more pytest runs ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclass
class Outcome:
    """How one stage ended."""

    name: str
    state: str
    seconds: float = 0.0
    counts: Counts | None = None


@dataclass
class Stage:
    """Some commands that must all end with 0, or a reason to leave them out."""

    name: str
    commands: list[list[str]]
    skip: Callable[[], str] = field(default=lambda: "")
    report: Path | None = None
    # Without this stage the others can't run.
    vital: bool = False

    def run(self) -> Outcome:
        """Run the commands, all of them, and say how it went."""
        print(f"\n=== {self.name}", flush=True)
        if reason := self.skip():
            print(reason, flush=True)
            return Outcome(self.name, f"skipped ({reason})")
        started = time.monotonic()
        ended = [subprocess.run(command, cwd=ROOT, check=False).returncode for command in self.commands]
        counts = read_report(self.report) if self.report else None
        state = "failed" if any(ended) or (counts and counts.failed) else "ok"
        return Outcome(self.name, state, time.monotonic() - started, counts)


def read_report(path: Path) -> Counts:
    """Count the tests in a JUnit report. A run that left none, or nothing in it, counts as one failure."""
    try:
        suites = list(ET.parse(path).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return Counts(failed=1)
    total, failed, skipped = (
        sum(int(suite.get(key, "0")) for key in keys for suite in suites)
        for keys in (("tests",), ("failures", "errors"), ("skipped",))
    )
    # A test that fails and whose fixture then fails too is in there twice, hence no less than none.
    return Counts(max(0, total - failed - skipped), failed, skipped) if total else Counts(failed=1)


def pytest(*arguments: str, report: Path) -> list[str]:
    """The command of one pytest run."""
    return [PYTHON, "-m", "pytest", "-q", *arguments, f"--junitxml={report}", "-o", "junit_family=xunit2"]


def stages(reports: Path) -> list[Stage]:
    """What is run, in order."""
    frontend = [PYTHON, "frontend/build.py"]

    def no_frontend() -> str:
        return "" if FRONTEND.exists() else "no frontend/package.json"

    def no_browser_tests() -> str:
        return "" if any((ROOT / "tests" / "e2e").glob("test_*.py")) else "no tests in tests/e2e"

    # Whole files, in the order of tests/conftest.py: what a file starts for its tests is started once. Every
    # process has its own MariaDB and Redis, on ports of their own.
    def spread(processes: int) -> list[str]:
        return ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"]

    unit, e2e = reports / "tests.xml", reports / "e2e.xml"
    return [
        Stage("install", [["make", "dev", ".venv/.installed-load"]], vital=True),
        Stage("services", [[PYTHON, "-m", "tests.services"]]),
        Stage("style", [[str(VENV / "ruff"), "check", "."], [str(VENV / "ruff"), "format", "--check", "."]]),
        Stage("types", [[str(VENV / "mypy")]]),
        Stage("imports", [[str(VENV / "lint-imports")]]),
        Stage("frontend types", [[*frontend, "run", "check"]], skip=no_frontend),
        Stage("frontend tests", [[*frontend, "run", "test"]], skip=no_frontend),
        Stage("frontend build", [frontend], skip=no_frontend),
        Stage("tests", [pytest("-m", "not e2e", *spread(PROCESSES), report=unit)], report=unit),
        Stage("load", [[PYTHON, "-m", "loadtests.run", "smoke"]]),
        Stage(
            "browser tests",
            [pytest("tests/e2e", *spread(BROWSERS), report=e2e)],
            skip=no_browser_tests,
            report=e2e,
        ),
    ]


def summarize(outcomes: list[Outcome], seconds: float) -> int:
    """Print one line per stage and the totals; return the exit status."""
    print("\n=== summary")
    for outcome in outcomes:
        counts = f"  {outcome.counts}" if outcome.counts else ""
        print(f"  {outcome.name:<15} {outcome.seconds:6.1f} s  {outcome.state}{counts}")
    print(f"  {'total':<15} {seconds:6.1f} s")
    failed = [outcome.name for outcome in outcomes if outcome.state == "failed"]
    if failed:
        print(f"Failed stages: {', '.join(failed)}")
    print(sum((outcome.counts for outcome in outcomes if outcome.counts), Counts()), flush=True)
    return 1 if failed else 0


def main() -> int:
    """Run every stage; return the exit status."""
    # The tools must not find the environment of another project.
    os.environ.pop("PYTHONPATH", None)
    os.environ.pop("VIRTUAL_ENV", None)
    started = time.monotonic()
    outcomes: list[Outcome] = []
    reports = Path(tempfile.mkdtemp(prefix="tongyou-tests-"))
    try:
        for stage in stages(reports):
            outcomes.append(stage.run())
            if stage.vital and outcomes[-1].state == "failed":
                break
    finally:
        shutil.rmtree(reports, ignore_errors=True)
    return summarize(outcomes, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
