"""One process sweeps in each hour, in steps; what is alive stays."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from domain.accounts import AuthSession, Count, Limit, User, later, timestamp
from domain.errors import Unavailable
from domain.services.accounts import count
from realtime.sweeping import Sweeper
from realtime.tasks import Tasks
from tests.handlers.memory import MemoryRun
from tests.realtime.world import until

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> str:
        return timestamp(self.now)


def fill(run: MemoryRun, sessions: int) -> None:
    """Every second session ends within the hour."""
    at = timestamp(START)
    run.state.users["u1"] = User("u1", "Ann", at)
    for n in range(sessions):
        expires = later(at, minutes=30) if n % 2 else later(at, days=30)
        run.state.sessions[f"s{n}"] = AuthSession(f"s{n}", "u1", f"h{n}", at, expires, at)


async def test_one_process_of_all_sweeps_and_takes_only_the_dead(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run, clock = MemoryRun(), Clock()
    fill(run, 7)
    await run(count, Count("login:address:x", Limit(30, 15 * 60), clock()))
    processes = [Sweeper(run, clock, pause=0, step=2) for _ in range(3)]
    assert [await each.sweep() for each in processes] == [True, False, False]
    assert len(run.state.sessions) == 7, "none has expired yet"
    clock.now += timedelta(hours=1)
    assert [await each.sweep() for each in processes[::-1]] == [True, False, False]
    assert set(run.state.sessions) == {"s0", "s2", "s4", "s6"}
    assert processes[2].counts == {"sessions": 3, "invites": 0, "throttles": 1, "photos": 0}
    assert len(run.state.throttles) == 1, "the claim itself stays"
    assert [vars(each)["sessions"] for each in caplog.records if each.message == "swept"] == [0, 3]
    await run.aclose()


async def test_it_goes_on_while_the_process_lives_also_after_the_database_was_away() -> None:
    run, clock, tasks = MemoryRun(), Clock(), Tasks()
    fill(run, 3)
    clock.now += timedelta(hours=1)
    run.fault = Unavailable("away")
    asked = 0

    async def noting(service: object, command: object) -> object:
        nonlocal asked
        asked += 1
        return await run(service, command)

    sweeper = Sweeper(noting, clock, look=0.001, pause=0)  # type: ignore[arg-type]
    tasks.supervise("sweeping", sweeper.keep_sweeping)
    await until(lambda: asked > 3)
    run.fault = None
    await until(lambda: set(run.state.sessions) == {"s0", "s2"})
    await tasks.aclose()
    await run.aclose()
