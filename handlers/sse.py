"""Server-sent events: how a handler streams, and what keeps the stream from being held up.

Owns the format (HTML Living Standard, "Server-sent events"), the headers, the heartbeat, resuming by
`Last-Event-ID`, and that streams are never compressed. Knows no answer's meaning beyond its place.
Called by `handlers.assistant`; `Compression` by `handlers.make_application`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import msgspec
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.web import GZipContentEncoding, RequestHandler

from domain.errors import DomainError, Invalid
from realtime.assistant.reading import Following
from realtime.protocol import AnswerEnded, AnswerOpened

log = logging.getLogger("tongyou.http")

EVENTS = "text/event-stream"
HEARTBEAT = 15.0
STALLED = 60.0
"""Seconds after which a reader that takes nothing is let go; it comes back where it was."""
RETRY_MS = 2_000
PLACE = r"([A-Za-z0-9_-]{1,40})\.([0-9]{1,9})\.([0-9]{1,9})"


class Place(msgspec.Struct, frozen=True):
    """What a reader has: of which answer, and how many characters of text and of reasoning."""

    answer: str
    text: int = 0
    reasoning: int = 0

    @property
    def id(self) -> str:
        """As the event's `id`, which comes back as `Last-Event-ID`."""
        return f"{self.answer}.{self.text}.{self.reasoning}"


def last_place(request: HTTPServerRequest) -> Place | None:
    """Where the reader broke off, if it says so. Raises `Invalid`."""
    given = request.headers.get("Last-Event-ID")
    if given is None:
        return None
    found = re.fullmatch(PLACE, given)
    if found is None:
        raise Invalid("this is not the id of an event of an answer", field="Last-Event-ID")
    return Place(found[1], int(found[2]), int(found[3]))


def wants_events(request: HTTPServerRequest) -> bool:
    """The client accepts a stream of events by name."""
    accepted = request.headers.get("Accept", "").split(",")
    return any(each.split(";")[0].strip().lower() == EVENTS for each in accepted)


def event(name: str, place: Place, data: Any) -> bytes:
    """One event; JSON holds no raw newline, so one `data` line is enough."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (place.id.encode(), name.encode(), msgspec.json.encode(data))


class Compression(GZipContentEncoding):
    """Tornado's compression, but for streams, which it would hold back to compress pieces together, and
    for downloads: megabytes are nothing to compute on the loop."""

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self._plain = False

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        self._plain = headers.get("Content-Type", "").startswith(EVENTS) or "Content-Disposition" in headers
        if self._plain:
            return status_code, headers, chunk
        return super().transform_first_chunk(status_code, headers, chunk, finishing)

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        return chunk if self._plain else super().transform_chunk(chunk, finishing)


async def send_answer(
    handler: RequestHandler, opened: AnswerOpened, following: Following, heartbeat: float = HEARTBEAT
) -> None:
    """The whole stream of one answer. Returns when it ended, or nobody reads. Never raises for a
    client that went away; one that may not read any more is simply left."""
    handler.set_status(200)
    handler.set_header("Content-Type", f"{EVENTS}; charset=utf-8")
    handler.set_header("Cache-Control", "no-store")
    handler.set_header("X-Accel-Buffering", "no")
    place = Place(opened.answer, *following.place)
    try:
        handler.write(b"retry: %d\n" % RETRY_MS + event("open", place, opened))
        await _flushed(handler)
        while True:
            found = await following.next(heartbeat)
            if following.closed:
                break
            place = Place(opened.answer, *following.place)
            if found is None:
                handler.write(b": still here\n\n")
            else:
                name = "end" if isinstance(found, AnswerEnded) else "delta"
                handler.write(event(name, place, found))
            await _flushed(handler)
            if isinstance(found, AnswerEnded):
                break
    except StreamClosedError:
        pass
    except TimeoutError:
        log.info("a reader of answer %s takes nothing", opened.answer)
        handler.detach().close()
    except DomainError as error:
        log.info("a reader of answer %s is let go: %s", opened.answer, error.message)
    finally:
        following.close()


async def _flushed(handler: RequestHandler) -> None:
    """Returns when the operating system has taken it: a slow reader holds up only itself, and what
    comes meanwhile waits in the answer's text. Raises `TimeoutError` for one that takes nothing."""
    flushed = handler.flush()
    if flushed.done():  # as nearly always; a timer would cost as much as the write
        flushed.result()
        return
    async with asyncio.timeout(STALLED):
        await flushed
