"""Reading an answer while it grows and afterwards: who may, until when, and what a late reader gets."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest

from domain import operations as ops
from domain.commands import Actor
from domain.errors import Forbidden, NotFound, Unauthenticated
from tests.realtime.assistant.world import ANN, EVE, STILL, Node, Processes, gone
from tests.realtime.world import until


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
