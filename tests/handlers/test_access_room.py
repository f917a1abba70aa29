"""The authorisation matrix of the room socket: every frame, every operation, everybody who may knock.

A frame type or an operation without a row here fails its `test_every_..._has_a_row`. Who is who:
`tests.handlers.actors`. Rules R4.4, R7.1, R7.3.
"""

from __future__ import annotations

import asyncio
import typing
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.operations import AnyOperation, Operation
from realtime.protocol import ClientMessage
from tests.handlers.actors import ACTORS, OUTSIDE, Stage, make_world, read_table
from tests.handlers.raw_socket import TEXT, RawSocket
from tests.handlers.test_assistant import streaming
from tests.handlers.world import World

# What becomes of a frame. Numbers are the close codes of those who do not get in: for `join`, of the
# join itself, else of the frame sent without one. Of the others: `shown` to the room, `kept`, answered
# (`joined`, `pong`), `asked` of the assistant, `ignored`, or `refused` by `rejected`.
PRIVATE = """
          nobody expired stranger guest other invited removed  viewer  editor   owner
join        4401    4401     4404  4404  4404    4404    4403  joined  joined  joined
submit      4400    4400     4400  4400  4400    4400    4400 refused    kept    kept
presence    4400    4400     4400  4400  4400    4400    4400   shown   shown   shown
cursor      4400    4400     4400  4400  4400    4400    4400   shown   shown   shown
ping        4400    4400     4400  4400  4400    4400    4400    pong    pong    pong
read        4400    4400     4400  4400  4400    4400    4400    kept    kept    kept
watch       4400    4400     4400  4400  4400    4400    4400   asked   asked   asked
"""
PUBLIC = """
           nobody expired stranger   guest   other invited removed
join       joined  joined   joined  joined  joined  joined  joined
submit    refused refused  refused refused refused refused refused
presence  ignored ignored  ignored ignored ignored ignored ignored
cursor    ignored ignored  ignored ignored ignored ignored ignored
ping         pong    pong     pong    pong    pong    pong    pong
read      ignored ignored  ignored ignored ignored ignored ignored
watch     ignored ignored  ignored ignored ignored ignored ignored
"""
FRAMES: dict[str, dict[str, Any]] = {
    "submit": {"op_id": "op-frame-1", "base": 0, "op": {"kind": "day.add", "id": "d"}},
    "presence": {"typing": True},
    "cursor": {"surface": "board", "x": 0.5, "y": 0.5},
    "ping": {},
    "read": {"seq": 1},
    "watch": {"answer": "a1"},
}
# Operations in a public trip: does the room take them (yes), is it not theirs to do (no: `forbidden`), or
# is it refused for another reason, by its code? `spectator` is anybody signed in who is not a member. One's
# own records and others' are rows of their own.
OPERATIONS = """
                         nobody spectator viewer editor owner
trip.set_fields              no        no     no    yes   yes
trip.set_dates               no        no     no    yes   yes
trip.set_cover               no        no     no    yes   yes
trip.set_visibility          no        no     no     no   yes
trip.delete                  no        no     no     no   yes
trip.restore                 no        no     no     no   yes
day.add                      no        no     no    yes   yes
day.set_fields               no        no     no    yes   yes
day.move                     no        no     no    yes   yes
day.remove                   no        no     no    yes   yes
stop.add                     no        no     no    yes   yes
stop.set_fields              no        no     no    yes   yes
stop.move                    no        no     no    yes   yes
stop.remove                  no        no     no    yes   yes
stop.restore                 no        no     no    yes   yes
stop.set_photo               no        no     no    yes   yes
member.set_role              no        no     no     no   yes
member.remove others         no        no     no     no   yes
member.remove self           no        no    yes    yes  last_owner
undo own                     no        no     no    yes   yes
undo others                  no        no     no     no    no
message.post                 no        no    yes    yes   yes
message.edit own             no        no    yes    yes   yes
message.edit others          no        no     no     no    no
message.delete own           no        no    yes    yes   yes
message.delete others        no        no     no     no   yes
message.react                no        no    yes    yes   yes
comment.resolve own          no        no    yes    yes   yes
comment.resolve others       no        no     no    yes   yes
proposal.open                no        no    yes    yes   yes
proposal.accept              no        no     no    yes   yes
proposal.decline own         no        no    yes    yes   yes
proposal.decline others      no        no     no    yes   yes
"""
TAKERS = ("nobody", "spectator", "viewer", "editor", "owner")
ROWS = read_table(PRIVATE, ACTORS)
PUBLIC_ROWS = read_table(PUBLIC, OUTSIDE)
OPERATION_ROWS = read_table(OPERATIONS, TAKERS)
_NAMES = {"name": "N"}
_OPS: dict[str, dict[str, Any]] = {
    "trip.set_fields": {"fields": {"title": "New"}},
    "trip.set_dates": {"start_date": "2026-10-01", "end_date": "2026-10-02"},
    "trip.set_cover": {"photo": None},
    "trip.set_visibility": {"visibility": "private"},
    "trip.delete": {},
    "trip.restore": {},
    "day.add": {"id": "new"},
    "day.set_fields": {"id": "day1", "fields": {"title": "N"}},
    "day.move": {"id": "day1", "after": "day2"},
    "day.remove": {"id": "day1"},
    "stop.add": {"id": "new", "fields": _NAMES},
    "stop.set_fields": {"id": "stop1", "fields": _NAMES},
    "stop.move": {"ids": ["stop1"], "day": "day2"},
    "stop.remove": {"id": "stop1"},
    "stop.restore": {"id": "removed1"},
    "stop.set_photo": {"id": "stop1", "photo": None},
    "member.set_role": {"id": "{target}", "role": "editor"},
    "member.remove others": {"id": "{target}"},
    "member.remove self": {"id": "{me}"},
    "undo own": {"seq": "{mine}"},
    "undo others": {"seq": "{theirs}"},
    "message.post": {"id": "new", "text": "Hi"},
    "message.edit own": {"id": "said-{name}", "text": "New"},
    "message.edit others": {"id": "said-target", "text": "New"},
    "message.delete own": {"id": "said-{name}"},
    "message.delete others": {"id": "said-target"},
    "message.react": {"id": "said-target", "emoji": "👍"},
    "comment.resolve own": {"id": "noted-{name}"},
    "comment.resolve others": {"id": "noted-target"},
    "proposal.open": {"id": "new", "ops": [{"kind": "day.add", "id": "wish"}]},
    "proposal.accept": {"id": "plan-target"},
    "proposal.decline own": {"id": "plan-{name}"},
    "proposal.decline others": {"id": "plan-target"},
}

INTERNAL = [
    {"kind": "trip.create", "title": "T", "owner_name": "N"},
    {"kind": "member.join", "name": "N", "role": "owner"},
    {"kind": "member.set_name", "name": "N"},
]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = make_world(tmp_path, rooms=True)
    await made.hub.start()
    yield made
    await made.aclose()


def tags(union: Any) -> set[str]:
    return {str(each.__struct_config__.tag) for each in typing.get_args(union)}


def test_every_frame_has_a_row() -> None:
    assert tags(ClientMessage) == set(ROWS) == set(PUBLIC_ROWS)
    assert set(FRAMES) == set(ROWS) - {"join"}


def test_every_operation_has_a_row() -> None:
    assert tags(Operation) == {row.split()[0] for row in OPERATION_ROWS}
    assert set(_OPS) == set(OPERATION_ROWS)
    assert {op["kind"] for op in INTERNAL} == tags(AnyOperation) - tags(Operation)


# --- frames -------------------------------------------------------------------------------


def frame_of(stage: Stage, row: str, name: str) -> dict[str, Any]:
    frame = {"t": row, **FRAMES[row]}
    if row == "read":
        frame["seq"] = stage.head
    if row == "submit":
        frame |= {"op_id": f"op-frame-{name}", "op": {"kind": "day.add", "id": f"day-{name}"}}
    return frame


async def outcome(stage: Stage, name: str, row: str, enters: bool) -> str:
    """What becomes of this frame of this one."""
    socket = await stage.socket(name)
    if row == "join":
        socket.send({"t": "join", "v": 1, "room": stage.names["trip_id"], "client": name})
        opcode, payload = await socket.read_frame()
        return "joined" if opcode == TEXT and b'"t":"joined"' in payload else str(await socket.end())
    if not enters:
        socket.send(frame_of(stage, row, name))
        return str(await socket.end())
    await socket.join(name, stage.names["trip_id"])
    if row == "submit":
        socket.send(frame_of(stage, row, name))
        return "kept" if await verdict(socket, f"op-frame-{name}") is None else "refused"
    if row == "ping":
        socket.send(frame_of(stage, row, name))
        return str((await socket.until("pong"))["t"])
    if row == "watch":
        asked: list[str] = []
        stage.world.hub.on_watch = lambda trip, answer: asked.append(answer)
        socket.send(frame_of(stage, row, name))
        await heard(socket)
        return "asked" if asked else "ignored"
    seen = await shown(stage, name, socket, frame_of(stage, row, name))
    return ("kept" if row == "read" else "shown") if seen else "ignored"


async def heard(socket: RawSocket) -> None:
    """Returns when all that was sent has been read."""
    socket.send({"t": "ping"})
    await socket.until("pong")


async def shown(stage: Stage, name: str, socket: RawSocket, frame: dict[str, Any]) -> bool:
    """Whether the owner gets to know of this frame: at the latest with the same frame of another
    member, sent after it."""
    witness = await stage.joined("owner")
    socket.send(frame)
    await heard(socket)
    marker = await stage.joined("target", tab=f"after-{name}")
    marker.send(frame)
    tag = {"presence": "people", "cursor": "cursors", "read": "read"}[frame["t"]]
    while not tells_of(await witness.until(tag), stage.people["target"].user["id"]):
        pass
    await marker.aclose()
    user = stage.people[name].user.get("id", "")
    return any(tells_of(message, user) for message in witness.messages if message["t"] == tag)


def tells_of(message: dict[str, Any], user: str) -> bool:
    tabs = [each["session"] for each in message.get("put", []) if each.get("typing")]
    tabs += [each["session"] for each in message.get("cursors", [])]
    return message.get("user") == user or any(tab.split(".")[0] == user for tab in tabs)


async def verdict(socket: RawSocket, op_id: str) -> str | None:
    """None: this operation was applied; else the code with which it was rejected."""
    async with asyncio.timeout(10):
        while True:
            opcode, payload = await socket.read_frame()
            message = msgspec.json.decode(payload) if opcode == TEXT else {"t": ""}
            if message["t"] == "rejected":
                assert message["op_id"] == op_id
                return str(message["code"])
            if any(event["op_id"] == op_id for event in message.get("events", [])):
                return None
            if message["t"] == "closing":
                return str(message["code"])


async def staged(world: World, public: bool) -> Stage:
    stage = await Stage.build(world)
    return await stage.publish() if public else stage


async def walk(world: World, row: str, table: dict[str, dict[str, str]], public: bool) -> None:
    stage = await staged(world, public)
    for name, expected in table[row].items():
        before = stage.kept()
        assert await outcome(stage, name, row, table["join"][name] == "joined") == expected, name
        assert (stage.kept() == before) == ((row, expected) != ("submit", "kept")), name
        if row == "read":  # a mark moves once
            stage = await staged(world, public)


@pytest.mark.parametrize("row", ROWS)
async def test_frames_in_a_private_trip(world: World, row: str) -> None:
    await walk(world, row, ROWS, public=False)


@pytest.mark.parametrize("row", PUBLIC_ROWS)
async def test_frames_in_a_public_trip(world: World, row: str) -> None:
    await walk(world, row, PUBLIC_ROWS, public=True)


async def test_a_page_of_another_site_opens_no_socket(world: World) -> None:
    stage = await Stage.build(world)
    for name in ACTORS:
        assert (await stage.socket(name, Origin="https://evil.example")).status == 403


async def test_who_may_not_see_a_trip_is_not_told_whether_it_exists(world: World) -> None:
    stage = await Stage.build(world)
    for name in OUTSIDE[:-1]:
        told = []
        for room in (stage.names["trip_id"], "nosuchtrip"):
            socket = await stage.socket(name)
            socket.send({"t": "join", "v": 1, "room": room, "client": "tab"})
            told.append((await socket.end(), socket.messages))
        assert told[0] == told[1], name


# --- operations ---------------------------------------------------------------------------


class Talked:
    """A public trip in which everybody has said, noted, proposed and changed something."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.seqs: dict[str, int] = {}

    async def op(self, name: str, kind: str, **fields: Any) -> int:
        head = self.stage.head
        body = {"op_id": f"op-stage-{head}", "base": head, "op": {"kind": kind, **fields}}
        answer = await self.stage.people[name].post(f"{self.stage.trip}/operations", body)
        assert answer.status == 200, answer
        return int(answer.json["seq"])

    @classmethod
    async def build(cls, world: World) -> Talked:
        self = cls(await Stage.build(world))
        people = (await self.stage.publish()).people
        people["spectator"] = people["stranger"]
        for n in (1, 2):
            await self.op("owner", "day.add", id=f"day{n}")
        for stop in ("stop1", "removed1"):
            await self.op("owner", "stop.add", id=stop, fields=_NAMES, day="day1")
        await self.op("owner", "stop.remove", id="removed1")
        about = {"t": "stop", "id": "stop1"}
        for name in ("viewer", "editor", "owner", "target"):
            await self.op(name, "message.post", id=f"said-{name}", text="Hi")
            await self.op(
                name, "message.post", id=f"noted-{name}", text="Why?", channel="comment", about=about
            )
            await self.op(
                name, "proposal.open", id=f"plan-{name}", ops=[{"kind": "day.add", "id": f"w{name}"}]
            )
        for name in ("editor", "owner"):
            self.seqs[name] = await self.op(name, "day.add", id=f"day-{name}")
        return self

    def filled(self, row: str, name: str) -> dict[str, Any]:
        """The operation of this row, as this one would send it."""
        user = self.stage.people[name].user.get("id", "nobody")
        target = self.stage.people["target"].user["id"]
        other = "owner" if name != "owner" else "editor"
        seqs = {"{mine}": self.seqs.get(name, 1), "{theirs}": self.seqs[other]}
        op: dict[str, Any] = {"kind": row.split()[0]}
        for field, value in _OPS[row].items():
            if isinstance(value, str):
                value = value.replace("{name}", name).replace("{me}", user).replace("{target}", target)
                value = seqs.get(value, value)
            op[field] = value
        return op


@pytest.mark.parametrize("row", OPERATION_ROWS)
async def test_operations(world: World, row: str) -> None:
    talked = await Talked.build(world)
    for name, expected in OPERATION_ROWS[row].items():
        socket = await talked.stage.joined(name)
        before, op_id = talked.stage.kept(), f"op-row-{name}"
        op = talked.filled(row, name)
        socket.send({"t": "submit", "op_id": op_id, "base": talked.stage.head, "op": op})
        refused = await verdict(socket, op_id)
        if (row, refused) == ("member.remove self", "4403"):  # who has left is told by the close
            refused = None
        assert refused == {"yes": None, "no": "forbidden"}.get(expected, expected), name
        if refused is None:
            talked = await Talked.build(world)
        else:
            assert talked.stage.kept() == before, name


@pytest.mark.parametrize("row", OPERATION_ROWS)
async def test_operations_from_outside(world: World, row: str) -> None:
    """Over REST, as there is no room for them: the kind of operation makes no difference."""
    talked = await Talked.build(world)
    await talked.stage.people["owner"].patch(talked.stage.trip, {"visibility": "private"})
    before = talked.stage.kept()
    for name in OUTSIDE:
        body = {"op_id": f"op-row-{name}", "base": talked.stage.head, "op": talked.filled(row, name)}
        answer = await talked.stage.people[name].post(f"{talked.stage.trip}/operations", body)
        expected = {"nobody": 401, "expired": 401, "removed": 403}.get(name, 404)
        assert answer.status == expected, (name, answer)
    assert talked.stage.kept() == before


@pytest.mark.parametrize("op", INTERNAL, ids=lambda op: op["kind"])
async def test_operations_of_the_server_are_nobodys_to_send(world: World, op: dict[str, Any]) -> None:
    stage = await Stage.build(world)
    socket = await stage.joined("owner")
    socket.send({"t": "submit", "op_id": "op-internal", "base": stage.head, "op": op})
    assert await verdict(socket, "op-internal") == "invalid"


# --- the end of a right -------------------------------------------------------------------


async def _remove(stage: Stage) -> None:
    user_id = stage.people["viewer"].user["id"]
    assert (await stage.people["owner"].delete(f"{stage.trip}/members/{user_id}")).status == 200


async def _delete(stage: Stage) -> None:
    assert (await stage.people["owner"].delete(stage.trip)).status == 200


async def _sign_out(stage: Stage) -> None:
    assert (await stage.people["viewer"].post("/api/auth/logout")).status == 200


@pytest.mark.parametrize(("end", "code"), [(_remove, 4403), (_delete, 4410), (_sign_out, 4401)])
async def test_who_may_no_longer_be_there_is_cut_off_at_once(world: World, end: Any, code: int) -> None:
    """A member's open socket, and the stream of an answer that is being written."""
    object.__setattr__(world.deps, "assistant", world.make_assistant(world.model, recheck=0.01))
    assert world.deps.assistant is not None
    stage = await Stage.build(world, "/api/trips/{trip_id}/ai/answers/{answer_id}")
    viewer, path = stage.people["viewer"], stage.path("/api/trips/{trip_id}/ai/answers/{answer_id}")
    socket, other = await stage.joined("viewer"), await stage.joined("editor")
    async with streaming(viewer, "GET", path, Accept="text/event-stream") as stream:
        (await world.model.asked()).say("Before. ")
        await stream.until(lambda s: s.text == "Before. ")
        await end(stage)
        async with asyncio.timeout(10):
            while await stream.next() is not None:
                pass
        assert stream.over and stream.text == "Before. "
        assert stream.events[-1].name != "end"
    assert await socket.end() == code
    if code != 4410:
        await heard(other)
    await world.deps.assistant.aclose()
