"""`supervisord.conf` as it ships: two processes on one inherited socket; an operator stops, starts
and restarts one of them under two open clients. R7.2: nothing is lost and nobody reloads.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.room_client import Api, RoomClient, snapshot_view
from tests.services.process import HOST, Service
from tests.services.redis import Redis
from tests.services.server import ROOT, ServerProcess

pytestmark = pytest.mark.timeout(120)


class Supervisor(Service):
    """supervisord with the project's own configuration, its files moved to a temporary folder."""

    name = "supervisord"
    stop_timeout = 60.0

    def __init__(self, database_url: str, redis_url: str) -> None:
        super().__init__()
        self._settings = {
            "DATABASE_URL": database_url, "REDIS_URL": redis_url, "PROCESSES": "2",
            "HOST": HOST, "PORT": str(self.port), "DATA_DIR": str(self.folder), "THROTTLE_FACTOR": "100",
            "TONGYOU_USER": getpass.getuser(), "TONGYOU_MINFDS": "1024",
        }  # fmt: skip
        self.conf = self.folder / "supervisord.conf"

    def prepare(self) -> None:
        (self.folder / "log").mkdir()
        text = (ROOT / "supervisord.conf").read_text("utf-8")
        text = text.replace("%(here)s/var", str(self.folder))
        text = text.replace("%(here)s/.venv/bin/python", sys.executable).replace("%(here)s", str(ROOT))
        self.conf.write_text(text, "utf-8")

    def command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "supervisor.supervisord",
            "--nodaemon",
            "--silent",
            "-c",
            str(self.conf),
        ]

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self._settings}

    def working_folder(self) -> Path:
        return ROOT

    def is_ready(self) -> bool:
        return self.ctl("status").count("RUNNING") == 2

    def ctl(self, *arguments: str) -> str:
        """Run supervisorctl; its output."""
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self.conf), *arguments]
        done = subprocess.run(
            command, env=self.environment(), cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@pytest.fixture
def supervisor(mariadb_url: str, redis_server: Redis) -> Iterator[Supervisor]:
    made = Supervisor(mariadb_url, redis_server.url)
    migration = ServerProcess({"DATABASE_URL": mariadb_url})
    migration.migrate()
    migration.remove()
    with made:
        yield made
    made.remove()


async def test_one_process_is_stopped_started_and_restarted_under_two_clients(supervisor: Supervisor) -> None:
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
