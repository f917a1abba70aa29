"""The stress suite in `make test`: runs of the seeds that have found bugs.

The long one is `make chaos SEED= RUNS=`; see docs/TESTING.md. Its parts have tests of their own beside it.
"""

from __future__ import annotations

import pytest

from tests.chaos.story import Story
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis

LIMIT = 150.0
"""A run takes about 20 seconds on a quiet machine; with seed 4 half a minute more, for there the heartbeat
has to find the connections that are half-open. Beyond this it hangs, and says where."""

SEEDS = [
    # A drain whose time was up ran commands on threads that were gone.
    (2, 8.0),
    # A connection to Redis, reset at the wrong moment, ended the task that publishes and the one of presence.
    (302, 10.0),
    # A client that gave up while the database was slow to say who it is stayed a connection for ever.
    (107, 10.0),
    # A tab whose network broke, and that came back elsewhere, was shown where it had been.
    (4, 10.0),
]
"""(seed, seconds). All of them have found a bug, which has a test of its own as well."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("seed", "seconds"), SEEDS)
async def test_every_promise_is_kept(
    mariadb: MariaDB, redis_server: Redis, seed: int, seconds: float
) -> None:
    outcome = await Story(seed, seconds).run(mariadb, redis_server, LIMIT)
    assert not outcome.broken, outcome.report()
