"""`make load PROFILE=seed`: start servers, let the users of one profile loose on them, judge, stop.

Owns the order of a run, the report, and the exit status: 0 when every target of `targets.toml` was met, 1
when not (and which), 2 when the run itself was impossible. Never imports locust, which runs as a process of
its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtests import truth
from loadtests.report import render
from loadtests.seats import ACKNOWLEDGED, MEASURING, PROFILE, RESULT, SEATS
from loadtests.seeding import seed
from loadtests.servers import DATABASE, Meter, Servers, servers
from loadtests.targets import Profile, Result, TargetsError, check, profile
from tests.services.find import MissingProgram
from tests.services.process import ServiceError
from tests.services.server import ROOT

RESULTS = ROOT / "loadtests" / "results"
SLACK = 400.0
"""Seconds that coming, silence and stopping may take in all, before the run is given up."""


class RunError(Exception):
    """The run could not be made; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one profile; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.run", description=__doc__)
    parser.add_argument("profile", help="a table of loadtests/targets.toml")
    parser.add_argument("--seconds", type=int, help="measure for so long instead")
    parser.add_argument("--restart", action="store_true", help="restart the processes one after the other")
    parser.add_argument("--settle", type=int, help="seconds for becoming current at the end instead")
    parser.add_argument("--name", help="of the folder of results; else that of the profile")
    parser.add_argument("--script", type=Path, default=ROOT / "server.py", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        chosen = profile(given.profile)
        asked = {"seconds": given.seconds, "settle_seconds": given.settle}
        changes = {name: value for name, value in asked.items() if value}
        if given.restart:
            changes |= {"rolling_restart": True, "processes": max(2, chosen.processes)}
        chosen = msgspec.structs.replace(chosen, **changes)
        return run(given.name or given.profile, chosen, given.script)
    except (TargetsError, RunError, MissingProgram, ServiceError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 2


def run(name: str, chosen: Profile, script: Path) -> int:
    """Everything, from nothing to the exit status."""
    _raise_limits()
    folder = RESULTS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    print(f"Load profile {name}: {chosen.about}", flush=True)
    print(f"starting MariaDB, Redis, a model and {chosen.processes} server process(es) ...", flush=True)
    with servers(chosen.processes, script) as running:
        seats = asyncio.run(seed(running.supervisor.url, chosen))
        seats.save(folder / SEATS)
        (folder / PROFILE).write_bytes(msgspec.json.encode(chosen))
        print(f"ready after {time.monotonic() - began:.0f} s; now {chosen.crowd} users come", flush=True)
        result, meter = _generate(chosen, folder, running)
        result.growth = meter.growth(*result.measured)
        for what, times in result.growth.items():
            result.figures[f"growth of {what} of the servers, percent"] = 100 * (times - 1)
        acknowledged = json.loads((folder / ACKNOWLEDGED).read_text("utf-8"))
        lost, twice = truth.compare(acknowledged, truth.read_log(running.database, DATABASE))
        result.lost += len(lost)
        result.duplicates += len(twice)
        result.examples += lost[:20] + twice[:20]
        logged = running.supervisor.logs()
        (folder / "server.log").write_text(logged, "utf-8")
        result.figures["lines in the logs of the servers"] = len(logged.splitlines()) - _greetings(logged)
    checks = check(chosen.limits, result)
    text = render(name, chosen, result, checks, meter)
    (folder / "report.md").write_text(text, "utf-8")
    print(f"\n{text}\nHTML, CSV and this report: {folder.relative_to(ROOT)}/", flush=True)
    missed = [each for each in checks if not each.met]
    for each in missed:
        print(f"MISSED {each.name}: {each.target}, found {each.found}", flush=True)
    print("Every target was met." if not missed else f"{len(missed)} target(s) missed.", flush=True)
    return 1 if missed else 0


def _greetings(logged: str) -> int:
    return sum(line.startswith("Tongyou is ready") for line in logged.splitlines())


def _generate(chosen: Profile, folder: Path, running: Servers) -> tuple[Result, Meter]:
    """Run locust to its end. Raises `RunError` when it left no result."""
    command = [
        sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless",
        "--host", running.supervisor.url, "--users", str(chosen.crowd),
        "--spawn-rate", str(chosen.spawn_per_second), "--only-summary", "--loglevel", "WARNING",
        "--csv", str(folder / "stats"), "--html", str(folder / "report.html"),
    ]  # fmt: skip
    environment = {**os.environ, "LOAD_FOLDER": str(folder), "PYTHONPATH": str(ROOT)}
    log = (folder / "locust.log").open("wb")
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=log, stdin=subprocess.DEVNULL)
    parts = {
        "load": process.pid,
        "servers": running.supervisor.pid,
        "database": running.database.pid,
        "redis": running.redis.pid,
        "model": running.upstream.pid,
    }
    try:
        with Meter(parts) as meter:
            restarting = threading.Thread(target=_restart, args=(folder, running, process), daemon=True)
            if chosen.rolling_restart:
                restarting.start()
            status = process.wait(chosen.seconds + SLACK)
    except subprocess.TimeoutExpired:
        raise RunError(f"the users did not end in time; see {folder / 'locust.log'}") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()
    if not (folder / RESULT).exists():
        tail = (folder / "locust.log").read_text("utf-8", "replace")[-3000:]
        raise RunError(f"the users left no result (status {status}):\n{tail}")
    return msgspec.json.decode((folder / RESULT).read_bytes(), type=Result), meter


def _restart(folder: Path, running: Servers, users: subprocess.Popen[bytes]) -> None:
    """What `make rolling-restart` does, once the measured time has begun."""
    while not (folder / MEASURING).exists():
        if users.poll() is not None:
            return
        time.sleep(0.1)
    for process in running.supervisor.names:
        began = time.monotonic()
        said = running.supervisor.ctl("restart", process).strip().replace("\n", ", ")
        print(f"  restarted in {time.monotonic() - began:.1f} s: {said}", flush=True)


def _raise_limits() -> None:
    """Each connection is a file descriptor here and in the servers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
