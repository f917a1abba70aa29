"""CPU time of other processes.

Owns how it is read. Called by every part of the benchmarks.
"""

from __future__ import annotations

import sys
import time

import psutil

_CPUCLOCK_SCHED = 2
_LINUX = sys.platform == "linux"


def cpu(pid: int) -> float:
    """CPU seconds of a process so far, all threads, those that ended included."""
    if _LINUX:
        # clock_getcpuclockid(3): nanoseconds, where /proc counts in hundredths of a second.
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu_of(pids: list[int]) -> float:
    """Of several."""
    return sum(cpu(pid) for pid in pids)
