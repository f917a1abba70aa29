"""Fixtures of the runner's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.unit_of_work_memory import MemoryUnits
from tests.storage.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World(MemoryUnits())
    yield made
    assert await made.run.drain(20)
    assert (made.run.gauges.queued, made.run.gauges.in_flight, made.run.lanes) == (0, 0, 0)
    made.executor.shutdown()
