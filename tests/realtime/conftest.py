"""The world of rooms that the tests of `realtime` play in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.realtime.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.aclose()
