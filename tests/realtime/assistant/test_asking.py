"""A question and its answer, in a trip and in private: who sees it, asked once, in turn, within limits."""

from __future__ import annotations

import pytest

from domain.answers import AskLimits, ReadConversation
from domain.errors import Conflict, NotFound, Throttled
from domain.services.conversations import read_conversation
from realtime.assistant.queueing import Bounds
from realtime.assistant.runner import Assistant, AssistantOff
from tests.realtime.assistant.world import ANN, BOB, EVE, Node, Processes, events_of, gone, kinds


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
