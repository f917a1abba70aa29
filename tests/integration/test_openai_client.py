"""The OpenAI client against a server that speaks the protocol, and against what only a broken one says."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from realtime.assistant.completions import (
    Alive,
    ChatMessage,
    ChatRequest,
    Completions,
    Finished,
    Piece,
    Reasoning,
    Text,
    Timeouts,
    ToolCall,
    ToolCalls,
    ToolSpec,
    UpstreamError,
    Usage,
    pieces,
)
from realtime.assistant.openai_client import OpenAICompletions
from tests.services.aimock import CHINESE, ENGLISH, SLOW, THOUGHT, Aimock, calls, fails
from tests.services.process import HOST, free_port
from tests.services.tap import DONE, STALL, STREAM, Tap, chunk, event, http

KEY = "sk-tongyou-secret"
TOOLS = [
    ToolSpec("weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}}),
    ToolSpec("places", "Places in a city", {"type": "object", "properties": {"city": {"type": "string"}}}),
]


@pytest.fixture(scope="module")
def aimock_server() -> Iterator[Aimock]:
    with Aimock() as server:
        yield server


@pytest.fixture
def aimock(aimock_server: Aimock) -> Aimock:
    aimock_server.reset()
    return aimock_server


@pytest.fixture
async def model(aimock: Aimock) -> AsyncIterator[OpenAICompletions]:
    client = OpenAICompletions(aimock.base_url, KEY, "deepseek-chat")
    yield client
    await client.aclose()


@pytest.fixture
def tap() -> Iterator[Tap]:
    """Answers as it is told to."""
    with Tap() as tap:
        yield tap


@pytest.fixture
async def liar(tap: Tap) -> AsyncIterator[OpenAICompletions]:
    client = OpenAICompletions(tap.base_url, KEY, "deepseek-chat")
    yield client
    await client.aclose()


def ask(question: str, **more: Any) -> ChatRequest:
    return ChatRequest(
        messages=[ChatMessage("system", "You plan trips."), ChatMessage("user", question)],
        **{"max_tokens": 200, **more},
    )


async def read(client: Completions, question: str | ChatRequest = "?") -> list[Piece]:
    request = ask(question) if isinstance(question, str) else question
    async with pieces(client, request, attempts=1) as answer:
        return [piece async for piece in answer]


async def fail(client: Completions, question: str = "?") -> tuple[list[Piece], UpstreamError]:
    """What came before the failure, and the failure."""
    came: list[Piece] = []
    with pytest.raises(UpstreamError) as caught:
        async with pieces(client, ask(question), attempts=1) as answer:
            async for piece in answer:
                came.append(piece)
    assert KEY not in f"{caught.value!r} {caught.value.message}"
    return came, caught.value


def text_of(answer: list[Piece]) -> str:
    return "".join(piece.text for piece in answer if isinstance(piece, Text))


# A server as it should be


async def test_an_answer_streams_with_its_token_counts(model: OpenAICompletions, aimock: Aimock) -> None:
    chinese, english = await read(model, "推荐一下"), await read(model, "What do you recommend?")
    assert text_of(chinese) == CHINESE
    assert text_of(english) == ENGLISH
    assert chinese[-1] == Finished("stop", Usage(33, 21, 54))


async def test_what_a_provider_is_sent(model: OpenAICompletions, aimock: Aimock) -> None:
    aimock.declare(*calls("天气", ("weather", {"city": "大理"}), then="晴"))
    conversation = [
        ChatMessage("user", "天气?"),
        ChatMessage(
            "assistant", "我查一下。", tool_calls=[ToolCall("call_1", "weather", "{}")], reasoning=""
        ),
        ChatMessage("tool", "晴", tool_call_id="call_1"),
    ]
    request = ChatRequest(messages=conversation, tools=TOOLS[:1], max_tokens=50, temperature=0.5)
    assert text_of(await read(model, request)) == "晴"
    await read(model, "推荐")
    full, short = aimock.requests()
    assert {key: value for key, value in full.items() if not key.startswith("_")} == {
        "model": "deepseek-chat",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 50,
        "temperature": 0.5,
        "messages": [
            {"role": "user", "content": "天气?"},
            {
                "role": "assistant",
                "content": "我查一下。",
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
                ],
                "reasoning_content": "",
            },
            {"role": "tool", "content": "晴", "tool_call_id": "call_1"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": "Weather of a city",
                    "parameters": TOOLS[0].parameters,
                },
            }
        ],
    }
    assert "tools" not in short
    assert "temperature" not in short


async def test_thoughts_are_not_the_answer(model: OpenAICompletions) -> None:
    answer = await read(model, "#think")
    assert "".join(piece.text for piece in answer if isinstance(piece, Reasoning)) == THOUGHT
    assert text_of(answer) == CHINESE


async def test_two_tools_are_asked_for_at_once(model: OpenAICompletions, aimock: Aimock) -> None:
    aimock.declare(*calls("天气", ("weather", {"city": "大理"}), ("places", {"city": "丽江🏔️"}), then="晴"))
    *_, asked, end = await read(model, ask("天气?", tools=TOOLS))
    assert isinstance(asked, ToolCalls)
    assert [(call.name, call.arguments) for call in asked.calls] == [
        ("weather", '{"city":"大理"}'),
        ("places", '{"city":"丽江🏔️"}'),
    ]
    assert len({call.id for call in asked.calls}) == 2
    assert isinstance(end, Finished)
    assert end.reason == "tool_calls"


async def test_a_slow_answer_arrives_as_it_is_written(model: OpenAICompletions) -> None:
    answer = await read(model, "#slow")
    assert text_of(answer) == SLOW
    assert len(answer) > 10  # 60 words and the end; what lay ready together is one piece


# Connections


async def test_leaving_ends_the_request(aimock: Aimock) -> None:
    with Tap(aimock.port) as tap:
        client = OpenAICompletions(tap.base_url, KEY, "deepseek-chat")
        async with pieces(client, ask("#slow")) as answer:
            assert isinstance(await anext(answer), Text)
            assert not tap.exchanges[0].closed_early
        await tap.seen(lambda exchanges: exchanges[0].closed_early)
        assert not tap.exchanges[0].finished
        await client.aclose()


@pytest.mark.parametrize("question", ["#slow", "nothing comes"])
async def test_cancelling_ends_the_request(aimock: Aimock, question: str) -> None:
    with Tap(aimock.port) as tap:
        if question != "#slow":
            tap.hold()
        client = OpenAICompletions(tap.base_url, KEY, "deepseek-chat")
        reading = asyncio.create_task(read(client, question))
        await tap.seen(lambda exchanges: exchanges and (exchanges[0].response or question != "#slow"))
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await tap.seen(lambda exchanges: exchanges[0].closed_early)
        await client.aclose()


async def test_a_silent_server_is_left(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(STREAM, chunk(content="大"), STALL)
    with pytest.raises(UpstreamError) as caught:
        async with pieces(liar, ask("?"), Timeouts(silence=0.05)) as answer:
            assert [piece async for piece in answer] == []
    assert caught.value.code == "ai_silent"
    await tap.seen(lambda exchanges: exchanges[0].closed_early)


async def test_a_whole_answer_leaves_its_connection_for_the_next(aimock: Aimock) -> None:
    with Tap(aimock.port) as tap:
        client = OpenAICompletions(tap.base_url, KEY, "deepseek-chat")
        for _ in range(2):
            await read(client, "推荐")
        assert [(one.finished, one.closed_early) for one in tap.exchanges] == [(True, False)] * 2
        assert tap.connections == 1
        await client.aclose()


async def test_an_empty_key_is_no_reason_to_fail(aimock: Aimock) -> None:
    client = OpenAICompletions(aimock.base_url, "", "llama")
    assert text_of(await read(client, "推荐")) == CHINESE
    aimock.declare(fails("推荐", 404, "there is none"))
    with pytest.raises(UpstreamError, match="there is none"):
        await read(client, "推荐")
    await client.aclose()


# Servers that refuse or break


@pytest.mark.parametrize(
    ("question", "code", "retryable"),
    [
        ("#401", "ai_unauthorized", False),
        ("#429", "ai_rate_limited", True),
        ("#503", "ai_unavailable", True),
        ("#malformed", "ai_malformed", False),
    ],
)
async def test_refusals(model: OpenAICompletions, question: str, code: str, retryable: bool) -> None:
    came, error = await fail(model, question)
    assert (came, error.code, error.retryable) == ([], code, retryable)


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_bad_requests_say_why(model: OpenAICompletions, aimock: Aimock, status: int) -> None:
    aimock.declare(fails("推荐", status, f"no such model; your key is {KEY}"))
    _, error = await fail(model, "推荐")
    assert (error.code, error.retryable) == ("ai_bad_request", False)
    assert error.message == f"the provider answered {status}: no such model; your key is ***"


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_a_refused_key_is_not_quoted(tap: Tap, liar: OpenAICompletions, status: int) -> None:
    tap.answer(http(status, '{"error": {"message": "Incorrect API key: sk-to****cret"}}'))
    _, error = await fail(liar)
    assert (error.code, error.message) == ("ai_unauthorized", f"the provider answered {status}")


async def test_how_long_to_wait_in_seconds(model: OpenAICompletions, aimock: Aimock) -> None:
    aimock.declare(fails("推荐", 429, "slow down", retry_after=7))
    _, error = await fail(model, "推荐")
    assert error.retry_after == 7.0


async def test_how_long_to_wait_as_a_date(tap: Tap, liar: OpenAICompletions) -> None:
    for hours in (1, -1):
        when = datetime.now(UTC) + timedelta(hours=hours)
        tap.answer(http(429, retry_after=format_datetime(when, usegmt=True)))
    _, later = await fail(liar)
    assert later.retry_after is not None
    assert 3000 < later.retry_after <= 3600
    assert (await fail(liar))[1].retry_after == 0.0


@pytest.mark.parametrize("text", ["soon", "nan", "inf", ""])
async def test_a_wait_that_makes_no_sense_is_none(tap: Tap, liar: OpenAICompletions, text: str) -> None:
    tap.answer(http(429, retry_after=text))
    _, error = await fail(liar)
    assert (error.code, error.retry_after) == ("ai_rate_limited", None)


async def test_a_model_that_wants_the_newer_limit_gets_it(tap: Tap, liar: OpenAICompletions) -> None:
    wants = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    refusal = f'{{"error": {{"message": "{wants}", "code": "unsupported_parameter"}}}}'
    tap.answer(http(400, refusal))
    for _ in range(2):
        tap.answer(STREAM, chunk(content="好", finish_reason="stop"), DONE)
        assert text_of(await read(liar)) == "好"
    limits = [
        (body.get("max_tokens"), body.get("max_completion_tokens"))
        for body in (exchange.body for exchange in tap.exchanges)
    ]
    assert limits == [(200, None), (None, 200), (None, 200)]
    tap.answer(http(400, refusal))
    assert (await fail(liar))[1].code == "ai_bad_request"


async def test_no_money_is_not_mended_by_waiting(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(http(429, '{"error": {"message": "quota", "code": "insufficient_quota"}}'))
    _, error = await fail(liar)
    assert (error.code, error.retryable) == ("ai_rate_limited", False)


async def test_an_attempt_that_fails_is_made_again(tap: Tap, liar: OpenAICompletions) -> None:
    async def no_pause(seconds: float) -> None:
        assert 2.0 <= seconds <= 2.5

    tap.answer(http(429, retry_after=2))
    tap.answer(STREAM, chunk(content="大理"), chunk("stop"), DONE)
    async with pieces(liar, ask("?"), sleep=no_pause) as answer:
        assert text_of([piece async for piece in answer]) == "大理"
    assert len(tap.exchanges) == 2


async def test_nobody_listens() -> None:
    client = OpenAICompletions(f"http://{HOST}:{free_port()}/v1", KEY, "deepseek-chat")
    came, error = await fail(client)
    assert (came, error.code, error.retryable) == ([], "ai_unavailable", True)
    await client.aclose()


@pytest.mark.parametrize("question", ["#cut", "#drop"])
async def test_a_connection_that_breaks(model: OpenAICompletions, question: str) -> None:
    came, error = await fail(model, question)
    assert error.code == "ai_cut"
    assert text_of(came) != ""
    assert (CHINESE if question == "#cut" else SLOW).startswith(text_of(came))


async def test_a_stream_that_ends_before_the_answer(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(STREAM, chunk(content="大"))
    tap.answer(STREAM, chunk(content="大"), DONE)
    tap.answer(STREAM)
    for expected in ([Text("大")], [Text("大")], []):
        came, error = await fail(liar)
        assert (came, error.code) == (expected, "ai_cut")


@pytest.mark.parametrize(
    "bad",
    [
        event("{malformed"),
        event("null"),
        event([1]),
        event({"object": "chat.completion.chunk"}),
        event({"choices": [{"delta": {"content": 5}}]}),
        event({"choices": [{"delta": {"tool_calls": [{"index": "one"}]}}]}),
        b"data: \xff\xfe\n\n",
    ],
)
async def test_a_chunk_that_is_none(tap: Tap, liar: OpenAICompletions, bad: bytes) -> None:
    tap.answer(STREAM, chunk(content="大"), bad, chunk("stop"), DONE)
    came, error = await fail(liar)
    assert (came, error.code) == ([Text("大")], "ai_malformed")


async def test_a_web_page_is_not_an_answer(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(http(200, "<html>Sign in to the hotel's network</html>", content_type="text/html"))
    came, error = await fail(liar)
    assert (came, error.code) == ([], "ai_malformed")
    assert "text/html" in error.message


async def test_errors_inside_a_stream(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(STREAM, chunk(content="大"), event({"error": {"message": "overloaded"}}))
    tap.answer(STREAM, event({"error": {"message": "busy", "code": 429}}))
    came, error = await fail(liar)
    assert (came, error.code) == ([Text("大")], "ai_unavailable")
    assert "overloaded" in error.message
    assert (await fail(liar))[1].code == "ai_rate_limited"


# The dialects


@pytest.mark.parametrize("trailer", [DONE, b"", STALL], ids=["done", "closed", "stalled"])
async def test_a_server_that_does_not_count_tokens(tap: Tap, trailer: Any) -> None:
    client = OpenAICompletions(tap.base_url, KEY, "llama", trailer=0.05)
    tap.answer(STREAM, chunk(content="大"), chunk("stop"), trailer)
    assert await read(client) == [Text("大"), Finished("stop", None)]
    await client.aclose()


async def test_token_counts_beside_the_end_of_the_answer(tap: Tap, liar: OpenAICompletions) -> None:
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "prompt_cache_hit_tokens": 1}
    tap.answer(
        STREAM,
        event({"choices": [{"index": 0, "delta": {"content": "大"}}], "usage": None}),
        event({"choices": [choice], "usage": usage}),
        DONE,
    )
    assert await read(liar) == [Text("大"), Finished("stop", Usage(3, 4, 7))]


async def test_another_name_for_thoughts(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(
        STREAM, b": keep-alive\n\n", chunk(reasoning="hm", content=None), chunk(content="大"), chunk("stop")
    )
    assert await read(liar) == [Reasoning("hm"), Text("大"), Finished("stop", None)]


def part(name: str | None = None, arguments: str | None = None, **more: Any) -> bytes:
    """A chunk with a part of a tool call."""
    return chunk(tool_calls=[{**more, "function": {"name": name, "arguments": arguments}}])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param(
            [part("f", '{"a"', index=0, id="x"), part(None, ":1}", index=0), part("g", index=1, id="y")],
            [("x", "f", '{"a":1}'), ("y", "g", "{}")],
            id="in parts, the second without arguments",
        ),
        pytest.param(
            [
                part("f", "{", index=0, id="x"),
                part("g", "[", index=1, id="y"),
                part(None, "}", index=0),
                part(None, "]", index=1),
            ],
            [("x", "f", "{}"), ("y", "g", "[]")],
            id="interleaved",
        ),
        pytest.param(
            [part("f", "{}", index=0, id="x"), part("g", "{}", index=0, id="y")],
            [("x", "f", "{}"), ("y", "g", "{}")],
            id="every index is 0",
        ),
        pytest.param(
            [part("f", "{", id="x"), part(None, "}"), part("g", "{}", id="y")],
            [("x", "f", "{}"), ("y", "g", "{}")],
            id="no index",
        ),
        pytest.param(
            [part("f", "{", index=0, id="x"), part("f", "}", index=0, id="x")],
            [("x", "f", "{}")],
            id="id and name repeated",
        ),
        pytest.param([part("f", "{}", index=0)], [("call_0", "f", "{}")], id="no id"),
    ],
)
@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
async def test_ways_to_write_tool_calls(
    tap: Tap, liar: OpenAICompletions, parts: list[bytes], expected: list[tuple[str, str, str]], reason: str
) -> None:
    tap.answer(STREAM, *parts, chunk(reason), DONE)
    asked, end = await read(liar)
    assert asked == ToolCalls([ToolCall(*call) for call in expected])
    assert end == Finished(reason, None)


async def test_half_an_emoji_in_the_name_of_a_tool_can_be_sent_back(
    tap: Tap, liar: OpenAICompletions
) -> None:
    # Escaped, as JSON can hold it.
    raw = part("f!half!", "{}", index=0, id="x!half!").replace(b"!half!", rb"\ud83d")
    tap.answer(STREAM, raw, chunk("tool_calls"), DONE)
    asked, _ = await read(liar)
    assert asked == ToolCalls([ToolCall("x\ufffd", "f\ufffd", "{}")])


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": None, "completion_tokens": 4}, {"prompt_tokens": "many", "completion_tokens": 4}],
)
async def test_counts_that_are_none_do_not_spoil_the_answer(
    tap: Tap, liar: OpenAICompletions, usage: dict[str, Any]
) -> None:
    choice = {"index": 0, "delta": {"content": "大"}, "finish_reason": "stop"}
    tap.answer(STREAM, event({"choices": [choice], "usage": usage}), DONE)
    assert await read(liar) == [Text("大"), Finished("stop", Usage(0, 4, 0))]


async def test_half_a_tool_call_is_none(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(STREAM, part("f", '{"a":', index=0, id="x"), chunk("length"), DONE)
    assert await read(liar) == [Finished("length", None)]


async def test_a_tool_call_needs_a_name(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(STREAM, part(None, "{}", index=0, id="x"), chunk("tool_calls"), DONE)
    assert (await fail(liar))[1].code == "ai_malformed"


async def test_writing_a_tool_call_is_a_sign_of_life(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(STREAM, chunk(role="assistant"), part("f", "{", index=0, id="x"), chunk("length"), DONE)
    async with liar.stream(ask("?")) as answer:
        assert [piece async for piece in answer] == [Alive(), Finished("length", None)]


async def test_halves_of_an_emoji(tap: Tap, liar: OpenAICompletions) -> None:
    def half(text: str) -> bytes:
        return event('{"choices":[{"delta":{"content":"' + text + '"}}]}')

    tap.answer(STREAM, half(r"a\ud83c"), half(r"\udfd4"), half(r"\udfd4"), half(r"b\ud83c"), chunk("stop"))
    assert text_of(await read(liar)) == "a🏔\N{REPLACEMENT CHARACTER}b"


# The SDK


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    check = "import sys, realtime.assistant.openai_client; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


async def test_the_sdk_is_built_once_and_off_the_loop(
    aimock: Aimock, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    build = OpenAICompletions._build

    def spied(self: OpenAICompletions) -> Any:
        threads.append(threading.current_thread())
        return build(self)

    monkeypatch.setattr(OpenAICompletions, "_build", spied)
    client = OpenAICompletions(aimock.base_url, KEY, "deepseek-chat")
    await asyncio.gather(*(read(client, "推荐") for _ in range(3)))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    await client.aclose()


async def test_the_environment_is_not_sent_along(
    tap: Tap, liar: OpenAICompletions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-somebody")
    tap.answer(STREAM, chunk("stop"))
    await read(liar)
    head = tap.exchanges[0].request.partition(b"\r\n\r\n")[0]
    assert b"of-somebody" not in head
    assert f"Bearer {KEY}".encode() in head


def test_the_key_is_not_shown(aimock: Aimock) -> None:
    client = OpenAICompletions(aimock.base_url, KEY, "deepseek-chat")
    assert KEY not in repr(client)
    assert KEY not in str(client)
