"""What operators see of two real processes: metrics that add up, health, and a dashboard and alerts
that ask for nothing that is not there."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tornado.httpclient import AsyncHTTPClient

from tests.handlers.raw_socket import RawSocket
from tests.integration.promql import grouped_by, selectors
from tests.integration.room_client import Api, RoomClient, snapshot_view
from tests.services.mariadb import MariaDB
from tests.services.process import HOST, free_port
from tests.services.redis import Redis
from tests.services.server import ROOT, ServerProcess
from tests.services.tap import STALL, STREAM, Tap, chunk

pytestmark = pytest.mark.timeout(120)
MONITORING = ROOT / "docs" / "monitoring"
LARGE = "沿洱海骑行。" * 1600
"""Some 29 KB in a frame."""
Key = tuple[str, tuple[tuple[str, str], ...]]


class Watched(ServerProcess):
    """A server process with a port for operators."""

    def __init__(self, number: int, settings: dict[str, str]) -> None:
        self.operators = free_port()
        own = {"METRICS_PORT": str(self.operators - number), "TONGYOU_PROCESS": str(number)}
        super().__init__(settings | own)

    async def get(self, path: str) -> tuple[int, str]:
        """(status, body) of the operators' port."""
        url = f"http://{HOST}:{self.operators}{path}"
        answer = await AsyncHTTPClient().fetch(url, raise_error=False, request_timeout=10)
        return answer.code, answer.body.decode()

    async def scrape(self) -> dict[Key, float]:
        """Every sample."""
        status, text = await self.get("/metrics")
        assert status == 200, text
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


class Cluster:
    """Two of them on one database and one Redis, with a model that is ours."""

    def __init__(self, database_url: str, redis: Redis, tap: Tap) -> None:
        self.redis = redis
        self.settings = settings = {
            "DATABASE_URL": database_url, "REDIS_URL": redis.url, "PROCESSES": "2",
            "THROTTLE_FACTOR": "100", "FRAMES_PER_SECOND": "10000",
            "AI_API_KEY": "sk-secret", "AI_BASE_URL": tap.base_url, "AI_MODEL": "mock",
        }  # fmt: skip
        self.servers = [Watched(number, settings) for number in range(2)]
        self.servers[0].migrate()
        for server in self.servers:
            server.start()

    async def total(self, name: str, **labels: str) -> float:
        """The sum over both processes, and over the labels that are not named."""
        found = 0.0
        for server in self.servers:
            for (sample, its), value in (await server.scrape()).items():
                if sample == name and labels.items() <= dict(its).items():
                    found += value
        return found

    async def until(self, expected: float, name: str, **labels: str) -> None:
        """What comes a moment after the answer that a client sees, such as the end of a connection."""
        seen = -1.0
        try:
            async with asyncio.timeout(30):
                while (seen := await self.total(name, **labels)) != expected:  # noqa: ASYNC110 - of another process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{name}{labels} is {seen}, not {expected}") from None


class WatchedWorker(Watched):
    """A worker process with one."""

    name = "worker"

    def __init__(self, number: int, settings: dict[str, str]) -> None:
        super().__init__(100 + number, settings)

    def command(self) -> list[str]:
        return [*super().command(), "worker"]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.operators}/health/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def own_redis() -> Iterator[Redis]:
    """A Redis that these tests may stop."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="module")
def tap() -> Iterator[Tap]:
    with Tap() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(mariadb: MariaDB, own_redis: Redis, tap: Tap) -> Iterator[Cluster]:
    mariadb.start()
    made = Cluster(mariadb.create_database("observed"), own_redis, tap)
    yield made
    for server in made.servers:
        server.stop()
        server.remove()


@pytest.fixture
def worker(cluster: Cluster) -> Iterator[WatchedWorker]:
    """One that works for the same installation."""
    made = WatchedWorker(0, cluster.settings | {"WORKERS": "1"})
    with made:
        yield made
    made.remove()


class Once(RoomClient):
    """Sends an operation once, however slow the machine is: whatever is sent again is counted, too."""

    async def _resend(self) -> None:
        await asyncio.Event().wait()


async def two_in_a_room(cluster: Cluster) -> tuple[str, RoomClient, RoomClient]:
    """Ann at process 0 and Bob at process 1, both editors of a new trip."""
    ann = await Api(cluster.servers[0].url).guest("Ann")
    trip = (await ann.ok("POST", "/api/trips", {"title": "大理"}))["trip"]["id"]
    invite = await ann.ok("POST", f"/api/trips/{trip}/invites", {"role": "editor"})
    bob = await Api(cluster.servers[1].url).guest("Bob")
    await bob.ok("POST", "/api" + invite["url"].replace("/invite/", "/invites/") + "/accept")
    return trip, await Once(ann, trip).start(), await Once(bob, trip).start()


async def test_numbers_add_up_exactly(cluster: Cluster, tap: Tap) -> None:
    trip, ann, bob = await two_in_a_room(cluster)
    await cluster.until(2, "tongyou_connections")
    assert await cluster.total("tongyou_rooms") == 2
    assert await cluster.total("tongyou_sessions", role="owner") == 1
    assert await cluster.total("tongyou_sessions", role="editor") == 1
    assert await cluster.total("tongyou_members") == 2
    assert await cluster.total("tongyou_joins_total", outcome="first") == 2

    async def operations(result: str, **labels: str) -> float:
        return await cluster.total("tongyou_operations_total", result=result, **labels)

    applied = await operations("applied")
    for n in range(20):
        ann.submit({"kind": "stop.add", "id": f"a{n}", "fields": {"name": f"A{n}"}})
    for n in range(10):
        bob.submit({"kind": "stop.add", "id": f"b{n}", "fields": {"name": f"B{n}"}})
    await ann.settle()
    await bob.settle()
    assert await operations("applied") == applied + 30
    served = [await server.scrape() for server in cluster.servers]
    key = ("tongyou_operations_total", (("code", ""), ("result", "applied")))
    assert served[1][key] >= 10, "each process counts what it was sent"

    twice = next(iter(ann.acked))
    ann.submit({"kind": "stop.add", "id": "a0", "fields": {"name": "A0"}}, op_id=twice)
    await ann.settle()
    for op in (
        {"kind": "stop.set_fields", "id": "none", "fields": {"name": "x"}},
        {"kind": "no.such.operation"},
    ):
        bob.submit(op)
    await bob.settle()
    codes = sorted(refused["code"] for refused in bob.rejected.values())
    assert await operations("repeated") == 1
    assert await operations("rejected") == len(codes) == 2
    for code in codes:
        assert await operations("rejected", code=code) == codes.count(code)
    assert await operations("applied") == applied + 30

    seq, _ = await snapshot_view(ann.api, trip)
    assert await cluster.total("tongyou_events_total") == seq, "the database counts the same events"
    scrapes = [await server.scrape() for server in cluster.servers]
    grouped = sum(scrape[("tongyou_commit_commands_sum", ())] for scrape in scrapes)
    assert grouped >= 30
    writes = (("kind", "write"),)
    groups = sum(scrape[("tongyou_commit_commands_count", ())] for scrape in scrapes)
    assert groups <= sum(scrape[("tongyou_transaction_seconds_count", writes)] for scrape in scrapes)
    assert all(scrape[("tongyou_fan_out_seconds_count", ())] > 0 for scrape in scrapes)

    bob.drop()
    await bob.until(lambda: len(bob.joins) == 2)
    await cluster.until(1, "tongyou_joins_total", outcome="recovered")
    await cluster.until(1, "tongyou_connections_closed_total", code="0")
    bob.epoch = "another"
    bob.drop()
    await bob.until(lambda: len(bob.joins) == 3)
    await cluster.until(1, "tongyou_joins_total", outcome="snapshot")

    tap.answer(STREAM, chunk(content="第一步。"), STALL)
    asked = await ann.api.ok("POST", f"/api/trips/{trip}/ai/chat", {"text": "推荐"})
    await cluster.until(1, "tongyou_answers_streaming")
    await ann.api.ok("POST", f"/api/trips/{trip}/ai/answers/{asked['answer']}/stop")
    await cluster.until(0, "tongyou_answers_streaming")
    await cluster.until(1, "tongyou_answers_total", result="stopped")

    for client in (ann, bob):
        await client.stop()
    await cluster.until(0, "tongyou_connections")
    assert await cluster.total("tongyou_sessions") == await cluster.total("tongyou_outbox_bytes") == 0
    opened = await cluster.total("tongyou_connections_opened_total")
    assert opened == await cluster.total("tongyou_connections_closed_total") == 4


async def test_a_slow_client_shows_before_and_after_it_is_cut(cluster: Cluster) -> None:
    _, ann, bob = await two_in_a_room(cluster)
    cuts = await cluster.total("tongyou_slow_cuts_total")
    cookie = {"Cookie": bob.api.cookie_header, "Origin": cluster.servers[1].url}
    mute = await RawSocket.connect(cluster.servers[1].port, cookie, receive_buffer=4096)
    await mute.join("mute-tab", ann.room)
    mute.writer.transport.pause_reading()  # type: ignore[attr-defined]
    ann.submit({"kind": "stop.add", "id": "s", "fields": {"name": "S"}})
    fullest = 0.0
    while await cluster.total("tongyou_slow_cuts_total") == cuts:
        for n in range(20):
            ann.submit({"kind": "stop.set_fields", "id": "s", "fields": {"notes": f"{n} {LARGE}"}})
        await ann.settle()
        await bob.until(lambda: bob.seq >= ann.seq)
        fullest = max(fullest, await cluster.total("tongyou_outbox_max_bytes"))
    assert await cluster.total("tongyou_slow_cuts_total") == cuts + 1
    assert await cluster.total("tongyou_connections_closed_total", code="4000") == 1
    assert 0 < fullest <= 1024 * 1024, "unsent bytes were seen, and bounded"
    assert bob.close_codes == [], "only the slow one"
    await mute.aclose()
    for client in (ann, bob):
        await client.stop()


def expressions() -> Iterator[tuple[str, str]]:
    """(where it stands, expression) of all alerts and panels."""
    rules = yaml.safe_load((MONITORING / "prometheus-alerts.yml").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    board = json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"].split("(")[1].split(",")[0]


QUIET = {"tongyou_transactions_total", "tongyou_process_info"}


def family(sample: str) -> str:
    """The metric that a sample of a histogram belongs to."""
    return re.sub(r"_(bucket|sum|count)$", "", sample)


async def test_dashboard_and_alerts_ask_for_what_is_there(cluster: Cluster, worker: WatchedWorker) -> None:
    await Api(cluster.servers[0].url).guest("Ann")
    known: dict[str, set[str]] = {"up": set()}
    for process in (cluster.servers[0], worker):
        for name, labels in await process.scrape():
            known.setdefault(name, set()).update(dict(labels))
    asked: set[str] = set()
    for where, expression in expressions():
        found = selectors(expression)
        assert found, f"{where}: no metric in {expression}"
        for name, labels in found:
            assert name in known, f"{where}: there is no metric {name}"
            assert labels <= known[name] | {"instance", "job"}, f"{where}: {name} has no {labels}"
            asked.add(name)
        groups = grouped_by(expression) - {"instance"}
        assert all(groups <= known[name] for name, _ in found), f"{where}: {groups} are no labels"
    told = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
    for name in re.findall(r"`(tongyou_[a-z_]+)", told):
        assert name in known or f"{name}_count" in known, f"OPERATIONS.md: there is no metric {name}"
    ours = {family(name) for name in known if name.startswith("tongyou_")}
    assert ours - {family(name) for name in asked} <= QUIET, "a metric that nobody looks at"


async def test_labels_have_few_values_whatever_is_asked(cluster: Cluster) -> None:
    server = cluster.servers[0]
    before = {key for key in await server.scrape() if key[0] == "tongyou_http_requests_total"}
    for n in range(30):
        for path in (f"/api/trips/trip{n}", f"/invite/tok{n}", f"/nothing/{n}", f"/assets/{n}.js"):
            await AsyncHTTPClient().fetch(server.url + path, raise_error=False)
        request: dict[str, Any] = {"method": f"VERB{n}", "allow_nonstandard_methods": True}
        await AsyncHTTPClient().fetch(f"{server.url}/api/trips", raise_error=False, **request)
    after = {key for key in await server.scrape() if key[0] == "tongyou_http_requests_total"}
    assert len(after - before) <= 5
    assert not any(word in str(after) for word in ("trip2", "tok2", "VERB2"))
    assert len(await server.scrape()) < 700


async def test_metrics_are_not_on_the_public_port(cluster: Cluster) -> None:
    answer = await AsyncHTTPClient().fetch(f"{cluster.servers[0].url}/metrics", raise_error=False)
    assert answer.code == 404 and b"tongyou_" not in answer.body
    assert (await cluster.servers[0].get("/api/me"))[0] == 404, "and nothing else is on the other one"


async def ready(server: Watched, accept: Callable[[int, dict[str, Any]], bool]) -> dict[str, Any]:
    """What `/health/ready` says once it is acceptable."""
    said: tuple[int, dict[str, Any]] = (0, {})
    try:
        async with asyncio.timeout(30):
            while True:
                status, body = await server.get("/health/ready")
                said = (status, json.loads(body))
                if accept(*said):
                    return said[1]
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"/health/ready still says {said}") from None


async def test_without_redis_a_process_is_degraded_and_goes_on(cluster: Cluster) -> None:
    server = cluster.servers[0]
    await ready(server, lambda status, said: (status, said["status"]) == (200, "ok"))
    await asyncio.to_thread(cluster.redis.stop)
    try:
        said = await ready(server, lambda status, said: said["status"] != "ok")
        assert said["status"] == "degraded", "a load balancer that left all processes would help nobody"
        assert "Redis" in said["checks"]["redis"] and said["checks"]["database"] == "ok"
        await cluster.until(0, "tongyou_bus_up")
    finally:
        await asyncio.to_thread(cluster.redis.start)
    await ready(server, lambda status, said: (status, said["status"]) == (200, "ok"))
    await cluster.until(2, "tongyou_bus_up")


async def test_without_the_database_a_process_is_not_ready(cluster: Cluster, mariadb: MariaDB) -> None:
    server = cluster.servers[1]
    # Frozen, not gone: the worst kind, for nothing refuses a connection.
    mariadb.sigstop()
    try:
        said = await ready(server, lambda status, _: status == 503)
        assert said["checks"]["database"] != "ok" and said["checks"]["loop"] == "ok"
        assert (await server.get("/health/live"))[0] == 200
    finally:
        mariadb.sigcont()
    await ready(server, lambda status, said: (status, said["status"]) == (200, "ok"))


async def test_a_draining_process_still_shows_its_numbers(cluster: Cluster) -> None:
    server = cluster.servers[0]
    ann = await Api(server.url).guest("Ann")
    trip = (await ann.ok("POST", "/api/trips", {"title": "大理"}))["trip"]["id"]
    client = await RoomClient(ann, trip).start()
    mute = await RawSocket.connect(server.port, {"Cookie": ann.cookie_header, "Origin": server.url})
    await mute.join("mute-tab", trip)
    server.terminate()
    said = await ready(server, lambda status, _: status == 503)
    assert said["checks"]["process"] == "draining"
    assert (await server.scrape())[("tongyou_ready", ())] == 0
    await mute.aclose()
    await client.stop()
    assert await asyncio.to_thread(server.wait, 45) == 0
    await asyncio.to_thread(server.start)
