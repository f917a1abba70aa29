"""Bytes of a streamed completion: however they are cut and framed, the same answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.assistant.chunks import LONGEST_EVENT, Decoder, ErrorInStream
from realtime.assistant.completions import Alive, Finished, Piece, Reasoning, Text, ToolCalls, UpstreamError

END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def words(text: str = "", thought: str | None = None) -> dict[str, Any]:
    delta = {"content": text} | ({"reasoning_content": thought} if thought is not None else {})
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def stream(*chunks: Any, newline: str = "\n") -> bytes:
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}" for chunk in chunks]
    return "".join(line + 2 * newline for line in [*lines, "data: [DONE]"]).encode()


def joined(pieces: list[Piece | Alive], kind: type[Text] | type[Reasoning]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, kind))


ANSWER = stream(words(thought="想一想"), words("大理"), words("，🏔️ then"), words(" 丽江"), END)


@given(st.lists(st.integers(1, 40), min_size=1), st.sampled_from(["\n", "\r\n", "\r"]))
def test_wherever_the_bytes_are_cut(sizes: list[int], newline: str) -> None:
    data = ANSWER.replace(b"\n", newline.encode()) + b"\n"
    decoder, pieces, at, n = Decoder(), [], 0, 0
    while at < len(data):
        size = sizes[n % len(sizes)]
        pieces += decoder.feed(data[at : at + size])
        at, n = at + size, n + 1
    assert joined(pieces, Reasoning) == "想一想"
    assert joined(pieces, Text) == "大理，🏔️ then 丽江"
    assert decoder.over
    assert decoder.fault is None
    assert decoder.end() == [Finished("stop", None)]


def test_what_came_together_is_one_piece_of_each_kind_in_order() -> None:
    data = stream(
        words(thought="a"), words(thought="b"), words("c"), words("d"), words(thought="e"), words("f")
    )
    assert Decoder().feed(data) == [Reasoning("ab"), Text("cd"), Reasoning("e"), Text("f")]


def test_comments_names_and_several_lines_of_data() -> None:
    chunk = json.dumps(words("hi"), indent=0)
    lines = [": keep-alive", "event: message", "id: 7", *(f"data:{line}" for line in chunk.split("\n"))]
    decoder = Decoder()
    assert decoder.feed(b": only a comment\n\n\n\ndata\n\ndata:\n\n") == []
    assert not decoder.heard
    assert decoder.feed(("\n".join(lines) + "\n\n").encode()) == [Text("hi")]


def test_words_before_a_fault_are_kept() -> None:
    decoder = Decoder()
    assert decoder.feed(stream(words("kept"), {"error": {"message": "overloaded"}}, words("lost"))) == [
        Text("kept")
    ]
    assert isinstance(decoder.fault, ErrorInStream)
    assert decoder.fault.body == {"message": "overloaded"}


def test_an_event_without_an_end_is_not_kept_for_ever() -> None:
    decoder = Decoder()
    for _ in range(LONGEST_EVENT // 65536 + 1):
        assert decoder.fault is None
        decoder.feed(b"x" * 65536)
    assert isinstance(decoder.fault, UpstreamError)
    assert decoder.fault.code == "ai_malformed"


def test_an_event_that_is_not_over_says_nothing() -> None:
    decoder = Decoder()
    assert decoder.feed(b'data: {"choices": []}') == []
    with pytest.raises(UpstreamError, match="ai_cut"):
        decoder.end()


def test_a_tool_call_is_a_sign_of_life_and_comes_at_the_end() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "weather", "arguments": "{}"}}
    part = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    decoder = Decoder()
    assert decoder.feed(stream(words("I look"), part, END)) == [Text("I look"), Alive()]
    asked, finished = decoder.end()
    assert isinstance(asked, ToolCalls)
    assert asked.calls[0].name == "weather"
    assert finished == Finished("stop", None)


@pytest.mark.parametrize("half", ["", '"\\ud83d",'])
def test_what_is_nested_too_deeply_is_no_chunk(half: str) -> None:
    decoder = Decoder()
    assert decoder.feed(b'data: {"error":[' + half.encode() + b"[" * 9_000 + b"]" * 9_000 + b"]}\n\n") == []
    assert isinstance(decoder.fault, UpstreamError)
    assert decoder.fault.code == "ai_malformed"
