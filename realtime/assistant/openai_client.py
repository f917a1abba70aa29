"""Any server that speaks OpenAI's chat completions (DeepSeek, OpenAI, vLLM, Ollama, ...), through the SDK.

Owns the SDK, the translation of chunks to pieces and of its exceptions to codes. The SDK is imported
by the first request, in a thread: it takes most of a second. It only carries bytes and errors here:
chunks are read as plain JSON and checked by msgspec, which is exact about their shape and costs a
hundredth of the SDK's models (measured: 104 microseconds a chunk). Never logs or shows the key, and
never retries. See `realtime.assistant.completions`. Chosen by the composition root.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from realtime.assistant.completions import (
    Alive,
    ChatMessage,
    ChatRequest,
    Code,
    Finished,
    Piece,
    Reasoning,
    Text,
    ToolCall,
    ToolCalls,
    UpstreamError,
    Usage,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream

TRAILER = 5.0
"""Seconds that the token counts may come after the end of the answer."""
LONGEST_MESSAGE = 300
NO_KEY = "none"
"""In place of an empty key, which the SDK refuses to send; local servers want none."""

OLD_LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
"""How the length of an answer is bounded: everybody knows the first, but OpenAI's newer models refuse
it and ask for the second by name."""

_UNFINISHED = frozenset({"length", "content_filter"})
"""Reasons with which the last tool call may be half written."""


class OpenAICompletions:
    """See `realtime.assistant.completions.Completions`. `connect_timeout` and `trailer` are in seconds."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        connect_timeout: float = 10.0,
        trailer: float = TRAILER,
    ) -> None:
        self.model = model
        self._base_url = base_url
        self._api_key = api_key or NO_KEY
        self._connect_timeout = connect_timeout
        self._trailer = trailer
        self._sdk: AsyncOpenAI | None = None
        self._building = asyncio.Lock()
        self._limit = OLD_LIMIT

    def __repr__(self) -> str:
        return f"OpenAICompletions({self.model!r})"

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[Piece | Alive]]:
        """See the contract."""
        # Leaving the outer block closes the HTTP response, whatever the generator is doing.
        async with await self._post(request) as chunks, aclosing(self._read(chunks)) as pieces:
            yield pieces

    async def aclose(self) -> None:
        """Give back the connections."""
        async with self._building:
            sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()

    async def _client(self) -> AsyncOpenAI:
        async with self._building:
            if self._sdk is None:
                self._sdk = await asyncio.to_thread(self._build)
            return self._sdk

    def _build(self) -> AsyncOpenAI:
        """Slow (imports, certificates): for a thread."""
        import openai

        sdk = openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key,
            max_retries=0,
            # No limit on reading: how long a model may be silent is the caller's to say.
            timeout=openai.Timeout(None, connect=self._connect_timeout, write=30.0, pool=30.0),
        )
        # The SDK takes them from the environment; they are not this provider's business.
        sdk.organization = sdk.project = None
        return sdk

    async def _post(self, request: ChatRequest) -> AsyncStream[object]:
        sdk = await self._client()
        import openai

        try:
            return await sdk.post(
                "/chat/completions",
                body=_body(self.model, request, self._limit),
                cast_to=object,
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
        except openai.APIStatusError as error:
            if self._limit == OLD_LIMIT and NEW_LIMIT in _error_in(error.body)[0]:
                self._limit = NEW_LIMIT
                return await self._post(request)
            raise self._refusal(error.status_code, error.body, error.response.headers) from None
        except openai.OpenAIError as error:
            raise UpstreamError("ai_unavailable", self._describe("no answer", error)) from None

    async def _read(self, stream: AsyncStream[object]) -> AsyncGenerator[Piece | Alive]:
        import openai

        calls, text, thoughts = _Calls(), _Characters(), _Characters()
        usage: _Usage | None = None
        reason: str | None = None
        heard = False
        while True:
            try:
                async with asyncio.timeout(None if reason is None else self._trailer):
                    data = await anext(stream)
                heard = True
                chunk = msgspec.convert(data, _Chunk)
            except StopAsyncIteration:
                break
            except (openai.APIConnectionError, TimeoutError) as error:
                if reason is not None:
                    break  # Only the token counts are missing.
                raise UpstreamError("ai_cut", self._describe("the stream broke", error)) from None
            except openai.APIError as error:
                raise self._refusal(_status_in(error.body), error.body, {}) from None
            except ValueError as error:
                # Not JSON, not UTF-8, or not the shape of a chunk.
                raise UpstreamError("ai_malformed", self._describe("not a chunk", error)) from None
            usage = chunk.usage or usage
            for choice in chunk.choices or ():
                if choice.index == 0:
                    delta = choice.delta or _Delta()
                    if thought := thoughts.add(delta.reasoning_content or delta.reasoning):
                        yield Reasoning(thought)
                    if words := text.add(delta.content):
                        yield Text(words)
                    for part in delta.tool_calls or ():
                        calls.add(part)
                        yield Alive()
                    reason = choice.finish_reason or reason
        if reason is None:
            kind = stream.response.headers.get("content-type", "")
            if not heard and "event-stream" not in kind:
                raise UpstreamError("ai_malformed", f"not a stream but {kind or 'an unknown type'}")
            raise UpstreamError("ai_cut", "the stream ended before the answer did")
        if reason not in _UNFINISHED and (complete := calls.complete()):
            yield ToolCalls(complete)
        yield Finished(reason, None if usage is None else usage.counted())

    def _refusal(self, status: int, body: object, headers: Mapping[str, str]) -> UpstreamError:
        """What an HTTP status, or an error inside a stream, means."""
        text, code = _error_in(body)
        message = f"the provider answered {status}"
        if status in (401, 402, 403):
            # Its text is left out: it may quote parts of the key.
            return UpstreamError("ai_unauthorized", message)
        if text:
            message = self._clean(f"{message}: {text}")
        if status == 429:
            # Out of money, which waiting does not mend.
            spent = code == "insufficient_quota"
            return UpstreamError(
                "ai_rate_limited", message, retry_after=_retry_after(headers), retryable=not spent
            )
        passing = status < 400 or status >= 500 or status in (408, 409, 425)
        kind: Code = "ai_unavailable" if passing else "ai_bad_request"
        return UpstreamError(kind, message)

    def _describe(self, what: str, error: Exception) -> str:
        cause = error.__cause__ or error
        return self._clean(f"{what}: {type(cause).__name__}: {cause}")

    def _clean(self, text: str) -> str:
        return (text if self._api_key == NO_KEY else text.replace(self._api_key, "***"))[:LONGEST_MESSAGE]


# Requests


def _body(model: str, request: ChatRequest, limit: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message) for message in request.messages],
        limit: request.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in request.tools
        ]
    return body


def _message(message: ChatMessage) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        out["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        out["tool_call_id"] = message.tool_call_id
    if message.reasoning is not None:
        out["reasoning_content"] = message.reasoning
    return out


# Chunks: what of them is read


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
    choices: list[_Choice] | None
    usage: _Usage | None = None


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


# Errors


def _error_in(body: object) -> tuple[str, str]:
    """The text and the code of an error body; the SDK has taken it out of `{"error": ...}`."""
    if isinstance(body, dict):
        text, code = body.get("message"), body.get("code")
        return (text if isinstance(text, str) else "", code if isinstance(code, str) else "")
    return (body if isinstance(body, str) else "", "")


def _status_in(body: object) -> int:
    """The HTTP status that an error inside a stream stands for; gateways put it into `code`."""
    code = body.get("code") if isinstance(body, dict) else None
    text = str(code)
    return int(text) if text.isdecimal() and 400 <= int(text) < 600 else 500


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a header that holds seconds or a date."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
