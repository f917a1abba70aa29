"""The edge that every handler test talks to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.accounts import Limits
from tests.handlers.world import World


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
async def world(tmp_path: Path, limits: Limits) -> AsyncIterator[World]:
    made = World(tmp_path, limits=limits)
    yield made
    await made.aclose()
