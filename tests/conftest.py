"""What every test may ask for: an event loop of its own, async fixtures, and real servers on first use.

Owns the hooks that keep pytest-tornasync working on today's pytest, and the life of the shared servers. Never
holds test data; the servers themselves are in `tests/services`.
"""

import asyncio
import inspect
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tornado.ioloop

from tests.services.certificate import Certificate, make_certificate
from tests.services.chromium import chromium_executable
from tests.services.galera import Galera
from tests.services.mariadb import MariaDB
from tests.services.process import logs_since, marks
from tests.services.redis import Redis
from tests.services.redis_cluster import RedisCluster
from tests.services.seekdb import SeekDB

TESTS = Path(__file__).parent


# The event loop


@pytest.fixture
def io_loop() -> Iterator[tornado.ioloop.IOLoop]:
    """A fresh loop for one test, in place of the plugin's, which calls the deprecated make_current()."""
    aio = asyncio.new_event_loop()
    asyncio.set_event_loop(aio)
    loop = tornado.ioloop.IOLoop(asyncio_loop=aio, make_current=False)
    yield loop
    aio.run_until_complete(_cancel_leftovers())
    aio.run_until_complete(aio.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close(all_fds=True)


async def _cancel_leftovers() -> None:
    """Cancel what a failed test left running, or closing the loop would warn about it somewhere else."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: Any) -> Any:
    """Run `async def` fixtures, with or without `yield`, on the loop of the test."""
    function: Any = fixturedef.func
    generator = inspect.isasyncgenfunction(function)
    if not generator and not inspect.iscoroutinefunction(function):
        return None
    loop: tornado.ioloop.IOLoop = request.getfixturevalue("io_loop")
    arguments = {name: request.getfixturevalue(name) for name in fixturedef.argnames}
    if generator:
        running = function(**arguments)
        value = loop.run_sync(lambda: anext(running))

        async def finish() -> None:
            async for _ in running:
                raise RuntimeError(f"the async fixture {fixturedef.argname} yields more than once")

        fixturedef.addfinalizer(lambda: loop.run_sync(finish))
    else:
        value = loop.run_sync(lambda: function(**arguments))
    fixturedef.cached_result = (value, fixturedef.cache_key(request), None)
    return value


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every async test a loop, and mark the tests of real servers by their folder."""
    for item in items:
        if inspect.iscoroutinefunction(getattr(item, "obj", None)) and "io_loop" not in item.fixturenames:  # type: ignore[attr-defined]
            item.fixturenames.insert(0, "io_loop")  # type: ignore[attr-defined]
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        if folder in ("integration", "e2e"):
            item.add_marker(folder)
    if hasattr(config, "workerinput"):
        # One of several processes (see tests/run.py): the slowest files come first, or one process would
        # still be busy with them long after the others have nothing left.
        items.sort(key=lambda item: not {"integration", "chaos"} & set(item.path.parts))


_MARKS = pytest.StashKey[dict[Path, int]]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember where the logs of the servers end."""
    item.stash[_MARKS] = marks()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """Show with a test that failed what the servers said meanwhile: a rare failure may not come again."""
    report = yield
    if report.failed:
        report.sections += [(f"Log of {name}", text) for name, text in logs_since(item.stash.get(_MARKS, {}))]
    return report


# Real servers: started for the first test that asks, shared by all, ended with the run


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A running MariaDB. A test that stops or kills it starts it again."""
    with MariaDB() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    """The URL of a new, empty database."""
    mariadb.start()
    name = f"t_{uuid.uuid4().hex}"
    yield mariadb.create_database(name)
    mariadb.start()
    mariadb.drop_database(name)


@pytest.fixture(scope="session")
def seekdb() -> Iterator[SeekDB]:
    """A running engine of the OceanBase family (`make test-engines`)."""
    with SeekDB() as engine:
        yield engine


@pytest.fixture
def seekdb_url(seekdb: SeekDB) -> Iterator[str]:
    """The URL of a new, empty database."""
    name = f"t_{uuid.uuid4().hex}"
    yield seekdb.create_database(name)
    seekdb.drop_database(name)


@pytest.fixture(scope="session")
def galera() -> Iterator[Galera]:
    """A running cluster of three MariaDB servers (`make test-engines`)."""
    with Galera() as cluster:
        yield cluster


@pytest.fixture
def galera_url(galera: Galera) -> Iterator[str]:
    """The URL of a new, empty database on one of its nodes."""
    name = f"t_{uuid.uuid4().hex}"
    yield galera.start().nodes[0].create_database(name)
    galera.start().nodes[0].drop_database(name)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A running Redis. A test that stops or kills it starts it again."""
    with Redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """The URL of an empty Redis."""
    redis_server.start()
    redis_server.flush()
    return redis_server.url


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """A running Redis Cluster. A test that stops a node starts it again."""
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def redis_cluster_url(redis_cluster: RedisCluster) -> str:
    """The URL of an empty Redis Cluster."""
    redis_cluster.start()
    redis_cluster.flush()
    return redis_cluster.url


LOGIN = ("tongyou", "p@ss/w:rd%1?")
"""Every sign of it that a URL must quote."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Of 127.0.0.1; an authority of its own."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def secure_redis(certificate: Certificate) -> Iterator[Redis]:
    """A running Redis that speaks TLS alone, and only to whoever has `LOGIN`."""
    with Redis(login=LOGIN, certificate=certificate) as server:
        yield server


@pytest.fixture
def secure_redis_url(secure_redis: Redis) -> str:
    """The URL of it, empty."""
    secure_redis.start()
    secure_redis.flush()
    return secure_redis.url


@pytest.fixture(scope="session")
def secure_redis_cluster(certificate: Certificate) -> Iterator[RedisCluster]:
    """A running Redis Cluster of the same kind."""
    with RedisCluster(login=LOGIN, certificate=certificate) as cluster:
        yield cluster


@pytest.fixture
def secure_redis_cluster_url(secure_redis_cluster: RedisCluster) -> str:
    """The URL of it, empty."""
    secure_redis_cluster.start()
    secure_redis_cluster.flush()
    return secure_redis_cluster.url


@pytest.fixture
def tmp_sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'tongyou.db'}"


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Chromium, with Chinese and emoji fonts on the machine."""
    return chromium_executable()
