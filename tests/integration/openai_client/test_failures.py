"""Servers that refuse or break: which error it is, whether to try again, when, and what came before it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from realtime.assistant.completions import Text, pieces
from realtime.assistant.openai_client import OpenAICompletions
from tests.integration.openai_client.asking import KEY, ask, fail, read, text_of
from tests.services.aimock import CHINESE, SLOW, Aimock, fails
from tests.services.process import HOST, free_port
from tests.services.tap import DONE, STREAM, Tap, chunk, event, http


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


# --- answers that break off -----------------------------------------------------------------


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
