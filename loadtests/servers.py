"""What a load run is made against: a private MariaDB and Redis, a model that only keeps time, and N
processes of Tongyou under supervisord; and how much CPU each of them took.

Owns starting and stopping them, in order. Everything binds 127.0.0.1. Called by `loadtests.run`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from loadtests.answers import Upstream
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis
from tests.services.server import ROOT
from tests.services.supervisor import Supervisor

DATABASE = "load"
ENOUGH = 10
"""Samples in a tenth of a run, below which nothing is said about growth."""
CHUNKS = 40
"""Tokens of an answer: two seconds."""
SETTINGS = {
    "AI_API_KEY": "none",
    "AI_MODEL": "bench",
    "LOG_LEVEL": "WARNING",
    # Everybody comes from one address here.
    "THROTTLE_FACTOR": "1000",
}


@dataclass(frozen=True)
class Servers:
    """What runs."""

    database: MariaDB
    redis: Redis
    upstream: Upstream
    supervisor: Supervisor


@contextmanager
def servers(processes: int, script: Path = ROOT / "server.py") -> Iterator[Servers]:
    """Start everything on an empty database; stop it afterwards."""
    with MariaDB() as database, Redis() as redis, Upstream() as upstream:
        # One answer begins at once, and so do all after it.
        upstream.ask("POST", "/expect", {"streams": 1, "chunks": CHUNKS})
        settings = SETTINGS | {
            "DATABASE_URL": database.create_database(DATABASE),
            "REDIS_URL": redis.url,
            "AI_BASE_URL": f"http://127.0.0.1:{upstream.port}/v1",
        }
        supervisor = Supervisor(settings, processes, script)
        supervisor.migrate()
        with supervisor:
            yield Servers(database, redis, upstream, supervisor)


@dataclass
class Sample:
    """CPU seconds so far of each part, and its memory (bytes) and open files, at a moment of the monotonic
    clock."""

    at: float
    spent: dict[str, float]
    memory: dict[str, int]
    files: dict[str, int]


@dataclass
class Meter:
    """Samples the CPU time of the parts once a second, in a thread. What ended keeps what it spent."""

    parts: dict[str, int]
    samples: list[Sample] = field(default_factory=list)
    peak_rss: dict[str, int] = field(default_factory=dict)
    _spent: dict[tuple[str, int], float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Meter:
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._look()
            self._stop.wait(1)

    def _look(self) -> None:
        memory: dict[str, int] = {}
        files: dict[str, int] = {}
        for name, pid in list(self.parts.items()):
            rss = opened = 0
            try:
                parent = psutil.Process(pid)
                family = [parent, *parent.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            for process in family:
                try:
                    times, rss = process.cpu_times(), rss + process.memory_info().rss
                    opened += process.num_fds()
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
                self._spent[name, process.pid] = times.user + times.system
            memory[name], files[name] = rss, opened
            self.peak_rss[name] = max(rss, self.peak_rss.get(name, 0))
        totals: dict[str, float] = {}
        for (name, _), spent in self._spent.items():
            totals[name] = totals.get(name, 0.0) + spent
        busy = psutil.cpu_times()
        totals["machine"] = float(sum(busy) - busy.idle - busy.iowait)
        self.samples.append(Sample(time.monotonic(), totals, memory, files))

    def cores(self, began: float, ended: float) -> dict[str, float]:
        """How many cores each part kept busy between two moments, to about a second."""
        inside = [sample for sample in self.samples if began - 1 <= sample.at <= ended + 1]
        if len(inside) < 2:
            return {}
        first, last = inside[0], inside[-1]
        seconds = last.at - first.at
        busy = {name: (last.spent[name] - first.spent.get(name, 0.0)) / seconds for name in last.spent}
        # What is none of ours: with much of it, the figures are of a machine that had no time.
        busy["others"] = max(
            0.0, busy.pop("machine") - sum(busy[name] for name in self.parts if name in busy)
        )
        return busy

    def growth(self, began: float, ended: float) -> dict[str, float]:
        """How many times as much memory and as many open files the servers had in the last tenth of a span
        as in the tenth behind its first fifth, when everybody has come and caches are warm (medians). Empty
        when it was too short to tell."""
        span = ended - began
        early = [each for each in self.samples if 0.2 * span <= each.at - began <= 0.3 * span]
        late = [each for each in self.samples if 0.9 * span <= each.at - began <= span]
        if min(len(early), len(late)) < ENOUGH:
            return {}
        return {
            "memory": median(each.memory["servers"] for each in late)
            / median(each.memory["servers"] for each in early),
            "files": median(each.files["servers"] for each in late)
            / median(each.files["servers"] for each in early),
        }
