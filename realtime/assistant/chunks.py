"""What the bytes of a streamed chat completion mean: from server-sent events to pieces of an answer.

Owns the splitting into events (HTML Living Standard, "Server-sent events"), the shape of a chunk as
far as it is read, halves of characters, and the putting together of tool calls. Knows no HTTP, SDK or
loop, so that it can be fed anything. One decoder for each answer; called by
`realtime.assistant.openai_client`.

The SDK could do it, at 200 to 300 microseconds a chunk: its line decoder and its JSON are plain Python.
Here it is msgspec's, which is exact about the shape; what came in one read becomes one piece.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from realtime.assistant.completions import (
    Alive,
    Finished,
    Piece,
    Reasoning,
    Text,
    ToolCall,
    ToolCalls,
    UpstreamError,
    Usage,
)

LONGEST_EVENT = 1024 * 1024
"""Bytes of one event; who sends more without an end is not listened to any longer."""

_UNFINISHED = frozenset({"length", "content_filter"})
"""Reasons with which the last tool call may be half written."""


class ErrorInStream(Exception):
    """The provider says in the middle of its answer that it cannot go on; `body` is how."""

    def __init__(self, body: object) -> None:
        super().__init__("an error inside the stream")
        self.body = body


class Decoder:
    """The pieces of one answer.

    `reason`: why the model ended, once it said so (token counts may still come). `over`: nothing more
    follows. `heard`: there was at least one event. `fault`: what was wrong after the pieces returned
    last, an UpstreamError (`ai_malformed`) or ErrorInStream; nothing more can be fed.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.over = False
        self.heard = False
        self.fault: UpstreamError | ErrorInStream | None = None
        self._events = _Events()
        self._text = _Characters()
        self._thoughts = _Characters()
        self._calls = _Calls()
        self._usage: _Usage | None = None

    def feed(self, data: bytes) -> list[Piece | Alive]:
        """What these bytes add, neighbours of one kind joined."""
        joined = _Joined()
        try:
            for event in self._events.feed(data):
                if event.startswith(b"[DONE]"):
                    self.over = True
                    break
                self.heard = True
                self._take(_chunk(event), joined)
        except (UpstreamError, ErrorInStream) as error:
            self.fault = error
        return joined.pieces()

    def _take(self, chunk: _Chunk, joined: _Joined) -> None:
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices or ():
            if choice.index != 0:
                continue
            if (delta := choice.delta) is not None:
                if thought := self._thoughts.add(delta.reasoning_content or delta.reasoning):
                    joined.add(Reasoning, thought)
                if words := self._text.add(delta.content):
                    joined.add(Text, words)
                for part in delta.tool_calls or ():
                    self._calls.add(part)
                    joined.alive = True
            self.reason = choice.finish_reason or self.reason

    def end(self) -> list[Piece]:
        """The last pieces. Raises UpstreamError when the answer has no end, or a tool call no name."""
        if self.reason is None:
            raise UpstreamError("ai_cut", "the stream ended before the answer did")
        usage = None if self._usage is None else self._usage.counted()
        finished = Finished(self.reason, usage)
        if self.reason not in _UNFINISHED and (complete := self._calls.complete()):
            return [ToolCalls(complete), finished]
        return [finished]


class _Joined:
    """Pieces of one read. `alive`: something was said that is no piece yet."""

    def __init__(self) -> None:
        self.alive = False
        self._pieces: list[Piece | Alive] = []
        self._kind: type[Text] | type[Reasoning] = Text
        self._parts: list[str] = []

    def add(self, kind: type[Text] | type[Reasoning], text: str) -> None:
        if kind is not self._kind:
            self._close()
            self._kind = kind
        self._parts.append(text)

    def _close(self) -> None:
        if self._parts:
            self._pieces.append(self._kind("".join(self._parts)))
            self._parts = []

    def pieces(self) -> list[Piece | Alive]:
        self._close()
        if self.alive:
            self._pieces.append(Alive())
        return self._pieces


class _Events:
    """Takes a stream of bytes apart: the data of each event."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The events that these bytes complete; those without data (comments, heartbeats) are left out.
        Raises UpstreamError when one has no end."""
        data = self._rest + data
        held = b""
        if b"\r" in data:
            if data.endswith(b"\r"):  # the newline that belongs to it may follow
                data, held = data[:-1], b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *blocks, rest = data.split(b"\n\n")
        self._rest = rest + held
        if len(self._rest) > LONGEST_EVENT:
            raise UpstreamError("ai_malformed", f"an event of more than {LONGEST_EVENT} bytes")
        return [found for block in blocks if (found := _data_of(block))]


def _data_of(block: bytes) -> bytes:
    """The data of one event, its lines joined."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    found = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            found.append(value.removeprefix(b" "))
    return b"\n".join(found)


def _chunk(event: bytes) -> _Chunk:
    """One event's data. Raises UpstreamError when it is no chunk, ErrorInStream when it is an error."""
    try:
        try:
            chunk = _decode(event)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            # msgspec refuses half an emoji, which some gateways write; nothing else gets through here.
            chunk = msgspec.convert(json.loads(event), _Chunk)
    except (ValueError, RecursionError) as error:
        raise UpstreamError("ai_malformed", f"not a chunk: {type(error).__name__}: {error}") from None
    if chunk.error:
        raise ErrorInStream(chunk.error)
    if chunk.choices is UNSET:
        raise UpstreamError("ai_malformed", "not a chunk: it has no choices")
    return chunk


# What of a chunk is read


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_ToolDelta] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    """Whatever the provider says: wrong counts must not spoil an answer."""

    prompt_tokens: Any = 0
    completion_tokens: Any = 0
    total_tokens: Any = 0

    def counted(self) -> Usage:
        counts = (self.prompt_tokens, self.completion_tokens, self.total_tokens)
        return Usage(*(each if isinstance(each, int) else 0 for each in counts))


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | UnsetType | None = UNSET
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


class _Characters:
    """Characters out of pieces of text. Some gateways cut between the two halves of an emoji; neither half
    could be stored or sent."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, text: str | None) -> str:
        """The whole characters that are there now."""
        if not text:
            return ""
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return _well_formed(text)


def _well_formed(text: str) -> str:
    """Halves next to each other become one character, a lone half U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class _Call:
    """A tool call while it is being written."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class _Calls:
    """The tool calls of one answer, put together from their parts."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def add(self, part: _ToolDelta) -> None:
        call = self._call_of(part)
        call.id = call.id or part.id or ""
        if part.function is not None:
            call.name = call.name or part.function.name or ""
            call.arguments.append(part.function.arguments or "")

    def _call_of(self, part: _ToolDelta) -> _Call:
        """Which call this is a part of. Some servers give no index, some 0 to every call: there a new id
        begins a new call."""
        known = [call for call in self._calls if call.index == part.index]
        call = known[-1] if known else None
        if call is None or (part.id and call.id and part.id != call.id):
            call = _Call(part.index)
            self._calls.append(call)
        return call

    def complete(self) -> list[ToolCall]:
        """All of them. Raises UpstreamError when one has no name."""
        if not all(call.name for call in self._calls):
            raise UpstreamError("ai_malformed", "a tool call without a name")
        return [
            # No arguments at all means none; servers that are sent an empty text back fail to parse it.
            ToolCall(
                _well_formed(call.id) or f"call_{number}",
                _well_formed(call.name),
                _well_formed("".join(call.arguments)) or "{}",
            )
            for number, call in enumerate(self._calls)
        ]
