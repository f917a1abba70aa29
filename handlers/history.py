"""The timeline of a trip over REST: a page of events, newest first."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from domain.commands import ReadHistory
from domain.events import Event
from domain.services.rooms import MAX_HISTORY_PAGE, read_history
from handlers.base import ApiHandler
from handlers.routes import Endpoint, Route


class HistoryQuery(msgspec.Struct, frozen=True):
    """Events with seq below `before`; of one record only when `record` names it (`stop:<id>`)."""

    before: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_HISTORY_PAGE)] = 50
    record: Annotated[str, Meta(pattern=r"^(trip|day|stop|member):[A-Za-z0-9_-]{1,40}(?!\n)$")] | None = None


class History(msgspec.Struct, frozen=True):
    """`next_before` null: this was the last page."""

    events: list[Event]
    next_before: int | None


class HistoryHandler(ApiHandler):
    async def get(self, trip_id: str) -> None:
        query = self.read_query(HistoryQuery)
        command = ReadHistory(trip_id, self.visitor, query.before, query.limit, query.record)
        page = await self.deps.run(read_history, command)
        answer: dict[str, Any] = {"events": [msgspec.Raw(body) for body in page.events]}
        answer["next_before"] = page.next_before
        self.reply(answer)


routes = [
    Route(
        "/api/trips/{trip_id}/history",
        HistoryHandler,
        {
            "GET": Endpoint(
                "What happened, newest first (members)",
                History,
                query=HistoryQuery,
                errors=(400, 401, 403, 404, 410),
                signed_in=False,
            )
        },
    )
]
