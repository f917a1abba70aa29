"""One client in one room: joining, operations, wrong frames. Rules R1.4, R3.1 to R3.4, R4.4, R5.1."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from domain.errors import Conflict, Unavailable
from domain.operations import SetStopFields, decode_operation
from domain.services.rooms import apply_operation, open_room
from realtime.protocol import MAX_FRAME_BYTES, Submit, decode
from realtime.session import IN_FLIGHT
from tests.realtime.world import QUIET, RENAME, ROOM, Client, World, turns, until


async def joining(client: Client, **more: Any) -> asyncio.Task[Client]:
    """A join that waits at the node's gate."""
    task = asyncio.get_running_loop().create_task(client.join(**more))
    await turns()
    return task


async def test_join_answers_with_a_snapshot_and_then_live_events(world: World) -> None:
    node = await world.node()
    node.edit(3)
    client = await node.client().join()
    joined = client.of("joined")[0]
    assert joined["seq"] == 3 and not joined["recovered"] and "events" not in joined
    assert joined["snapshot"]["trip"]["title"] == "3"
    assert joined["role"] == "editor" and joined["epoch"] == "e1" and joined["session"] == "ann.tab0"
    assert [person["user"] for person in joined["people"]] == ["ann"]
    node.edit()
    await turns()
    assert client.seqs == [4]


async def test_resume_brings_exactly_what_was_missed(world: World) -> None:
    node = await world.node()
    node.edit(5)
    client = await node.client().join(epoch="e1", since=2)
    joined = client.of("joined")[0]
    assert joined["recovered"] and [event["seq"] for event in joined["events"]] == [3, 4, 5]
    assert "snapshot" not in joined
    other = await node.client("bob").join(epoch="other", since=2)
    assert not other.of("joined")[0]["recovered"]


async def test_events_committed_while_the_snapshot_is_read_are_neither_lost_nor_repeated(
    world: World,
) -> None:
    node = await world.node()
    node.edit(2)
    gate = node.gates[open_room] = asyncio.Event()
    client = node.client()
    task = await joining(client)
    node.edit(3)  # after the transaction has read, before its answer arrives
    await turns()
    assert client.messages == []
    gate.set()
    await task
    node.edit()
    await turns()
    assert client.of("joined")[0]["seq"] == 2
    assert client.seqs == [3, 4, 5, 6]


async def test_a_second_joiner_gets_what_the_first_has_and_no_more(world: World) -> None:
    node = await world.node()
    first = await node.client().join()
    gate = node.gates[open_room] = asyncio.Event()
    second = node.client("bob")
    task = await joining(second)
    node.edit(2)
    gate.set()
    await task
    await turns()
    node.edit()
    await turns()
    assert first.seqs == [1, 2, 3] == second.seqs


async def test_a_reader_ahead_of_this_process_gets_each_event_once(world: World) -> None:
    here, there = await world.node(), await world.node()
    old = await here.client().join()
    world.bus.down()
    there.edit(2)  # this process has not heard of them
    new = await here.client("bob").join()
    assert new.of("joined")[0]["seq"] == 2 and new.seqs == []
    assert old.seqs == []
    await until(lambda: old.seqs == [1, 2])  # the join has told the hub
    here.edit()
    await turns()
    assert new.seqs == [3] and old.seqs == [1, 2, 3]


async def test_a_reader_ahead_in_the_middle_of_a_batch(world: World) -> None:
    here, there = await world.node(), await world.node()
    old = await here.client().join()
    there.lost = True
    batch = there.edit(2)
    new = await here.client("bob").join()  # at 2; the room is at 0
    batch += there.edit(2)
    there.publisher.publish(ROOM, "e1", batch)  # late and as one
    await until(lambda: old.seqs == [1, 2, 3, 4])
    assert new.seqs == [3, 4]


async def test_more_than_the_ring_during_a_join_means_reading_again(world: World) -> None:
    node = await world.node()
    await node.client().join()
    gate = node.gates[open_room] = asyncio.Event()
    client = node.client("bob")
    task = await joining(client)
    node.edit(300)
    gate.set()
    await task
    assert [message["seq"] for message in client.of("joined")] == [300]
    node.edit()
    await turns()
    assert client.seqs == [301]


async def test_joining_again_on_the_same_socket_resumes(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    node.edit(2)
    await turns()
    await client.join(epoch="e1", since=1)
    again = client.of("joined")[1]
    assert again["recovered"] and [event["seq"] for event in again["events"]] == [2]
    node.edit()
    await turns()
    assert client.seqs == [1, 2, 3]
    await client.join("trip2")
    assert client.code == 4400


@pytest.mark.parametrize(
    ("user", "prepare", "code", "error"),
    [
        ("eve", "", 4404, "not_found"),
        (None, "", 4401, "unauthenticated"),
        ("gone", "removed", 4403, "forbidden"),
        ("ann", "deleted", 4410, "gone"),
        ("ann", "down", 4003, "unavailable"),
    ],
)
async def test_refused_joins_say_why(
    world: World, user: str | None, prepare: str, code: int, error: str
) -> None:
    node = await world.node()
    world.trip.removed.add("gone")
    world.trip.deleted = prepare == "deleted"
    if prepare == "down":
        node.errors[open_room] = Unavailable("database away")
    client = await node.client(user, role="editor" if user == "ann" else None).join()
    assert [message["t"] for message in client.messages] == ["error", "closing"]
    assert client.of("error")[0]["code"] == error
    assert client.of("closing")[0]["code"] == client.code == code
    await until(lambda: not node.hub.sessions)


async def test_an_unknown_version_is_told_to_upgrade_even_with_unknown_fields(world: World) -> None:
    node = await world.node()
    client = node.client()
    await client.send({"t": "join", "v": 2, "room": ROOM, "client": "x", "novelty": True})
    assert client.code == 4426
    other = node.client()
    await other.send({"t": "join", "v": 7, "room": ROOM, "client": "x"})
    assert other.code == 4426


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "null",
        '{"t":"nope"}',
        '{"t":"ping","seq":"1"}',
        '{"t":"ping","extra":1}',
        '{"t":"cursor","x":1e999}',
        "[" * 50_000,
        '{"t":"submit","op_id":"x","base":0,"op":{}}',
        '{"t":"presence","looking":{"t":"stop","id":"../etc"}}',
    ],
)
async def test_a_bad_frame_closes_its_socket_and_no_other(world: World, frame: str) -> None:
    node = await world.node()
    bad, good = await node.client("bob").join(), await node.client().join()
    await bad.send(frame)
    assert bad.code == 4400 and bad.of("error")[0]["code"] == "bad_frame"
    node.edit()
    await turns()
    assert good.seqs == [1] and good.code is None and bad.seqs == []


@pytest.mark.parametrize(
    ("half", "read"),
    [
        ("\\ud83d", "\ufffd"),
        ("\\uDE00", "\ufffd"),
        ("\\ud83d\\u0041", "\ufffdA"),
        ("\\ud83d\\ud83d\\ude00", "\ufffd😀"),
    ],
)
async def test_half_of_an_emoji_spoils_a_character_and_not_the_socket(
    world: World, half: str, read: str
) -> None:
    node = await world.node()
    client = await node.client().join()
    op = '{"kind":"stop.set_fields","id":"s1","fields":{"name":"\\\\ud83d' + half + '"}}'
    frame = '{"t":"submit","op_id":"op-000001","base":0,"op":' + op + "}"
    await client.send(frame)
    await turns()
    assert client.code is None and client.seqs == [1]
    message = decode(frame)
    assert isinstance(message, Submit)
    named = decode_operation(message.op)
    assert isinstance(named, SetStopFields)
    assert named.fields.name == "\\ud83d" + read


async def test_anything_before_join_is_a_bad_frame(world: World) -> None:
    node = await world.node()
    client = node.client()
    await client.send({"t": "ping"})
    assert client.code == 4400


@pytest.mark.parametrize("fill", ["a", "同"])
async def test_an_oversized_frame_is_refused_by_its_bytes(world: World, fill: str) -> None:
    node = await world.node()
    client = await node.client().join()
    size = MAX_FRAME_BYTES // len(fill.encode()) + 1
    await client.send(f'"{fill * size}"')
    assert client.code == 1009


async def test_an_operation_is_seen_by_everybody_and_acknowledged_by_its_event(world: World) -> None:
    node = await world.node()
    writer, reader = await node.client().join(), await node.client("bob").join()
    await writer.submit(RENAME, "op-first")
    await until(lambda: writer.seqs == [1])
    assert reader.seqs == [1]
    assert writer.of("events")[0]["events"][0]["op_id"] == "op-first"
    assert writer.of("ack") == [] == writer.of("rejected")
    await writer.submit(RENAME, "op-first")
    await until(lambda: bool(writer.of("ack")))
    assert writer.of("ack") == [{"t": "ack", "op_id": "op-first", "seq": 1}] and reader.of("ack") == []
    assert world.trip.seq == 1


async def test_no_answer_overtakes_what_was_committed_before_it(world: World) -> None:
    node = await world.node()
    gate = node.gates[apply_operation] = asyncio.Event()
    client = await node.client().join()
    await client.submit(RENAME, "op-twice")
    await client.submit(RENAME, "op-twice")
    gate.set()
    await until(lambda: bool(client.of("ack")))
    assert [m["t"] for m in client.messages if m["t"] in ("events", "ack")] == ["events", "ack"]


async def test_a_bad_operation_is_rejected_and_the_socket_stays(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    await client.submit({"kind": "stop.fly"}, "op-kind-")
    await client.submit({"kind": "trip.set_fields", "fields": {"title": ""}}, "op-title")
    await client.send('{"t":"submit","op_id":"op-types","base":0,"op":[1]}')
    assert [(m["op_id"], m["code"]) for m in client.of("rejected")] == [
        ("op-kind-", "invalid"),
        ("op-title", "invalid"),
        ("op-types", "invalid"),
    ]
    assert client.session.connection.open and "apply_operation" not in node.calls


async def test_a_domain_error_is_rejected_with_its_details(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    node.errors[apply_operation] = Conflict("changed", current={"start_date": None})
    await client.submit(RENAME, "op-conflict")
    await until(lambda: bool(client.of("rejected")))
    told = client.of("rejected")[0]
    assert told["code"] == "conflict" and told["details"] == {"current": {"start_date": None}}
    assert "retryable" not in told
    node.errors[apply_operation] = Unavailable("busy")
    await client.submit(RENAME, "op-unavailable")
    await until(lambda: len(client.of("rejected")) == 2)
    assert client.of("rejected")[1]["retryable"] is True


async def test_an_unexpected_error_is_logged_and_answered(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    node = await world.node()
    client = await node.client().join()
    node.errors[apply_operation] = ZeroDivisionError("bug")
    with caplog.at_level(logging.ERROR):
        await client.submit(RENAME, "op-with-a-bug")
        await until(lambda: bool(client.of("rejected")))
    assert client.of("rejected")[0]["code"] == "internal" and "bug" in caplog.text
    node.errors[open_room] = ZeroDivisionError("bug in join")
    other = await node.client("bob").join()
    assert other.code == 4003 and "bug in join" in caplog.text


@pytest.mark.parametrize(("user", "role"), [("vic", "viewer"), ("pat", None), (None, None)])
async def test_readers_may_not_change_anything(world: World, user: str | None, role: str | None) -> None:
    world.trip.public = True
    node = await world.node()
    client = await node.client(user, role=role).join()  # type: ignore[arg-type]
    assert client.of("joined")[0]["role"] == (role or "spectator")
    await client.submit(RENAME, "op-by-a-reader")
    await until(lambda: bool(client.of("rejected")))
    assert client.of("rejected")[0]["code"] == "forbidden" and world.trip.seq == 0


async def test_many_operations_are_in_flight_at_once_in_order_and_bounded(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    gate = node.gates[apply_operation] = asyncio.Event()

    async def flood() -> None:
        for n in range(IN_FLIGHT + 10):
            await client.submit(RENAME, f"op-{n:08}")

    task = asyncio.get_running_loop().create_task(flood())
    await turns(200)
    assert node.calls.count("apply_operation") == IN_FLIGHT, "they gather for one transaction"
    assert not task.done(), "reading pauses"
    gate.set()
    await task
    await until(lambda: world.trip.seq == IN_FLIGHT + 10)
    assert [event.op_id for event in world.trip.events] == [f"op-{n:08}" for n in range(IN_FLIGHT + 10)]


async def test_a_flood_of_frames_closes_with_rate(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    for _ in range(200):
        await client.send({"t": "ping", "seq": 0})
    assert client.code == 4002 and client.of("closing")[0]["resume"] is True
    assert 50 <= len(client.of("pong")) <= 110


async def test_a_pong_never_overtakes_the_events_that_it_counts(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    node.edit(2)  # not flushed yet
    await client.send({"t": "ping", "seq": 0})
    assert [message["t"] for message in client.messages[-2:]] == ["events", "pong"]
    assert client.of("pong")[0]["seq"] == 2


async def test_a_client_that_leaves_during_its_join_leaves_nothing_behind(world: World) -> None:
    node = await world.node()
    gate = node.gates[open_room] = asyncio.Event()
    client = node.client()
    task = await joining(client)
    client.session.left()
    gate.set()
    await task
    node.edit()
    await turns()
    assert client.transport.written == [] and not node.hub.sessions
    assert node.hub.presence.people(ROOM) == []
    assert not node.hub._rooms[ROOM].sessions


async def test_joining_again_on_the_same_socket_is_shown_with_the_role_of_today(world: World) -> None:
    node = await world.node()
    world.trip.public = True
    ann, bob = await node.client("ann", "a").join(), await node.client("bob", "b").join()
    await until(lambda: "bob.b" in ann.people())
    node.lost = True  # nobody is told of what happens to bob
    world.trip.roles["bob"] = "viewer"
    node.member("bob", role="viewer")
    await bob.join(epoch="e1", since=0)
    assert [person.role for person in node.hub.presence.people(ROOM) if person.user == "bob"] == ["viewer"]
    del world.trip.roles["bob"]
    node.member("bob", deleted=True)
    await bob.join(epoch="e1", since=1)
    assert bob.of("joined")[-1]["role"] == "spectator"
    await until(lambda: "bob.b" not in ann.people())
    bob.session.left()
    assert [person.user for person in node.hub.presence.people(ROOM)] == ["ann"]


async def test_spectators_are_not_shown_and_have_no_presence(world: World) -> None:
    world.trip.public = True
    node = await world.node()
    ann = await node.client().join()
    reader = await node.client(None).join()
    await reader.send({"t": "presence", "typing": True})
    await reader.send({"t": "cursor", "surface": "map", "x": 1, "y": 2})
    await asyncio.sleep(3 * QUIET.presence.tick)
    assert ann.people() == {"ann.tab0"} == reader.people()
    assert ann.of("cursors") == []


async def test_frames_after_the_close_are_ignored(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    await client.send("{")
    count = len(client.messages)
    await client.submit(RENAME, "op-too-late")
    await turns()
    assert len(client.messages) == count and world.trip.seq == 0


async def test_messages_are_what_the_protocol_declares(world: World) -> None:
    from realtime.protocol import ServerMessage

    node = await world.node()
    client = await node.client().join()
    await client.send({"t": "presence", "typing": True})
    await client.send({"t": "cursor", "surface": "board", "x": 0.5, "y": 0.5, "anchor": "d1"})
    await client.send({"t": "ping"})
    await client.submit({"kind": "nope"}, "op-invalid")
    node.hub._rooms[ROOM].send_head()
    await until(lambda: bool(client.of("cursors")))
    node.member("ann", deleted=True)
    await turns()
    assert {message["t"] for message in client.messages} >= {
        "joined", "people", "cursors", "pong", "rejected", "head", "error", "closing",
    }  # fmt: skip
    for message in client.messages:
        if "snapshot" in message:
            message["snapshot"]["trip"] |= {"title": "t"}
        msgspec.convert(message, ServerMessage)
