"""The assistant in two real processes, with a real MariaDB and Redis and a model that is not ours.

The model is aimock, or canned by the tap that stands before it and sees who hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.handlers.raw_stream import RawStream, open_stream
from tests.integration.room_client import Api, RoomClient
from tests.services.aimock import CHINESE, SLOW, Aimock, calls
from tests.services.find import require
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis
from tests.services.server import ServerProcess
from tests.services.tap import STALL, STREAM, Tap, chunk

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
LOST_WITHIN = 40.0
"""A lease of 15 s, a sweep every 5 s, and a slow machine."""


class Cluster:
    """Two server processes on one database and one Redis, their assistant behind one tap."""

    def __init__(self, database_url: str, redis_url: str, tap: Tap) -> None:
        settings = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PROCESSES": "2",
            "THROTTLE_FACTOR": "100",
            "AI_API_KEY": "sk-secret",
            "AI_BASE_URL": tap.base_url,
            "AI_MODEL": "mock",
        }
        self.servers = [ServerProcess(settings), ServerProcess(settings)]
        self.servers[0].migrate()
        self.start()

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def start(self) -> None:
        """Bring back what a test has ended."""
        for server in self.servers:
            server.start()

    def remove(self) -> None:
        for server in self.servers:
            server.stop()
            server.remove()


@pytest.fixture(scope="module")
def aimock() -> Iterator[Aimock]:
    with Aimock() as server:
        yield server


@pytest.fixture(scope="module")
def module_tap(aimock: Aimock) -> Iterator[Tap]:
    with Tap(aimock.port) as tap:
        yield tap


@pytest.fixture(scope="module")
def module_cluster(mariadb: MariaDB, redis_server: Redis, module_tap: Tap) -> Iterator[Cluster]:
    mariadb.start()
    redis_server.start()
    made = Cluster(mariadb.create_database("assistant"), redis_server.url, module_tap)
    yield made
    made.remove()


@pytest.fixture
def tap(module_tap: Tap) -> Tap:
    module_tap.exchanges.clear()
    return module_tap


@pytest.fixture
def cluster(module_cluster: Cluster) -> Cluster:
    module_cluster.start()
    return module_cluster


class Watcher(RoomClient):
    """A tab that also keeps the text of the answer that grows."""

    text = ""

    def receive(self, message: dict[str, Any]) -> None:
        if message["t"] == "stream":
            at = message.get("at", 0)
            if at <= len(self.text):
                self.text = self.text[:at] + message.get("text", "") or self.text
            else:
                self.send_raw(json.dumps({"t": "watch", "answer": message["answer"]}))
        for event in message.get("events") or ():
            for change in event.get("talk", []):
                self.records.setdefault((change["t"], change["id"]), {}).update(change["set"])
        super().receive(message)

    @property
    def answer(self) -> dict[str, Any]:
        """The last answer in the room, as its events tell it."""
        found = [r for (t, _), r in self.records.items() if t == "message" and r.get("answer")]
        return found[-1] if found else {"answer": {}}


@contextlib.asynccontextmanager
async def a_room(cluster: Cluster) -> AsyncIterator[tuple[str, Api, Watcher]]:
    """A trip of Ann's, who talks to process 0; Bob, an editor, sits in the room at process 1."""
    ann = await Api(cluster.urls[0]).guest("Ann")
    trip = (await ann.ok("POST", "/api/trips", {"title": "云南"}))["trip"]["id"]
    invite = await ann.ok("POST", f"/api/trips/{trip}/invites", {"role": "editor"})
    bob = await Api(cluster.urls[1]).guest("Bob")
    await bob.ok("POST", "/api" + invite["url"].replace("/invite/", "/invites/") + "/accept")
    watcher = Watcher(bob, trip)
    try:
        yield trip, ann, await watcher.start()  # type: ignore[misc]
    finally:
        await watcher.stop()


def headers_of(api: Api, **more: str) -> dict[str, str]:
    return {
        "Cookie": api.cookie_header,
        "X-XSRFToken": api.cookies["_xsrf"],
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def asking(api: Api, trip: str, text: str, **more: str) -> Any:
    """A question whose answer is streamed to the asker."""
    body = {"text": text, "locale": "zh"}
    return open_stream(api.base_url, "POST", f"/api/trips/{trip}/ai/chat", headers_of(api, **more), body)


def reading(api: Api, trip: str, answer: str, **more: str) -> Any:
    return open_stream(api.base_url, "GET", f"/api/trips/{trip}/ai/answers/{answer}", headers_of(api, **more))


async def opened(stream: RawStream) -> str:
    """The id of the answer."""
    return str((await stream.until(lambda s: s.events)).events[0].data["answer"])


async def hung_up(tap: Tap) -> None:
    """The upstream saw the connection close before its answer was over."""
    await asyncio.to_thread(tap.wait, lambda seen: seen and seen[-1].closed_early, 30)


async def test_both_processes_see_the_same_answer_grow(cluster: Cluster, tap: Tap) -> None:
    async with a_room(cluster) as (trip, ann, bob), asking(ann, trip, "#slow") as stream:
        assert stream.status == 200 and "content-encoding" not in stream.headers
        await bob.until(lambda: 0 < len(bob.text) < len(SLOW))
        ended = await stream.end()
        assert (ended["status"], ended["text"], stream.text) == ("done", SLOW, SLOW)
        await bob.until(lambda: bob.answer["answer"].get("status") == "done")
        assert bob.answer["text"] == SLOW and SLOW.startswith(bob.text)
        deltas = [event for event in stream.events if event.name == "delta"]
        assert len(deltas) > 10, "it came piece by piece"
    assert "#slow" in tap.exchanges[-1].body["messages"][-1]["content"]


async def test_it_goes_on_at_the_other_process_exactly_where_it_broke_off(cluster: Cluster) -> None:
    async with a_room(cluster) as (trip, ann, _):
        text, last, url = "", "", 0
        async with asking(ann, trip, "#slow") as stream:
            answer = await opened(stream)
            await stream.until(lambda s: len(s.text) > 20)
            text, last = stream.text, stream.last_id
        for size in (60, 130, len(SLOW)):
            url = 1 - url
            elsewhere = ann.elsewhere(cluster.urls[url])
            async with reading(elsewhere, trip, answer, Last_Event_ID=last) as stream:
                await stream.until(lambda s, size=size, text=text: len(text) + len(s.text) >= size)  # type: ignore[misc]
                text, last = text + stream.text, stream.last_id
        assert text == SLOW


async def test_stopped_at_the_other_process_the_upstream_sees_it(cluster: Cluster, tap: Tap) -> None:
    async with a_room(cluster) as (trip, ann, bob):
        tap.answer(STREAM, chunk(content="第一步。"), STALL)
        async with asking(ann, trip, "?") as stream:
            answer = await opened(stream)
            await stream.until(lambda s: s.text == "第一步。")
            await bob.api.ok("POST", f"/api/trips/{trip}/ai/answers/{answer}/stop")
            await hung_up(tap)
            ended = await stream.end()
        assert (ended["status"], ended["text"]) == ("stopped", "第一步。")
        await bob.until(lambda: bob.answer["answer"].get("status") == "stopped")


async def test_a_deleted_trip_ends_its_answer(cluster: Cluster, tap: Tap) -> None:
    async with a_room(cluster) as (trip, ann, _):
        tap.answer(STREAM, chunk(content="第一步。"), STALL)
        async with asking(ann, trip, "?") as stream:
            await stream.until(lambda s: s.text)
            await ann.elsewhere(cluster.urls[1]).ok("DELETE", f"/api/trips/{trip}")
            await hung_up(tap)


async def test_when_nobody_is_left_to_read_the_upstream_is_let_go(cluster: Cluster, tap: Tap) -> None:
    ann = await Api(cluster.urls[0]).guest("Ann")
    tap.answer(STREAM, chunk(content="第一步。"), STALL)
    body = {"text": "?", "locale": "zh"}
    async with open_stream(ann.base_url, "POST", "/api/ai/chat", headers_of(ann), body) as stream:
        answer = await opened(stream)
        await stream.until(lambda s: s.text)
        assert not tap.exchanges[-1].closed_early
    await hung_up(tap)
    path = f"/api/ai/answers/{answer}"
    async with open_stream(ann.base_url, "GET", path, headers_of(ann)) as stream:
        assert (await stream.end())["status"] == "stopped"


async def test_a_killed_process_leaves_the_partial_marked(cluster: Cluster, tap: Tap) -> None:
    async with a_room(cluster) as (trip, ann, bob):
        tap.answer(STREAM, chunk(content="第一步。"), STALL)
        async with asking(ann, trip, "?") as stream:
            answer = await opened(stream)
            await stream.until(lambda s: s.text)
            async with reading(bob.api, trip, answer) as elsewhere:
                await elsewhere.until(lambda s: s.text == "第一步。")
                cluster.servers[0].kill()
                ended = await elsewhere.end(LOST_WITHIN)
        assert (ended["status"], ended["text"]) == ("interrupted", "第一步。")
        assert ended["fault"]["code"] == "ai_lost"
        await bob.until(lambda: bob.answer["answer"].get("status") == "interrupted")
        assert bob.answer["text"] == "第一步。"
        body = {"retry_of": answer, "locale": "zh"}
        again = await bob.api.ok("POST", f"/api/trips/{trip}/ai/chat", body)
        await bob.until(lambda: bob.answer["answer"].get("status") == "done")
        assert again["question"] and bob.answer["text"]


async def test_a_drained_process_says_so_and_lets_the_upstream_go(cluster: Cluster, tap: Tap) -> None:
    async with a_room(cluster) as (trip, ann, bob):
        tap.answer(STREAM, chunk(content="第一步。"), STALL)
        async with asking(ann, trip, "?") as stream:
            await stream.until(lambda s: s.text)
            cluster.servers[0].terminate()
            ended = await stream.end()
            await hung_up(tap)
        assert (ended["status"], ended["text"]) == ("interrupted", "第一步。")
        assert ended["fault"]["code"] == "ai_restart"
        await bob.until(lambda: bob.answer["answer"].get("status") == "interrupted")
        assert await asyncio.to_thread(cluster.servers[0].wait, 45) == 0


async def test_redis_away_the_others_still_read_it(cluster: Cluster, redis_server: Redis) -> None:
    async with a_room(cluster) as (trip, ann, bob):
        await asyncio.to_thread(redis_server.stop)
        try:
            async with asking(ann, trip, "#slow") as stream:
                answer = await opened(stream)
                async with reading(bob.api, trip, answer) as elsewhere:
                    ended = await elsewhere.end(30)
                    assert ended["text"] == elsewhere.text == SLOW
                await stream.end()
        finally:
            await asyncio.to_thread(redis_server.start)


async def test_tools_become_a_proposal_that_an_editor_accepts(cluster: Cluster, aimock: Aimock) -> None:
    stop = {"id": "new1", "fields": {"name": "沙溪", "kind": "sight"}}
    aimock.declare(
        *calls("加上沙溪", ("stop_add", stop), ("stop_remove", {"id": "none"}), then="建议去沙溪。")
    )
    async with a_room(cluster) as (trip, ann, bob), asking(ann, trip, "请加上沙溪") as stream:
        ended = await stream.end()
        assert (ended["status"], ended["text"]) == ("done", "建议去沙溪。")
        results = [m for m in aimock.requests()[-1]["messages"] if m["role"] == "tool"]
        assert [json.loads(m["content"])["ok"] for m in results] == [True, False]
        assert bob.stops() == []
        await bob.until(lambda: ("proposal", ended["proposal"]) in bob.records)
        bob.submit({"kind": "proposal.accept", "id": ended["proposal"]})
        await bob.until(lambda: bob.stops() == ["沙溪"])
        history = (await ann.ok("GET", f"/api/trips/{trip}/history"))["events"]
        (added,) = [event for event in history if event["kind"] == "stop.add"]
        assert added["actor"] == bob.api.user_id and added["suggested"]["by"] == "assistant"


async def test_upstream_faults_are_told(cluster: Cluster) -> None:
    async with a_room(cluster) as (trip, ann, _):
        for words, code, partial in (
            ("#401", "ai_unauthorized", False),
            ("#cut", "ai_cut", True),
            ("#malformed", "ai_malformed", False),
        ):
            async with asking(ann, trip, words) as stream:
                ended = await stream.end()
            assert (ended["status"], ended["fault"]["code"]) == ("failed", code)
            assert bool(ended["text"]) == partial and CHINESE.startswith(ended["text"])
            assert "sk-secret" not in json.dumps(ended)
    for server in cluster.servers:
        assert "sk-secret" not in server.log_path.read_text("utf-8", "replace")


async def test_curl_reads_it_line_by_line(cluster: Cluster) -> None:
    async with a_room(cluster) as (trip, ann, _):
        headers = [f"-H{name}: {value}" for name, value in headers_of(ann).items()]
        url = f"{ann.base_url}/api/trips/{trip}/ai/chat"
        command = [
            require("curl"),
            "-sN",
            "--compressed",
            *headers,
            "-d",
            '{"text":"#slow","locale":"zh"}',
            url,
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        text, names = "", []
        async for line in process.stdout:
            field, _, value = line.decode().strip().partition(": ")
            if field == "event":
                names.append(value)
            elif field == "data" and names[-1] == "delta":
                text += json.loads(value).get("text", "")
        assert await process.wait() == 0
        assert text == SLOW and names[0] == "open" and names[-1] == "end" and len(names) > 10
