"""What members have said, over REST: pages of messages, comment counts, proposals.

Only reading: saying something is an operation like any other (the room's socket, or
``POST /api/trips/{trip_id}/operations``). Everything here is for members.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from domain.errors import Invalid
from domain.operations import MAX_SEQ, About, Channel
from domain.services.talk import read_messages, read_proposals, read_threads
from domain.talk import (
    MAX_MESSAGE_PAGE,
    MessagePage,
    Proposal,
    ReadMessages,
    ReadProposals,
    ReadThreads,
    ThreadList,
)
from handlers.base import ApiHandler
from handlers.routes import Endpoint, Route


class MessagesQuery(msgspec.Struct, frozen=True):
    """Messages with seq below `before` (left out: the newest). `about`: comments on one record
    only (`stop:<id>`)."""

    channel: Channel = "chat"
    about: Annotated[str, Meta(pattern=r"^(trip|day|stop):[A-Za-z0-9_-]{1,40}(?!\n)$")] | None = None
    before: Annotated[int, Meta(ge=1, le=MAX_SEQ)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_MESSAGE_PAGE)] = 40


class ProposalsQuery(msgspec.Struct, frozen=True):
    """`ids`, with commas between them: these too, whether they wait or not."""

    ids: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,40}(,[A-Za-z0-9_-]{1,40}){0,99}(?!\n)$")] | None = (
        None
    )


class ProposalList(msgspec.Struct, frozen=True):
    """Newest first. Open pieces that others' changes have overtaken are marked `stale`."""

    proposals: list[Proposal]


class MessagesHandler(ApiHandler):
    async def get(self, trip_id: str) -> None:
        query = self.read_query(MessagesQuery)
        if query.about is not None and query.channel != "comment":
            raise Invalid("about: only comments are about a record, add channel=comment", field="about")
        command = ReadMessages(
            trip_id, self.visitor, query.channel, _about(query.about), query.before, query.limit
        )
        self.reply(await self.deps.run(read_messages, command))


def _about(text: str | None) -> About | None:
    """The record that a query names, which has been checked by its pattern."""
    if text is None:
        return None
    t, _, record_id = text.partition(":")
    return msgspec.convert({"t": t, "id": record_id}, About)


class ThreadsHandler(ApiHandler):
    async def get(self, trip_id: str) -> None:
        command = ReadThreads(trip_id, self.visitor)
        self.reply(await self.deps.run(read_threads, command))


class ProposalsHandler(ApiHandler):
    async def get(self, trip_id: str) -> None:
        query = self.read_query(ProposalsQuery)
        ids = query.ids.split(",") if query.ids is not None else []
        command = ReadProposals(trip_id, self.visitor, ids)
        self.reply(ProposalList(await self.deps.run(read_proposals, command)))


_ERRORS = (400, 401, 403, 404, 410)

routes = [
    Route(
        "/api/trips/{trip_id}/messages",
        MessagesHandler,
        {
            "GET": Endpoint(
                "A page of the chat or of comments, newest first (members)",
                MessagePage,
                query=MessagesQuery,
                errors=_ERRORS,
                signed_in=False,
            )
        },
    ),
    Route(
        "/api/trips/{trip_id}/threads",
        ThreadsHandler,
        {
            "GET": Endpoint(
                "How many comments there are on what (members)",
                ThreadList,
                errors=_ERRORS[1:],
                signed_in=False,
            )
        },
    ),
    Route(
        "/api/trips/{trip_id}/proposals",
        ProposalsHandler,
        {
            "GET": Endpoint(
                "Proposals that wait for a decision, and those asked for (members)",
                ProposalList,
                query=ProposalsQuery,
                errors=_ERRORS,
                signed_in=False,
            )
        },
    ),
]
