"""The members of a trip over REST: who is in, roles, removal, leaving."""

from __future__ import annotations

import msgspec

from domain.commands import OpenRoom
from domain.entities import Member, Role
from domain.operations import RemoveMember, SetMemberRole
from domain.services.members import read_members
from handlers.base import ApiHandler
from handlers.routes import Endpoint, Route
from handlers.trips import SeqAnswer, TripHandlerBase


class MemberList(msgspec.Struct, frozen=True):
    """In order of joining."""

    members: list[Member]


class RoleBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role


class MembersHandler(ApiHandler):
    async def get(self, trip_id: str) -> None:
        command = OpenRoom(trip_id=trip_id, actor=self.visitor)
        self.reply(MemberList(await self.deps.run(read_members, command)))


class MemberHandler(TripHandlerBase):
    async def patch(self, trip_id: str, user_id: str) -> None:
        _ = self.person
        body = self.read_body(RoleBody)
        done = await self.apply(trip_id, SetMemberRole(id=user_id, role=body.role))
        self.reply(SeqAnswer(done.seq))

    async def delete(self, trip_id: str, user_id: str) -> None:
        self.reply(SeqAnswer((await self.apply(trip_id, RemoveMember(id=user_id))).seq))


_CHANGE = (400, 403, 404, 409, 410)

routes = [
    Route(
        "/api/trips/{trip_id}/members",
        MembersHandler,
        {
            "GET": Endpoint("Who is in", MemberList, errors=(401, 403, 404, 410), signed_in=False),
        },
    ),
    Route(
        "/api/trips/{trip_id}/members/{user_id}",
        MemberHandler,
        {
            "PATCH": Endpoint(
                "Change a role (owner)", SeqAnswer, body=RoleBody, errors=(*_CHANGE, 415), op_id=True
            ),
            "DELETE": Endpoint("Remove somebody (owner), or leave", SeqAnswer, errors=_CHANGE, op_id=True),
        },
    ),
]
