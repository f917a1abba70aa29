"""Everybody who may knock at a trip's door, and the trip: the stage of the authorisation matrix.

Owns who they are and the reading of tables with a column for each. Holds no expectation: those are in
`test_access` (routes) and `test_access_room` (frames and operations).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from domain.accounts import Limits
from tests.handlers.raw_socket import RawSocket
from tests.handlers.world import Client, World

MEMBERS = ("viewer", "editor", "owner")
OUTSIDE = ("nobody", "expired", "stranger", "guest", "other", "invited", "removed")
"""`nobody` is not signed in; `expired` was, as an editor of the trip; `stranger` has an account and
`guest` only a name; `other` owns another trip; `invited` holds a link and has not taken it;
`removed` was an editor, until the owner said otherwise."""
ACTORS = (*OUTSIDE, *MEMBERS)
ASK = {"text": "What is missing?", "locale": "en"}
_LONG_AGO = "2020-01-01T00:00:00.000Z"


class Stage:
    """A private trip with everybody around it, a member to act upon, a link, and a record of each
    kind that a path can name."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.people: dict[str, Client] = {"nobody": world.client()}
        self.names: dict[str, str] = {}
        self.other_trip = ""

    @classmethod
    async def build(cls, world: World, path: str = "") -> Stage:
        """`path`: a route of the assistant needs an answer of its own. Whoever was on a stage of this
        world before is forgotten."""
        state = world.run.state
        for table in (state.users, state.sessions, state.invites, state.throttles):
            table.clear()
        self = cls(world)
        for name in ("owner", "editor", "expired", "stranger", "other"):
            self.people[name] = await world.client().account(name)
        for name in ("viewer", "guest", "invited", "removed", "target"):
            self.people[name] = await world.client().guest(name)
        owner = self.people["owner"]
        trip = self.names["trip_id"] = await owner.trip()
        edit, view = await owner.invite(trip, "editor"), await owner.invite(trip, "viewer")
        for name, token in (("editor", edit), ("expired", edit), ("removed", edit), ("viewer", view)):
            await self.people[name].join(token)
        await self.people["target"].join(view)
        self.other_trip = await self.people["other"].trip("Elsewhere")
        made = await owner.post(self.trip + "/invites", {"role": "viewer"})
        self.names["invite_id"] = made.json["invite"]["id"]
        self.names["token"] = made.json["url"].removeprefix("/invite/")
        self.names["user_id"] = self.people["target"].user["id"]
        gone = await owner.delete(f"{self.trip}/members/{self.people['removed'].user['id']}")
        assert gone.status == 200, gone
        if "/ai/" in path:
            await self._ask(private=path.startswith("/api/ai/"))
        if path.startswith("/api/exports/"):
            await self._export()
        if "/photos/" in path:
            await self._photo()
        self._expire("expired")
        return self

    @property
    def trip(self) -> str:
        return f"/api/trips/{self.names['trip_id']}"

    @property
    def head(self) -> int:
        """The trip's seq."""
        return int(self.world.run.heads()[self.names["trip_id"]][1])

    async def _ask(self, private: bool) -> None:
        owner = self.people["owner"]
        asked = (await owner.post("/api/ai/chat" if private else f"{self.trip}/ai/chat", ASK)).json
        self.names |= {"answer_id": asked["answer"], "conversation_id": asked.get("conversation", "")}

    async def _export(self) -> None:
        made = (await self.people["owner"].post(f"{self.trip}/exports", {"format": "data"})).json["export"]
        self.names["export_id"] = made["id"]
        await self.world.worker.work(made["id"])

    async def _photo(self) -> None:
        """The trip's cover."""
        owner = self.people["owner"]
        self.names |= {"photo_id": await owner.post_photo(self.names["trip_id"], "photo1"), "width": "320"}
        await self.world.worker.work(self.world.rung[-1])
        op = {"kind": "trip.set_cover", "photo": "photo1"}
        body = {"op_id": "op-stage-cover", "base": 0, "op": op}
        answer = await owner.post(f"{self.trip}/operations", body)
        assert answer.status == 200, answer

    def _expire(self, name: str) -> None:
        sessions, user_id = self.world.run.state.sessions, self.people[name].user["id"]
        for key, session in list(sessions.items()):
            if session.user_id == user_id:
                sessions[key] = msgspec.structs.replace(session, expires_at=_LONG_AGO)
        self.world.deps.sessions.forget(user_id=user_id)

    def path(self, template: str, **changes: str) -> str:
        """A route's path with the ids of this stage."""
        return template.format(**self.names | changes)

    def kept(self) -> Any:
        """All that a refusal may not change: trips by their seq, people, sign-ins and links."""
        state = self.world.run.state
        return self.world.run.heads(), repr((state.users, state.sessions, state.invites))

    async def socket(self, name: str, **headers: str) -> RawSocket:
        """This one's room socket, before any frame."""
        return await self.world.dial(self.people[name], **headers)

    async def joined(self, name: str, tab: str = "tab") -> RawSocket:
        """This one's room socket, in the room."""
        return await (await self.socket(name)).join(tab, self.names["trip_id"])

    async def publish(self) -> Stage:
        """Make the trip public."""
        answer = await self.people["owner"].patch(self.trip, {"visibility": "public"})
        assert answer.status == 200, answer
        return self


def make_world(folder: Path, rooms: bool = False) -> World:
    """A world in which nobody is throttled."""
    return World(folder, rooms=rooms, limits=Limits().times(1_000))


def read_table(text: str, columns: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """A table as it is printed: a line with the columns, then a row each; by row and column."""
    head, *rows = [line.split() for line in text.strip().splitlines()]
    assert tuple(head) == columns, head
    table: dict[str, dict[str, str]] = {}
    for row in rows:
        name = " ".join(row[: -len(columns)])
        assert name and name not in table, row
        table[name] = dict(zip(columns, row[-len(columns) :], strict=True))
    return table
