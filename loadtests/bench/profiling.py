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

RATE = 250
"""Samples a second."""
ATTACHING = 0.7
"""Seconds that py-spy needs before it samples."""


@dataclass
class Profiler:
    """`wanted` False: nothing is profiled."""

    wanted: bool
    folder: Path
    written: list[str] = field(default_factory=list)
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
            self.written.append(path.name)
        else:
            self.problem = said.strip()[-300:]

    def _program(self) -> str | None:
        beside = Path(sys.executable).with_name("py-spy")
        found = str(beside) if beside.exists() else shutil.which("py-spy")
        if self.wanted and found is None:
            self.problem = "py-spy is not installed (pip install -e '.[load]')"
        return found
