"""Reading an answer: what is tried again, what is not, when waiting ends, and that everything is closed."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from realtime.assistant import completions
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
    UpstreamError,
    Usage,
    pieces,
)

REQUEST = ChatRequest(messages=[ChatMessage("user", "去哪儿?")], max_tokens=100)
END = Finished("stop", Usage(1, 2, 3))
NEVER = 3600.0
HANG = object()
REFUSED = UpstreamError("ai_unavailable", "refused")


class Scripted:
    """Completions whose attempts go as written: pieces, errors to raise, HANG to wait for ever.

    `on_entering` are raised (or hang) instead of a stream, one for each attempt; None is a stream.
    """

    model = "scripted"

    def __init__(self, *attempts: list[Any], on_entering: list[Any] | None = None) -> None:
        self.attempts = list(attempts)
        self.on_entering = on_entering or []
        self.opened = 0
        self.closed = 0
        self.hanging = asyncio.Event()

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[Piece | Alive]]:
        assert request is REQUEST
        self.opened += 1
        try:
            if self.on_entering:
                await self._play(self.on_entering.pop(0))
            yield self._pieces(self.attempts.pop(0))
        finally:
            # Closing takes a turn of the loop, as it does for a socket.
            await asyncio.sleep(0)
            self.closed += 1

    async def _pieces(self, script: list[Any]) -> AsyncIterator[Piece | Alive]:
        for step in script:
            yield await self._play(step)

    async def _play(self, step: Any) -> Any:
        if isinstance(step, Exception):
            raise step
        if step is HANG:
            self.hanging.set()
            await asyncio.Event().wait()
        return step

    async def prepare(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


class Pauses:
    """In place of asyncio.sleep."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


async def read(
    model: Completions, timeouts: Timeouts | None = None, **more: Any
) -> tuple[list[Piece], UpstreamError | None, list[float]]:
    """What came, what went wrong and the pauses between attempts."""
    came: list[Piece] = []
    pauses = Pauses()
    more = {"sleep": pauses, "rng": random.Random(7).random, **more}
    try:
        async with pieces(model, REQUEST, timeouts, **more) as answer:
            async for piece in answer:
                came.append(piece)
    except UpstreamError as error:
        return came, error, pauses.taken
    return came, None, pauses.taken


async def test_an_answer_comes_in_order_and_ends_with_its_last_piece() -> None:
    script = [Reasoning("hm"), Text("大"), Text("理"), ToolCalls([ToolCall("1", "f", "{}")]), END]
    model = Scripted([*script, Text("after the end")])
    came, error, _ = await read(model)
    assert (came, error) == (script, None)
    assert (model.opened, model.closed) == (1, 1)


async def test_an_answer_may_be_its_end_alone() -> None:
    came, error, _ = await read(Scripted([END]))
    assert (came, error) == ([END], None)


@pytest.mark.parametrize("code", ["ai_unavailable", "ai_rate_limited", "ai_cut"])
@pytest.mark.parametrize("entering", [True, False])
async def test_what_may_pass_is_tried_again(code: Any, entering: bool) -> None:
    error = UpstreamError(code, "not now")
    good = [Text("大理"), END]
    model = (
        Scripted(good, on_entering=[error, error, None])
        if entering
        else Scripted([error], [Alive(), error], good)
    )
    came, failure, pauses = await read(model)
    assert (came, failure) == (good, None)
    assert (model.opened, model.closed) == (3, 3)
    assert len(pauses) == 2


@pytest.mark.parametrize("code", ["ai_unauthorized", "ai_bad_request", "ai_malformed"])
async def test_what_stays_wrong_is_not_tried_again(code: Any) -> None:
    error = UpstreamError(code, "no")
    model = Scripted([error], [END])
    assert await read(model) == ([], error, [])
    assert (model.opened, model.closed) == (1, 1)


async def test_who_raises_it_may_know_better_whether_to_try_again() -> None:
    error = UpstreamError("ai_rate_limited", "no money", retryable=False)
    assert await read(Scripted([error], [END])) == ([], error, [])


@pytest.mark.parametrize("first", [Text("大"), Reasoning("hm")])
async def test_nothing_is_tried_again_after_the_first_piece(first: Piece) -> None:
    model = Scripted([first, REFUSED], [END])
    assert await read(model) == ([first], REFUSED, [])
    assert (model.opened, model.closed) == (1, 1)


async def test_the_last_attempt_says_what_went_wrong() -> None:
    last = UpstreamError("ai_rate_limited", "third")
    model = Scripted([REFUSED], [REFUSED], [last], [END])
    came, error, pauses = await read(model)
    assert (came, error) == ([], last)
    assert len(pauses) == 2
    assert (await read(Scripted([REFUSED], [END]), attempts=1))[1] is REFUSED


async def test_pauses_grow_and_differ() -> None:
    async def pauses(seed: int) -> list[float]:
        model = Scripted([REFUSED], [REFUSED], [REFUSED], [END])
        return (await read(model, attempts=4, rng=random.Random(seed).random))[2]

    seen = [await pauses(seed) for seed in range(20)]
    for taken in seen:
        for number, pause in enumerate(taken):
            assert 0.25 * 2**number <= pause <= 0.5 * 2**number
    assert len({tuple(taken) for taken in seen}) == 20


async def test_a_provider_is_left_alone_as_long_as_it_asked() -> None:
    busy = UpstreamError("ai_rate_limited", "busy", retry_after=9.5)
    came, error, (pause,) = await read(Scripted([busy], [END]))
    assert (came, error) == ([END], None)
    # The jitter comes on top.
    assert 9.5 + 0.25 <= pause <= 9.5 + 0.5


async def test_who_asks_for_a_long_pause_is_not_asked_again() -> None:
    busy = UpstreamError("ai_rate_limited", "busy", retry_after=10.5)
    assert await read(Scripted([busy], [END])) == ([], busy, [])


async def test_a_pause_that_leaves_no_time_for_an_answer_is_not_taken() -> None:
    busy = UpstreamError("ai_rate_limited", "busy", retry_after=5.0)
    assert await read(Scripted([busy], [END]), Timeouts(first=4.0)) == ([], busy, [])
    assert await read(Scripted([busy], [END]), Timeouts(total=4.0)) == ([], busy, [])


@pytest.mark.parametrize("entering", [True, False])
async def test_a_model_that_says_nothing(entering: bool) -> None:
    model = Scripted([END], on_entering=[HANG]) if entering else Scripted([HANG], [END])
    came, error, pauses = await read(model, Timeouts(first=0.01, silence=NEVER, total=NEVER))
    assert error is not None
    assert (came, error.code, pauses) == ([], "ai_timeout_first", [])
    assert (model.opened, model.closed) == (1, 1)


async def test_the_time_to_the_first_piece_includes_other_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "FIRST_PAUSE", 0.0)
    model = Scripted([REFUSED], [HANG], [END])
    _, error, pauses = await read(model, Timeouts(first=0.3, silence=NEVER, total=NEVER), attempts=9)
    assert error is not None
    assert (error.code, len(pauses), model.opened) == ("ai_timeout_first", 1, 2)


async def test_a_model_that_stops_in_the_middle() -> None:
    model = Scripted([Text("大"), HANG])
    came, error, _ = await read(model, Timeouts(first=NEVER, silence=0.01, total=NEVER))
    assert error is not None
    assert (came, error.code) == ([Text("大")], "ai_silent")
    assert (model.opened, model.closed) == (1, 1)


async def test_a_model_that_writes_a_tool_call_is_not_silent() -> None:
    # Its first sign of life ends the wait for the first piece, and is nobody else's business.
    model = Scripted([Alive(), Alive(), HANG])
    came, error, _ = await read(model, Timeouts(first=NEVER, silence=0.01, total=NEVER), attempts=1)
    assert error is not None
    assert (came, error.code) == ([], "ai_silent")
    assert (await read(Scripted([Alive(), Text("大"), Alive(), END])))[0] == [Text("大"), END]


async def test_each_attempt_begins_without_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "FIRST_PAUSE", 0.0)
    model = Scripted([Alive(), REFUSED], [HANG])
    _, error, _ = await read(model, Timeouts(first=0.3, silence=NEVER, total=NEVER))
    assert error is not None
    assert error.code == "ai_timeout_first"


@pytest.mark.parametrize("script", [[HANG], [Text("大"), HANG]])
async def test_a_whole_answer_has_a_limit(script: list[Any]) -> None:
    model = Scripted(script, [END])
    came, error, pauses = await read(model, Timeouts(first=NEVER, silence=NEVER, total=0.2))
    assert error is not None
    assert (came, error.code, pauses) == (script[:-1], "ai_timeout_total", [])
    assert (model.opened, model.closed) == (1, 1)


async def test_the_limit_holds_for_a_stream_that_never_waits() -> None:
    class Endless(Scripted):
        async def _pieces(self, script: list[Any]) -> AsyncIterator[Piece | Alive]:
            while True:
                yield Alive()

    _, error, _ = await read(Endless([]), Timeouts(first=NEVER, silence=NEVER, total=0.01))
    assert error is not None
    assert error.code == "ai_timeout_total"


@pytest.mark.parametrize("script", [[], [Text("大")]])
async def test_a_stream_without_an_end_is_cut(script: list[Any]) -> None:
    came, error, _ = await read(Scripted(script), attempts=1)
    assert error is not None
    assert (came, error.code) == (script, "ai_cut")


@pytest.mark.parametrize("script", [[HANG], [Text("大"), HANG]])
async def test_a_cancelled_reader_leaves_nothing_open(script: list[Any]) -> None:
    model = Scripted(script, [END])
    reading = asyncio.create_task(read(model))
    await model.hanging.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (model.opened, model.closed) == (1, 1)


async def test_who_leaves_early_leaves_nothing_open() -> None:
    model = Scripted([Text("大"), Text("理"), END])
    async with pieces(model, REQUEST) as answer:
        assert await anext(answer) == Text("大")
        assert (model.opened, model.closed) == (1, 0)
    assert (model.opened, model.closed) == (1, 1)


async def test_an_error_of_the_reader_is_its_own() -> None:
    model = Scripted([Text("大"), END], [END])
    with pytest.raises(ZeroDivisionError):
        async with pieces(model, REQUEST, sleep=Pauses()):
            raise ZeroDivisionError
    assert (model.opened, model.closed) == (1, 1)


async def test_an_answer_that_failed_is_over() -> None:
    async with pieces(Scripted([Text("大"), REFUSED, Text("理")]), REQUEST) as answer:
        assert await anext(answer) == Text("大")
        with pytest.raises(UpstreamError):
            await anext(answer)
        assert [piece async for piece in answer] == []


async def test_a_time_out_leaves_nothing_of_its_cancellation_behind() -> None:
    with pytest.raises(UpstreamError, match="ai_timeout_first"):
        async with pieces(Scripted([HANG]), REQUEST, Timeouts(first=0.01), attempts=1):
            pass
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_who_is_cancelled_while_the_time_runs_out_is_cancelled() -> None:
    model = Scripted([HANG])

    async def reading() -> None:
        async with pieces(model, REQUEST, Timeouts(first=0.05), attempts=1):
            pass

    task = asyncio.ensure_future(reading())
    await model.hanging.wait()
    asyncio.get_running_loop().call_later(0.05, task.cancel)
    task.cancel()  # twice: the time-out must not swallow either
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.closed == 1
