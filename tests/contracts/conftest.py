"""What the contract suites of storage share: one test, every implementation."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.contracts.desk import Desk
from tests.storage.support import Store

ENGINES = os.environ.get("TEST_ENGINES", "").split()
"""Further engines, which `make test-engines` names."""
SERVERS = [pytest.param(name, marks=pytest.mark.integration) for name in ("mariadb", *ENGINES)]


@pytest.fixture(params=["memory", "sqlite", *SERVERS])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A database without trips, in memory, in a file, or on a real server."""
    name = {"memory": None, "sqlite": "tmp_sqlite_url"}.get(request.param, f"{request.param}_url")
    made = Store(request.param, None if name is None else request.getfixturevalue(name))
    yield made
    made.close()


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)
