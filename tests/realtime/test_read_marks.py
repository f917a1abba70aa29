"""How far members have read: many frames become few writes and a word to the others. Rule R8.4."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from domain.errors import Forbidden, Unavailable
from domain.services.talk import mark_read
from tests.realtime.world import NEVER, QUIET, Client, Node, World, turns, until


async def read(client: Client, seq: int) -> None:
    await client.send({"t": "read", "seq": seq})


def marks(client: Client) -> list[tuple[str, int]]:
    return [(message["user"], message["seq"]) for message in client.of("read")]


async def test_a_read_mark_is_kept_and_told_to_members_everywhere(world: World) -> None:
    world.trip.public = True
    here, there = await world.node(), await world.node()
    ann, bob = await here.client().join(), await there.client("bob").join()
    reader = await here.client(None).join()
    here.say()
    await until(lambda: bob.seqs == [1, 2] == reader.seqs)
    await read(bob, 2)
    await until(lambda: marks(ann) == [("bob", 2)] == marks(bob))
    await read(bob, 1)  # never back, and nothing to tell
    await read(reader, 2)
    await read(ann, 1)
    await until(lambda: marks(ann) == [("bob", 2), ("ann", 1)])
    assert (
        world.trip.marks == {"bob": 2, "ann": 1}
        and b'"t":"read"' not in reader.received
        and reader.code is None
    )


async def test_marks_gather_while_one_is_written_and_the_highest_wins(world: World) -> None:
    node: Node = await world.node()
    ann = await node.client().join()
    node.edit(30)
    gate = node.gates[mark_read] = asyncio.Event()
    for seq in (1, 7, 30, 12):
        await read(ann, seq)
        await turns()
    assert node.calls.count("mark_read") == 1
    gate.set()
    await until(lambda: world.trip.marks == {"ann": 30})
    await turns()
    assert node.calls.count("mark_read") == 2 and marks(ann) == [("ann", 1), ("ann", 30)]


async def test_between_two_marks_there_is_a_pause(world: World) -> None:
    node = await world.node(replace(QUIET, read_mark=NEVER))
    ann = await node.client().join()
    node.edit(3)
    for seq in (1, 2, 3):
        await read(ann, seq)
        await turns()
    assert node.calls.count("mark_read") == 1 and world.trip.marks == {"ann": 1}


async def test_a_mark_goes_no_further_than_what_was_sent(world: World) -> None:
    node = await world.node(replace(QUIET, hold=NEVER))
    ann = await node.client().join()
    node.edit()
    await read(ann, 2**53 - 1)
    await until(lambda: world.trip.marks == {"ann": 1})
    node.lost = True
    node.edit(2)
    bob = await node.client("bob").join()  # at 3, this process at 1
    await read(bob, 3)
    await until(lambda: world.trip.marks.get("bob") == 3)


async def test_a_mark_that_could_not_be_kept_is_tried_again_while_the_session_lasts(world: World) -> None:
    node = await world.node()
    ann = await node.client().join()
    node.edit()
    node.errors[mark_read] = Unavailable("away")
    await read(ann, 1)
    await until(lambda: node.calls.count("mark_read") > 2)
    del node.errors[mark_read]
    await until(lambda: world.trip.marks == {"ann": 1})
    node.edit()
    node.errors[mark_read] = Forbidden("no more a member")
    await read(ann, 2)
    await until(lambda: not node.hub.counts()["tasks"] or not ann.session._marks._writing)
    assert ann.code is None and world.trip.marks == {"ann": 1}
    node.errors[mark_read] = Unavailable("away")
    node.edit()
    await read(ann, 3)
    ann.session.left()
    await until(lambda: not ann.session._marks._writing)
