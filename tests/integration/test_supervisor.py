"""`supervisord.conf` as it ships: two processes on one inherited socket; an operator stops, starts
and restarts one of them under two open clients. R7.2: nothing is lost and nobody reloads.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Iterator

import pytest
from tornado.httpclient import AsyncHTTPClient

from tests.integration.room_client import Api, RoomClient, snapshot_view
from tests.services.process import HOST, free_port
from tests.services.redis import Redis
from tests.services.supervisor import Supervisor

pytestmark = pytest.mark.timeout(120)


def two_free_ports() -> int:
    """A port such that the next one is free as well."""
    for _ in range(100):
        port = free_port()
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port + 1))
            return port
    raise RuntimeError("no two free ports side by side")


async def scrape(port: int) -> str:
    """What it shows, as soon as it listens: a process that was restarted may still be starting."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                return (await AsyncHTTPClient().fetch(f"http://{HOST}:{port}/metrics")).body.decode()
            await asyncio.sleep(0.1)


@pytest.fixture
def operators_port() -> int:
    return two_free_ports()


@pytest.fixture
def supervisor(mariadb_url: str, redis_server: Redis, operators_port: int) -> Iterator[Supervisor]:
    settings = {"DATABASE_URL": mariadb_url, "REDIS_URL": redis_server.url, "THROTTLE_FACTOR": "100"}
    made = Supervisor(settings | {"METRICS_PORT": str(operators_port)})
    made.migrate()
    with made:
        yield made


async def test_one_process_is_stopped_started_and_restarted_under_two_clients(
    supervisor: Supervisor, operators_port: int
) -> None:
    ann = await Api(supervisor.url).guest("Ann")
    trip = (await ann.ok("POST", "/api/trips", {"title": "大理"}))["trip"]["id"]
    link = (await ann.ok("POST", f"/api/trips/{trip}/invites", {"role": "editor"}))["url"]
    bob = await Api(supervisor.url).guest("Bob")
    await bob.ok("POST", f"/api/invites/{link.rsplit('/', 1)[1]}/accept")
    clients = [await RoomClient(api, trip).start() for api in (ann, bob)]
    made = 0

    async def edit_while(*arguments: str) -> str:
        nonlocal made
        running = asyncio.create_task(asyncio.to_thread(supervisor.ctl, *arguments))
        while not running.done():
            for client in clients:
                made += 1
                client.submit({"kind": "stop.add", "id": f"s{made}", "fields": {"name": f"Stop {made}"}})
            await asyncio.wait([running], timeout=0.1)
        return await running

    assert "stopped" in await edit_while("stop", "tongyou:tongyou_00")
    assert "started" in await edit_while("start", "tongyou:tongyou_00")
    for name in ("tongyou:tongyou_00", "tongyou:tongyou_01"):
        assert "started" in await edit_while("restart", name)
    for client in clients:
        await client.settle()
    seq, truth = await snapshot_view(ann, trip)
    for client in clients:
        await client.until(lambda c=client: c.seq >= seq)  # type: ignore[misc]
        assert client.view() == truth
        assert not client.rejected
        assert set(client.close_codes) <= {1012}, "a client was sent away without 'restart'"
        await client.stop()
    assert sum(key.startswith("stop:") for key in truth) == made

    connected = 0.0
    for number in range(2):
        shown = await scrape(operators_port + number)
        assert f'tongyou_process_info{{process="{number}"}} 1.0' in shown, "each process has its own port"
        connected += float(re.findall(r"^tongyou_connections_opened_total (.*)$", shown, re.M)[0])
    assert connected >= 1, "whoever came back after the last restart"
