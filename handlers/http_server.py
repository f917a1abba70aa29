"""Tornado's HTTP server, with an end that no client notices.

Owns which connections have a request under way. Answers everything that was asked, tells clients to use
another connection for what comes next, and only then hangs up; so a restart refuses no request. Sockets of
rooms are not its business (`realtime.drain`). Used by the composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)

GRACE = 0.2
"""Seconds in which a request that was on its way when the end began still arrives."""


class _Noting(HTTPMessageDelegate):
    """Passes everything on; notes when a request has begun to arrive."""

    def __init__(self, inner: HTTPMessageDelegate, busy: set[object], connection: object) -> None:
        self._inner = inner
        self._busy = busy
        self._connection = connection

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Any:
        self._busy.add(self._connection)
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._inner.finish()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()


class GracefulServer(HTTPServer):
    """See the module. `stop`, then `retire`, then `finish`."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        self._busy: set[object] = set()
        self._finishing = False
        super().initialize(*args, **kwargs)

    def retire(self) -> None:
        """From now on every answer ends its connection, and says so: the next request of that client goes to
        another process."""
        self.conn_params.no_keep_alive = True

    async def finish(self, deadline: float) -> bool:
        """Close what is idle, wait for the rest. False when some are busy after `deadline` seconds: those
        are cut."""
        await asyncio.sleep(min(GRACE, deadline))
        self._finishing = True
        for connection in self._connections - self._busy:
            connection.stream.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while self._connections:  # noqa: ASYNC110 (Tornado has no event for it)
                    await asyncio.sleep(0.02)
        finished = not self._connections
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self.close_all_connections()
        return finished

    # --- called by Tornado ------------------------------------------------------------------

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """A connection waits for its next request."""
        self._busy.discard(server_conn)
        if self._finishing:
            assert isinstance(server_conn, HTTP1ServerConnection)
            server_conn.stream.close()
        return _Noting(super().start_request(server_conn, request_conn), self._busy, server_conn)

    def on_close(self, server_conn: object) -> None:
        """A connection has ended, or became a WebSocket."""
        self._busy.discard(server_conn)
        super().on_close(server_conn)
