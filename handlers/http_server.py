"""Tornado's HTTP server, with an end that no client notices.

Owns which connections have a request under way. Answers everything that was asked, tells clients to use
another connection for what comes next, and only then hangs up; so a restart refuses no request. Sockets of
rooms are not its business (`realtime.drain`). Used by the composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
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
FRESH_SECONDS = 1.0
"""How long a new connection may take to ask something when the end has begun: it was accepted, so its
request cannot go elsewhere. Not longer, because browsers open some in reserve."""


class _Noting(HTTPMessageDelegate):
    """Passes everything on; `begins` hears when a request has begun to arrive."""

    def __init__(self, inner: HTTPMessageDelegate, begins: Callable[[HTTPHeaders], None]) -> None:
        self._inner = inner
        self._begins = begins

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Any:
        self._begins(headers)
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
        self._fresh: dict[object, float] = {}
        """Connections that have not asked anything yet, and when they came."""
        self._busy: set[object] = set()
        self._retired = False
        self._finishing = False
        super().initialize(*args, **kwargs)

    @property
    def unanswered(self) -> int:
        """Connections with a request under way, or whose first one has not come yet."""
        return len(self._busy) + len(self._fresh)

    def retire(self) -> None:
        """From now on every answer ends its connection, and says so: the next request of that client goes to
        another process."""
        self._retired = True

    async def finish(self, deadline: float) -> bool:
        """Close what is idle, wait for the rest. False when some are busy after `deadline` seconds: those
        are cut."""
        await asyncio.sleep(min(GRACE, deadline))
        self._finishing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while self._connections:
                    self._close_idle()
                    await asyncio.sleep(0.02)
        finished = not self._connections
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self.close_all_connections()
        return finished

    def _close_idle(self) -> None:
        long_ago = time.monotonic() - FRESH_SECONDS
        for connection in list(self._connections):
            if connection not in self._busy and self._fresh.get(connection, 0.0) < long_ago:
                connection.stream.close()

    # --- called by Tornado ------------------------------------------------------------------

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """A connection waits for its next request."""
        if server_conn in self._busy:
            self._busy.discard(server_conn)
        else:
            self._fresh[server_conn] = time.monotonic()
        if self._finishing and server_conn not in self._fresh:
            assert isinstance(server_conn, HTTP1ServerConnection)
            server_conn.stream.close()

        def begins(headers: HTTPHeaders) -> None:
            self._fresh.pop(server_conn, None)
            self._busy.add(server_conn)
            # A WebSocket that is being opened keeps its `Connection: Upgrade`; its room sends it away.
            if self._retired and "Upgrade" not in headers and isinstance(request_conn, HTTP1Connection):
                # Tornado, which is pinned, decides this for the whole server only, upgrades included.
                request_conn._disconnect_on_finish = True

        return _Noting(super().start_request(server_conn, request_conn), begins)

    def on_close(self, server_conn: object) -> None:
        """A connection has ended, or became a WebSocket."""
        self._busy.discard(server_conn)
        self._fresh.pop(server_conn, None)
        super().on_close(server_conn)
