"""Who is counted: people in rooms once a room, connections that have not joined only as such."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from realtime.census import census
from tests.realtime.world import ROOM, Trip, World, turns


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.aclose()


async def test_tabs_people_and_spectators(world: World) -> None:
    node = await world.node()
    world.trip.public = True
    world.trips["trip2"] = Trip()
    world.trips["trip2"].roles["ann"] = "owner"
    for client, room in (
        (node.client("ann"), ROOM),
        (node.client("ann"), ROOM),
        (node.client("ann"), "trip2"),
        (node.client("bob", role="viewer"), ROOM),
        (node.client(None), ROOM),
    ):
        await client.join(room)
    silent = node.client("eve")
    slow = world.clients[3]
    slow.transport.stalled = True
    node.edit()
    await turns()
    found = census(node.hub.sessions)
    assert found.roles == {"owner": 1, "editor": 2, "viewer": 1, "spectator": 1}
    assert found.members == 3, "Ann in two rooms, Bob in one"
    assert found.outbox == found.fullest == slow.transport.waiting > 0
    slow.transport.read_all()
    for client in (*world.clients[:5], silent):
        client.session.left()
    assert census(node.hub.sessions) == census([])
    assert node.hub.stats.opened == 6 and node.hub.stats.closed == {0: 6}
