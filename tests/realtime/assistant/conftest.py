"""One process with an assistant and a trip: the world in which most tests of this folder play."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.realtime.assistant.world import Node, Processes


@pytest.fixture
async def world() -> AsyncIterator[Processes]:
    made = Processes()
    await made.node()
    await made.trip(bob="editor", eve="viewer")
    yield made
    await made.aclose()


@pytest.fixture
def node(world: Processes) -> Node:
    return world.nodes[0]
