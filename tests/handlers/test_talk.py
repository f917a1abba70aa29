"""Talk over REST: pages, threads, proposals, the timeline; and what a spectator's resume holds.

Rules R8.1, R8.2, R8.5, R10.2.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain.commands import Actor, OpenRoom, RoomState
from domain.services.rooms import open_room
from domain.services.talk import mark_read
from domain.talk import MarkRead
from tests.handlers.world import Client, World

SECRET = "only-for-members"


class Room:
    """A trip with an owner, an editor and a viewer, and a stop `s1` on it."""

    def __init__(self, world: World, trip_id: str, people: dict[str, Client]) -> None:
        self.world = world
        self.id = trip_id
        self.path = f"/api/trips/{trip_id}"
        self.people = people
        self._count = 0

    async def op(self, who: str, op: dict[str, Any], status: int = 200) -> Any:
        self._count += 1
        body = {"op_id": f"op-{self._count:06}", "base": self.seq, "op": op}
        answer = await self.people[who].post(f"{self.path}/operations", body)
        assert answer.status == status, answer
        return answer.json

    async def say(self, who: str, message_id: str, text: str = SECRET, **more: Any) -> None:
        await self.op(who, {"kind": "message.post", "id": message_id, "text": text, **more})

    async def get(self, who: str, path: str) -> Any:
        answer = await self.people[who].get(f"{self.path}/{path}")
        assert answer.status == 200, answer
        return answer.json

    @property
    def seq(self) -> int:
        return int(self.world.run.heads()[self.id][1])

    async def publish(self) -> None:
        answer = await self.people["owner"].patch(self.path, {"visibility": "public"})
        assert answer.status == 200, answer

    async def resume(self, user_id: str | None, since: int | None) -> RoomState:
        epoch = self.world.run.heads()[self.id][0]
        state: RoomState = await self.world.run(open_room, OpenRoom(self.id, Actor(user_id), since, epoch))
        return state


@pytest.fixture
async def room(world: World) -> Room:
    owner = await world.client().guest("Owner")
    trip_id = await owner.trip()
    people = {"owner": owner, "anonymous": world.client()}
    for role in ("editor", "viewer"):
        people[role] = await (await world.client().guest(role)).join(await owner.invite(trip_id, role))
    people["stranger"] = await world.client().guest("Stranger")
    made = Room(world, trip_id, people)
    await made.op("owner", {"kind": "stop.add", "id": "s1", "fields": {"name": "Erhai"}})
    return made


def ids(answer: Any, key: str = "messages") -> list[str]:
    return [each["id"] for each in answer[key]]


# --- messages -----------------------------------------------------------------------------


async def test_pages_go_back_without_a_gap_though_people_go_on_talking(room: Room) -> None:
    for n in range(7):
        await room.say("viewer", f"m{n}")
    page = await room.get("owner", "messages?limit=3")
    assert ids(page) == ["m6", "m5", "m4"] and page["next_before"] == page["messages"][-1]["seq"]
    await room.say("owner", "m7")
    found = ids(page)
    while page["next_before"] is not None:
        page = await room.get("owner", f"messages?limit=3&before={page['next_before']}")
        found += ids(page)
    assert found == [f"m{n}" for n in (6, 5, 4, 3, 2, 1, 0)]


async def test_a_page_brings_what_is_quoted_marks_and_the_unread(room: Room) -> None:
    await room.say("viewer", "m1", "first")
    await room.say("viewer", "m2", "second")
    await room.say("editor", "m3", "reply", reply_to="m1")
    viewer = room.people["viewer"].user["id"]
    await room.world.run(mark_read, MarkRead(room.id, Actor(viewer), room.seq))
    page = await room.get("owner", "messages?limit=1")
    assert ids(page) == ["m3"] and ids(page, "quoted") == ["m1"]
    assert page["reads"][viewer] == room.seq and page["unread"] == 3
    assert (await room.get("viewer", "messages"))["unread"] == 0


async def test_comments_are_found_by_their_record(room: Room) -> None:
    stop, trip = {"t": "stop", "id": "s1"}, {"t": "trip", "id": room.id}
    await room.say("owner", "c1", channel="comment", about=stop)
    await room.say("owner", "c2", channel="comment", about=trip)
    await room.say("owner", "c3", channel="comment", about=stop | {"field": "notes"})
    await room.say("owner", "m1", about=stop)
    assert ids(await room.get("viewer", "messages?channel=comment")) == ["c3", "c2", "c1"]
    assert ids(await room.get("viewer", "messages?channel=comment&about=stop:s1")) == ["c3", "c1"]
    assert ids(await room.get("viewer", f"messages?channel=comment&about=trip:{room.id}")) == ["c2"]
    assert ids(await room.get("viewer", "messages")) == ["m1"]
    await room.op("owner", {"kind": "comment.resolve", "id": "c1"})
    threads = {(each["t"], each["id"]): each for each in (await room.get("viewer", "threads"))["threads"]}
    assert threads[("stop", "s1")] == {"t": "stop", "id": "s1", "open": 1, "total": 2}
    assert threads[("trip", room.id)]["open"] == 1 and len(threads) == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("channel=mail", "channel"),
        ("before=0", "before"),
        ("before=9007199254740992", "before"),
        ("before=x", "before"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("channel=comment&about=member:u1", "about"),
        ("channel=comment&about=stop:", "about"),
        ("channel=comment&about=stop:../x", "about"),
        ("about=stop:s1", "about"),
    ],
)
async def test_a_wrong_query_is_refused_by_its_field(room: Room, query: str, field: str) -> None:
    answer = await room.people["owner"].get(f"{room.path}/messages?{query}")
    assert (answer.status, answer.code) == (400, "invalid"), answer
    assert answer.json["error"]["details"]["field"] == field


# --- proposals ----------------------------------------------------------------------------


def rename(name: str) -> dict[str, Any]:
    return {"kind": "stop.set_fields", "id": "s1", "fields": {"name": name}}


async def test_proposals_that_wait_and_those_asked_for(room: Room) -> None:
    for n in (1, 2):
        await room.op("viewer", {"kind": "proposal.open", "id": f"p{n}", "ops": [rename(f"Lake {n}")]})
    assert ids(await room.get("editor", "proposals"), "proposals") == ["p2", "p1"]
    await room.op("editor", {"kind": "proposal.accept", "id": "p1"})
    waiting = (await room.get("editor", "proposals"))["proposals"]
    assert [each["id"] for each in waiting] == ["p2"]
    assert waiting[0]["pieces"][0]["status"] == "stale", "the accepted one has changed the same field"
    named = (await room.get("viewer", "proposals?ids=p1,none"))["proposals"]
    assert [each["id"] for each in named] == ["p2", "p1"] and named[1]["pieces"][0]["status"] == "accepted"


@pytest.mark.parametrize("given", ["", ",", "p1,", "../x", ",".join(["p"] * 101)])
async def test_wrong_ids_are_refused(room: Room, given: str) -> None:
    answer = await room.people["owner"].get(f"{room.path}/proposals?ids={given}")
    assert answer.status == 400 and answer.json["error"]["details"]["field"] == "ids", answer


# --- the timeline -------------------------------------------------------------------------


async def test_the_timeline_tells_that_something_was_said_and_not_what(room: Room) -> None:
    await room.say("viewer", "m1")
    await room.say("viewer", "c1", channel="comment", about={"t": "stop", "id": "s1"})
    await room.op("viewer", {"kind": "proposal.open", "id": "p1", "ops": [rename("L")], "note": SECRET})
    await room.op("editor", {"kind": "proposal.accept", "id": "p1"})
    answer = await room.people["viewer"].get(f"{room.path}/history?limit=5")
    kinds = [event["kind"] for event in answer.json["events"]]
    assert kinds == [
        "proposal.accept", "stop.set_fields", "proposal.open", "message.post", "message.post",
    ]  # fmt: skip
    piece, comment = answer.json["events"][1], answer.json["events"][3]
    assert piece["suggested"] == {"proposal": "p1", "by": room.people["viewer"].user["id"]}
    assert piece["actor"] == room.people["editor"].user["id"]
    assert comment["talk"][0]["set"]["about"] == {"t": "stop", "id": "s1"}
    assert SECRET.encode() not in answer.body


# --- spectators ---------------------------------------------------------------------------


async def test_a_spectators_resume_and_snapshot_hold_nothing_of_talk(room: Room) -> None:
    await room.say("viewer", "before")
    await room.publish()
    since = room.seq
    await room.say("viewer", "after")
    await room.op("viewer", {"kind": "proposal.open", "id": "p1", "ops": [rename("L")], "note": SECRET})
    await room.op("editor", {"kind": "proposal.accept", "id": "p1"})
    await room.say("owner", "c1", channel="comment", about={"t": "stop", "id": "s1"})
    for user_id in (None, room.people["stranger"].user["id"]):
        state = await room.resume(user_id, since)
        assert state.role == "spectator" and state.recovered and state.events is not None
        bodies = b"".join(state.events)
        events = [msgspec.json.decode(body) for body in state.events]
        assert [event["seq"] for event in events] == list(range(since + 1, room.seq + 1)), "no gap"
        kinds = [event["kind"] for event in events]
        assert kinds == ["hidden", "hidden", "stop.set_fields", "hidden", "hidden"]
        traces = (SECRET, "message.", "proposal", "talk", "suggested", room.people["viewer"].user["id"])
        assert not [trace for trace in traces if trace.encode() in bodies]
        whole = await room.resume(user_id, None)
        assert whole.snapshot is not None and SECRET.encode() not in whole.snapshot
        assert not (await room.resume(user_id, 0)).recovered, "the log of before it was public is closed"
    member = await room.resume(room.people["viewer"].user["id"], since)
    assert member.events is not None and b"".join(member.events).count(SECRET.encode()) >= 2


async def test_a_removed_member_resumes_as_a_spectator(room: Room) -> None:
    await room.publish()
    since = room.seq
    await room.say("owner", "m1")
    viewer = room.people["viewer"].user["id"]
    assert SECRET.encode() in b"".join((await room.resume(viewer, since)).events or [])
    await room.op("owner", {"kind": "member.remove", "id": viewer})
    state = await room.resume(viewer, since)
    assert state.role == "spectator" and len(state.events or []) == 2
    assert SECRET.encode() not in b"".join(state.events or [])
    for path in ("messages", "threads", "proposals"):
        assert (await room.people["viewer"].get(f"{room.path}/{path}")).status == 403


async def test_a_spectator_can_say_and_mark_nothing(room: Room) -> None:
    await room.publish()
    head = room.seq
    for op in (
        {"kind": "message.post", "id": "m1", "text": "hi"},
        {"kind": "proposal.open", "id": "p1", "ops": [rename("L")]},
    ):
        await room.op("stranger", op, 403)
    from domain.errors import Forbidden

    with pytest.raises(Forbidden):
        await room.world.run(mark_read, MarkRead(room.id, Actor(room.people["stranger"].user["id"]), head))
    assert room.seq == head
