"""The assistant in one process: asked, read along, stopped, limited, cut off, drained, kept."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from domain import operations as ops
from domain.answers import MAX_ANSWER, AskLimits, ReadConversation, ReadRun
from domain.commands import Actor
from domain.errors import Conflict, Forbidden, NotFound, Throttled, Unauthenticated, Unavailable
from domain.operations import StopFields
from domain.services.answers import read_run
from domain.services.conversations import read_conversation
from domain.services.talk import read_proposals
from domain.talk import ReadProposals
from realtime.assistant.answering import Budgets
from realtime.assistant.completions import Timeouts, UpstreamError
from realtime.assistant.queueing import Bounds
from realtime.assistant.runner import Assistant, AssistantOff
from tests.realtime.assistant_world import ANN, BOB, EVE, STILL, Node, Processes, events_of, kinds
from tests.realtime.world import turns, until


@pytest.fixture
async def world() -> AsyncIterator[Processes]:
    made = Processes()
    await made.node()
    await made.trip(bob="editor", eve="viewer")
    yield made
    await made.aclose()


@pytest.fixture
def node(world: Processes) -> Node:
    return world.nodes[0]


async def gone(node: Node) -> None:
    """Every answer of the process has ended."""
    await until(lambda: not len(node.assistant.lives))


# --- an answer in a trip ------------------------------------------------------------------


async def test_everybody_in_the_room_sees_it_grow(world: Processes, node: Node) -> None:
    ann, bob = await node.enter("ann"), await node.enter("bob")
    asked = await node.ask()
    call = await node.model.asked()
    call.think("hm")
    call.say("Rest ")
    call.say("days.")
    reading = await node.follow(asked, BOB)
    await reading.until(lambda r: r.text == "Rest days.")
    call.finish(usage=(30, 4))
    ended = await reading.all()
    assert (ended.status, ended.text, ended.reasoning, ended.model) == ("done", "Rest days.", "hm", "fake-1")
    assert ended.usage is not None and ended.usage.prompt_tokens == 30
    await gone(node)
    for client in (ann, bob):
        shown = [m for m in client.of("stream") if m["answer"] == asked.answer_id]
        assert "".join(m.get("text", "") for m in shown) == "Rest days."
        assert "".join(m.get("reasoning", "") for m in shown) == "hm"
        (finish,) = events_of(client, "answer.finish")
        assert finish["talk"][0]["set"]["text"] == "Rest days."
    message = await world.message(asked.answer_id)
    assert message.text == "Rest days." and message.answer is not None
    assert (message.answer.status, message.answer.question) == ("done", asked.question_id)
    assert (await kinds(world))[-3:] == ["message.post", "answer.open", "answer.finish"]


async def test_the_model_is_told_the_trip_and_the_question(node: Node) -> None:
    await node.ask("Where on day 2?")
    request = (await node.model.asked()).request
    assert [message.role for message in request.messages] == ["system", "user"]
    assert request.messages[1].content == "Where on day 2?"
    assert "云南 Yunnan" in request.messages[0].content
    assert "stop_add" in {tool.name for tool in request.tools}


async def test_asked_again_with_the_same_key_it_is_the_same_answer(node: Node) -> None:
    first = await node.ask(op_id="ask-same-key")
    again = await node.ask(op_id="ask-same-key")
    assert again.answer_id == first.answer_id and again.repeated
    (await node.model.asked()).finish()
    await gone(node)
    late = await node.ask(op_id="ask-same-key")
    assert late.answer_id == first.answer_id and len(node.model.calls) == 1


async def test_an_answer_whose_opening_was_not_heard_of_is_begun_by_the_repeat(node: Node) -> None:
    asked = await node.ask(op_id="ask-same-key")
    live = node.assistant.lives.get(asked.answer_id)
    assert live is not None and live.task is not None
    await node.model.asked()
    live.task.cancel()  # as if the answer to the commit had been lost
    await gone(node)
    assert (await node.ask(op_id="ask-same-key")).answer_id == asked.answer_id
    (await node.model.asked(1)).say("Here.")
    node.model.calls[1].finish()
    assert (await (await node.follow(asked)).all()).text == "Here."


async def test_members_only(world: Processes, node: Node) -> None:
    zoe = Actor("zoe", "Zoe")
    with pytest.raises(NotFound):
        await node.ask(actor=zoe)
    asked = await node.ask(actor=EVE)
    with pytest.raises(NotFound):
        await node.assistant.follow(zoe, asked.answer_id, world.trip_id)
    with pytest.raises(NotFound):
        await node.assistant.follow(ANN, asked.answer_id, None)
    with pytest.raises(NotFound):
        await node.assistant.read(ANN, "nothing", world.trip_id)


async def test_a_removed_member_reads_no_further(world: Processes) -> None:
    node = await world.node(dataclasses.replace(STILL, recheck=0.0))
    asked = await node.ask(actor=ANN)
    reading = await node.follow(asked, EVE)
    await reading.one()
    await world.do(ops.RemoveMember("eve"))
    with pytest.raises(Forbidden):
        await reading.until(lambda r: r.ended)


async def test_a_removed_member_for_whom_there_is_always_more_reads_no_further(world: Processes) -> None:
    node = await world.node(dataclasses.replace(STILL, recheck=0.0))
    asked = await node.ask()
    call = await node.model.asked()
    reading = await node.follow(asked, EVE)
    await world.do(ops.RemoveMember("eve"))
    with pytest.raises(Forbidden):
        for n in range(20):
            call.say("0123456789")
            await until(partial(node.assistant.lives.all()[0].growing.text.after, 10 * n))
            await reading.one()


async def test_signing_out_ends_reading(world: Processes) -> None:
    node = await world.node(dataclasses.replace(STILL, recheck=0.0))
    asked = await node.ask()

    async def allowed() -> None:
        raise Unauthenticated("signed out")

    _, following = await node.assistant.follow(ANN, asked.answer_id, world.trip_id, allowed=allowed)
    with pytest.raises(Unauthenticated):
        while await following.next(5):
            pass


async def test_a_late_reader_gets_the_text_so_far_and_the_rest(node: Node) -> None:
    asked = await node.ask()
    call = await node.model.asked()
    for n in range(30):
        call.say(f"{n} ")
    early = await (await node.follow(asked)).until(lambda r: r.text.endswith("29 "))
    late = await node.follow(asked, place=(7, 0))
    call.say("end")
    call.finish()
    whole = (await early.all()).text
    await late.all()
    assert late.text == whole[7:]
    afterwards = await node.follow(asked, place=(3, 0))
    assert (await afterwards.all()).text == whole and afterwards.text == whole[3:]


async def test_read_as_it_is(world: Processes, node: Node) -> None:
    asked = await node.ask()
    call = await node.model.asked()
    call.say("half")
    await until(lambda: node.assistant.lives.get(asked.answer_id).growing.text.length == 4)  # type: ignore[union-attr]
    found = await node.assistant.read(ANN, asked.answer_id, world.trip_id)
    assert (found.status, found.text) == ("streaming", "half")
    call.finish()
    await gone(node)
    assert (await node.assistant.read(ANN, asked.answer_id, world.trip_id)).status == "done"


async def test_watch_shows_the_room_all_of_it(node: Node) -> None:
    asked = await node.ask()
    call = await node.model.asked()
    call.say("so far")
    await until(lambda: node.assistant.lives.get(asked.answer_id).growing.text.length == 6)  # type: ignore[union-attr]
    late = await node.enter("bob")
    assert late.of("stream") == []
    await late.send({"t": "watch", "answer": asked.answer_id})
    await late.send({"t": "watch", "answer": "nothing"})
    await until(lambda: bool(late.of("stream")))
    (shown,) = late.of("stream")
    assert (shown.get("at", 0), shown["text"], shown["status"]) == (0, "so far", "streaming")


# --- private ------------------------------------------------------------------------------


async def test_a_private_conversation(node: Node) -> None:
    asked = await node.ask_privately("Where to?")
    first = await node.model.asked()
    assert first.request.tools == []
    first.say("Dali.")
    first.finish()
    await (await node.follow(asked, private=True)).all()
    await gone(node)
    again = await node.ask_privately("And then?")
    second = await node.model.asked(1)
    assert [m.content for m in second.request.messages[1:]] == ["Where to?", "Dali.", "And then?"]
    with pytest.raises(Conflict):
        await node.ask_privately("Too early?")
    with pytest.raises(NotFound):
        await node.follow(again, BOB, private=True)
    second.say("Lijiang.")
    second.finish()
    await gone(node)
    view = await node.run(read_conversation, ReadConversation(ANN, "conv1"))
    assert [(t.role, t.text) for t in view.turns] == [
        ("user", "Where to?"), ("assistant", "Dali."), ("user", "And then?"), ("assistant", "Lijiang."),
    ]  # fmt: skip


async def test_deleting_a_conversation_ends_its_answer(node: Node) -> None:
    await node.ask_privately()
    call = await node.model.asked()
    await node.assistant.delete_conversation(ANN, "conv1")
    await gone(node)
    assert call.closed


# --- the end ------------------------------------------------------------------------------


@pytest.mark.parametrize("actor", [ANN, BOB], ids=["an owner", "an editor"])
async def test_stop_reaches_the_upstream_and_keeps_the_partial(
    world: Processes, node: Node, actor: Any
) -> None:
    asked = await node.ask(actor=EVE)
    call = await node.model.asked()
    call.say("half an ans")
    reading = await (await node.follow(asked)).until(lambda r: r.text)
    await node.assistant.stop(actor, asked.answer_id, world.trip_id)
    ended = await reading.all()
    assert call.closed and (ended.status, ended.text, ended.fault) == ("stopped", "half an ans", None)
    await node.assistant.stop(actor, asked.answer_id, world.trip_id)  # once more changes nothing
    assert (await world.message(asked.answer_id)).text == "half an ans"


async def test_who_asked_may_stop_and_another_viewer_may_not(world: Processes, node: Node) -> None:
    asked = await node.ask(actor=BOB)
    with pytest.raises(Forbidden):
        await node.assistant.stop(EVE, asked.answer_id, world.trip_id)
    own = await node.ask(actor=EVE)
    await node.assistant.stop(EVE, own.answer_id, world.trip_id)
    await until(lambda: own.answer_id not in node.assistant.lives)
    assert asked.answer_id in node.assistant.lives


async def test_an_answer_goes_on_while_somebody_reads_and_ends_when_nobody_does(node: Node) -> None:
    client = await node.enter("bob")
    asked = await node.ask()
    call = await node.model.asked()
    reading = await node.follow(asked)
    node.assistant.lives.attend()
    reading.following.close()
    node.assistant.lives.attend()
    await turns()
    assert not call.closed, "Bob is in the room"
    client.session.left()
    await node.hub.sweep()
    node.assistant.lives.attend()
    await gone(node)
    assert call.closed
    ended = await (await node.follow(asked)).all()
    assert (ended.status, ended.fault) == ("stopped", None)


async def test_a_private_answer_ends_without_readers(node: Node) -> None:
    asked = await node.ask_privately()
    call = await node.model.asked()
    reading = await node.follow(asked, private=True)
    node.assistant.lives.attend()
    assert asked.answer_id in node.assistant.lives
    reading.following.close()
    reading.following.close()
    node.assistant.lives.attend()
    await gone(node)
    assert call.closed


async def test_looking_again_and_again_counts_as_reading(world: Processes) -> None:
    node = await world.node(dataclasses.replace(STILL, grace=3600.0))
    asked = await node.ask()
    live = node.assistant.lives.get(asked.answer_id)
    assert live is not None
    live.attended -= 3599
    await node.assistant.read(ANN, asked.answer_id, world.trip_id)
    live.attended += 0
    node.assistant.lives.attend()
    await turns()
    assert live.ending is None
    live.attended -= 3601
    node.assistant.lives.attend()
    assert live.ending == ("stopped", None)


async def test_nobody_is_given_up_while_the_bus_is_down(world: Processes, node: Node) -> None:
    asked = await node.ask()
    await node.model.asked()
    world.bus.down()
    node.assistant.lives.attend()
    await turns()
    assert asked.answer_id in node.assistant.lives
    world.bus.restore()
    node.assistant.lives.attend()
    await gone(node)


async def test_deleting_the_trip_ends_its_answers(world: Processes, node: Node) -> None:
    await node.ask()
    call = await node.model.asked()
    call.say("half")
    await world.do(ops.DeleteTrip())
    await node.assistant.keeper.save()
    await gone(node)
    assert call.closed
    await world.do(ops.RestoreTrip())
    assert "answer.finish" in await kinds(world)


async def test_drain_ends_answers_as_interrupted_and_readers_hear_it(world: Processes, node: Node) -> None:
    asked = await node.ask()
    call = await node.model.asked()
    call.say("half")
    reading = await (await node.follow(asked)).until(lambda r: r.text == "half")
    waiting = asyncio.ensure_future(reading.all())
    await node.assistant.drain(5)
    ended = await waiting
    assert call.closed and (ended.status, ended.text) == ("interrupted", "half")
    assert ended.fault is not None and ended.fault.code == "ai_restart"
    with pytest.raises(Unavailable) as refused:
        await node.ask()
    assert refused.value.retryable
    assert (await world.message(asked.answer_id)).text == "half"


async def test_a_drain_lets_go_of_readers_who_take_nothing(node: Node) -> None:
    await node.follow(await node.ask())
    await node.assistant.drain(0.05)
    assert node.assistant.counts()["answer_readers"] == 1


# --- limits -------------------------------------------------------------------------------


async def test_who_waits_is_told_the_place_and_comes_next(world: Processes) -> None:
    node = await world.node(bounds=Bounds(streams=1))
    first = await node.ask()
    await node.model.asked()
    second, third = await node.ask(actor=BOB), await node.ask(actor=EVE)
    reading = await node.follow(third)
    await reading.until(lambda r: r.states == [("queued", 2)])
    node.model.calls[0].say("1")
    node.model.calls[0].finish()
    await reading.until(lambda r: r.states[-1] == ("queued", 1))
    (await node.model.asked(1)).say("2")
    await node.assistant.stop(BOB, second.answer_id, world.trip_id)
    await reading.until(lambda r: r.states[-1] == ("streaming", 0))
    (await node.model.asked(2)).say("3")
    node.model.calls[2].finish()
    assert (await reading.all()).text == "3"
    assert (await (await node.follow(first)).all()).text == "1"


async def test_stopped_while_waiting_it_never_asks_the_model(world: Processes) -> None:
    node = await world.node(bounds=Bounds(streams=1))
    await node.ask()
    await node.model.asked()
    waiting = await node.ask(actor=BOB)
    await node.assistant.stop(BOB, waiting.answer_id, world.trip_id)
    ended = await (await node.follow(waiting)).all()
    assert (ended.status, ended.text, len(node.model.calls)) == ("stopped", "", 1)


async def test_too_many_questions_are_refused(world: Processes) -> None:
    node = await world.node(asked=AskLimits(of_user=1, of_trip=2))
    await node.ask()
    with pytest.raises(Throttled) as refused:
        await node.ask()
    assert refused.value.code == "ai_busy" and refused.value.details["retry_after"] > 0
    await node.ask(actor=BOB)
    with pytest.raises(Throttled):
        await node.ask(actor=EVE)
    full = await world.node(bounds=Bounds(streams=1, waiting=0))
    with pytest.raises(Throttled) as refused:
        await full.ask(actor=EVE)
    assert refused.value.code == "ai_busy"


async def test_without_a_key_it_says_so_and_asking_again_does_not_help(world: Processes, node: Node) -> None:
    off = Assistant(node.hub, node.run, None)
    with pytest.raises(AssistantOff) as refused:
        await off.ask_in_trip(ANN, world.trip_id, "ask-00000001", "Hello?", "en")
    error = refused.value
    assert (error.code, error.retryable) == ("ai_off", False) and "AI_API_KEY" in error.message
    assert off.model == ""


# --- faults -------------------------------------------------------------------------------


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


# --- tools --------------------------------------------------------------------------------


ADD = '{"id": "new1", "fields": {"name": "Shaxi"}}'


async def test_tools_become_one_proposal_and_refusals_are_told_back(world: Processes, node: Node) -> None:
    asked = await node.ask("Add Shaxi")
    call = await node.model.asked()
    call.think("let me see")
    call.say("I look.")
    call.use(("stop_add", ADD), ("stop_remove", '{"id": "nowhere"}'))
    second = await node.model.asked(1)
    assert call.closed
    *_, said, accepted, refused = second.request.messages
    assert said.role == "assistant" and said.reasoning == "let me see" and len(said.tool_calls or ()) == 2
    assert '"ok":true' in accepted.content and '"error":"not_found"' in refused.content
    second.use(("stop_set_fields", '{"id": "new1", "fields": {"kind": "sight", "notes": "old market"}}'))
    third = await node.model.asked(2)
    third.say("I propose Shaxi.")
    third.finish()
    ended = await (await node.follow(asked)).all()
    assert ended.text == "I look.\n\nI propose Shaxi." and ended.usage is not None
    assert (ended.usage.prompt_tokens, ended.usage.completion_tokens) == (30, 15)
    (proposal,) = await node.run(read_proposals, ReadProposals(world.trip_id, ANN))
    assert proposal.id == ended.proposal and proposal.message == asked.answer_id
    assert (proposal.author, proposal.asked_by) == ("assistant", "ann")
    assert [ops.kind_of(piece.op) for piece in proposal.pieces] == ["stop.add", "stop.set_fields"]
    assert (await kinds(world))[-2:] == ["proposal.open", "answer.finish"]
    await world.do(ops.AcceptProposal(proposal.id), BOB)
    assert "stop.add" in await kinds(world)


async def test_a_viewer_may_have_changes_proposed(world: Processes, node: Node) -> None:
    asked = await node.ask("Add Shaxi", actor=EVE)
    (await node.model.asked()).use(("stop_add", ADD))
    (await node.model.asked(1)).finish()
    ended = await (await node.follow(asked)).all()
    assert (ended.status, ended.text) == ("done", "") and ended.proposal is not None


async def test_rounds_are_bounded(world: Processes) -> None:
    node = await world.node(budgets=Budgets(rounds=2))
    asked = await node.ask()
    for n in range(2):
        (await node.model.asked(n)).use(("stop_add", '{"fields": {"name": "Again"}}'))
    ended = await (await node.follow(asked)).all()
    assert ended.status == "done" and len(node.model.calls) == 2
    (proposal,) = await node.run(read_proposals, ReadProposals(world.trip_id, ANN))
    assert len(proposal.pieces) == 2


async def test_what_no_longer_fits_is_left_out_and_said(world: Processes, node: Node) -> None:
    await world.do(ops.AddStop("s1", StopFields(name="Dali")))
    asked = await node.ask()
    call = await node.model.asked()
    call.use(("stop_remove", '{"id": "s1"}'), ("stop_add", ADD))
    second = await node.model.asked(1)
    await world.do(ops.RemoveStop("s1"))
    second.say("Done.")
    second.finish()
    ended = await (await node.follow(asked)).all()
    assert ended.status == "done" and ended.proposal is not None
    assert ended.text.startswith("Done.") and "1 of the changes" in ended.text


async def test_stopped_in_the_middle_of_its_tools_nothing_is_proposed(world: Processes, node: Node) -> None:
    asked = await node.ask()
    (await node.model.asked()).use(("stop_add", ADD))
    second = await node.model.asked(1)
    await node.assistant.stop(ANN, asked.answer_id, world.trip_id)
    await gone(node)
    assert second.closed and await node.run(read_proposals, ReadProposals(world.trip_id, ANN)) == []


async def test_a_stop_while_the_proposal_is_stored_leaves_both_or_none(world: Processes, node: Node) -> None:
    asked = await node.ask()
    (await node.model.asked()).use(("stop_add", ADD))
    second = await node.model.asked(1)
    waiting, going_on = asyncio.Event(), asyncio.Event()
    run = node.runner.__call__

    async def slowly(service: Any, command: Any) -> Any:
        if service.__name__ == "propose":
            waiting.set()
            await going_on.wait()
        return await run(service, command)

    node.runner = slowly  # type: ignore[assignment]
    second.finish()
    await waiting.wait()
    await node.assistant.stop(ANN, asked.answer_id, world.trip_id)
    await turns()
    going_on.set()
    ended = await (await node.follow(asked)).all()
    (proposal,) = await run(read_proposals, ReadProposals(world.trip_id, ANN))
    assert (ended.status, ended.proposal) == ("stopped", proposal.id)
    await gone(node)
    node.runner = run.__self__  # type: ignore[attr-defined]
