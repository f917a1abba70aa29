"""Answers of a language model, piece by piece: the contract, its time limits and its retries.

Owns what a request and the pieces of an answer are, the codes of failures, and `pieces`, the way to
read an answer. One implementation, `openai_client`; tests have their own. Knows no provider, room
or prompt. Called by the rest of `realtime.assistant`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from realtime.assistant.alarm import Alarm

# A request


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool that the model may call; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class ToolCall(msgspec.Struct, frozen=True):
    """The model asks for a tool. `arguments` is what it wrote: meant as JSON, not checked."""

    id: str
    name: str
    arguments: str


class ChatMessage(msgspec.Struct, frozen=True):
    """One message of a conversation.

    An assistant's message may hold `tool_calls`; each is answered by a message of the role `tool` with its
    `tool_call_id`. `reasoning` is what the model thought before those calls: a model that thinks (DeepSeek)
    refuses a conversation in which it is missing, even where it was empty, so send it back in the request
    with the tools' results. None leaves it out.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer, with which tools, in at most how many tokens."""

    messages: list[ChatMessage]
    tools: list[ToolSpec] = []
    max_tokens: int
    temperature: float | None = None


# The pieces of an answer


class Text(msgspec.Struct, frozen=True):
    """A few more characters of the answer."""

    text: str


class Reasoning(msgspec.Struct, frozen=True):
    """A few more characters of what the model thinks before it answers."""

    text: str


class ToolCalls(msgspec.Struct, frozen=True):
    """The tools the model asks for, all of them and complete: once, at the end of its answer."""

    calls: list[ToolCall]


class Usage(msgspec.Struct, frozen=True):
    """The tokens of one request, as the provider counts them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Finished(msgspec.Struct, frozen=True):
    """The last piece. `reason` is the provider's word: `stop`, `tool_calls`, `length`, `content_filter`.
    `usage` is None where the provider does not count."""

    reason: str
    usage: Usage | None


class Alive(msgspec.Struct, frozen=True):
    """The model is writing what becomes a piece later (the arguments of a tool call): it is not silent."""


Piece = Text | Reasoning | ToolCalls | Finished

# Failures

Code = Literal[
    "ai_unauthorized",  # 401, 402 or 403: the key is wrong, has no rights or no money
    "ai_rate_limited",  # 429
    "ai_unavailable",  # 5xx, refused, not reached
    "ai_bad_request",  # the other 4xx
    "ai_cut",  # the stream ended in the middle
    "ai_malformed",  # something that is not a chunk of a stream
    "ai_timeout_first",
    "ai_silent",
    "ai_timeout_total",
]
_WORTH_ANOTHER_TRY = frozenset(
    {"ai_rate_limited", "ai_unavailable", "ai_cut", "ai_timeout_first", "ai_silent"}
)


class UpstreamError(Exception):
    """The language model did not answer, or not to the end.

    `message` is English, for the log, and never contains the API key. `retryable`: the same request may
    succeed when it is sent again. `retry_after`: the seconds the provider asked to wait.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.retryable = code in _WORTH_ANOTHER_TRY if retryable is None else retryable

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


# The contract


class Completions(Protocol):
    """One model of one provider."""

    @property
    def model(self) -> str:
        """The name of the model."""

    def stream(self, request: ChatRequest) -> AbstractAsyncContextManager[AsyncIterator[Piece | Alive]]:
        """The pieces of one answer, `Finished` last. Raises UpstreamError, on entering and between pieces.
        Leaving the block, by whatever way, ends the request: the provider sees the connection close.
        Has no time limits and does not try twice: that is `pieces`."""

    async def prepare(self) -> None:
        """Do now what would make the first answer late. Never needed, never raises."""

    async def aclose(self) -> None:
        """Give back the connections."""


# Reading


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds. `first`: from the request to the first sign of life, repeated attempts included; `silence`:
    between two signs of life; `total`: for the whole answer."""

    first: float = 30.0
    silence: float = 30.0
    total: float = 300.0


FIRST_PAUSE = 0.5
LONGEST_RETRY_AFTER = 10.0
"""Who asks for a longer pause is not asked again: nobody waits that long for the first word."""

Sleep = Callable[[float], Awaitable[object]]
_T = TypeVar("_T")


@asynccontextmanager
async def pieces(
    completions: Completions,
    request: ChatRequest,
    timeouts: Timeouts | None = None,
    *,
    attempts: int = 3,
    sleep: Sleep = asyncio.sleep,
    rng: Callable[[], float] = random.random,
) -> AsyncIterator[AsyncIterator[Piece]]:
    """An answer, within these limits: `async with pieces(...) as answer: async for piece in answer: ...`.

    Entering waits for the first piece, trying again where that may help; once there is one, nothing is tried
    again. The last piece is `Finished`, or UpstreamError is raised. Leaving the block, also by cancellation,
    ends the request before it returns.
    """
    clock = _Clock(timeouts or Timeouts())
    async with AsyncExitStack() as stack:
        stack.callback(clock.close)
        yield await _begin(stack, completions, request, clock, attempts, sleep, rng)


async def _begin(
    stack: AsyncExitStack,
    completions: Completions,
    request: ChatRequest,
    clock: _Clock,
    attempts: int,
    sleep: Sleep,
    rng: Callable[[], float],
) -> _Answer:
    """An answer whose first piece is there. What must be closed afterwards is left on `stack`."""
    tried = 0
    while True:
        try:
            async with AsyncExitStack() as attempt:
                stream = completions.stream(request)
                answer = _Answer(await clock.wait_for(attempt.enter_async_context(stream)), clock)
                await answer.read_ahead()
                stack.push_async_exit(attempt.pop_all())
                return answer
        except UpstreamError as error:
            tried += 1
            if not error.retryable or tried >= attempts:
                raise
            asked = error.retry_after or 0.0
            # The jitter comes on top of what was asked for, or everybody would be back at the same moment.
            pause = asked + FIRST_PAUSE * 2 ** (tried - 1) * (0.5 + rng() / 2)
            if asked > LONGEST_RETRY_AFTER or pause >= clock.left():
                raise
        clock.heard = False
        await sleep(pause)


class _Clock:
    """When to stop waiting. Starts with the request; to be closed.

    Does what `asyncio.timeout_at` around each wait would do, with one timer for the whole answer. Waits
    in one task at a time.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._alarm = Alarm(self._ring)
        self._now = self._alarm.now
        self._silence = timeouts.silence
        started = self._now()
        self._first_by = started + timeouts.first
        self._end_by = started + timeouts.total
        self._waiting: asyncio.Task[Any] | None = None
        self._rang = False
        self.heard = False

    def left(self) -> float:
        """Seconds until the first sign of life must be there."""
        return min(self._first_by, self._end_by) - self._now()

    async def wait_for(self, work: Awaitable[_T]) -> _T:
        """The result of `work`, or UpstreamError when it takes too long. A result counts as a sign of life
        only when `heard` is set."""
        until = min(self._now() + self._silence if self.heard else self._first_by, self._end_by)
        self._alarm.set(until)
        self._waiting = task = asyncio.current_task()
        assert task is not None
        cancelled = task.cancelling()
        try:
            return await work
        except asyncio.CancelledError:
            # Somebody else may have cancelled us as well; that counts more.
            if self._rang and task.cancelling() - 1 <= cancelled:
                raise self._too_late(until) from None
            raise
        finally:
            self._waiting = None
            if self._rang:
                self._rang = False
                task.uncancel()

    def _ring(self) -> None:
        if self._waiting is not None:
            self._rang = True
            self._waiting.cancel()

    def _too_late(self, until: float) -> UpstreamError:
        if self._end_by <= until:
            return UpstreamError("ai_timeout_total", "the answer took too long")
        if self.heard:
            return UpstreamError("ai_silent", "the model stopped in the middle of its answer")
        return UpstreamError("ai_timeout_first", "the model did not begin to answer in time")

    def check_total(self) -> None:
        """For a stream that never has to wait, and so is never interrupted."""
        if self._now() >= self._end_by:
            raise UpstreamError("ai_timeout_total", "the answer took too long")

    def close(self) -> None:
        """Nothing is waited for any more."""
        self._alarm.cancel()


class _Answer:
    """The pieces of one stream, within the limits of its clock. Not a generator, which would be left to the
    garbage collector when the reader goes away."""

    def __init__(self, stream: AsyncIterator[Piece | Alive], clock: _Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._ahead: Piece | None = None
        self._over = False

    async def read_ahead(self) -> None:
        """Wait for the first piece and keep it."""
        self._ahead = await self._next()

    def __aiter__(self) -> _Answer:
        return self

    async def __anext__(self) -> Piece:
        if self._ahead is None and self._over:
            raise StopAsyncIteration
        piece, self._ahead = self._ahead or await self._next(), None
        return piece

    async def _next(self) -> Piece:
        self._over = True  # unless there is a piece, and it is not the last
        while True:
            self._clock.check_total()
            piece = await self._clock.wait_for(anext(self._stream, None))
            if piece is None:
                raise UpstreamError("ai_cut", "the answer has no end")
            self._clock.heard = True
            if not isinstance(piece, Alive):
                self._over = isinstance(piece, Finished)
                return piece
