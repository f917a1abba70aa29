"""Bodies that are too big for any route: thrown away as they come, and answered like every other request.

Owns the bound on what one request may hold in memory. Tornado alone would end such a connection with a
bare 400. Stands in front of the application, which gets the request with what came of its body until
then, and asks `is_too_big`: so its answer, its log line and its numbers are those of its route.
`handlers.base.MAX_BODY` is the smaller bound of JSON routes. Made by the composition root and the tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from asyncio import Future
from collections.abc import Awaitable
from weakref import WeakSet

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import HTTPError

from domain.photos import MAX_UPLOAD

LIMIT = 1024 * 1024
"""Bytes of a body that are kept."""
LARGER: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"POST /api/trips/[A-Za-z0-9_-]{1,40}/photos/[A-Za-z0-9_-]{1,40}"), MAX_UPLOAD),
)
"""Requests whose handlers look at who asks before they keep anything (`handlers.photos`): their limits."""
DISCARDED = 16 * LIMIT
"""So much is read before the answer, because a client that still sends does not listen. Whoever says that
it is longer is answered at once."""
LINGER_SECONDS = 2.0
"""A client that is answered while it sends is read for so long: hanging up at once would be a reset, on
which it may lose the answer."""
_ENDLESS = 2**62
_too_big: WeakSet[HTTPConnection] = WeakSet()
"""Each is of one request."""


def is_too_big(request: HTTPServerRequest) -> bool:
    """Its body is longer than `LIMIT`, and not whole: the answer must be `refusal`."""
    return request.connection in _too_big


def refusal(limit: int = LIMIT) -> HTTPError:
    """What is answered to a body that is too big."""
    return HTTPError(413, reason=f"a body has at most {limit // 1024} KiB")


class BodyLimit(HTTPServerConnectionDelegate):
    """See the module. To be given to an `HTTPServer` in place of `inner`."""

    def __init__(self, inner: HTTPServerConnectionDelegate, limit: int = LIMIT, discarded: int = DISCARDED):
        self._inner = inner
        self._limits = (limit, discarded)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        return _Bounded(self._inner.start_request(server_conn, request_conn), request_conn, *self._limits)

    def on_close(self, server_conn: object) -> None:
        self._inner.on_close(server_conn)


def limit_of(method: str, path: str, limit: int = LIMIT) -> int:
    """The bytes that this request may bring, where others may bring `limit`."""
    asked = f"{method} {path.partition('?')[0]}"
    return next((larger for pattern, larger in LARGER if pattern.fullmatch(asked)), limit)


class _Bounded(HTTPMessageDelegate):
    """One request. Once it is too big, the application gets no more of its body."""

    def __init__(
        self, inner: HTTPMessageDelegate, connection: HTTPConnection, limit: int, discarded: int
    ) -> None:
        assert isinstance(connection, HTTP1Connection)
        self._inner = inner
        self._connection = connection
        self._limit = limit
        self._discarded = discarded
        self._size = 0
        self._given = False
        """The application has the request."""

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if isinstance(start_line, RequestStartLine):
            self._limit = limit_of(start_line.method, start_line.path, self._limit)
        announced = 0
        with contextlib.suppress(ValueError):  # what is no number, Tornado refuses
            announced = int(headers.get("Content-Length", "0"))
        self._connection.set_max_body_size(max(announced, _ENDLESS))
        begun = self._inner.headers_received(start_line, headers)
        if announced > self._limit:
            _too_big.add(self._connection)
        if announced > self._discarded:
            self._give_early()
        return begun

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self._size += len(chunk)
        if self._size > self._limit:
            _too_big.add(self._connection)
        if self._connection not in _too_big:
            return self._inner.data_received(chunk)
        if self._size > self._discarded:
            self._give_early()
        return None

    def finish(self) -> None:
        if not self._given:
            self._given = True
            self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()

    def _give_early(self) -> None:
        """Let it be answered while the client still sends, and say that nothing can follow."""
        if self._given:
            return
        connection = self._connection
        hang_up = connection._finish_request

        def linger(future: Future[None] | None) -> None:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, hang_up, future)

        # Tornado, which is pinned, would hang up with its answer. Until then it reads, and keeps nothing.
        connection._disconnect_on_finish = True
        connection._finish_request = linger  # type: ignore[method-assign]
        self.finish()
