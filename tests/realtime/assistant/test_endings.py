"""Answers that are ended before they are whole: stopped, read by nobody, deleted with their trip, drained."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from domain import operations as ops
from domain.errors import Forbidden, Unavailable
from tests.realtime.assistant.world import ANN, BOB, EVE, STILL, Node, Processes, gone, kinds
from tests.realtime.world import turns, until


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


async def test_deleting_a_conversation_ends_its_answer(node: Node) -> None:
    await node.ask_privately()
    call = await node.model.asked()
    await node.assistant.delete_conversation(ANN, "conv1")
    await gone(node)
    assert call.closed


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
