"""`tongyou rolling-restart` on two real processes under supervisord."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.processes import PROGRAM, WORKERS, supervised
from tests.integration.room_client import Api, RoomClient, snapshot_view
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis
from tests.services.server import ROOT
from tests.services.supervisor import Supervisor

pytestmark = pytest.mark.timeout(300)
MOST_STOPS = 1_500
"""A quick machine makes more while processes restart than a trip may have."""
BREAKABLE = """\
import os, pathlib, sys
folder, work = pathlib.Path(__file__).parent, "-worker" if "worker" in sys.argv else ""
if (folder / f"broken{{work}}").exists():
    sys.exit("this version is broken")
if work and (folder / "deaf-worker").exists():
    os.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"
sys.path.insert(0, {root!r})
import server
server.cli()
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server, until a file called `broken` lies beside it; a worker, until `broken-worker` does, or
    `deaf-worker`."""
    path = tmp_path_factory.mktemp("script") / "breakable.py"
    path.write_text(BREAKABLE.format(root=str(ROOT)), "utf-8")
    return path


@pytest.fixture(scope="module")
def supervisor(mariadb: MariaDB, redis_server: Redis, script: Path) -> Iterator[Supervisor]:
    """Shared: each test leaves all processes running."""
    mariadb.start()
    name = f"t_{uuid.uuid4().hex}"
    url = mariadb.create_database(name)
    settings = {
        "DATABASE_URL": url,
        "REDIS_URL": redis_server.url,
        "THROTTLE_FACTOR": "100",
        # Clients here edit as fast as the machine answers.
        "FRAMES_PER_SECOND": "100000",
        "WORKERS": "1",
    }
    made = Supervisor(settings, script=script)
    made.migrate()
    with made:
        yield made
    mariadb.drop_database(name)


def rolling_restart(
    supervisor: Supervisor, wait: int = 120, **settings: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "server.py"), "rolling-restart",
         "--wait", str(wait), "--socket", str(supervisor.folder / "supervisor.sock")],
        env={**supervisor.environment(), **settings}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def pids(supervisor: Supervisor) -> list[str]:
    return [supervisor.ctl("pid", name).strip() for name in supervisor.names]


async def test_everybody_is_restarted_and_nobody_notices(supervisor: Supervisor) -> None:
    before = pids(supervisor)
    ann = await Api(supervisor.url).guest("Ann")
    trip = (await ann.ok("POST", "/api/trips", {"title": "大理"}))["trip"]["id"]
    clients = [await RoomClient(ann, trip).start() for _ in range(4)]
    running = asyncio.create_task(asyncio.to_thread(rolling_restart, supervisor))
    made = 0
    while not running.done():
        if made < MOST_STOPS:
            made += 1
            op = {"kind": "stop.add", "id": f"s{made}", "fields": {"name": f"Stop {made}"}}
            clients[made % len(clients)].submit(op)
        # New connections all the while: none is refused, reset or left without an answer.
        await Api(supervisor.url).ok("GET", "/api/me")
    done = await running
    assert done.returncode == 0, done.stderr
    told = [line.split(":")[1] for line in done.stdout.splitlines()]
    assert told == ["tongyou-worker_00", "tongyou_00", "tongyou_01"]
    assert not set(before) & set(pids(supervisor))
    for client in clients:
        await client.settle()
    seq, truth = await snapshot_view(ann, trip)
    for client in clients:
        await client.until(lambda c=client: c.seq >= seq)  # type: ignore[misc]
        assert client.view() == truth
        assert set(client.close_codes) <= {1012}
        await client.stop()
    assert sum(key.startswith("stop:") for key in truth) == made


def test_it_stops_at_the_first_that_does_not_come_up(supervisor: Supervisor, script: Path) -> None:
    before = pids(supervisor)
    for broken, name, rest in (("broken-worker", "tongyou-worker", 2), ("broken", "tongyou", 1)):
        (script.parent / broken).touch()
        done = rolling_restart(supervisor)
        assert done.returncode == 1
        assert f"{name}:{name}_00 does not come up" in done.stderr
        assert str(supervisor.folder / "log" / f"{name}_00.log") in done.stderr
        assert "this version is broken" in done.stderr, "the end of its log is shown"
        assert f"Not restarted: {rest}" in done.stderr
        assert pids(supervisor)[-rest:] == before[-rest:], "the others were left alone"
        # Mended: the one that is down comes first.
        (script.parent / broken).unlink()
        done = rolling_restart(supervisor)
        assert done.returncode == 0, done.stderr
        assert f"{name}:{name}_00: ready" in done.stdout
        before = pids(supervisor)


def test_a_worker_that_hears_nothing_is_not_ready(supervisor: Supervisor, script: Path) -> None:
    before = pids(supervisor)
    (script.parent / "deaf-worker").touch()
    done = rolling_restart(supervisor, wait=15)
    assert done.returncode == 1 and "tongyou-worker_00 is not ready after 15 s" in done.stderr, done.stderr
    assert "rings are not heard" in done.stderr and "Not restarted: 2" in done.stderr
    assert pids(supervisor) == before
    (script.parent / "deaf-worker").unlink()
    done = rolling_restart(supervisor)
    assert done.returncode == 0, done.stderr


def test_supervisord_says_how_many_processes_there_are(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "var").symlink_to(supervisor.folder)
    assert supervised(tmp_path) == {PROGRAM: 2, WORKERS: 1}


def test_nothing_is_touched_when_it_cannot_go_well(supervisor: Supervisor, tmp_path: Path) -> None:
    before = pids(supervisor)
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    for settings, said in (
        ({"METRICS_PORT": "0"}, "METRICS_PORT"),
        ({"DATABASE_URL": empty}, "migrate"),
        ({"DRAIN_SECONDS": "soon"}, "DRAIN_SECONDS"),
    ):
        done = rolling_restart(supervisor, **settings)
        assert done.returncode in (1, 2) and said in done.stderr, done.stderr
    assert pids(supervisor) == before


def test_without_supervisord_it_says_so(tmp_sqlite_url: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": tmp_sqlite_url,
        "DATA_DIR": str(tmp_path),
        "METRICS_PORT": "9",
    }
    command = [sys.executable, str(ROOT / "server.py")]
    subprocess.run([*command, "migrate"], env=environment, cwd=ROOT, check=True, capture_output=True)
    done = subprocess.run(
        [*command, "rolling-restart", "--socket", str(tmp_path / "none.sock")],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "does not answer" in done.stderr
