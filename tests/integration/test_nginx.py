"""The project's own nginx files in a real nginx before two real processes, with MariaDB, Redis and a model.

Promises that a proxy in front changes nothing: rooms work, answers come word by word, addresses are those of
the clients and cannot be claimed, and a process that restarts behind it is not noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from domain.photos import MAX_UPLOAD
from tests.handlers.raw_stream import open_stream
from tests.integration.room_client import Api, RoomClient, snapshot_view
from tests.realtime.world import until
from tests.services.find import require
from tests.services.mariadb import MariaDB
from tests.services.nginx import Nginx
from tests.services.process import HOST, free_port
from tests.services.redis import Redis
from tests.services.server import ServerProcess
from tests.services.tap import DONE, STALL, STREAM, Tap, chunk

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


class Site:
    """Two processes and a model behind nginx, with TLS and without."""

    def __init__(self, database_url: str, redis_url: str, tap: Tap, files: Path) -> None:
        settings = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PROCESSES": "2",
            "AI_API_KEY": "test",
            "AI_BASE_URL": tap.base_url,
            # Tests come from several addresses of 127.0.0.0/8; nginx alone is to be believed.
            "TRUSTED_PROXIES": "127.0.0.1/32",
            # One person asks without a pause while all is restarted.
            "READS_PER_MINUTE": "1000000",
        }
        self.tap = tap
        self.metrics = [free_port(), free_port()]
        self.servers = [ServerProcess(settings | {"METRICS_PORT": str(port)}) for port in self.metrics]
        self.servers[0].migrate()
        for server in self.servers:
            server.start()
        ports = [server.port for server in self.servers]
        self.plain = Nginx(ports, files).start()
        self.tls = Nginx(ports, files, "tongyou.conf").start()

    def connections(self) -> list[int]:
        """Open sockets of each process."""
        found = []
        for port in self.metrics:
            _, _, text = call(f"http://{HOST}:{port}", "GET", "/metrics")
            found.append(int(float(re.findall(rb"(?m)^tongyou_connections(?:{.*})? (\S+)$", text)[0])))
        return found

    def remove(self) -> None:
        for service in (self.tls, self.plain, *self.servers):
            service.remove()


@pytest.fixture(scope="module")
def site(mariadb: MariaDB, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    mariadb.start()
    redis_server.start()
    files = tmp_path_factory.mktemp("dist")
    (files / "assets").mkdir()
    (files / "map").mkdir()
    (files / "assets" / "worker-1a2b.mjs").write_text("export {};\n")
    (files / "assets" / "index-1a2b.js").write_text("// 同游\n" * 400, "utf-8")
    (files / "map" / "land.geojson").write_text("{}")
    with Tap() as tap:
        made = Site(mariadb.create_database("nginx"), redis_server.url, tap, files)
        yield made
        made.remove()


@contextlib.asynccontextmanager
async def a_room(url: str, people: int = 3) -> AsyncIterator[tuple[str, list[RoomClient]]]:
    """A new trip with `people` editors, all through one address."""
    owner = await Api(url).guest("Ann")
    trip = (await owner.ok("POST", "/api/trips", {"title": "云南"}))["trip"]["id"]
    invite = await owner.ok("POST", f"/api/trips/{trip}/invites", {"role": "editor"})
    clients = [RoomClient(owner, trip)]
    for n in range(people - 1):
        guest = await Api(url).guest(f"Guest {n}")
        await guest.ok("POST", "/api" + invite["url"].replace("/invite/", "/invites/") + "/accept")
        clients.append(RoomClient(guest, trip))
    try:
        for client in clients:
            await client.start()
        yield trip, clients
    finally:
        for client in clients:
            await client.stop()


def add_stop(client: RoomClient, name: str) -> str:
    return client.submit({"kind": "stop.add", "id": name, "fields": {"name": f"站 {name}"}})


def call(
    url: str, method: str, path: str, body: Any = None, source: str = HOST, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request from this address of ours: status, headers in small letters, body."""
    host, port = url.split("//")[1].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20, source_address=(source, 0))
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, data, {"Content-Type": "application/json"} | given)
        answer = connection.getresponse()
        cookies = answer.headers.get_all("Set-Cookie") or []
        found = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, found | {"cookies": "; ".join(cookies)}, answer.read()
    finally:
        connection.close()


async def test_a_room_through_nginx(site: Site) -> None:
    async with a_room(site.plain.url) as (trip, clients):
        for n, client in enumerate(clients):
            for k in range(5):
                add_stop(client, f"s{n}-{k}")
        for client in clients:
            await client.settle()
        seq, truth = await snapshot_view(clients[0].api, trip)
        for client in clients:
            await client.until(lambda c=client: c.seq >= seq)  # type: ignore[misc]
            assert client.view() == truth and not client.rejected and len(client.joins) == 1


async def test_answers_come_word_by_word(site: Site) -> None:
    site.tap.answer(STREAM, chunk(content="第一步。"), STALL)
    ann = await Api(site.plain.url).guest("Ann")
    headers = {
        "Cookie": ann.cookie_header,
        "X-XSRFToken": ann.cookies["_xsrf"],
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Accept-Encoding": "gzip",
    }
    body = {"text": "去哪里？", "locale": "zh"}
    async with open_stream(site.plain.url, "POST", "/api/ai/chat", headers, body) as stream:
        # The answer has not ended and never will: what is here was held up by nobody.
        await stream.until(lambda s: s.text == "第一步。")
        assert stream.status == 200 and stream.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in stream.headers and not stream.over
    site.tap.answer(STREAM, chunk(content="到了。"), chunk("stop"), DONE)
    async with open_stream(site.plain.url, "POST", "/api/ai/chat", headers, body) as stream:
        assert (await stream.end())["text"] == "到了。"


def test_the_address_is_that_of_the_client_whatever_it_claims(site: Site) -> None:
    """Throttles count by address: 60 guests an hour, then 429 for this address alone."""
    _, first, _ = call(site.plain.url, "GET", "/api/me", source="127.0.0.2")
    token = first["cookies"].split("_xsrf=")[1].split(";")[0]

    def guest(source: str, claimed: str, url: str = site.plain.url) -> int:
        return call(
            url,
            "POST",
            "/api/auth/guest",
            {"name": "Ann", "locale": "en"},
            source,
            Cookie=f"_xsrf={token}",
            X_XSRFToken=token,
            X_Forwarded_For=claimed,
        )[0]

    statuses = [guest("127.0.0.2", f"203.0.113.{n}") for n in range(61)]
    assert statuses[:60] == [200] * 60 and statuses[60] == 429
    assert guest("127.0.0.2", "127.0.0.3") == 429
    assert guest("127.0.0.3", "127.0.0.2") == 200, "another address has its own count"
    # Past nginx, a stranger's header counts for nothing either.
    assert guest("127.0.0.2", "198.51.100.7", site.servers[0].url) == 429


async def test_everybody_in_a_room_comes_to_one_process_and_rooms_to_all(site: Site) -> None:
    async with asyncio.timeout(20):
        while sum(await asyncio.to_thread(site.connections)):  # noqa: ASYNC110 (of other processes)
            await asyncio.sleep(0.05)  # those of other tests are about to end
    homes: set[int] = set()
    async with contextlib.AsyncExitStack() as stack:
        for rooms in range(40):
            if rooms >= 5 and len(homes) == 2:
                return
            before = await asyncio.to_thread(site.connections)
            await stack.enter_async_context(a_room(site.plain.url, people=4))
            after = await asyncio.to_thread(site.connections)
            came = [now - then for now, then in zip(after, before, strict=True)]
            assert sorted(came) == [0, 4]
            homes.add(came.index(4))
    pytest.fail("forty rooms in one of two processes")


async def connect(site: Site, nginx: Nginx, **headers: str) -> int:
    """The status of a WebSocket handshake (101: taken)."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{nginx.url.replace('http', 'ws', 1)}/api/socket"
    certificate = str(nginx.certificate) if nginx is site.tls else None
    try:
        socket = await websocket_connect(HTTPRequest(url, headers=given, ca_certs=certificate))
    except HTTPClientError as error:
        return error.code
    socket.close()
    return 101


async def test_only_pages_of_this_very_site_open_a_socket(site: Site) -> None:
    for nginx in (site.plain, site.tls):
        assert await connect(site, nginx, Origin=nginx.url) == 101
        assert await connect(site, nginx, Origin="https://evil.example") == 403
        # A page of somebody else's cannot set this, and a program gains nothing by it.
        evil = "https://evil.example"
        assert await connect(site, nginx, Origin=evil, X_Forwarded_Host="evil.example") == 403


def curl(site: Site, *arguments: str) -> str:
    command = [require("curl"), "-sS", "--cacert", str(site.tls.certificate), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def test_with_tls_cookies_are_secure_and_pages_come_over_http2(site: Site) -> None:
    head = curl(site, "-i", f"{site.tls.url}/api/me")
    assert head.startswith("HTTP/2 200")
    assert "set-cookie: _xsrf=" in head and "; Secure" in head
    # A client that says so itself, without TLS, is not believed.
    _, headers, _ = call(site.plain.url, "GET", "/api/me", X_Forwarded_Proto="https")
    assert "_xsrf=" in headers["cookies"] and "Secure" not in headers["cookies"]
    plain = f"http://{HOST}:{site.tls.plain_port}/trips?x=1"
    assert curl(site, "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", plain) == (
        f"301 https://{HOST}/trips?x=1"
    )


def test_files_have_their_types_and_ages(site: Site) -> None:
    for path, kind, age in (
        ("/assets/worker-1a2b.mjs", "text/javascript", "immutable"),
        ("/assets/index-1a2b.js", "javascript", "immutable"),
        ("/map/land.geojson", "application/geo+json", "max-age=86400"),
    ):
        status, headers, _ = call(site.plain.url, "GET", path, Accept_Encoding="gzip")
        assert status == 200 and kind in headers["content-type"] and age in headers["cache-control"]
        assert headers["x-content-type-options"] == "nosniff"
        assert ("content-encoding" in headers) == path.endswith(".js"), "large ones are compressed"
    assert call(site.plain.url, "GET", "/assets/../../../etc/passwd")[0] in (400, 404)


def test_bodies_pass_up_to_the_limit_of_the_processes(site: Site) -> None:
    most = 1024 * 1024
    status, _, answer = call(site.plain.url, "POST", "/api/auth/login", b" " * most)
    assert status == 403 and b"xsrf" in answer.lower(), "a process read it and had its own reasons"
    assert call(site.plain.url, "POST", "/api/auth/login", b" " * (most + 1))[0] == 413
    # Photos may be larger, and nothing else beneath their address.
    photo = "/api/trips/trip1/photos/photo1"
    status, _, answer = call(site.plain.url, "POST", photo, b" " * MAX_UPLOAD)
    assert status == 403 and b"xsrf" in answer.lower()
    for path, size in ((photo, MAX_UPLOAD + 1), (f"{photo}/320", most + 1)):
        assert call(site.plain.url, "POST", path, b" " * size)[0] == 413


async def test_nothing_secret_is_passed_on_or_written_down(site: Site) -> None:
    assert call(site.plain.url, "GET", "/metrics")[0] == 404
    async with a_room(site.plain.url, people=1) as (trip, clients):
        api = clients[0].api
        invite = (await api.ok("POST", f"/api/trips/{trip}/invites", {"role": "editor"}))["url"]
        token = invite.rpartition("/")[2]
        assert call(site.plain.url, "GET", f"/invite/{token}?x={token}")[0] in (200, 503)
        await api.ok("POST", f"/api/invites/{token}/accept")
        # nginx writes its line when the client has the answer already.
        await until(lambda: "/api/invites/***/accept" in site.plain.access())
        log = site.plain.access()
        assert token not in log and "/invite/***" in log
    status, headers, _ = call(site.plain.url, "GET", "/health/live", X_Request_ID="claimed-0001")
    assert status == 200 and headers["x-request-id"] != "claimed-0001"
    await until(lambda: headers["x-request-id"] in site.plain.access())  # one id in both logs


def test_links_of_invitations_are_in_no_log_when_nobody_answers(tmp_path: Path) -> None:
    """The error log names the whole address of whatever fails."""
    token = "s3cret-of-the-invitation"
    nginx = Nginx([free_port()], tmp_path)
    try:
        nginx.start()
        for path in (f"/invite/{token}", f"/api/invites/{token}", f"/invite/%73{token[1:]}?x={token}"):
            assert call(nginx.url, "GET", path)[0] == 502
        assert call(nginx.url, "POST", f"/api/invites/{token}/accept", {})[0] == 502
        assert call(nginx.url, "POST", f"/api/invites/{token}/accept", b" " * (1024 * 1024 + 1))[0] == 413
        assert call(nginx.url, "GET", "/api/trips/trip1")[0] == 502
    finally:
        nginx.stop()
        errors, access = nginx.log(), nginx.access()
        nginx.remove()
    assert "GET /api/trips/trip1" in errors, "other errors are told"
    assert token not in errors and "invite" not in errors
    assert token not in access and access.count("invite/***") == 2 and access.count("invites/***") == 3


async def test_a_rolling_restart_behind_nginx_is_not_noticed(site: Site) -> None:
    """Requests go on without an error, and each operation is applied once."""
    async with a_room(site.plain.url, people=4) as (trip, clients):
        statuses: list[int] = []
        over = asyncio.Event()

        async def look() -> None:
            while not over.is_set():
                statuses.append((await clients[0].api.call("GET", f"/api/trips/{trip}"))[0])

        async def edit() -> int:
            n = 0
            while not over.is_set():
                # At a person's pace, and never more than a trip holds (2,000 stops).
                for client in clients if n < 1_500 else ():
                    add_stop(client, f"r{n}")
                    n += 1
                await asyncio.gather(*(client.settle(60) for client in clients))
                await asyncio.sleep(0.05)
            return n

        looking, editing = asyncio.create_task(look()), asyncio.create_task(edit())
        for server in site.servers:
            await asyncio.to_thread(server.restart)
            before = len(site.plain.access())
            # nginx leaves a process that refused alone for `fail_timeout`: the next one goes when it is back.
            while f" {HOST}:{server.port} " not in site.plain.access()[before:]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.to_thread(site.plain.reload)
        over.set()
        count = await editing
        await looking
        assert statuses and set(statuses) == {200}
        assert any(1012 in client.close_codes for client in clients), "the processes did restart"
        seq, truth = await snapshot_view(clients[0].api, trip)
        names = {record["name"] for key, record in truth.items() if key.startswith("stop:")}
        assert names == {f"站 r{n}" for n in range(count)}
        for client in clients:
            await client.until(lambda c=client: c.seq >= seq)  # type: ignore[misc]
            assert client.view() == truth and not client.rejected
