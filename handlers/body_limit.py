"""Bodies that are too big for any route: thrown away as they come, and answered like every other error.

Owns the bound on what one request may hold in memory. Tornado alone would end such a connection with a
bare 400. Stands in front of the application; `handlers.base.MAX_BODY` is the smaller bound of JSON routes.
Made by the composition root and the tests.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable

import msgspec
from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from handlers.errors import envelope_for

LIMIT = 1024 * 1024
"""Bytes of a body that are kept."""
DISCARDED = 16 * LIMIT
"""So much is read before the answer, because a client that still sends does not listen. Of what says that
it is longer nothing is read."""


class BodyLimit(HTTPServerConnectionDelegate):
    """See the module. To be given to an `HTTPServer` in place of `inner`."""

    def __init__(self, inner: HTTPServerConnectionDelegate, limit: int = LIMIT, discarded: int = DISCARDED):
        self._inner = inner
        self._limits = (limit, discarded)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return _Bounded(self._inner.start_request(server_conn, request_conn), request_conn, *self._limits)

    def on_close(self, server_conn: object) -> None:
        self._inner.on_close(server_conn)


class _Bounded(HTTPMessageDelegate):
    """One request. Once it is too big, the application hears no more of it."""

    def __init__(
        self, inner: HTTPMessageDelegate, connection: HTTPConnection, limit: int, discarded: int
    ) -> None:
        assert isinstance(connection, HTTP1Connection)
        self._inner = inner
        self._connection = connection
        self._limit = limit
        self._discarded = discarded
        self._size = 0
        self._answered = False

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        announced = 0
        with contextlib.suppress(ValueError):  # what is no number, Tornado refuses
            announced = int(headers.get("Content-Length", "0"))
        self._connection.set_max_body_size(max(announced, self._discarded))
        if announced > self._discarded:
            self._refuse()
        if announced > self._limit:
            self._size = announced
            return None
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        if self._size > self._limit:
            return None
        self._size += len(chunk)
        if self._size > self._limit:
            self._inner.on_connection_close()  # lets go of what it has
            return None
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        if self._size > self._limit:
            self._refuse()
        else:
            self._inner.finish()

    def on_connection_close(self) -> None:
        if self._size <= self._limit:
            self._inner.on_connection_close()

    def _refuse(self) -> None:
        if self._answered:
            return
        self._answered = True
        body = msgspec.json.encode(envelope_for(413, f"a body has at most {self._limit // 1024} KiB"))
        headers = HTTPHeaders(
            {
                "Content-Type": "application/json; charset=utf-8",
                "Content-Length": str(len(body)),
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
            }
        )
        self._connection.write_headers(ResponseStartLine("", 413, "Request Entity Too Large"), headers, body)
        self._connection.finish()
