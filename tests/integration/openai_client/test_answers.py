"""A server as it should be: what it is sent, how its answers arrive, and what becomes of connections."""

import asyncio

import pytest

from realtime.assistant.completions import (
    ChatMessage,
    ChatRequest,
    Finished,
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
from tests.integration.openai_client.asking import KEY, ask, read, text_of
from tests.services.aimock import CHINESE, ENGLISH, SLOW, THOUGHT, Aimock, calls
from tests.services.tap import STALL, STREAM, Tap, chunk

TOOLS = [
    ToolSpec("weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}}),
    ToolSpec("places", "Places in a city", {"type": "object", "properties": {"city": {"type": "string"}}}),
]


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


# --- connections --------------------------------------------------------------------------


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
