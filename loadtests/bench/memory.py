"""The part `memory`: what a joined, idle member costs in resident memory, beside the peers.

Owns how many members come, and when they count. Called by `bench.main`.
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence

import psutil

from loadtests.bench.figures import Findings, Memory
from loadtests.bench.stands import Stand, leave
from loadtests.bench.traffic import Group

ROOM = 100
WARM_ROOMS = 3
ROOMS = 10
QUIET = 0.4
"""Seconds without a byte after which nothing more is on its way."""


def measure(stands: Sequence[Stand]) -> Findings:
    """KiB a member, each stand in its first process."""
    print("memory of idle members ...", flush=True)
    findings = Findings()
    for stand in stands:
        groups: list[Group] = []
        try:
            # The first ones pay for what all share.
            groups += _settled(stand, WARM_ROOMS)
            before = _resident(stand)
            groups += _settled(stand, ROOMS)
            kib = (_resident(stand) - before) / (ROOMS * ROOM) / 1024
            findings.memory.append(Memory(stand.name, kib))
        except (OSError, TimeoutError) as error:
            findings.missing[f"memory of {stand.label}"] = f"{type(error).__name__}: {error}"
        finally:
            leave(groups)
    return findings


def _resident(stand: Stand) -> int:
    return sum(psutil.Process(pid).memory_info().rss for pid in stand.pids)


def _settled(stand: Stand, rooms: int) -> list[Group]:
    """New rooms whose members have read everything that came."""
    groups = stand.groups(rooms, ROOM)
    with select.epoll() as epoll:
        by_fd = {client.socket.fileno(): client.socket for group in groups for client in group.members}
        for fd in by_fd:
            epoll.register(fd, select.EPOLLIN)
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET:
            for fd, _ in epoll.poll(QUIET / 2):
                by_fd[fd].recv(1 << 18)
                quiet_since = time.monotonic()
    return groups
