"""What the time of a server is spent on: py-spy, beside a part of the benchmark.

Owns the profiles (speedscope files) of one run. Does nothing unless asked to, and never while a figure is
taken. Called by the parts.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from loadtests.bench.figures import Profile, Spent

RATE = 250
"""Samples a second."""
WAITING = frozenset(("_worker", "SocketIO.readinto", "readinto", "Runner.run", "select"))
"""Functions in which a thread waits for work, for the database, or (uvloop) for its sockets."""
ATTACHING = 0.7
"""Seconds that py-spy needs before it samples."""


class _Frame(msgspec.Struct):
    name: str
    file: str = ""


class _Shared(msgspec.Struct):
    frames: list[_Frame]


class _Samples(msgspec.Struct):
    samples: list[list[int]]
    weights: list[float]


class _Speedscope(msgspec.Struct):
    shared: _Shared
    profiles: list[_Samples]


def spent_on(path: Path, most: int = 12) -> list[Spent]:
    """The functions that most of a speedscope file's samples were in themselves, over all threads, of those
    samples that did not wait. System calls and C code count for the Python function that made them."""
    read = msgspec.json.decode(path.read_bytes(), type=_Speedscope)
    found: dict[str, float] = {}
    for profile in read.profiles:
        for stack, weight in zip(profile.samples, profile.weights, strict=True):
            if stack:
                frame = read.shared.frames[stack[-1]]
                if frame.name in WAITING:
                    continue
                where = "/".join(Path(frame.file).parts[-2:])
                name = f"{frame.name} ({where})"
                found[name] = found.get(name, 0.0) + weight
    total = sum(found.values()) or 1.0
    longest = sorted(found, key=found.__getitem__, reverse=True)[:most]
    return [Spent(name, found[name] / total) for name in longest]


@dataclass
class Profiler:
    """`wanted` False: nothing is profiled."""

    wanted: bool
    folder: Path
    written: list[Profile] = field(default_factory=list)
    problem: str = ""

    @contextmanager
    def watch(self, pid: int, title: str) -> Iterator[bool]:
        """Profile a process during the block, which gets False when there is no use in working."""
        program = self._program()
        if not self.wanted or program is None:
            yield False
            return
        path = self.folder / (re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") + ".speedscope.json")
        command = [program, "record", "--pid", str(pid), "--format", "speedscope", "--rate", str(RATE)]
        command += ["--threads", "--output", str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(ATTACHING)
        try:
            yield process.poll() is None
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=30)
        if path.exists():
            self.written.append(Profile(title, path.name, spent_on(path)))
        else:
            self.problem = said.strip()[-300:]

    def _program(self) -> str | None:
        beside = Path(sys.executable).with_name("py-spy")
        found = str(beside) if beside.exists() else shutil.which("py-spy")
        if self.wanted and found is None:
            self.problem = "py-spy is not installed (pip install -e '.[load]')"
        return found
