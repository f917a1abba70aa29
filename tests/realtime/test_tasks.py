"""Supervised tasks: logged, restarted, cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from realtime.tasks import Tasks
from tests.realtime.world import until


async def test_a_failing_job_is_logged_and_started_again(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks(first_pause=0.001, longest_pause=0.002)
    runs = 0

    async def job() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ValueError("boom")
        await asyncio.Event().wait()

    with caplog.at_level(logging.WARNING):
        tasks.supervise("job", job)
        await until(lambda: runs == 3)
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    await tasks.aclose()
    assert len(tasks) == 0


async def test_a_one_shot_failure_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()

    async def work() -> None:
        raise ValueError("boom")

    tasks.spawn("work", work())
    await until(lambda: len(tasks) == 0)
    assert "task work failed" in caplog.text and "boom" in caplog.text


async def test_closing_cancels_and_starts_nothing_more() -> None:
    tasks = Tasks()
    ended = False

    async def job() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    tasks.supervise("job", job)
    await asyncio.sleep(0)
    await tasks.aclose()
    assert ended
    assert tasks.spawn("late", job()) is None


async def test_a_task_that_swallows_a_cancellation_ends_all_the_same() -> None:
    tasks = Tasks()

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    tasks.spawn("stubborn", stubborn())
    await asyncio.sleep(0)
    await tasks.aclose()
    assert len(tasks) == 0
