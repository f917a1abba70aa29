"""Real processes on Redis servers that speak TLS alone, and only to whoever has a login.

Promises R3.5 and R7.1 there, too. The suites of the broker and of presence are in `tests/contracts`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import quote

import pytest
from kombu import pools

from operations.facts_redis import listening_workers, redis_facts
from realtime.jobs.doorbell_celery import TASK, make_app
from tests.conftest import LOGIN
from tests.integration.room_client import Api
from tests.integration.test_jobs import until
from tests.integration.test_processes import Cluster, a_room, agree, work
from tests.services.redis_cluster import RedisCluster
from tests.services.server import ServerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


class Worker(ServerProcess):
    """`server.py worker` with these settings."""

    name = "worker"

    def command(self) -> list[str]:
        return [*super().command(), "worker"]

    def is_ready(self) -> bool:
        return "a worker listens" in self.log()


def spoilt(url: str) -> dict[str, str]:
    """The same address: with another password, without a login, without trust."""
    login = ":".join(quote(word, safe="") for word in LOGIN)
    assert login in url
    return {
        "password": url.replace(login, f"{LOGIN[0]}:wrong"),
        "login": url.replace(f"{login}@", ""),
        "trust": url.partition("?")[0],
    }


def with_login_in_options(url: str) -> str:
    """The same address as redis-py reads it, too: the login among the options."""
    user, password = (quote(word, safe="") for word in LOGIN)
    return f"{url.replace(f'{user}:{password}@', '')}&username={user}&password={password}"


@pytest.mark.parametrize("fixture", ["secure_redis_url", "secure_redis_cluster_url"])
def test_operators_are_told_what_is_wrong(fixture: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(fixture)
    assert redis_facts(url).fault == ""
    for what, wrong in spoilt(url).items():
        fault = redis_facts(wrong).fault
        assert fault and LOGIN[1] not in fault, f"{what}: {fault}"


def test_workers_are_told_by_nobody_else(secure_redis_url: str) -> None:
    """Celery alone would believe any certificate, and know no login among the options."""
    right = {"right": secure_redis_url, "in options": with_login_in_options(secure_redis_url)}
    assert [redis_facts(url).fault for url in right.values()] == ["", ""]
    urls = {**right, **spoilt(secure_redis_url)}
    told = []
    for what, url in urls.items():
        pools.reset()  # it keeps connections to an address, whoever asks for one
        app = make_app(url)
        # Whoever is refused once is refused again: no second attempt, for each waits seconds for it.
        app.conf.broker_transport_options["max_retries"] = 0
        with suppress(Exception):
            app.send_task(TASK, ("nobody",), retry=False, ignore_result=True)
            told.append(what)
        app.close()
    assert told == ["right", "in options"]


async def test_rooms_and_workers_by_tls_and_login(mariadb_url: str, secure_redis_url: str) -> None:
    cluster = Cluster(mariadb_url, secure_redis_url, WORKERS="1")
    worker = Worker(cluster.settings)
    try:
        async with a_room(cluster) as (trip, clients):
            sent = await work(clients, 21, 20, {})
            await agree(cluster, trip, clients, sent)
            for client in clients:
                await client.until(lambda c=client: len(c.people) == len(clients))  # type: ignore[misc]
            await asyncio.to_thread(worker.start)
            assert await export(clients[0].api, trip) == "done"
        await until(lambda: listening_workers(secure_redis_url) == 1)
        logs = [process.log() for process in (*cluster.servers, worker)]
        assert not any("could not be told" in log for log in logs), "the ring itself was heard"
        assert not any(LOGIN[1] in log or quote(LOGIN[1], safe="") in log for log in logs)
    finally:
        await asyncio.to_thread(worker.remove)
        cluster.stop()


async def export(api: Api, trip: str) -> str:
    """How an export ended."""
    asked = await api.ok("POST", f"/api/trips/{trip}/exports", {"format": "data"})
    async with asyncio.timeout(60):
        while True:
            found = (await api.ok("GET", f"/api/exports/{asked['export']['id']}"))["export"]["status"]
            if found not in ("queued", "running"):
                return str(found)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", ["login", "login and TLS"])
async def test_rooms_on_a_cluster(mariadb_url: str, kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "login":
        nodes = RedisCluster(login=LOGIN)
        request.addfinalizer(nodes.remove)
        url = nodes.start().url
    else:
        url = request.getfixturevalue("secure_redis_cluster_url")
    cluster = Cluster(mariadb_url, url)
    try:
        async with a_room(cluster) as (trip, clients):
            sent = await work(clients, 22, 20, {})
            await agree(cluster, trip, clients, sent)
            for client in clients:
                await client.until(lambda c=client: len(c.people) == len(clients))  # type: ignore[misc]
            await clients[0].api.ok("DELETE", f"/api/trips/{trip}/members/{clients[2].api.user_id}")
            await clients[2].until(lambda: 4403 in clients[2].close_codes)
        logs = [process.log() for process in cluster.servers]
        assert not any("is lost" in log or "fails" in log for log in logs), logs
        assert not any(LOGIN[1] in log or quote(LOGIN[1], safe="") in log for log in logs)
    finally:
        cluster.stop()
