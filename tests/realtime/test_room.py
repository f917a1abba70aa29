"""Order, gaps, duplicates and the shared frame of one room in one process. Rules R1.5, R3.3, R3.5, R3.6."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from domain.events import Change
from domain.services.rooms import read_events
from realtime.connection import HARD_LIMIT, SOFT_LIMIT
from realtime.envelope import FORMAT, Envelope, room_channel, seal
from realtime.protocol import encode_events
from realtime.room import Batch
from tests.realtime.world import NEVER, QUIET, ROOM, Node, World, turns, until


def batches(node: Node, sizes: list[int]) -> list[Batch]:
    """Committed, unpublished batches of these sizes."""
    node.lost = True
    made = []
    for size in sizes:
        done = node.edit(size)
        made.append(Batch("e1", done[0].event.seq, [row.body for row in done], False))
    return made


async def test_one_frame_object_is_shared_by_all(world: World) -> None:
    node = await world.node()
    clients = [await node.client(f"user{n}").join() for n in range(5)]
    node.edit()
    node.edit()
    await turns()
    written = [client.transport.written[-1] for client in clients]
    assert all(data is written[0] for data in written)
    assert [client.seqs for client in clients] == [[1, 2]] * 5
    assert all(len(client.of("events")) == 2 for client in clients), "two messages in one write"


async def test_batches_in_any_order_arrive_in_order_and_once(world: World) -> None:
    node = await world.node(replace(QUIET, hold=NEVER))
    client = await node.client().join()
    for seed in range(30):
        rng = random.Random(seed)
        before = world.trip.seq
        made = batches(node, [rng.randint(1, 4) for _ in range(6)])
        made += rng.sample(made, 3)
        rng.shuffle(made)
        for batch in made:
            node.hub.deliver(ROOM, batch)
            if rng.random() < 0.3:
                await turns(1)
        await turns()
        assert client.seqs == list(range(1, world.trip.seq + 1)), f"seed {seed}"
        assert world.trip.seq > before
    assert "read_events" not in node.calls, "everything arrived in time"


async def test_overlapping_batches_are_cut(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    bodies = [row.body for row in node.edit(2)]
    node.lost = True
    bodies += [row.body for row in node.edit(3)]
    node.hub.deliver(ROOM, Batch("e1", 1, bodies, False))
    await turns()
    assert client.seqs == [1, 2, 3, 4, 5]


async def test_a_gap_is_read_once_for_all_waiters(world: World) -> None:
    node = await world.node()
    clients = [await node.client(f"user{n}").join() for n in range(4)]
    _, second, third = batches(node, [2, 2, 1])
    node.hub.deliver(ROOM, third)
    node.hub.deliver(ROOM, second)
    await turns()
    assert clients[0].seqs == [], "held, not shown out of order"
    await until(lambda: all(client.seqs == [1, 2, 3, 4, 5] for client in clients))
    assert node.calls.count("read_events") == 1
    assert node.hub.stats.catch_ups == 1


async def test_a_failed_catch_up_is_repeated_by_the_next_check(world: World) -> None:
    from domain.errors import Unavailable

    node = await world.node()
    client = await node.client().join()
    node.errors[read_events] = Unavailable("away")
    node.hub.deliver(ROOM, batches(node, [1, 1])[1])
    await until(lambda: "read_events" in node.calls)
    await turns()
    assert client.seqs == []
    del node.errors[read_events]
    await node.hub.poll_heads()
    await until(lambda: client.seqs == [1, 2])


async def test_old_news_do_not_send_away_who_was_let_in_since(world: World) -> None:
    node = await world.node(replace(QUIET, hold=NEVER))
    ann = await node.client().join()
    node.lost = True
    removed = Change("member", "bob", {"deleted": True})
    back = Change("member", "bob", {"deleted": False, "role": "editor"})
    rows = [("op-out", "ann", "member.remove", [removed]), ("op-in", "bob", "member.join", [back])]
    for deleted in (True, False):
        rows.append((f"op-{deleted}", "ann", "trip", [Change("trip", ROOM, {"deleted": deleted})]))
    done = node.commit(rows)
    bob = await node.client("bob").join()
    node.hub.deliver(ROOM, Batch("e1", 1, [done[0].body], True))
    node.hub.deliver(ROOM, Batch("e1", 2, [done[1].body, done[2].body], True))
    await turns()
    assert ann.code == 4410 and bob.code is None
    node.hub.deliver(ROOM, Batch("e1", 4, [done[3].body], True))
    node.lost = False
    node.edit()
    await turns()
    assert bob.seqs == [5] and bob.code is None


async def test_a_long_absence_is_read_in_pages(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    batches(node, [1200])
    await node.hub.poll_heads()
    await until(lambda: len(client.seqs) == 1200)
    assert client.seqs == list(range(1, 1201)) and node.calls.count("read_events") == 3


async def test_a_trimmed_log_sends_everybody_back_for_a_snapshot(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    batches(node, [10])
    world.trip.floor = 5
    await node.hub.poll_heads()
    await until(lambda: client.code == 4004)
    again = await node.client().join(epoch="e1", since=10)
    assert again.of("joined")[0]["seq"] == 10


async def test_another_epoch_in_the_database_resyncs(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    node.edit(2)
    world.trip.epoch = "e2"
    await node.hub.poll_heads()
    assert client.code == 4004 and client.of("closing")[0]["resume"] is True
    again = await node.client().join(epoch="e1", since=2)
    assert not again.of("joined")[0]["recovered"]
    node.edit()
    await turns()
    assert again.seqs == [3]


async def test_a_message_of_a_foreign_epoch_is_checked_and_not_believed(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    body = node.edit()[0].body
    node.hub.deliver(ROOM, Batch("stale", 2, [body], False))
    await until(lambda: "read_heads" in node.calls)
    await turns()
    assert client.code is None and client.seqs == [1]


async def test_foreign_bytes_on_the_bus_hurt_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    node = await world.node()
    client = await node.client().join()
    channel = room_channel(ROOM)
    for data in (b"", b"junk", b"[]\n{}", b'[99,"events","n"]\n{}', b'[1,"events","n","e1",1,1,false]\nnope'):
        node.broker.publish(channel, data)
    await turns()
    assert caplog.text.count("was not understood") == 5
    node.edit()
    await turns()
    assert client.seqs == [1] and client.code is None


async def test_events_of_another_process_arrive_once_though_the_bus_repeats_them(world: World) -> None:
    here, there = await world.node(), await world.node()
    client = await here.client().join()
    done = there.edit(2)
    bodies = [row.body for row in done]
    envelope = Envelope(FORMAT, "events", there.hub.node, "e1", 1, 2)
    for _ in range(3):
        there.broker.publish(room_channel(ROOM), seal(envelope, encode_events("e1", bodies)))
    await turns()
    assert client.seqs == [1, 2]


async def test_a_client_that_never_reads_is_cut_and_its_neighbours_are_not(world: World) -> None:
    node = await world.node()
    slow, good = await node.client("bob").join(), await node.client().join()
    slow.transport.stalled = True
    rounds = 0
    while not slow.transport.aborted:
        node.edit(50)
        await turns(2)
        rounds += 1
        assert slow.transport.waiting <= HARD_LIMIT
    assert world.trip.seq == rounds * 50 == len(good.seqs)
    assert good.code is None and slow.transport.finished is None
    await until(lambda: len(node.hub.sessions) == 1)
    assert node.hub.stats.cut == 1
    again = await node.client("bob").join(epoch="e1", since=slow.seqs[-1])
    assert again.of("joined")[0]["recovered"]


async def test_a_slow_reader_loses_cursors_and_is_told_later_who_came(world: World) -> None:
    node = await world.node()
    slow = await node.client().join()
    slow.transport.waiting = SOFT_LIMIT + 1
    slow.transport.stalled = True
    bob = await node.client("bob", "tb").join()
    await bob.send({"t": "cursor", "surface": "map", "x": 1, "y": 2})
    await until(lambda: bool(bob.of("cursors")))
    carl = await node.client("carl", "tc").join()
    await until(lambda: "carl.tc" in bob.people())
    carl.session.left()
    await node.hub.sweep()
    await until(lambda: "carl.tc" not in bob.people())
    assert slow.of("cursors") == [] and slow.people() == {"ann.tab0"}
    slow.transport.read_all()
    await node.hub.heartbeat()
    assert slow.people() == {"ann.tab0", "bob.tb"}
    assert slow.session.missed == set()


async def test_the_heartbeat_follows_the_events_that_it_counts(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    node.edit()
    node.hub._rooms[ROOM].send_head()
    assert [message["t"] for message in client.messages[-2:]] == ["events", "head"]
    assert client.of("head")[0]["seq"] == 1
