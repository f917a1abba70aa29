"""Several processes, live authority, revocation, limits, drain. Rules R3.5, R7.1, R7.2."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from domain.errors import Unavailable
from domain.services.rooms import apply_operation, read_heads
from realtime import admission
from realtime.admission import HubLimits
from tests.realtime.world import QUIET, RENAME, ROOM, Client, Node, World, refusal, turns, until


async def two(world: World) -> tuple[Node, Node]:
    return await world.node(), await world.node()


async def test_what_one_process_commits_members_on_another_see(world: World) -> None:
    here, there = await two(world)
    near, far = await here.client().join(), await there.client("bob").join()
    await near.submit(RENAME, "op-across")
    await until(lambda: far.seqs == [1] == near.seqs)
    assert there.calls == ["open_room"], "the message was enough"


async def test_local_delivery_does_not_need_the_bus(world: World) -> None:
    here, there = await two(world)
    near, far = await here.client().join(), await there.client("bob").join()
    world.bus.down()
    here.edit(2)
    await turns()
    assert near.seqs == [1, 2] and far.seqs == []
    await there.hub.poll_heads()  # what happens every second while the bus is down
    await until(lambda: far.seqs == [1, 2])


async def test_after_an_outage_every_process_looks_at_once(world: World) -> None:
    here, there = await two(world)
    far = await there.client("bob").join()
    world.bus.down()
    here.edit(3)
    world.bus.restore()
    await until(lambda: far.seqs == [1, 2, 3])


async def test_a_crash_between_commit_and_publish_only_delays(world: World) -> None:
    here, there = await two(world)
    far = await there.client("bob").join()
    here.lost = True
    here.edit()
    await turns()
    assert far.seqs == []
    await there.hub.poll_heads()
    await until(lambda: far.seqs == [1])


async def test_polling_is_one_query_for_all_rooms_and_survives_the_database(world: World) -> None:
    node = await world.node(replace(QUIET, poll=0.01, poll_down=0.01))
    client = await node.client().join()
    node.errors[read_heads] = Unavailable("away")
    await until(lambda: node.calls.count("read_heads") >= 2)
    node.lost = True
    node.edit()
    del node.errors[read_heads]
    await until(lambda: client.seqs == [1])


async def test_a_removed_member_is_closed_everywhere_before_the_event_is_shown(world: World) -> None:
    here, there = await two(world)
    owner = await here.client("ann", role="owner").join()
    near, far = await here.client("bob").join(), await there.client("bob").join()
    other = await there.client("carl").join()
    await owner.submit({"kind": "member.remove", "id": "bob"}, "op-remove-bob")
    await until(lambda: near.code == 4403 == far.code)
    assert near.seqs == [] == far.seqs and far.of("closing")[0]["resume"] is False
    assert owner.seqs == [1]
    await until(lambda: other.seqs == [1])
    await until(lambda: not any("bob" in sid for sid in other.people()))
    assert other.code is None


async def test_a_removal_that_only_the_log_tells_works_too(world: World) -> None:
    here, there = await two(world)
    far = await there.client("bob").join()
    here.lost = True
    here.member("bob", deleted=True)
    await there.hub.poll_heads()
    await until(lambda: far.code == 4403)


async def test_a_removal_during_the_join_closes(world: World) -> None:
    from domain.services.rooms import open_room

    node = await world.node()
    gate = node.gates[open_room] = asyncio.Event()
    client = node.client("bob")
    task = asyncio.get_running_loop().create_task(client.join())
    await turns()
    node.member("bob", deleted=True)
    gate.set()
    await task
    assert client.code == 4403


async def test_a_deletion_during_the_join_is_shown_and_closes(world: World) -> None:
    from domain.services.rooms import open_room

    node = await world.node()
    owner = await node.client("ann", role="owner").join()
    gate = node.gates[open_room] = asyncio.Event()
    client = node.client("bob")
    task = asyncio.get_running_loop().create_task(client.join())
    await turns()
    await owner.submit({"kind": "trip.delete"}, "op-delete")
    await until(lambda: owner.code == 4410)
    gate.set()
    await task
    assert client.seqs == [1] and client.code == 4410


async def test_a_new_role_is_told_and_shown(world: World) -> None:
    here, there = await two(world)
    owner, far = await here.client("ann", role="owner").join(), await there.client("bob").join()
    await owner.submit({"kind": "member.set_role", "id": "bob", "role": "viewer"}, "op-role-bob")
    await until(lambda: far.of("role") == [{"t": "role", "role": "viewer"}])
    assert owner.of("role") == []

    def shown() -> str | None:
        people = [p for m in owner.of("people") for p in m.get("put", []) if p["user"] == "bob"]
        return people[-1]["role"] if people else None

    await until(lambda: shown() == "viewer")


async def test_a_spectator_who_becomes_a_member_is_shown(world: World) -> None:
    world.trip.public = True
    node = await world.node()
    ann, pat = await node.client().join(), await node.client("pat", "tp", role=None).join()
    await turns()
    assert ann.people() == {"ann.tab0"}
    world.trip.roles["pat"] = "editor"
    node.member("pat", name="Pat", role="editor", color=3, deleted=False)
    await until(lambda: "pat.tp" in ann.people())
    assert pat.of("role") == [{"t": "role", "role": "editor"}]


async def test_deleting_shows_the_event_and_closes(world: World) -> None:
    here, there = await two(world)
    owner, far = await here.client("ann", role="owner").join(), await there.client("bob").join()
    await owner.submit({"kind": "trip.delete"}, "op-delete")
    await until(lambda: owner.code == 4410 == far.code)
    assert owner.seqs == [1] == far.seqs


async def test_a_trip_that_becomes_private_closes_spectators_only(world: World) -> None:
    world.trip.public = True
    node = await world.node()
    owner = await node.client("ann", role="owner").join()
    guest, reader = await node.client(None).join(), await node.client("pat", role=None).join()
    await owner.submit({"kind": "trip.set_visibility", "visibility": "private"}, "op-private")
    await until(lambda: guest.code == 4403 == reader.code)
    assert owner.code is None and owner.seqs == [1] and guest.seqs == []


async def test_a_new_name_reaches_presence(world: World) -> None:
    node = await world.node()
    ann = await node.client().join()
    node.member("ann", name="安")
    await until(lambda: any(p["name"] == "安" for m in ann.of("people") for p in m.get("put", [])))


async def test_revoking_a_sign_in_closes_its_sockets_on_every_process(world: World) -> None:
    here, there = await two(world)
    near, far = await here.client("bob").join(), await there.client("bob").join()
    other = await there.client("carl").join()
    await here.hub.revoke(auth_ids=["auth-bob"])
    await until(lambda: near.code == 4401 == far.code)
    await there.hub.revoke(user_id="carl")
    await until(lambda: other.code == 4401)


async def test_an_ended_sign_in_is_found_without_any_message(world: World) -> None:
    world.trip.public = True
    node = await world.node(replace(QUIET, sign_ins=0.01))
    bob, carl, reader = node.client("bob"), node.client("carl"), node.client(None)
    for client in (bob, carl, reader):
        await client.join()
    world.valid = {"auth-carl"}
    await until(lambda: bob.code == 4401)
    assert carl.code is None and reader.code is None


async def test_limits_of_user_address_and_process(world: World) -> None:
    node = await world.node(limits=HubLimits(connections=5, of_user=2, of_address=1))
    hub = node.hub
    tabs = [node.client("bob"), node.client("bob")]
    refused = refusal(hub, "bob", "10.0.0.1")
    assert refused is not None and refused.code == 4429
    assert refusal(hub, None, "127.0.0.1") is None
    node.client(None)
    anonymous = refusal(hub, None, "127.0.0.1")
    assert anonymous is not None and anonymous.code == 4429
    tabs[0].session.left()
    tabs[0].session.left()
    assert refusal(hub, "bob", "10.0.0.1") is None, "leaving twice counts once"
    for n in range(3):
        node.client(f"user{n}")
    full = refusal(hub, "dora", "10.0.0.1")
    assert full is not None and full.code == 4003


async def test_a_handshake_under_way_counts_until_it_is_over(world: World) -> None:
    node = await world.node(limits=HubLimits(connections=4, of_user=2, of_address=1))
    hub = node.hub
    bobs = [hub.arrive() for _ in range(3)]
    assert hub.arriving == 3 and all(each.refused is None for each in bobs), "nobody knows yet who they are"
    for each in bobs:
        hub.claim(each, "bob", "10.0.0.1")
    assert [each.refused and each.refused.code for each in bobs] == [None, None, 4429]
    others = [hub.arrive() for _ in range(3)]
    assert [each.refused and each.refused.code for each in others] == [None, None, 4003]
    assert hub.arriving == 4
    hub.gone(bobs[0])
    hub.gone(bobs[0])
    assert refusal(hub, "bob") is None and hub.arriving == 3
    for each in (*bobs, *others):
        hub.gone(each)
    assert hub.arriving == 0
    full = [node.client(name) for name in ("bob", "bob", "ann", "ann")]
    assert refusal(hub, "carl") is not None
    full[0].session.left()
    assert refusal(hub, "bob") is None, "what became a session is given back once"


async def test_who_is_sent_away_is_told_why_only_by_the_hundred(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "MAX_TURNED_AWAY", 2)
    hub = (await world.node(limits=HubLimits(connections=1))).hub
    inside = hub.arrive()
    away = [hub.arrive() for _ in range(4)]
    assert inside.refused is None and {each.refused and each.refused.code for each in away} == {4003}
    assert [each.heard for each in away] == [True, True, False, False]
    for each in away:
        hub.gone(each)
    hub.gone(inside)
    assert hub.arrive().refused is None and hub.arrive().heard
    assert hub.stats.refused == {4003: 5}


async def test_an_empty_room_is_closed_after_a_while_and_opens_again(world: World) -> None:
    node = await world.node(replace(QUIET, linger=0.0))
    client = await node.client().join()
    client.session.left()

    def swept() -> bool:
        return node.hub.counts()["rooms"] == 0

    for _ in range(100):
        await node.hub.sweep()
        await asyncio.sleep(QUIET.presence.tick)
        if swept():
            break
    assert swept() and f"room:{ROOM}" not in node.broker.channels
    again = await node.client().join()
    node.edit()
    await turns()
    assert again.seqs == [1] and f"room:{ROOM}" in node.broker.channels


async def test_the_heartbeat_tells_quiet_rooms_where_they_stand(world: World) -> None:
    node = await world.node(replace(QUIET, heartbeat=0.01))
    node.edit(4)
    client = await node.client().join()
    await until(lambda: bool(client.of("head")))
    assert client.of("head")[0] == {"t": "head", "seq": 4}


async def test_volatile_messages_reach_the_room_everywhere(world: World) -> None:
    here, there = await two(world)
    near, far = await here.client().join(), await there.client("bob").join()
    here.hub.broadcast(ROOM, b'{"t":"delta","text":"Er"}')
    await until(lambda: bool(far.of("delta")))
    assert len(near.of("delta")) == 1 == len(far.of("delta"))


# --- held rooms (R9.1) --------------------------------------------------------------------


async def swept(node: Node) -> bool:
    """Whether a few sweeps close the room."""
    for _ in range(20):
        await node.hub.sweep()
        await asyncio.sleep(QUIET.presence.tick)
        if node.hub.counts()["rooms"] == 0:
            return True
    return False


async def test_a_held_room_stays_open_as_often_as_it_is_held(world: World) -> None:
    node = await world.node(replace(QUIET, linger=0.0))
    await node.hub.hold(ROOM)
    await node.hub.hold(ROOM)
    assert f"room:{ROOM}" in node.broker.channels
    node.hub.release(ROOM)
    assert not await swept(node)
    node.hub.release(ROOM)
    assert await swept(node) and f"room:{ROOM}" not in node.broker.channels


async def test_a_released_room_with_people_stays(world: World) -> None:
    node = await world.node(replace(QUIET, linger=0.0))
    client = await node.client().join()
    await node.hub.hold(ROOM)
    client.session.left()
    assert not await swept(node)
    again = await node.client().join()
    node.hub.release(ROOM)
    assert not await swept(node)
    node.edit()
    await turns()
    assert again.seqs == [1]


async def test_a_held_room_knows_whether_some_member_is_anywhere(world: World) -> None:
    world.trip.public = True
    here, there = await two(world)
    assert not here.hub.watched(ROOM), "not open here"
    await here.hub.hold(ROOM)
    assert here.hub.watched(ROOM), "nobody is taken for absent before presence was looked up"
    await until(lambda: not here.hub.watched(ROOM))
    reader = await here.client(None).join()
    assert not here.hub.watched(ROOM), "spectators do not count"
    near = await here.client("ann", "ta").join()
    assert here.hub.watched(ROOM)
    near.session.left()
    await here.hub.sweep()
    await until(lambda: not here.hub.watched(ROOM))
    far = await there.client("bob", "tb").join()
    await until(lambda: here.hub.watched(ROOM))
    far.session.left()
    await there.hub.sweep()
    await until(lambda: not here.hub.watched(ROOM))
    assert reader.code is None


async def test_people_of_before_are_found_by_a_room_that_is_held_later(world: World) -> None:
    here, there = await two(world)
    await there.client("bob", "tb").join()
    await there.hub.presence.refresh()
    await here.hub.hold(ROOM)
    await until(lambda: here.hub.presence.is_known(ROOM))
    assert here.hub.watched(ROOM)


async def test_a_held_room_without_sessions_is_compared_with_the_database(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    node.edit()
    await node.hub.hold(ROOM)
    client.session.left()
    node.lost = True
    node.edit(2)
    await node.hub.poll_heads()
    await until(lambda: node.hub._rooms[ROOM].head == 3)
    node.hub.release(ROOM)
    calls = node.calls.count("read_heads")
    await node.hub.poll_heads()
    assert node.calls.count("read_heads") == calls


# --- drain --------------------------------------------------------------------------------


async def test_drain_finishes_what_is_under_way_and_says_when_to_come_back(world: World) -> None:
    node = await world.node()
    clients = [await node.client(f"user{n}").join() for n in range(120)]
    late = node.client("late")
    gate = node.gates[apply_operation] = asyncio.Event()
    await clients[0].submit(RENAME, "op-under-way")
    await turns()
    draining = asyncio.get_running_loop().create_task(node.hub.drain(5))
    await turns()
    await clients[1].submit(RENAME, "op-too-late")
    await late.join()
    assert clients[1].of("rejected")[0]["retryable"] is True
    assert late.code == 1012 and clients[0].code is None
    refused = refusal(node.hub, "new", "10.0.0.1")
    assert refused is not None and refused.code == 1012
    gate.set()
    await draining
    assert world.trip.seq == 1
    assert all(client.seqs == [1] for client in clients), "what was committed was shown before"
    assert {client.code for client in clients} == {1012}
    waits = {client.of("closing")[0].get("retry_after_ms", 0) for client in clients}
    assert len(waits) > 20 and all(client.of("closing")[0]["resume"] for client in clients)
    assert not node.hub.sessions


async def test_drain_drops_peers_that_do_not_answer_by_the_deadline(world: World) -> None:
    node = await world.node()
    mute = await node.client().join()
    mute.transport.on_end = lambda: None
    await node.hub.drain(0.05)
    assert mute.transport.aborted


async def test_a_rolling_restart_makes_nobody_flicker_and_loses_nothing(world: World) -> None:
    old, new = await two(world)
    ann: Client = await old.client("ann", "ta").join()
    watcher = await new.client("bob", "tb").join()
    await until(lambda: "ann.ta" in watcher.people())
    await old.hub.drain(2)
    for _ in range(3):  # the old process goes on for a while before it ends
        await old.hub.sweep()
        await asyncio.sleep(2 * QUIET.presence.tick)
    new.edit(2)
    back = await new.client("ann", "ta").join(epoch="e1", since=0)
    assert [event["seq"] for event in back.of("joined")[0]["events"]] == [1, 2]
    await old.hub.sweep()
    await new.hub.sweep()
    await asyncio.sleep(4 * QUIET.presence.tick)
    assert ann.code == 1012
    assert not any("ann.ta" in message.get("gone", []) for message in watcher.of("people"))


async def test_closing_a_hub_stops_its_tasks(world: World) -> None:
    node = await world.node()
    client = await node.client().join()
    await node.hub.aclose()
    node.edit()  # a commit that finishes after the end hurts nobody
    await client.submit(RENAME, "op-after-the-end")
    assert node.hub.counts()["tasks"] == 0
