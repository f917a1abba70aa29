"""A small room behind a real socket: its members, the limits of its process, and a way to dial in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from tornado.web import Application

from handlers import room_socket
from handlers.deps import Deps
from realtime.admission import HubLimits
from tests.handlers.room_socket.dial import Dial, FakeSessions
from tests.realtime.world import QUIET, Node, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.trip.roles = {"ann": "owner", "bob": "editor"}
    yield made
    await made.aclose()


@pytest.fixture
async def node(world: World) -> Node:
    return await world.node(QUIET, HubLimits(connections=8, of_user=3, of_address=2))


@pytest.fixture
def sessions() -> FakeSessions:
    return FakeSessions()


@pytest.fixture
def deps(node: Node, sessions: FakeSessions) -> Deps:
    unused = cast(Any, None)
    return Deps(
        run=node.run,  # type: ignore[arg-type]
        hasher=unused,
        revoke=node.hub.revoke,
        sessions=cast(Any, sessions),
        dist=Path(),
        hub=node.hub,
        allowed_origins=frozenset({"https://app.example"}),
    )


@pytest.fixture
def app(deps: Deps) -> Application:
    return Application(room_socket.rules(deps))


@pytest.fixture
async def dial(http_server: Any, http_server_port: Any) -> AsyncIterator[Dial]:
    made = Dial(http_server_port[1])
    yield made
    for connection in made.made:
        await connection.aclose()
