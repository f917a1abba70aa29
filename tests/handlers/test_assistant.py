"""The assistant over REST: questions, answers as events, resuming, leaving, and no key."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.accounts import Limit, Limits
from handlers.deps import Features
from tests.handlers.raw_stream import RawStream, open_stream
from tests.handlers.world import Client, World
from tests.realtime.world import until

ASK = {"text": "What is missing?", "locale": "en"}


@contextlib.asynccontextmanager
async def streaming(
    client: Client, verb: str, path: str, body: Any = None, **headers: str
) -> AsyncIterator[RawStream]:
    """A stream as this person would open it."""
    sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
    if verb != "GET":
        sent |= {"X-XSRFToken": client.cookies["_xsrf"], "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with open_stream(client.base, verb, path, sent, body) as stream:
        yield stream


EVENTS = {"Accept": "text/event-stream"}


async def test_a_question_streams_its_answer(world: World) -> None:
    ann = await world.client().account("ann")
    trip = await ann.trip()
    async with streaming(ann, "POST", f"/api/trips/{trip}/ai/chat", ASK | {"stream": True}) as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        call = await world.model.asked()
        call.think("嗯")
        call.say("第一天 🏔️")
        await stream.until(lambda s: s.text == "第一天 🏔️")  # before the answer has ended
        call.say("。")
        call.finish()
        ended = await stream.end()
    opened = stream.events[0]
    assert opened.name == "open" and opened.data["trip"] == trip
    answer = opened.data["answer"]
    assert opened.id == f"{answer}.0.0" and stream.last_id == f"{answer}.{len('第一天 🏔️。')}.1"
    assert (ended["status"], ended["text"], ended["reasoning"]) == ("done", "第一天 🏔️。", "嗯")
    assert ended["usage"] == {"prompt_tokens": 10, "completion_tokens": 5}
    at = 0
    for event in stream.events[1:-1]:
        assert event.name == "delta" and event.data.get("at", 0) == at
        at += len(event.data.get("text", ""))
        assert event.id.split(".")[1] == str(at)


async def test_accept_is_enough_and_gzip_is_not_used(world: World) -> None:
    ann = await world.client().account("ann")
    trip = await ann.trip()
    path = f"/api/trips/{trip}/ai/chat"
    async with streaming(ann, "POST", path, ASK, Accept_Encoding="gzip", **EVENTS) as stream:
        assert "content-encoding" not in stream.headers
        (await world.model.asked()).say("x" * 5_000)
        await stream.until(lambda s: len(s.text) == 5_000)
    page = await ann.get("/api/openapi.json", Accept_Encoding="gzip")
    assert page.headers["X-Consumed-Content-Encoding"] == "gzip", "everything else is compressed"


async def test_without_streaming_the_answer_is_read_by_its_id(world: World) -> None:
    ann = await world.client().account("ann")
    trip = await ann.trip()
    asked = await ann.post(f"/api/trips/{trip}/ai/chat", ASK)
    assert asked.status == 202 and set(asked.json) == {"answer", "question"}
    path = f"/api/trips/{trip}/ai/answers/{asked.json['answer']}"
    call = await world.model.asked()
    assert (await ann.get(path)).json["status"] == "streaming"
    call.say("Shaxi.")
    call.finish()
    async with streaming(ann, "GET", path, **EVENTS) as stream:
        assert (await stream.end())["text"] == stream.text == "Shaxi."
    assert (await ann.get(path)).json["text"] == "Shaxi."


async def test_it_goes_on_exactly_where_it_broke_off(world: World) -> None:
    ann = await world.client().account("ann")
    trip = await ann.trip()
    path, key = f"/api/trips/{trip}/ai/chat", {"Idempotency_Key": "key-00001"}
    whole = "第一天：大理 🏔️ then a train. " * 5
    async with streaming(ann, "POST", path, ASK, **EVENTS, **key) as stream:
        call = await world.model.asked()
        call.say(whole[:40])
        await stream.until(lambda s: s.text)
    first, last = stream.text, stream.last_id
    call.say(whole[40:])
    async with streaming(ann, "POST", path, ASK, Last_Event_ID=last, **EVENTS, **key) as stream:
        assert stream.status == 200
        await stream.until(lambda s: first + s.text == whole)
        call.finish()
        assert (await stream.end())["text"] == whole
    async with streaming(ann, "POST", path, ASK, Last_Event_ID=last, **EVENTS) as stream:
        await stream.end()
        assert first + stream.text == whole, "also after its end"
    async with streaming(ann, "POST", path, ASK, **EVENTS, **key) as stream:
        await stream.end()
        assert stream.text == whole, "the same key, from the beginning"
    assert len(world.model.calls) == 1


@pytest.mark.parametrize("given", ["nonsense", "a.b.c", "a1.1", "a1.1.1.1", "a1.-1.0", "a1.9999999999.0", ""])
async def test_an_id_that_is_none_is_refused(world: World, given: str) -> None:
    ann = await world.client().account("ann")
    trip = await ann.trip()
    for verb, path, body in (
        ("POST", f"/api/trips/{trip}/ai/chat", ASK),
        ("POST", "/api/ai/chat", ASK),
        ("GET", "/api/ai/answers/a1", None),
    ):
        async with streaming(ann, verb, path, body, Last_Event_ID=given, **EVENTS) as stream:
            assert stream.status == 400 and b"Last-Event-ID" in await stream.body()


async def test_the_id_of_another_answer_is_refused(world: World) -> None:
    ann = await world.client().account("ann")
    asked = (await ann.post("/api/ai/chat", ASK)).json["answer"]
    path = f"/api/ai/answers/{asked}"
    async with streaming(ann, "GET", path, Last_Event_ID="other.0.0", **EVENTS) as stream:
        assert stream.status == 400
    bob = await world.client().account("bob")
    for verb, where in (("GET", path), ("POST", "/api/ai/chat")):
        async with streaming(bob, verb, where, ASK, Last_Event_ID=f"{asked}.0.0", **EVENTS) as stream:
            assert stream.status == 404, "somebody else's"


async def test_going_away_is_noticed_at_once(world: World) -> None:
    await world.broker.start()  # without the bus nobody is taken for gone
    ann = await world.client().account("ann")
    async with streaming(ann, "POST", "/api/ai/chat", ASK, **EVENTS) as stream:
        call = await world.model.asked()
        await stream.until(lambda s: s.events)
        assert world.assistant.counts()["answer_readers"] == 1
    await until(lambda: world.assistant.counts()["answer_readers"] == 0)
    (live,) = world.assistant.lives.all()
    live.attended -= 11
    world.assistant.lives.attend()
    await until(lambda: call.closed)


async def test_a_quiet_stream_is_kept_alive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.sse.send_answer.__defaults__", (0.01,))
    ann = await world.client().account("ann")
    async with streaming(ann, "POST", "/api/ai/chat", ASK, **EVENTS) as stream:
        await stream.until(lambda s: s.comments >= 2)
        (await world.model.asked()).say("still there")
        await stream.until(lambda s: s.text == "still there")


async def test_who_takes_nothing_holds_up_nobody_and_is_let_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.sse.STALLED", 1.0)  # the quick one is bound by it, too
    for listening in world.server._sockets.values():
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    ann = await world.client().account("ann")
    answer = (await ann.post("/api/ai/chat", ASK)).json["answer"]
    call = await world.model.asked()
    path = f"/api/ai/answers/{answer}"
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(("127.0.0.1", world.port))
        cookies = "; ".join(f"{name}={value}" for name, value in ann.cookies.items())
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nAccept: text/event-stream\r\n\r\n"
        slow.sendall(head.encode())
        async with streaming(ann, "GET", path, **EVENTS) as quick:
            await until(lambda: world.assistant.counts()["answer_readers"] == 2)
            for _ in range(50):
                call.say("长" * 1_000)
                call.think("x" * 1_000)
            await quick.until(lambda s: len(s.text) == 50_000)
            await until(lambda: world.assistant.counts()["answer_readers"] == 1)
            call.finish()
            assert len((await quick.end())["text"]) == 50_000


async def test_signed_out_one_reads_no_further(world: World) -> None:
    assistant = world.make_assistant(world.model, recheck=0.01)
    ann = await world.client().account("ann")
    object.__setattr__(world.deps, "assistant", assistant)
    async with streaming(ann, "POST", "/api/ai/chat", ASK, **EVENTS) as stream:
        await stream.until(lambda s: s.events)
        await ann.post("/api/auth/logout")
        async with asyncio.timeout(10):
            while await stream.next() is not None:
                pass
        assert stream.over and stream.events[-1].name != "end"
    await assistant.aclose()


async def test_one_person_opens_so_many_streams_and_no_more(world: World) -> None:
    assistant = world.make_assistant(world.model, readers_of_user=2)
    object.__setattr__(world.deps, "assistant", assistant)
    ann, bob = await world.client().account("ann"), await world.client().account("bob")
    async with streaming(ann, "POST", "/api/ai/chat", ASK, **EVENTS) as first:
        await first.until(lambda s: s.events)
        path = f"/api/ai/answers/{first.events[0].data['answer']}"
        async with streaming(ann, "GET", path, **EVENTS) as second:
            await second.until(lambda s: s.events)
            refused = await ann.get(path, **EVENTS)
            assert (refused.status, refused.json["error"]["code"]) == (429, "too_many_streams")
            asked = await ann.post("/api/ai/chat", {**ASK, "stream": True})
            assert (asked.status, asked.json["error"]["code"]) == (429, "too_many_streams")
            async with streaming(bob, "POST", "/api/ai/chat", ASK, **EVENTS) as other:
                await other.until(lambda s: s.events)
        await until(lambda: assistant.counts()["answer_readers"] == 1)
        async with streaming(ann, "GET", path, **EVENTS) as again:
            await again.until(lambda s: s.events)
    await assistant.aclose()


async def test_a_drain_ends_the_stream_with_a_last_word(world: World) -> None:
    ann = await world.client().account("ann")
    async with streaming(ann, "POST", "/api/ai/chat", ASK, **EVENTS) as stream:
        (await world.model.asked()).say("half")
        await stream.until(lambda s: s.text == "half")
        draining = asyncio.ensure_future(world.assistant.drain(10))
        ended = await stream.end()
        await draining
    assert (ended["status"], ended["fault"]["code"]) == ("interrupted", "ai_restart")
    refused = await ann.post("/api/ai/chat", ASK)
    assert (refused.status, refused.code) == (503, "unavailable") and "Retry-After" in refused.headers
    for _ in range(world.deps.limits.answers_account.count):  # none of these is counted
        assert (await ann.post("/api/ai/chat", ASK)).status == 503
    world.assistant.draining = False
    assert (await ann.post("/api/ai/chat", ASK)).status == 202


async def test_conversations(world: World) -> None:
    ann = await world.client().account("ann")
    made = (await ann.post("/api/ai/chat", {"text": "Where to in May?"}, Idempotency_Key="key-00001")).json
    again = (await ann.post("/api/ai/chat", {"text": "Where to in May?"}, Idempotency_Key="key-00001")).json
    assert made == again
    call = await world.model.asked()
    call.say("Dali")
    call.finish()
    await until(lambda: not len(world.assistant.lives))
    (listed,) = (await ann.get("/api/ai/conversations")).json["conversations"]
    assert (listed["id"], listed["title"]) == (made["conversation"], "Where to in May?")
    view = (await ann.get(f"/api/ai/conversations/{listed['id']}")).json
    assert [turn["text"] for turn in view["turns"]] == ["Where to in May?", "Dali"]
    body = {"text": "And June?", "conversation": listed["id"]}
    more = (await ann.post("/api/ai/chat", body)).json
    assert more["conversation"] == listed["id"]
    assert (await ann.post("/api/ai/chat", body)).status == 409, "one at a time"
    assert (await ann.delete(f"/api/ai/conversations/{listed['id']}")).json == {"ok": True}
    second = await world.model.asked(1)
    await until(lambda: second.closed)
    assert (await ann.get("/api/ai/conversations")).json == {"conversations": []}


async def test_the_language_of_the_asker_is_the_default(world: World) -> None:
    ann = await world.client().account("ann")
    await ann.patch("/api/me", {"locale": "zh"})
    await ann.post("/api/ai/chat", {"text": "Hi"})
    assert "你是" in (await world.model.asked()).request.messages[0].content
    await ann.post("/api/ai/chat", {"text": "Hi", "locale": "en"})
    assert "You are" in (await world.model.asked(1)).request.messages[0].content


async def test_bad_questions(world: World) -> None:
    ann = await world.client().account("ann")
    trip = await ann.trip()
    for body, field in (
        ({"text": " \n"}, "text"),
        ({}, "text"),
        ({"text": "x" * 4_001}, "text"),
        ({"text": "x", "locale": "fr"}, "locale"),
        ({"text": "x", "colour": "red"}, "colour"),
    ):
        for path in (f"/api/trips/{trip}/ai/chat", "/api/ai/chat"):
            answer = await ann.post(path, body)
            assert (answer.status, answer.code) == (400, "invalid"), answer
            assert field in str(answer.json)
    assert (await ann.post("/api/ai/chat", {"text": "x", "retry_of": "none"})).status == 404
    short = await ann.post("/api/ai/chat", ASK, Idempotency_Key="short")
    assert short.status == 400
    assert world.model.calls == []


async def test_too_many_at_once(world: World) -> None:
    ann = await world.client().account("ann")
    for _ in range(5):
        assert (await ann.post("/api/ai/chat", ASK)).status == 202
    refused = await ann.post("/api/ai/chat", ASK)
    assert (refused.status, refused.code) == (429, "ai_busy") and int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize("limits", [Limits(answers_account=Limit(2, 3600))])
async def test_questions_an_hour_are_bounded_and_come_back(world: World) -> None:
    ann, bob = await world.client().account("ann"), await world.client().account("bob")
    trip = await ann.trip()
    first = (await ann.post("/api/ai/chat", ASK, Idempotency_Key="the-first")).json
    assert (await ann.post(f"/api/trips/{trip}/ai/chat", ASK)).status == 202
    for path in ("/api/ai/chat", f"/api/trips/{trip}/ai/chat"):
        refused = await ann.post(path, ASK)
        assert (refused.status, refused.code) == (429, "throttled")
        assert 0 < int(refused.headers["Retry-After"]) <= 3600
    # What was asked is read on all the same.
    assert (await ann.get(f"/api/ai/answers/{first['answer']}")).status == 200
    assert (await bob.post("/api/ai/chat", ASK)).status == 202
    world.wait(hours=1)
    assert (await ann.post("/api/ai/chat", ASK)).status == 202


@pytest.mark.parametrize("limits", [Limits(answers_address=Limit(2, 3600))])
async def test_new_guests_do_not_get_an_address_more_questions(world: World) -> None:
    guests = [await world.client().guest(f"G{n}") for n in range(3)]
    assert [(await guest.post("/api/ai/chat", ASK)).status for guest in guests] == [202, 202, 429]


async def test_without_a_key_the_answer_names_the_setting(world: World) -> None:
    ann = await world.client().account("ann")
    trip = await ann.trip()
    for off in (world.make_assistant(None), None):
        object.__setattr__(world.deps, "assistant", off)
        for path in (f"/api/trips/{trip}/ai/chat", "/api/ai/chat"):
            refused = await ann.post(path, ASK)
            assert (refused.status, refused.code) == (503, "ai_off")
            assert "AI_API_KEY" in refused.json["error"]["message"]
            assert refused.json["error"]["retryable"] is False and "Retry-After" not in refused.headers
        assert (await ann.get("/api/ai/conversations")).status == 200
    assert (await world.client().post("/api/ai/chat", ASK)).status == 401


async def test_me_says_whether_there_is_an_assistant(world: World) -> None:
    features = (await world.client().get("/api/me")).json["features"]
    assert (features["assistant"], features["assistant_model"]) == (False, "")
    object.__setattr__(world.deps, "features", Features(assistant=True, assistant_model="deepseek-chat"))
    features = (await world.client().get("/api/me")).json["features"]
    assert (features["assistant"], features["assistant_model"]) == (True, "deepseek-chat")
