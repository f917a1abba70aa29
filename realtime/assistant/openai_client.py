"""Any server that speaks OpenAI's chat completions (DeepSeek, OpenAI, vLLM, Ollama, ...), through the SDK.

Owns the SDK and the translation of its exceptions to codes. The SDK is imported by the first request,
in a thread: it takes most of a second. It carries requests, bytes and errors, over aiohttp; what the
bytes of a stream mean is `realtime.assistant.chunks`. Never logs or shows the key, and never retries.
See `realtime.assistant.completions`. Chosen by the composition root.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from realtime.assistant.chunks import Decoder, ErrorInStream
from realtime.assistant.completions import Alive, ChatMessage, ChatRequest, Code, Piece, UpstreamError

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI, AsyncStream

TRAILER = 5.0
"""Seconds that the token counts may come after the end of the answer."""
LONGEST_MESSAGE = 300
UNBOUNDED = 1_000_000
"""Connections: none is not no limit, but aiohttp's own."""
NO_KEY = "none"
"""In place of an empty key, which the SDK refuses to send; local servers want none."""

OLD_LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
"""How the length of an answer is bounded: everybody knows the first, but OpenAI's newer models refuse
it and ask for the second by name."""


class OpenAICompletions:
    """See `realtime.assistant.completions.Completions`. `connect_timeout` and `trailer` are in seconds;
    `pause` says how many are to lie between two looks at one stream (`realtime.assistant.pace`)."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        connect_timeout: float = 10.0,
        trailer: float = TRAILER,
        pause: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.model = model
        self._base_url = base_url
        self._api_key = api_key or NO_KEY
        self._connect_timeout = connect_timeout
        self._trailer = trailer
        self._pause = pause
        self._sdk: AsyncOpenAI | None = None
        self._building = asyncio.Lock()
        self._limit = OLD_LIMIT

    def __repr__(self) -> str:
        return f"OpenAICompletions({self.model!r})"

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[Piece | Alive]]:
        """See the contract."""
        # Leaving the outer block closes the HTTP response, whatever the generator is doing.
        async with await self._post(request) as stream, aclosing(self._read(stream.response)) as pieces:
            yield pieces

    async def prepare(self) -> None:
        """Import and build the SDK: most of a second, in a thread."""
        await self._client()

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
        import httpx2
        import openai

        sdk = openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key,
            max_retries=0,
            # No limit on reading: how long a model may be silent is the caller's to say.
            timeout=openai.Timeout(None, connect=self._connect_timeout, write=30.0, pool=30.0),
            # Parses HTTP in C. How many answers are made at once is not for it to say.
            http_client=openai.DefaultAioHttpClient(limits=httpx2.Limits(max_connections=UNBOUNDED)),
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

    async def _read(self, response: httpx2.Response) -> AsyncGenerator[Piece | Alive]:
        decoder = Decoder()
        data = response.aiter_bytes()
        now = asyncio.get_running_loop().time
        while not decoder.over:
            looked = now()
            try:
                if decoder.reason is None:
                    read = await anext(data)
                else:
                    async with asyncio.timeout(self._trailer):
                        read = await anext(data)
            except StopAsyncIteration:
                break
            except _broken() as error:
                if decoder.reason is not None:
                    break  # Only the token counts are missing.
                raise UpstreamError("ai_cut", self._describe("the stream broke", error)) from None
            for piece in decoder.feed(read):
                yield piece
            if decoder.fault is not None:
                raise self._translate(decoder.fault)
            if decoder.reason is None and (rest := looked + self._pause() - now()) > 0:
                # What comes meanwhile is read as one: cheaper, and nobody is shown more often anyway.
                await asyncio.sleep(rest)
        kind = response.headers.get("content-type", "")
        if not decoder.heard and "event-stream" not in kind:
            raise UpstreamError("ai_malformed", f"not a stream but {kind or 'an unknown type'}")
        for piece in decoder.end():
            yield piece

    def _translate(self, fault: UpstreamError | ErrorInStream) -> UpstreamError:
        """What the decoder found, without the key in it."""
        if isinstance(fault, ErrorInStream):
            return self._refusal(_status_in(fault.body), fault.body, {})
        return UpstreamError(fault.code, self._clean(fault.message))

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


# Errors


def _broken() -> tuple[type[Exception], ...]:
    """What a stream breaks with: httpx's names for it, aiohttp's where those are not translated."""
    import aiohttp
    import httpx2

    return (httpx2.HTTPError, aiohttp.ClientError, OSError, EOFError)


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
