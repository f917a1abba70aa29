"""A loop that is blocked shows, at once and on average; one pause alone does not make it unready."""

from __future__ import annotations

import asyncio
import time

from realtime.loop_lag import LIMIT, PAUSE, RECENT, WINDOW, LoopLag
from realtime.tasks import Tasks
from tests.realtime.world import until


async def test_a_blocked_loop_is_seen() -> None:
    lag, tasks = LoopLag(), Tasks()
    tasks.supervise("loop lag", lag.keep_measuring)
    await until(lambda: len(lag.lags) > 0)
    time.sleep(PAUSE + 0.3)  # noqa: ASYNC251 - this is what is to be seen
    await until(lambda: lag.worst >= 0.25)
    assert lag.lags.total >= 0.25
    await tasks.aclose()


async def test_one_pause_does_not_make_it_unready_but_a_late_loop_does() -> None:
    lag = LoopLag()
    assert await lag.check() is None
    for n in range(RECENT):
        lag.note(10 * LIMIT if n == 3 else 0.001, float(n))
    assert await lag.check() is None and lag.worst == 10 * LIMIT
    for n in range(RECENT):
        lag.note(1.1 * LIMIT, RECENT + float(n))
    said = await lag.check()
    assert said is not None and "late" in said


async def test_the_worst_lasts_for_a_scrape_or_two_and_then_is_forgotten() -> None:
    lag = LoopLag()
    lag.note(0.7, WINDOW)
    lag.note(0.1, 1.5 * WINDOW)
    assert lag.worst == 0.7
    lag.note(0.1, 2.2 * WINDOW)
    assert lag.worst == 0.7, "the window before counts, so that no scrape misses it"
    lag.note(0.1, 3.3 * WINDOW)
    assert lag.worst == 0.1


async def test_after_a_long_silence_the_old_worst_says_nothing() -> None:
    lag = LoopLag()
    lag.note(0.7, WINDOW)
    lag.note(0.1, 10 * WINDOW)
    assert lag.worst == 0.1


def test_nothing_is_late_before_it_began() -> None:
    assert (LoopLag().worst, LoopLag().mean) == (0.0, 0.0)


async def test_the_clock_may_be_another() -> None:
    lag, at = LoopLag(), iter(range(100))
    task = asyncio.create_task(lag.keep_measuring(lambda: float(next(at))))
    await until(lambda: len(lag.lags) >= 2)
    assert lag.mean == 1 - PAUSE
    task.cancel()
