"""Real workers on a real Redis: a job is never lost when its worker is killed, and never done twice.

A lease is let run out by moving its end back in the database, as time would.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy import make_url
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from operations.facts_redis import listening_workers
from realtime.jobs.doorbell_celery import PREFIX, QUEUE, STALE_SECONDS, TASK, broker_url, make_app
from realtime.jobs.thumbnails import make_thumbnails
from storage.schema import upgrade
from tests.integration.room_client import Api
from tests.photos import from_a_camera
from tests.services.process import HOST, free_port
from tests.services.redis import Redis
from tests.services.server import ServerProcess
from tests.services.supervisor import Supervisor

pytestmark = pytest.mark.timeout(180)
PATIENCE = 90.0


class GatedWorker(ServerProcess):
    """`tests.integration.gated_worker` with these settings and the packages of a fresh installation."""

    name = "worker"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.bare", "tests.integration.gated_worker"]

    def is_ready(self) -> bool:
        return "a worker listens" in self.log_path.read_text("utf-8", "replace")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid


class HastyServer(ServerProcess):
    """`tests.integration.hasty_server` with these settings."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.integration.hasty_server"]


class Stand:
    """A server that leaves the work to workers, what they share, and a person with a trip."""

    def __init__(self, url: str, redis: Redis, folder: Path, **more: str) -> None:
        self.redis = redis
        self.gate = folder / "gate"
        self.gate.mkdir()
        self.settings = {
            "DATABASE_URL": url,
            "REDIS_URL": redis.url,
            "WORKERS": "1",
            "THROTTLE_FACTOR": "100",
            **more,
        }
        self._url = make_url(url)
        self.server = HastyServer(self.settings)
        upgrade(url)  # in this process, for it is faster than the command
        self.workers: list[GatedWorker] = []

    def worker(self, **more: str) -> GatedWorker:
        made = GatedWorker(self.settings | {"JOBS_GATE": str(self.gate)} | more)
        self.workers.append(made)
        made.start()
        return made

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        host, port = self._url.host or "", self._url.port or 0
        connection = pymysql.connect(
            host=host, port=port, user=self._url.username, password=str(self._url.password or ""),
            database=self._url.database, autocommit=True,
        )  # fmt: skip
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def let_time_pass(self) -> None:
        """Leases run out, and what waits is due."""
        self.rows("UPDATE jobs SET due_at = '2020-01-01T00:00:00.000Z' WHERE status IN ('queued', 'running')")

    def began(self) -> list[int]:
        return [int(path.name.removeprefix("began-")) for path in self.gate.glob("began-*")]

    def left(self, worker: GatedWorker) -> bool:
        return (self.gate / f"left-{worker.pid}").exists()

    def open(self) -> None:
        (self.gate / "open").touch()

    async def ask(self, api: Api, trip: str, format: str = "data") -> str:
        answer = await api.ok("POST", f"/api/trips/{trip}/exports", {"format": format, "locale": "zh"})
        assert answer["export"]["status"] == "queued"
        return str(answer["export"]["id"])

    async def upload(self, api: Api, trip: str, photo_id: str, body: bytes) -> None:
        headers = {
            "Cookie": api.cookie_header, "X-XSRFToken": api.cookies["_xsrf"], "Content-Type": "image/jpeg",
        }  # fmt: skip
        url = f"{self.server.url}/api/trips/{trip}/photos/{photo_id}"
        answer = await AsyncHTTPClient().fetch(HTTPRequest(url, "POST", headers=headers, body=body))
        assert answer.code == 202 and json.loads(answer.body)["photo"]["status"] == "waiting"


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110  # other processes do it
            await asyncio.sleep(0.05)


async def done(api: Api, job_id: str) -> dict[str, Any]:
    """The export once it is done."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found: dict[str, Any] = (await api.ok("GET", f"/api/exports/{job_id}"))["export"]
            if found["status"] not in ("queued", "running"):
                assert found["status"] == "done", found
                return found
            await asyncio.sleep(0.05)


async def person(url: str) -> tuple[Api, str]:
    api = await Api(url).guest("Ann")
    trip = (await api.ok("POST", "/api/trips", {"title": "大理"}))["trip"]["id"]
    return api, trip


@pytest.fixture
def stand(mariadb_url: str, redis_server: Redis, tmp_path: Path) -> Iterator[Stand]:
    made = Stand(mariadb_url, redis_server, tmp_path)
    try:
        with made.server:
            yield made
    finally:
        for worker in made.workers:
            worker.remove()
        made.server.remove()


async def test_a_worker_is_killed_in_the_middle_and_another_does_its_job(stand: Stand) -> None:
    api, trip = await person(stand.server.url)
    first = await asyncio.to_thread(stand.worker)
    job_id = await stand.ask(api, trip)
    await until(lambda: stand.began() == [first.pid])
    os.kill(first.pid, signal.SIGKILL)
    stand.open()
    second = await asyncio.to_thread(stand.worker)
    stand.let_time_pass()
    assert (await done(api, job_id))["name"] == f"{second.pid}.json"
    assert stand.rows("SELECT status, attempts FROM jobs") == [("done", 2)]
    assert stand.rows("SELECT COUNT(*) FROM job_files") == [(1,)]
    status, made = await api.call("GET", f"/api/exports/{job_id}/file")
    assert status == 200 and made["trip"]["title"] == "大理"


async def ready(api: Api, trip: str, photo_id: str) -> dict[str, Any]:
    """The photo once it is."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found: dict[str, Any] = (await api.ok("GET", f"/api/trips/{trip}/photos/{photo_id}"))["photo"]
            if found["status"] != "waiting":
                assert found["status"] == "ready", found
                return found
            await asyncio.sleep(0.05)


async def test_a_worker_is_killed_over_a_photo_and_another_makes_the_same_sizes_once(stand: Stand) -> None:
    api, trip = await person(stand.server.url)
    first = await asyncio.to_thread(stand.worker)
    original = from_a_camera(3_000, 2_000)
    await stand.upload(api, trip, "photo1", original)
    await until(lambda: stand.began() == [first.pid])
    os.kill(first.pid, signal.SIGKILL)
    stand.open()
    await asyncio.to_thread(stand.worker)
    stand.let_time_pass()
    wanted = make_thumbnails(original)
    found = await ready(api, trip, "photo1")
    assert (found["width"], found["height"], found["color"]) == (wanted.width, wanted.height, wanted.color)
    assert stand.rows("SELECT kind, status, attempts FROM jobs") == [("thumbnail", "done", 2)]
    assert stand.rows("SELECT COUNT(*) FROM job_files") == [(0,)], "the original is forgotten"
    stored = stand.rows("SELECT width, n, body FROM photo_files ORDER BY width, n")
    sizes: dict[int, bytes] = {}
    for width, _, body in stored:
        sizes[width] = sizes.get(width, b"") + body
    assert sizes == wanted.files


async def test_a_worker_that_was_frozen_meanwhile_has_no_effect(stand: Stand) -> None:
    api, trip = await person(stand.server.url)
    first = await asyncio.to_thread(stand.worker)
    job_id = await stand.ask(api, trip)
    await until(lambda: stand.began() == [first.pid])
    os.kill(first.pid, signal.SIGSTOP)
    stand.open()
    second = await asyncio.to_thread(stand.worker)
    stand.let_time_pass()
    assert (await done(api, job_id))["name"] == f"{second.pid}.json"
    os.kill(first.pid, signal.SIGCONT)
    await until(lambda: stand.left(first))
    assert (await done(api, job_id))["name"] == f"{second.pid}.json"
    assert stand.rows("SELECT status, attempts FROM jobs") == [("done", 2)]
    assert stand.rows("SELECT COUNT(*) FROM job_files") == [(1,)]


async def test_redis_forgets_every_ring_and_the_jobs_are_done_all_the_same(stand: Stand) -> None:
    api, trip = await person(stand.server.url)
    waiting = f"{PREFIX}{QUEUE}"
    asked = [await stand.ask(api, trip, format) for format in ("calendar", "page", "data")]
    await until(lambda: stand.redis.send(f"LLEN {waiting}") == ":3")
    stand.redis.flush()
    assert stand.redis.send(f"LLEN {waiting}") == ":0"
    stand.open()
    await asyncio.to_thread(stand.worker)
    stand.let_time_pass()
    for job_id in asked:
        await done(api, job_id)
    assert stand.rows("SELECT status, attempts FROM jobs") == [("done", 1)] * 3


async def test_a_job_that_is_called_out_many_times_to_two_workers_is_done_once(stand: Stand) -> None:
    api, trip = await person(stand.server.url)
    workers = [await asyncio.to_thread(stand.worker) for _ in range(2)]
    app = make_app(stand.redis.url)
    job_id = await stand.ask(api, trip)
    for _ in range(6):
        await asyncio.to_thread(app.send_task, TASK, (job_id,), expires=STALE_SECONDS, ignore_result=True)
    await until(lambda: len(stand.began()) == 1)
    stand.open()
    await done(api, job_id)
    waiting = f"{PREFIX}{QUEUE}"
    await until(lambda: stand.redis.send(f"LLEN {waiting}") == ":0")
    for worker in workers:  # they end when what they have heard is done
        await asyncio.to_thread(worker.stop)
    assert len(stand.began()) == 1
    assert stand.rows("SELECT status, attempts FROM jobs") == [("done", 1)]
    await asyncio.to_thread(app.close)


async def test_a_worker_that_is_told_to_end_finishes_its_job_first(stand: Stand) -> None:
    api, trip = await person(stand.server.url)
    worker = await asyncio.to_thread(stand.worker)
    job_id = await stand.ask(api, trip)
    await until(lambda: stand.began() == [worker.pid])
    assert worker.process is not None
    worker.process.terminate()
    stand.open()
    assert await asyncio.to_thread(worker.process.wait, PATIENCE) == 0
    assert (await done(api, job_id))["name"] == f"{worker.pid}.json"
    assert stand.rows("SELECT status, attempts FROM jobs") == [("done", 1)]
    for line in worker.log_path.read_text("utf-8").splitlines():
        assert (said := json.loads(line))["event"]  # Celery's last words, too
        assert said["level"] in ("debug", "info"), (
            "not of root either, who may run it: rings hold no programs"
        )


async def test_a_worker_shows_whether_it_listens_and_what_it_does(stand: Stand) -> None:
    api, trip = await person(stand.server.url)
    port = free_port()
    worker = await asyncio.to_thread(stand.worker, METRICS_PORT=str(port - 107), TONGYOU_PROCESS="7")
    await until(lambda: listening_workers(stand.redis.url) == 1)

    async def shown(*lines: str) -> None:
        """These stand in its metrics."""
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await AsyncHTTPClient().fetch(f"http://{HOST}:{port}/metrics")
                text = answer.body.decode()
                if set(lines) <= set(text.splitlines()):
                    return
                await asyncio.sleep(0.05)

    async def ready(status: int) -> dict[str, Any]:
        """What its health says once it has this status."""
        async with asyncio.timeout(PATIENCE):
            while True:
                url = f"http://{HOST}:{port}/health/ready"
                answer = await AsyncHTTPClient().fetch(url, raise_error=False)
                if answer.code == status:
                    return dict(json.loads(answer.body))
                await asyncio.sleep(0.1)

    await ready(200)
    await shown('tongyou_process_info{process="107"} 1.0', "tongyou_worker_listening 1.0")
    job_id = await stand.ask(api, trip)
    await shown("tongyou_worker_busy 1.0", "tongyou_worker_listening 1.0")
    stand.open()
    await done(api, job_id)
    await shown("tongyou_worker_busy 0.0", "tongyou_job_seconds_count 1.0")
    await shown('tongyou_job_attempts_total{outcome="done"} 1.0')
    await asyncio.to_thread(stand.redis.stop)
    assert "Redis" in (await ready(503))["checks"]["redis"]
    await shown("tongyou_worker_listening 0.0")
    assert listening_workers(stand.redis.url) is None
    await asyncio.to_thread(stand.redis.start)
    await ready(200)
    await until(lambda: listening_workers(stand.redis.url) == 1)
    await asyncio.to_thread(worker.stop)
    assert listening_workers(stand.redis.url) == 0, "it said goodbye"
    assert (await AsyncHTTPClient().fetch(f"{stand.server.url}/metrics", raise_error=False)).code == 404


async def test_redis_is_away_for_a_while_and_the_same_worker_goes_on(stand: Stand) -> None:
    api, trip = await person(stand.server.url)
    stand.open()
    worker = await asyncio.to_thread(stand.worker)
    await done(api, await stand.ask(api, trip))
    await asyncio.to_thread(stand.redis.stop)
    job_id = await stand.ask(api, trip, "calendar")
    told = f"workers could not be told of job {job_id}"
    await until(lambda: told in stand.server.log_path.read_text("utf-8"))
    await asyncio.to_thread(stand.redis.start)
    stand.let_time_pass()
    assert (await done(api, job_id))["name"] == f"{worker.pid}.json"


async def test_without_redis_the_server_does_the_work(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/one.db"}
    server = ServerProcess(settings)
    server.migrate()
    with server:
        api, trip = await person(server.url)
        for format, ending in (("calendar", "ics"), ("page", "html"), ("data", "json")):
            answer = await api.ok("POST", f"/api/trips/{trip}/exports", {"format": format, "locale": "en"})
            job_id = answer["export"]["id"]
            assert (await done(api, job_id))["name"] == f"大理.{ending}"
            url = f"{server.url}/api/exports/{job_id}/file"
            request = HTTPRequest(url, headers={"Cookie": api.cookie_header})
            fetched = await AsyncHTTPClient().fetch(request)
            assert fetched.headers["X-Content-Type-Options"] == "nosniff"
            said = fetched.headers["Content-Disposition"]
            assert (
                said == f"attachment; filename=\"__.{ending}\"; filename*=UTF-8''%E5%A4%A7%E7%90%86.{ending}"
            )
            assert "大理".encode() in fetched.body
    server.remove()


def test_a_worker_says_what_is_missing(tmp_path: Path) -> None:
    worker = GatedWorker({"DATABASE_URL": f"sqlite:///{tmp_path}/one.db", "JOBS_GATE": str(tmp_path)})
    for more, said in (
        ({}, "WORKERS is 0"),
        ({"WORKERS": "1"}, "WORKERS is more than 0, but"),
        ({"WORKERS": "1", "REDIS_URL": "redis://127.0.0.1:1/0"}, "no tables yet"),
    ):
        done = subprocess.run(
            worker.command(), env={**worker.environment(), **more}, cwd=worker.working_folder(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2 and said in done.stderr, done.stderr
    worker.remove()


async def test_supervisord_runs_workers_that_are_wanted(mariadb_url: str, redis_server: Redis) -> None:
    settings = {"DATABASE_URL": mariadb_url, "REDIS_URL": redis_server.url, "WORKERS": "1"}
    supervisor = Supervisor(settings, processes=1)
    supervisor.migrate()
    with supervisor:
        api, trip = await person(supervisor.url)
        answer = await api.ok("POST", f"/api/trips/{trip}/exports", {"format": "data"})
        assert (await done(api, answer["export"]["id"]))["name"] == "大理.json"
        log = (supervisor.folder / "log" / "tongyou-worker_00.log").read_text("utf-8")
        assert json.loads(log.splitlines()[0])["process"] == 100
        assert "stopped" in await asyncio.to_thread(supervisor.ctl, "stop", "tongyou-worker:*")


def test_celery_finds_redis_as_everybody_else_does() -> None:
    assert broker_url("redis://h:1/2") == "redis://h:1/2"
    assert broker_url("rediss://h:1/2") == "rediss://h:1/2?ssl_cert_reqs=required"
    assert (
        broker_url("rediss://h:1/2?ssl_ca_certs=a") == "rediss://h:1/2?ssl_ca_certs=a&ssl_cert_reqs=required"
    )
    assert broker_url("rediss://h:1/2?ssl_cert_reqs=none") == "rediss://h:1/2?ssl_cert_reqs=none"
    assert broker_url("unix:///run/r.sock?db=3") == "redis+socket:///run/r.sock?virtual_host=3"
    assert broker_url("unix:///run/r.sock") == "redis+socket:///run/r.sock?virtual_host=0"
    assert broker_url("unix://:pw@/run/r.sock") == "redis+socket://:pw@/run/r.sock?virtual_host=0"
    assert broker_url("redis://h:1?db=3&health_check_interval=10&protocol=3&client_name=x") == "redis://h:1/3"
    assert broker_url("redis://h:1/2?db=0") == "redis://h:1/0"
    assert broker_url("redis://h:1/2?password=p%40s") == "redis://:p%40s@h:1/2"
    assert broker_url("redis://app@h/2?password=pw&username=no") == "redis://app:pw@h/2"
    assert (
        broker_url("unix:///run/r.sock?password=pw&db=3") == "redis+socket://:pw@/run/r.sock?virtual_host=3"
    )
    url = "rediss://h:1/2?username=app&ssl_ca_certs=a&password=pw"
    assert broker_url(url) == "rediss://app:pw@h:1/2?ssl_ca_certs=a&ssl_cert_reqs=required"
