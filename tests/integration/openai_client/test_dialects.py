"""What servers of OpenAI's protocol write differently and is understood all the same."""

from typing import Any

import pytest

from realtime.assistant.completions import Alive, Finished, Reasoning, Text, ToolCall, ToolCalls, Usage
from realtime.assistant.openai_client import OpenAICompletions
from tests.integration.openai_client.asking import KEY, ask, fail, read, text_of
from tests.services.tap import DONE, STALL, STREAM, Tap, chunk, event


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


async def test_another_name_for_thoughts(tap: Tap, liar: OpenAICompletions) -> None:
    tap.answer(
        STREAM, b": keep-alive\n\n", chunk(reasoning="hm", content=None), chunk(content="大"), chunk("stop")
    )
    assert await read(liar) == [Reasoning("hm"), Text("大"), Finished("stop", None)]


async def test_halves_of_an_emoji(tap: Tap, liar: OpenAICompletions) -> None:
    def half(text: str) -> bytes:
        return event('{"choices":[{"delta":{"content":"' + text + '"}}]}')

    tap.answer(STREAM, half(r"a\ud83c"), half(r"\udfd4"), half(r"\udfd4"), half(r"b\ud83c"), chunk("stop"))
    assert text_of(await read(liar)) == "a🏔\N{REPLACEMENT CHARACTER}b"


# --- tool calls -----------------------------------------------------------------------------


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
