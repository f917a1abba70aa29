"""What goes wrong under an answer: a model that breaks or falls silent, a bug, the database away."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from domain.answers import MAX_ANSWER, ReadRun
from domain.services.answers import read_run
from realtime.assistant.completions import Timeouts, UpstreamError
from tests.realtime.assistant.world import ANN, BOB, STILL, Node, Processes, gone, kinds
from tests.realtime.world import until


async def fails(node: Node, error: UpstreamError, words: str = "half") -> Any:
    asked = await node.ask()
    call = await node.model.asked()
    call.say(words)
    call.fail(error)
    return await (await node.follow(asked)).all()


async def test_an_upstream_fault_keeps_the_partial_and_can_be_retried(world: Processes, node: Node) -> None:
    ended = await fails(node, UpstreamError("ai_cut", "the stream broke", retry_after=3))
    assert (ended.status, ended.text, ended.fault.code, ended.fault.retry_after) == (
        "failed", "half", "ai_cut", 3,
    )  # fmt: skip
    again = await node.ask("", retry_of=ended.answer)
    assert (await node.model.asked(1)).request.messages[-1].content == "What is missing?"
    node.model.calls[1].say("whole")
    node.model.calls[1].finish()
    assert (await (await node.follow(again)).all()).status == "done"
    assert (await kinds(world)).count("message.post") == 1


@pytest.mark.parametrize(
    "seconds", [Timeouts(10, 0.02, 60), Timeouts(10, 10, 0.02)], ids=["silence", "total"]
)
async def test_a_silent_model_is_left(world: Processes, seconds: Timeouts) -> None:
    node = await world.node(timeouts=seconds)
    asked = await node.ask()
    call = await node.model.asked()
    call.say("half")
    ended = await (await node.follow(asked)).all()
    assert call.closed and ended.status == "failed" and ended.fault is not None
    assert ended.fault.code in ("ai_silent", "ai_timeout_total") and ended.text == "half"


async def test_a_model_that_does_not_begin_is_left(world: Processes) -> None:
    node = await world.node(timeouts=Timeouts(0.02, 10, 60))
    ended = await (await node.follow(await node.ask())).all()
    assert ended.fault is not None and ended.fault.code == "ai_timeout_first"
    assert all(call.closed for call in node.model.calls)


async def test_an_endless_answer_is_cut(node: Node) -> None:
    asked = await node.ask()
    call = await node.model.asked()
    for _ in range(MAX_ANSWER // 10_000 + 1):
        call.say("x" * 10_000)
    ended = await (await node.follow(asked)).all()
    assert call.closed and len(ended.text) == MAX_ANSWER
    assert (ended.status, ended.fault and ended.fault.code) == ("failed", "ai_too_long")


@pytest.mark.parametrize(
    ("reason", "code"),
    [("length", "ai_too_long"), ("content_filter", "ai_bad_request"), ("stop", "ai_malformed")],
)
async def test_ends_that_are_no_answer(node: Node, reason: str, code: str) -> None:
    asked = await node.ask()
    call = await node.model.asked()
    call.think("...")
    call.finish(reason)
    ended = await (await node.follow(asked)).all()
    assert (ended.status, ended.fault and ended.fault.code) == ("failed", code)


@pytest.mark.parametrize("counted", [2**40, -7])
async def test_impossible_counts_of_tokens_do_not_keep_an_answer_from_ending(
    node: Node, counted: int
) -> None:
    asked = await node.ask()
    call = await node.model.asked()
    call.say("x")
    call.finish(usage=(counted, counted))
    usage = (await (await node.follow(asked)).all()).usage
    assert usage is not None and 0 <= usage.prompt_tokens < 2**31 and 0 <= usage.completion_tokens < 2**31


async def test_a_bug_is_not_told_and_spins_nobody(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    asked = await node.ask()
    (await node.model.asked()).fail(ValueError("secret"))  # type: ignore[arg-type]
    node.model.calls[0].say("x")
    ended = await (await node.follow(asked)).all()
    assert ended.fault is not None and ended.fault.code == "internal" and "secret" not in ended.fault.message
    assert any("failed" in record.message for record in caplog.records)


async def test_an_end_that_cannot_be_stored_spins_nobody(world: Processes, node: Node) -> None:
    asked = await node.ask()
    reading = await node.follow(asked)
    call = await node.model.asked()
    node.broken.add(asked.answer_id)
    call.say("x")
    call.finish()
    ended = await reading.all()
    assert (ended.status, ended.text) == ("failed", "x")
    assert ended.fault is not None and ended.fault.code == "internal"
    await gone(node)


async def test_one_lapsed_answer_that_cannot_be_ended_does_not_keep_the_others(world: Processes) -> None:
    maker, sweeper = await world.node(), await world.node()
    first = await maker.ask()
    second = await maker.ask(actor=BOB)
    await maker.kill()
    world.skip(60)
    sweeper.broken.add(first.answer_id)
    await sweeper.assistant.keeper.sweep()
    answer = (await world.message(second.answer_id)).answer
    assert answer is not None and answer.status == "interrupted"
    sweeper.broken.clear()
    await sweeper.assistant.keeper.sweep()
    answer = (await world.message(first.answer_id)).answer
    assert answer is not None and answer.status == "interrupted"


# --- the database away --------------------------------------------------------------------


async def test_an_answer_waits_for_the_database_to_be_kept(world: Processes, node: Node) -> None:
    asked = await node.ask()
    call = await node.model.asked()
    call.say("kept")
    reading = await (await node.follow(asked)).until(lambda r: r.text)
    node.down = True
    await node.assistant.keeper.save()  # fails, and nothing happens
    call.say(" all")
    call.finish()
    await reading.until(lambda r: r.text == "kept all")
    await until(lambda: "finish_answer" in node.refused)
    world.skip(60)  # its lease has long lapsed
    await node.assistant.keeper.sweep()
    assert reading.ended is None
    node.down = False
    await node.assistant.keeper.sweep()  # of its own answers it knows better
    assert (await reading.all()).status == "done"
    assert (await world.message(asked.answer_id)).text == "kept all"


async def test_checkpoints_prolong_the_lease_and_hold_the_text(world: Processes, node: Node) -> None:
    other = await world.node()
    asked = await node.ask()
    call = await node.model.asked()
    call.say("so far")
    await (await node.follow(asked)).until(lambda r: r.text)
    world.skip(12)
    await node.assistant.keeper.save()
    world.skip(12)
    await other.assistant.keeper.sweep()
    state = await node.run(read_run, ReadRun(ANN, asked.answer_id, world.trip_id))
    assert (state.status, state.text) == ("streaming", "so far")


async def test_finished_by_another_the_first_end_counts(world: Processes, node: Node) -> None:
    other = await world.node()
    asked = await node.ask()
    call = await node.model.asked()
    reading = await node.follow(asked)
    world.skip(60)
    await other.assistant.keeper.sweep()
    call.say("too late")
    call.finish()
    ended = await reading.all()
    assert ended.status == "interrupted" and ended.fault is not None and ended.fault.code == "ai_lost"
    assert (await kinds(world)).count("answer.finish") == 1


async def test_after_an_outage_the_others_get_time_to_show_that_they_live(world: Processes) -> None:
    maker, sweeper = await world.node(), await world.node(dataclasses.replace(STILL, settle=3600.0))
    await maker.ask()
    await maker.model.asked()
    world.skip(60)
    sweeper.down = True
    await sweeper.assistant.keeper.sweep()
    sweeper.down = False
    await sweeper.assistant.keeper.sweep()
    assert "answer.finish" not in await kinds(world)
