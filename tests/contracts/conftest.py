"""What the contract suites of storage share: one test, every implementation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.storage.support import Store


@pytest.fixture(params=["memory", "sqlite", pytest.param("mariadb", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A database without trips, in memory, in a file, or on a real server."""
    names = {"memory": None, "sqlite": "tmp_sqlite_url", "mariadb": "mariadb_url"}
    name = names[request.param]
    made = Store(request.param, None if name is None else request.getfixturevalue(name))
    yield made
    made.close()
