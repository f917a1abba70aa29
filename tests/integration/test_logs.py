"""The log of a real process at its most talkative: every line is JSON, carries the ids of whoever
caused it through threads and tasks, and holds no secret and no word of what people wrote."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from handlers.logs import QUIET
from tests.integration.room_client import Api, RoomClient
from tests.services.server import ROOT, ServerProcess
from tests.services.tap import Tap, http

pytestmark = pytest.mark.timeout(120)
KEY = "sk-4f0c9e-upstream-key"
PASSWORD = "correct horse 3141"
WRONG = "battery staple 2718"
SAID = "只有我们知道的秘密"


class Talkative(ServerProcess):
    """A process with an embedded database, logging at DEBUG, and an upstream that refuses its key."""

    def __init__(self, tap: Tap) -> None:
        settings = {"LOG_LEVEL": "DEBUG", "AI_API_KEY": KEY, "AI_BASE_URL": tap.base_url, "AI_MODEL": "mock"}
        super().__init__(settings)
        self.migrate()

    def lines(self) -> list[dict[str, Any]]:
        """Every line; ValueError where one is not JSON."""
        return [json.loads(line) for line in self.log().splitlines()]

    def database(self, statement: str) -> None:
        """Do something to its database behind its back."""
        with closing(sqlite3.connect(self.folder / "data" / "tongyou.db", timeout=20)) as connection:
            connection.execute(statement)
            connection.commit()

    async def line(self, **wanted: Any) -> dict[str, Any]:
        """The first line with these values, when it has come; `event` may be its beginning."""
        event = wanted.pop("event", "")
        found: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(20):
                while not found:
                    await asyncio.sleep(0.05)
                    found = [
                        line
                        for line in self.lines()
                        if line["event"].startswith(event) and wanted.items() <= line.items()
                    ]
        except TimeoutError:
            raise AssertionError(f"no line {event} {wanted} in:\n{self.log_tail(60)}") from None
        return found[0]


@pytest.fixture
def tap() -> Iterator[Tap]:
    with Tap() as made:
        yield made


@pytest.fixture
def server(tap: Tap) -> Iterator[Talkative]:
    made = Talkative(tap)
    with made:
        yield made


async def test_ids_are_in_every_line_and_secrets_in_none(server: Talkative, tap: Tap) -> None:
    secrets = {KEY, PASSWORD, WRONG, SAID}
    ann = Api(server.url)
    await ann.ok("GET", "/api/me")
    body = {"password": PASSWORD, "name": "Ann", "username": "ann"}
    ann.user_id = (await ann.ok("POST", "/api/auth/register", body))["user"]["id"]
    assert (await ann.call("POST", "/api/auth/login", {"login": "ann", "password": WRONG}))[0] == 401
    assert (await ann.call("POST", "/api/auth/register", {"password": PASSWORD, "x": 1}))[0] == 400
    secrets |= set(ann.cookies.values())
    trip = (await ann.ok("POST", "/api/trips", {"title": SAID}))["trip"]["id"]
    invite = await ann.ok("POST", f"/api/trips/{trip}/invites", {"role": "editor"})
    token = invite["url"].rsplit("/", 1)[1]
    secrets.add(token)
    bob = await Api(server.url).guest("Bob")
    secrets |= set(bob.cookies.values())
    await bob.ok("GET", f"/api/invites/{token}")
    await AsyncHTTPClient().fetch(f"{server.url}/invite/{token}?password={PASSWORD}".replace(" ", "+"))
    await bob.ok("POST", f"/api/invites/{token}/accept")
    client = await RoomClient(ann, trip).start()
    done = client.submit({"kind": "stop.add", "id": "s", "fields": {"name": SAID}})
    await client.settle()
    client.submit({"kind": "message.post", "id": "m1", "text": SAID})
    await client.settle()

    # The upstream refuses the key; the line of the answer's task names the request that asked.
    tap.answer(http(401, json.dumps({"error": {"message": f"bad key {KEY}", "type": "auth"}})))
    request = HTTPRequest(
        f"{server.url}/api/trips/{trip}/ai/chat", method="POST", body=json.dumps({"text": SAID}),
        headers={"Cookie": ann.cookie_header, "X-XSRFToken": ann.cookies["_xsrf"],
                 "Content-Type": "application/json", "X-Request-ID": "from-the-proxy-1"},
    )  # fmt: skip
    answer = await AsyncHTTPClient().fetch(request)
    assert answer.headers["X-Request-ID"] == "from-the-proxy-1"
    answer_id = json.loads(answer.body)["answer"]
    failed = await server.line(event=f"answer {answer_id}", level="warning")
    assert failed["request_id"] == "from-the-proxy-1"
    assert (failed["answer_id"], failed["trip_id"], failed["user_id"]) == (answer_id, trip, ann.user_id)

    # The database loses a table: faults in executor threads, with tracebacks.
    server.database("ALTER TABLE operations RENAME TO gone")
    op_id = client.submit({"kind": "stop.set_fields", "id": "s", "fields": {"notes": SAID}})
    fault = await server.line(op_id=op_id, level="error", logger="storage.runner")
    assert "Traceback" in fault["exception"]
    opened = await server.line(event="socket opened")
    for name in ("request_id", "connection_id", "user_id"):
        assert fault[name] == opened[name], f"{name} is lost on the way to the thread"
    assert fault["trip_id"] == trip and opened["user_id"] == ann.user_id
    server.database("ALTER TABLE gone RENAME TO operations")
    server.database("ALTER TABLE users RENAME TO gone")
    status, _ = await bob.call("POST", "/api/auth/login", {"login": "ann", "password": WRONG})
    assert status == 500
    refused = await server.line(route="/api/auth/login", status=500, level="error")
    assert (await server.line(event=f"request {refused['request_id']} failed"))["exception"]
    server.database("ALTER TABLE gone RENAME TO users")

    await client.stop()
    closed = await server.line(event="socket closed", connection_id=opened["connection_id"])
    assert closed["code"] == 1000 and closed["trip_id"] == trip
    assert server.stop() == 0
    lines, log = server.lines(), server.log()
    assert {"debug", "info", "warning", "error"} <= {line["level"] for line in lines}
    assert all({"time", "logger", "event", "process"} <= line.keys() for line in lines)
    chatter = [line for line in lines if line["logger"].split(".")[0] in QUIET]
    assert all(line["level"] not in ("debug", "info") for line in chatter), chatter
    for secret in secrets:
        assert secret not in log, f"{secret!r} is in the log"
    requests = [line for line in lines if line["event"] == "request"]
    for route in ("/api/invites/{token}", "/api/invites/{token}/accept", "page", "/api/trips"):
        line = next(line for line in requests if line["route"] == route)
        assert {"method", "status", "ms", "request_id"} <= line.keys()
    assert [line for line in lines if done in json.dumps(line)] == [], "what succeeds says nothing"


PROGRAM = """
    import asyncio, logging, sys, threading, warnings
    from tornado.log import gen_log
    from handlers import logs

    logs.configure("INFO", "auto", process=2, secrets=["hunter2-and-more", "x"])
    logging.getLogger("driver").warning("cannot reach mysql://u:hunter2-and-more@db, x%s", "")
    gen_log.error("tornado says %s", "no")
    warnings.warn("old thing")

    def fail(local="local-secret"):
        raise RuntimeError("from a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    async def forgotten():
        asyncio.get_running_loop().create_task(boom())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def boom():
        raise ValueError("never retrieved")

    asyncio.run(forgotten())
    raise KeyError("the end")
"""


def test_whatever_is_uncaught_is_one_line_of_json_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and not done.stdout
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(line["process"] == 2 for line in lines)
    said = {line["logger"]: line for line in lines}
    assert said["driver"]["event"] == "cannot reach mysql://u:[secret]@db, x", "and x is no secret"
    assert said["tornado.general"]["level"] == "error"
    assert "old thing" in said["py.warnings"]["event"]
    assert "never retrieved" in said["asyncio"]["exception"]
    thread, end = (line for line in lines if line["level"] == "critical")
    assert "from a thread" in thread["exception"] and "the end" in end["exception"]
    assert "local-secret" not in done.stderr.replace('local="local-secret"', "")
