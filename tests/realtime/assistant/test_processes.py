"""The assistant in two processes: read, stopped and shown where it is not made; its process killed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import AsyncIterator

import pytest

from domain.answers import FinishAnswer, Outcome, ReadConversation
from domain.services.answers import finish_answer
from domain.services.conversations import read_conversation
from realtime.assistant.relay import LEASE, Relay, Want
from tests.realtime.assistant.world import ANN, BOB, STILL, Node, Processes, events_of
from tests.realtime.world import turns, until

TEXT = "第一天：大理 🏔️ then a train — 第二天 Lijiang. " * 6
POLLING = dataclasses.replace(STILL, poll=0.01)


@pytest.fixture
async def world() -> AsyncIterator[Processes]:
    made = Processes()
    await made.node()
    await made.node()
    await made.trip(bob="editor")
    yield made
    await made.aclose()


@pytest.fixture
def maker(world: Processes) -> Node:
    return world.nodes[0]


@pytest.fixture
def other(world: Processes) -> Node:
    return world.nodes[1]


async def grown(node: Node, answer_id: str, length: int) -> None:
    live = node.assistant.lives.get(answer_id)
    assert live is not None
    await until(lambda: live.growing.text.length >= length)


async def test_a_reader_elsewhere_gets_every_character_once(maker: Node, other: Node) -> None:
    asked = await maker.ask()
    call = await maker.model.asked()
    call.say("before ")
    await grown(maker, asked.answer_id, 7)
    reading = await (await other.follow(asked, BOB)).until(lambda r: r.text == "before ")
    call.think("hm")
    call.say("and after")
    await reading.until(lambda r: r.text == "before and after" and r.reasoning == "hm")
    call.finish()
    ended = await reading.all()
    assert (ended.status, ended.text, ended.reasoning) == ("done", "before and after", "hm")
    assert other.assistant.counts()["answer_copies"] == 0


@pytest.mark.parametrize("seed", range(15))
async def test_broken_off_anywhere_it_goes_on_at_the_other_process(
    world: Processes, maker: Node, other: Node, seed: int
) -> None:
    """Promise: exactly where it broke off, on any process, also when messages get lost."""
    rng = random.Random(seed)
    asked = await maker.ask()
    call = await maker.model.asked()
    text, sent = "", 0
    reading = await maker.follow(asked)
    while sent < len(TEXT):
        size = rng.randrange(1, 12)
        world.bus.up = rng.random() > 0.2  # lost, and nobody is told
        call.say(TEXT[sent : sent + size])
        sent = min(len(TEXT), sent + size)
        await grown(maker, asked.answer_id, sent)
        await turns(3)
        world.bus.up = True
        if rng.random() < 0.5:
            await reading.one(0)
            await reading.one(0)
        if rng.random() < 0.3:
            text += reading.text
            reading.following.close()
            node = rng.choice((maker, other))
            reading = await node.follow(asked, place=(len(text), 0))
    call.finish()
    ended = await reading.all()
    assert text + reading.text == TEXT == ended.text


async def test_a_lost_piece_is_asked_for(world: Processes, maker: Node, other: Node) -> None:
    asked = await maker.ask()
    call = await maker.model.asked()
    reading = await other.follow(asked)
    await until(lambda: bool(maker.assistant.lives.get(asked.answer_id).remote))  # type: ignore[union-attr]
    world.bus.up = False
    call.say("lost ")
    await grown(maker, asked.answer_id, 5)
    await turns()
    world.bus.up = True
    other.assistant._relay._copies[asked.answer_id].asked -= 1  # it asked a while ago
    call.say("found")
    await reading.until(lambda r: r.text == "lost found")


async def test_stopped_at_the_other_process_the_upstream_sees_it(
    world: Processes, maker: Node, other: Node
) -> None:
    asked = await maker.ask()
    call = await maker.model.asked()
    call.say("half")
    reading = await (await other.follow(asked)).until(lambda r: r.text == "half")
    await other.assistant.stop(BOB, asked.answer_id, world.trip_id)
    ended = await reading.all()
    assert call.closed and (ended.status, ended.text) == ("stopped", "half")


async def test_a_stop_that_the_bus_lost_is_found_at_the_next_checkpoint(
    world: Processes, maker: Node, other: Node
) -> None:
    asked = await maker.ask()
    call = await maker.model.asked()
    world.bus.down()
    await other.assistant.stop(ANN, asked.answer_id, world.trip_id)
    await turns()
    assert not call.closed
    await maker.assistant.keeper.save()
    await until(lambda: call.closed)


async def test_a_room_elsewhere_sees_it_grow_and_heals_by_watch(maker: Node, other: Node) -> None:
    bob = await other.enter("bob")
    asked = await maker.ask()
    call = await maker.model.asked()
    call.say("one ")
    await until(lambda: any(m.get("text") == "one " for m in bob.of("stream")))
    call.say("two")
    await until(lambda: bob.of("stream")[-1].get("text") == "two")
    await bob.send({"t": "watch", "answer": asked.answer_id})
    await until(lambda: bob.of("stream")[-1].get("text") == "one two")
    assert bob.of("stream")[-1].get("at", 0) == 0
    call.finish()
    await until(lambda: bool(events_of(bob, "answer.finish")))


async def test_somebody_in_the_room_elsewhere_keeps_it_going(maker: Node, other: Node) -> None:
    await other.enter("bob")
    await until(lambda: bool(other.hub.presence.people(maker.world.trip_id)))
    asked = await maker.ask()
    await maker.model.asked()
    await maker.hub.presence.refresh()
    maker.assistant.lives.attend()
    await turns()
    assert asked.answer_id in maker.assistant.lives


async def test_readers_elsewhere_count_until_they_leave_or_fall_silent(maker: Node, other: Node) -> None:
    asked = await maker.ask_privately()
    call = await maker.model.asked()
    first = await other.follow(asked, private=True)
    second = await other.follow(asked, private=True)
    live = maker.assistant.lives.get(asked.answer_id)
    assert live is not None
    await until(lambda: bool(live.remote))
    first.following.close()
    await turns()
    maker.assistant.lives.attend()
    await turns()
    assert not call.closed, "the second still reads"
    live.remote = {node: until_ - LEASE for node, until_ in live.remote.items()}
    maker.assistant.lives.attend()
    await until(lambda: call.closed)
    ended = await second.all()
    assert ended.status == "stopped"


async def test_the_last_reader_elsewhere_leaves_at_once(maker: Node, other: Node) -> None:
    asked = await maker.ask_privately()
    await maker.model.asked()
    reading = await other.follow(asked, private=True)
    live = maker.assistant.lives.get(asked.answer_id)
    assert live is not None
    await until(lambda: bool(live.remote))
    reading.following.close()
    await until(lambda: not live.remote)


async def test_polling_elsewhere_counts_as_reading(world: Processes, maker: Node, other: Node) -> None:
    asked = await maker.ask()
    live = maker.assistant.lives.get(asked.answer_id)
    assert live is not None
    live.attended = 0.0
    found = await other.assistant.read(ANN, asked.answer_id, world.trip_id)
    assert found.status in ("queued", "streaming")
    await until(lambda: live.attended > 0.0)


async def test_without_the_bus_readers_elsewhere_see_the_checkpoints(world: Processes, maker: Node) -> None:
    other = await world.node(POLLING)
    asked = await maker.ask()
    call = await maker.model.asked()
    world.bus.down()
    reading = await other.follow(asked)
    call.say("one ")
    await grown(maker, asked.answer_id, 4)
    await maker.assistant.keeper.save()
    await reading.until(lambda r: r.text == "one ")
    call.say("two")
    call.finish()
    ended = await reading.all()
    assert (ended.status, reading.text) == ("done", "one two")


async def test_a_killed_process_leaves_the_partial_as_interrupted(world: Processes, maker: Node) -> None:
    other = await world.node(POLLING)
    bob = await other.enter("bob")
    asked = await maker.ask()
    call = await maker.model.asked()
    call.say("kept ")
    await grown(maker, asked.answer_id, 5)
    await maker.assistant.keeper.save()
    reading = await (await other.follow(asked)).until(lambda r: r.text == "kept ")
    call.say("and heard")
    await reading.until(lambda r: r.text == "kept and heard")
    await maker.kill()
    await other.assistant.keeper.sweep()
    assert reading.ended is None, "its lease still runs"
    world.skip(16)
    await other.assistant.keeper.sweep()
    ended = await reading.all()
    # The last checkpoint held less than readers here had seen: what they saw is kept.
    assert (ended.status, ended.text, reading.text) == ("interrupted", "kept and heard", "kept and heard")
    assert ended.fault is not None and ended.fault.code == "ai_lost"
    await until(lambda: bool(events_of(bob, "answer.finish")))
    maker.down = False


async def test_of_a_killed_process_without_readers_the_checkpoint_is_kept(
    world: Processes, maker: Node, other: Node
) -> None:
    trip = await maker.ask()
    private = await maker.ask_privately(actor=BOB)
    for n in range(2):
        (await maker.model.asked(n)).say("kept")
    await grown(maker, trip.answer_id, 4)
    await grown(maker, private.answer_id, 4)
    await maker.assistant.keeper.save()
    await maker.kill()
    world.skip(16)
    await other.assistant.keeper.sweep()
    for asked, actor, alone in ((trip, ANN, False), (private, BOB, True)):
        ended = await (await other.follow(asked, actor, private=alone)).all()
        assert (ended.status, ended.text) == ("interrupted", "kept")
    view = await other.run(read_conversation, ReadConversation(BOB, "conv1"))
    assert view.turns[-1].status == "interrupted"
    maker.down = False


async def test_a_drained_process_tells_readers_elsewhere(maker: Node, other: Node) -> None:
    asked = await maker.ask()
    (await maker.model.asked()).say("half")
    reading = await (await other.follow(asked)).until(lambda r: r.text == "half")
    await maker.assistant.drain(5)
    ended = await reading.all()
    assert ended.status == "interrupted" and ended.fault is not None and ended.fault.code == "ai_restart"


async def test_readers_at_a_drained_process_are_sent_on(maker: Node, other: Node) -> None:
    asked = await maker.ask()
    call = await maker.model.asked()
    call.say("half")
    reading = await (await other.follow(asked)).until(lambda r: r.text == "half")
    await other.assistant.drain(5)
    assert reading.following.closed and await reading.one() is None
    assert not call.closed
    again = await maker.follow(asked, place=reading.following.place)
    call.finish()
    assert (await again.all()).text == "half"


async def test_who_comes_just_after_the_end_is_told_at_once(maker: Node, other: Node) -> None:
    """The stored state said "streaming", and nobody is left to say more: its maker remembers."""
    asked = await maker.ask()
    call = await maker.model.asked()
    reading = await other.follow(asked)
    other.hub.channels.unsubscribe(
        f"answer:{asked.answer_id}", other.assistant._relay._copies[asked.answer_id].listener
    )
    call.say("all")
    call.finish()
    await until(lambda: not len(maker.assistant.lives))
    copy = other.assistant._relay._copies[asked.answer_id]
    await other.hub.channels.subscribe(f"answer:{asked.answer_id}", copy.listener)
    other.assistant._relay._ask(copy)
    assert (await reading.all()).text == "all"


async def test_repeated_at_another_process_it_is_not_made_twice(maker: Node, other: Node) -> None:
    asked = await maker.ask(op_id="ask-same-key")
    call = await maker.model.asked()
    again = await other.ask(op_id="ask-same-key")
    assert again.answer_id == asked.answer_id and not len(other.assistant.lives)
    call.say("once")
    call.finish()
    assert (await (await other.follow(again)).all()).text == "once"


async def test_an_answer_finished_by_somebody_else_ends_here(world: Processes, maker: Node) -> None:
    asked = await maker.ask()
    call = await maker.model.asked()
    outcome = Outcome("interrupted", "from elsewhere")
    command = FinishAnswer(world.trip_id, asked.answer_id, outcome, world.clock())
    assert await maker.run(finish_answer, command)
    reading = await maker.follow(asked)
    await maker.assistant.keeper.save()
    ended = await reading.all()
    assert call.closed and (ended.status, ended.text) == ("interrupted", "from elsewhere")


def test_messages_that_are_not_ours_are_left_alone() -> None:
    class Channels:
        on_control = None

    class Source:
        def wanted(self, want: Want) -> None:
            raise AssertionError

        stopped = watched = wanted

    channels = Channels()
    Relay("n1", channels, Source())  # type: ignore[arg-type]
    assert channels.on_control is not None
    channels.on_control("something.else", b"{}")
