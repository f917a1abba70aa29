"""Talk is for members: what spectators of a public trip get instead. Rules R8.2, R8.3, R9.2."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from domain.events import HIDDEN, Change, Suggested
from domain.services.rooms import open_room
from realtime.connection import SOFT_LIMIT
from realtime.envelope import FORMAT, Envelope, room_channel, seal, unseal
from realtime.protocol import Stream, encode, encode_events
from realtime.room import Batch
from tests.realtime.world import NEVER, QUIET, ROOM, SECRET, Client, World, turns, until

TRACES = (SECRET, "message.post", "talk-", '"talk"', "suggested", '"chat"', '"comment"', '"stream"', '"read"')
"""Bytes that would tell a spectator that something was said, or what."""


@pytest.fixture
def public(world: World) -> World:
    world.trip.public = True
    return world


def clean(client: Client) -> bool:
    """Nothing of talk among all that this client received."""
    return not any(trace.encode() in client.received for trace in TRACES)


def events(client: Client) -> list[dict[str, Any]]:
    """All events of live messages and of answers to `join`."""
    return [event for message in client.messages for event in message.get("events", ())]


# --- events (R8.2) ------------------------------------------------------------------------


async def test_live_events_keep_their_seq_and_lose_the_talk(public: World) -> None:
    here, there = await public.node(), await public.node()
    ann = await here.client().join()
    readers = [await here.client(None).join(), await there.client("pat", role=None).join()]
    far = await there.client("bob").join()
    here.edit()
    here.say()
    here.edit()
    await until(lambda: far.seqs == [1, 2, 3, 4] and readers[1].seqs == [1, 2, 3, 4])
    for member in (ann, far):
        said = events(member)
        assert said[1]["talk"][0]["set"]["text"] == SECRET and said[1]["actor"] == "ann"
        assert said[2]["suggested"] == {"proposal": f"p-{SECRET}", "by": "ann"}
    for reader in readers:
        shown = events(reader)
        assert [event["seq"] for event in shown] == [1, 2, 3, 4] and clean(reader)
        at = "2026-01-01T00:00:00.000Z"
        assert shown[1] == {"seq": 2, "op_id": "", "actor": "", "at": at, "kind": HIDDEN, "changes": []}
        assert shown[2]["changes"][0]["set"] == {"title": "accepted"} and shown[2]["actor"] == "bob"


async def test_one_frame_for_all_members_and_one_for_all_spectators(public: World) -> None:
    node = await public.node()
    members = [await node.client(f"user{n}").join() for n in range(3)]
    readers = [await node.client(None).join() for _ in range(3)]
    node.edit()
    await turns()
    shared = members[0].transport.written[-1]
    assert all(c.transport.written[-1] is shared for c in members + readers), "nothing to hide"
    node.say()
    node.edit()
    await turns()
    for group in (members, readers):
        assert all(client.transport.written[-1] is group[0].transport.written[-1] for client in group)
    assert all(clean(reader) for reader in readers)


async def test_nothing_is_redacted_while_only_members_are_here(
    public: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(body: bytes) -> bytes:
        raise AssertionError("redacted for nobody")

    monkeypatch.setattr("realtime.room.redact", unwanted)
    node = await public.node()
    ann = await node.client().join()
    node.say()
    await turns()
    assert ann.seqs == [1, 2]


@pytest.mark.parametrize("flag", [True, None])
async def test_a_message_of_the_bus_that_does_not_say_is_looked_into(
    public: World, flag: bool | None
) -> None:
    here, there = await public.node(), await public.node()
    reader = await here.client(None).join()
    there.lost = True
    bodies = [row.body for row in there.say()]
    envelope: list[Any] = [FORMAT, "events", there.hub.node, "e1", 1, 2, False]
    header = msgspec.json.encode(envelope if flag is None else [*envelope, flag])
    there.broker.publish(room_channel(ROOM), header + b"\n" + encode_events("e1", bodies))
    await until(lambda: reader.seqs == [1, 2])
    assert clean(reader)


async def test_an_accepted_piece_by_itself_is_shown_as_an_ordinary_change(public: World) -> None:
    node = await public.node()
    ann, reader = await node.client().join(), await node.client(None).join()
    change = Change("trip", ROOM, {"title": "accepted"})
    node.commit([("op-piece", "bob", "trip.set_fields", [change], None, Suggested(SECRET, "ann"))])
    await turns()
    assert events(ann)[0]["suggested"]["proposal"] == SECRET
    assert events(reader)[0]["changes"][0]["set"] == {"title": "accepted"} and clean(reader)


async def test_the_publisher_says_whether_a_batch_holds_talk(world: World) -> None:
    node = await world.node()
    heard: list[Envelope] = []
    spy = await world.node()
    spy.broker.listen(lambda _, data: heard.append(unseal(data)[0]), lambda: None)
    await spy.broker.subscribe(room_channel(ROOM))
    node.edit()
    node.say()
    await turns()
    assert [envelope.talk for envelope in heard if envelope.kind == "events"] == [False, True]
    assert heard[0].format == FORMAT == 1, "older processes still understand"


async def test_events_that_arrive_during_the_join(public: World) -> None:
    node = await public.node()
    ann = await node.client().join()
    gate = node.gates[open_room] = asyncio.Event()
    reader, bob = node.client(None), node.client("bob")
    joins = [asyncio.get_running_loop().create_task(client.join()) for client in (reader, bob)]
    await turns()
    node.say()
    await turns()
    gate.set()
    await asyncio.gather(*joins)
    assert reader.of("joined")[0]["seq"] == 0
    assert reader.seqs == [1, 2] == bob.seqs == ann.seqs
    assert clean(reader) and SECRET.encode() in bob.received


async def test_a_spectator_ahead_of_this_process_gets_the_rest_redacted(public: World) -> None:
    here, there = await public.node(replace(QUIET, hold=NEVER)), await public.node()
    ann = await here.client().join()
    there.lost = True
    batch = there.edit(2)
    reader, bob = await here.client(None).join(), await here.client("bob").join()
    batch += there.say()
    there.publisher.publish(ROOM, "e1", batch)  # late and as one
    await until(lambda: ann.seqs == [1, 2, 3, 4])
    assert reader.seqs == [3, 4] == bob.seqs
    assert clean(reader) and SECRET.encode() in bob.received


async def test_a_gap_that_is_read_from_the_log(public: World) -> None:
    node = await public.node()
    reader = await node.client(None).join()
    node.lost = True
    node.say()
    await node.hub.poll_heads()
    await until(lambda: reader.seqs == [1, 2])
    assert clean(reader)


async def test_resuming(public: World) -> None:
    node = await public.node()
    node.say()
    reader = await node.client(None).join(epoch="e1", since=0)
    bob = await node.client("bob").join(epoch="e1", since=0)
    assert [event["seq"] for event in events(reader)] == [1, 2] == [event["seq"] for event in events(bob)]
    assert clean(reader) and SECRET.encode() in bob.received


async def test_whatever_the_order_a_spectator_learns_nothing(public: World) -> None:
    """Seeded: batches in any order and twice, joins and resumes in between, on two processes."""
    for seed in range(40):
        rng = random.Random(seed)
        nodes = [await public.node(replace(QUIET, hold=0.0)) for _ in range(2)]
        readers: list[Client] = []
        members: list[Client] = []
        for _ in range(25):
            node = rng.choice(nodes)
            node.lost = rng.random() < 0.3
            made = node.say() if rng.random() < 0.5 else node.edit()
            if rng.random() < 0.2:
                bodies = [row.body for row in made]
                rng.choice(nodes).hub.deliver(ROOM, Batch("e1", made[0].event.seq, bodies, False))
            if rng.random() < 0.3:
                more: dict[str, Any] = {"epoch": "e1", "since": rng.randint(0, public.trip.seq)}
                more = more if rng.random() < 0.5 else {}
                readers.append(await node.client(None, f"r{seed}-{len(readers)}").join(**more))
                members.append(await node.client(f"u{len(members)}").join(**more))
            await turns(rng.randint(0, 3))
        for node in nodes:
            await node.hub.poll_heads()
        end = public.trip.seq
        await until(
            lambda end=end, seen=readers + members: all(  # type: ignore[misc]
                (client.seqs or [client.of("joined")[0]["seq"]])[-1] == end for client in seen
            )
        )
        for client in readers + members:
            start = client.of("joined")[0]["seq"]
            assert client.seqs == list(range(start + 1, end + 1)), f"seed {seed}"
        assert all(clean(reader) for reader in readers), f"seed {seed}"
        for node in nodes:
            await node.hub.aclose()


# --- a role that changes (R8.3) -----------------------------------------------------------


async def test_a_spectator_who_becomes_a_member_gets_talk_from_then_on(public: World) -> None:
    def typing(client: Client) -> bool:
        told = [p for m in client.of("people") for p in m.get("put", []) if p["session"] == "ann.ta"]
        return bool(told) and told[-1].get("typing") is True

    node = await public.node()
    ann = await node.client("ann", "ta").join()
    pat, other = await node.client("pat", role=None).join(), await node.client(None).join()
    await ann.send({"t": "presence", "editing": {"t": "trip", "id": ROOM, "field": "chat"}, "typing": True})
    node.say("before-" + SECRET)
    await until(lambda: typing(ann))
    assert not typing(pat)
    public.trip.roles["pat"] = "viewer"
    node.member("pat", name="Pat", role="viewer", color=3, deleted=False)
    node.say("after-" + SECRET)  # the same turn of the loop
    await turns()
    assert pat.seqs == [1, 2, 3, 4, 5] and pat.of("role") == [{"t": "role", "role": "viewer"}]
    assert b"before-" not in pat.received and b"after-" in pat.received
    node.hub.broadcast(ROOM, encode(Stream("a1", "streaming", text="Er")), members_only=True)
    await until(lambda: bool(pat.of("stream")))
    await until(lambda: typing(pat))
    assert clean(other)


async def test_a_removed_member_comes_back_to_a_public_trip_as_a_spectator(public: World) -> None:
    here, there = await public.node(), await public.node()
    bob, far = await here.client("bob").join(), await there.client("bob").join()
    here.say("before-" + SECRET)
    await until(lambda: far.seqs == [1, 2])
    del public.trip.roles["bob"]
    out = Change("member", "bob", {"deleted": True})
    # One transaction: removed, and then talked about.
    rows = [("op-out", "ann", "member.remove", [out])]
    here.commit(rows)
    here.say("after-" + SECRET)
    await until(lambda: bob.code == 4403 == far.code)
    assert b"after-" not in bob.received and b"after-" not in far.received
    back = await there.client("bob", role=None).join(epoch="e1", since=2)
    assert back.of("joined")[0]["role"] == "spectator"
    here.say("later-" + SECRET)
    await until(lambda: back.seqs == [6, 7])
    assert [event["seq"] for event in events(back)] == [3, 4, 5, 6, 7] and clean(back)


async def test_who_is_removed_during_the_join_sees_nothing_of_what_follows(public: World) -> None:
    node = await public.node()
    await node.client().join()
    gate = node.gates[open_room] = asyncio.Event()
    bob = node.client("bob")
    join = asyncio.get_running_loop().create_task(bob.join())
    await turns()
    node.member("bob", deleted=True)
    node.say()
    gate.set()
    await join
    assert bob.code == 4403 and bob.seqs == [] and SECRET.encode() not in bob.received


async def test_joining_again_on_the_same_socket_takes_the_role_of_today(public: World) -> None:
    node = await public.node()
    pat = await node.client("pat", role=None).join()
    node.lost = True
    public.trip.roles["pat"] = "editor"
    node.say()
    await pat.join(epoch="e1", since=0)
    assert pat.of("joined")[1]["role"] == "editor" and SECRET.encode() in pat.received


# --- presence and volatile messages (R8.2, R9.2) ------------------------------------------


async def test_spectators_do_not_see_who_writes_in_the_talk(public: World) -> None:
    here, there = await public.node(), await public.node()
    ann = await here.client("ann", "ta").join()
    bob = await there.client("bob", "tb").join()
    reader = await there.client(None).join()
    await until(lambda: "ann.ta" in reader.people())
    stop = {"t": "stop", "id": "s1"}
    await ann.send({"t": "presence", "looking": stop, "editing": stop | {"field": "comment"}, "typing": True})

    def told(client: Client) -> dict[str, Any]:
        people = [p for m in client.of("people") for p in m.get("put", []) if p["session"] == "ann.ta"]
        return people[-1] if people else {}

    await until(lambda: told(bob).get("typing") is True and "looking" in told(reader))
    assert told(bob)["editing"]["field"] == "comment"
    assert "typing" not in told(reader) and "editing" not in told(reader)
    late = await there.client(None).join()
    assert late.of("joined")[0]["people"][0]["user"] in ("ann", "bob")
    reader.session.missed = {"ann.ta"}
    reader.session.heal_people()
    assert clean(reader) and clean(late)


async def test_members_only_messages_reach_members_everywhere_and_no_spectator(public: World) -> None:
    here, there = await public.node(), await public.node()
    ann, bob = await here.client().join(), await there.client("bob").join()
    readers = [await here.client(None).join(), await there.client("pat", role=None).join()]
    here.hub.broadcast(ROOM, encode(Stream("a1", "streaming", text=SECRET)), members_only=True)
    here.hub.broadcast(ROOM, b'{"t":"delta"}')
    await until(lambda: all(client.of("delta") for client in (ann, bob, *readers)))
    assert [c.of("stream")[0]["text"] for c in (ann, bob)] == [SECRET, SECRET]
    assert all(clean(reader) and not reader.of("stream") for reader in readers)


async def test_a_slow_reader_loses_the_stream_and_no_event(world: World) -> None:
    node = await world.node()
    slow, good = await node.client("bob").join(), await node.client().join()
    slow.transport.stalled, slow.transport.waiting = True, SOFT_LIMIT + 1
    for n in range(5):
        node.hub.broadcast(ROOM, encode(Stream("a1", "streaming", at=n, text="x")), members_only=True)
        node.say()
        await turns()
    assert slow.of("stream") == [] and len(good.of("stream")) == 5
    assert slow.seqs == good.seqs == list(range(1, 11)) and slow.code is None
    slow.transport.read_all()
    node.hub.broadcast(ROOM, encode(Stream("a1", "streaming", text="xxxxx")), members_only=True)
    await turns()
    assert [message["text"] for message in slow.of("stream")] == ["xxxxx"]


# --- watch (R9.2) -------------------------------------------------------------------------


async def test_watch_reaches_the_hook_for_members_only(public: World) -> None:
    node = await public.node()
    asked: list[tuple[str, str]] = []
    ann, reader = await node.client().join(), await node.client(None).join()
    await ann.send({"t": "watch", "answer": "a0"})  # nobody listens yet
    node.hub.on_watch = lambda trip_id, answer_id: asked.append((trip_id, answer_id))
    await ann.send({"t": "watch", "answer": "a1"})
    await reader.send({"t": "watch", "answer": "a1"})
    assert asked == [(ROOM, "a1")] and ann.code is None and reader.code is None


@pytest.mark.parametrize(
    "frame",
    [
        {"t": "read", "seq": 0},
        {"t": "read", "seq": 2**53},
        {"t": "read", "seq": "1"},
        {"t": "read"},
        {"t": "watch", "answer": "../x"},
        {"t": "watch"},
        {"t": "stream", "answer": "a1", "status": "done"},
    ],
)
async def test_malformed_talk_frames_close_their_socket_and_no_other(world: World, frame: Any) -> None:
    node = await world.node()
    bad, good = await node.client("bob").join(), await node.client().join()
    await bad.send(frame)
    assert bad.code == 4400 and good.code is None and "mark_read" not in node.calls
    early = node.client("carl")
    await early.send({"t": "read", "seq": 1})
    assert early.code == 4400


async def test_the_envelope_of_members_only_messages_is_of_its_own_kind(world: World) -> None:
    """A process that does not know the kind shows nothing, rather than everything."""
    node, spy = await world.node(), await world.node()
    heard: list[bytes] = []
    spy.broker.listen(lambda _, data: heard.append(data), lambda: None)
    await spy.broker.subscribe(room_channel(ROOM))
    node.hub.broadcast(ROOM, b"{}", members_only=True)
    await turns()
    assert heard == [seal(Envelope(FORMAT, "talk", node.hub.node), b"{}")]
