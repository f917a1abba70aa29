"""The WebSocket of a room: HTTP handshake, frames in, framed bytes out.

Owns the strict check of the origin, who is signed in, and the way of bytes to the socket. Knows no
message and no rule: frames go to `realtime.session`, which answers through `StreamTransport`. Wired
by `handlers.make_application` through `rules(deps)`.
"""

from __future__ import annotations

import logging
import secrets
import struct
from collections.abc import Awaitable
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from structlog.contextvars import bind_contextvars
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol, WebSocketProtocol13, _WebSocketParams

from domain.commands import Actor
from domain.errors import DomainError
from handlers.deps import Deps
from handlers.proxies import is_trusted, request_id, throttle_address
from handlers.sessions import COOKIE
from realtime.close_codes import BAD_FRAME, HEARTBEAT_LOST, NORMAL
from realtime.connection import Connection
from realtime.protocol import MAX_FRAME_BYTES, Error
from realtime.session import Session

PATH = r"/api/socket"
PING_INTERVAL = 25.0
PING_TIMEOUT = 10.0
ABRUPT_LIMIT = 4 * MAX_FRAME_BYTES
"""Up to here a frame that is too big is read and answered; beyond, the connection just ends."""
log = logging.getLogger("tongyou.socket")


def origin_allowed(request: HTTPServerRequest, deps: Deps) -> bool:
    """A browser must come from this very host, or an origin of the settings. Browsers always send
    Origin with a WebSocket; without it, nothing else may show a browser."""
    origin = request.headers.get("Origin")
    if origin is None:
        return not any(name.lower().startswith("sec-fetch-") for name in request.headers)
    hosts = [request.headers.get("Host", "")]
    if is_trusted(request.remote_ip or "", deps.trusted_proxies):
        hosts.append(request.headers.get("X-Forwarded-Host", "").split(",")[0])
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    same_host = parts.scheme in ("http", "https") and parts.netloc in {h.strip().lower() for h in hosts if h}
    return same_host or origin in deps.allowed_origins


class StreamTransport:
    """See `realtime.connection.Transport`. Straight to the socket while nothing waits in Tornado's
    stream, else through the stream: no future, no copy and no framing for each client."""

    def __init__(self, stream: IOStream, protocol: RoomProtocol) -> None:
        self._stream = stream
        self._protocol = protocol
        self._direct = not isinstance(stream, SSLIOStream)

    @property
    def buffered(self) -> int:
        waiting = self._stream._write_buffer
        return len(waiting) if waiting else 0

    def write(self, data: bytes) -> None:
        stream = self._stream
        if stream.closed():
            return
        rest: bytes | memoryview = data
        if self._direct and not stream._write_buffer:
            try:
                sent = stream.socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                stream.close()
                return
            if sent == len(data):
                return
            rest = memoryview(data)[sent:]
        try:
            stream.write(rest)
        except StreamClosedError:
            stream.close()

    def finish(self, code: int, reason: str) -> None:
        self._protocol.finish(code, reason)

    def abort(self) -> None:
        self._stream.close()


class RoomProtocol(WebSocketProtocol13):
    """Tornado's protocol, but a peer's close code is never echoed, text that is not UTF-8 is
    answered, and a lost heartbeat has its own code. Tornado is pinned, because two of these are
    reached through its internals."""

    handler: RoomSocket

    def finish(self, code: int, reason: str) -> None:
        """Send our close frame and wait a few seconds for the peer's."""
        super().close(code, reason)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        if self.client_terminated:
            own = BAD_FRAME if self._peer_code_is_bad() else NORMAL
            super().close(own.code, own.reason)
        elif code is None:
            self.handler.heartbeat_lost()
        else:
            super().close(code, reason)

    def _peer_code_is_bad(self) -> bool:
        code = self.close_code
        return code is not None and not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999)

    def _handle_message(self, opcode: int, data: bytes) -> Any:
        if opcode == 0x1 and not self.client_terminated:
            try:
                text = data.decode()
            except UnicodeDecodeError:
                self.handler.not_text()
                return None
            return self._run_callback(self.handler.on_message, text)
        if opcode == 0x8 and len(data) == 1:
            data = struct.pack("!H", 0)  # half a code is no code
        return super()._handle_message(opcode, data)


class RoomSocket(WebSocketHandler):
    """One connection; see the module."""

    ping_interval = PING_INTERVAL
    ping_timeout = PING_TIMEOUT
    route = PATH

    def initialize(self, deps: Deps) -> None:
        assert deps.hub is not None
        self.request_id = request_id(self.request, deps.trusted_proxies)
        self.set_header("X-Request-ID", self.request_id)
        self.ids = {"request_id": self.request_id, "connection_id": secrets.token_hex(6)}
        self.deps = deps
        self.hub = deps.hub
        self.session: Session | None = None
        self.actor = Actor(None)

    async def prepare(self) -> None:
        # This context is the connection's for as long as it lives: frames are read in it.
        bind_contextvars(**self.ids)
        if not self.check_origin(""):
            log.info("socket from origin %r refused", self.request.headers.get("Origin"))
            self.set_status(403)
            self.finish("foreign origin")
            return
        try:
            # Not from the cache: a sign-in that ended elsewhere must not outlive its sockets.
            signed_in = await self.deps.sessions.resolve(self.get_cookie(COOKIE), fresh=True)
        except DomainError as error:
            self.set_status(503)
            self.set_header("Retry-After", "1")
            self.finish(error.message)
        else:
            if signed_in is not None:
                self.actor = signed_in.actor
                self.ids["user_id"] = self.actor.user_id or ""
                bind_contextvars(user_id=self.actor.user_id)

    def check_origin(self, origin: str) -> bool:
        return origin_allowed(self.request, self.deps)

    def get_compression_options(self) -> None:
        return None

    @property
    def max_message_size(self) -> int:
        return ABRUPT_LIMIT

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        if self.request.headers.get("Sec-WebSocket-Version") != "13":
            return None
        params = _WebSocketParams(
            ping_interval=self.ping_interval,
            ping_timeout=self.ping_timeout,
            max_message_size=self.max_message_size,
            compression_options=None,
        )
        return RoomProtocol(self, False, params)

    def open(self, *args: str, **kwargs: str) -> None:
        protocol = self.ws_connection
        assert isinstance(protocol, RoomProtocol)
        protocol.set_nodelay(True)
        transport = StreamTransport(protocol.stream, protocol)
        address = throttle_address(self.request, self.deps.trusted_proxies)
        refused = self.hub.admit(self.actor.user_id, address)
        if refused is None:
            log.info("socket opened")
            self.session = self.hub.session(transport, self.actor, address)
        else:
            log.info("socket refused", extra={"code": refused.code})
            message = "this process takes no more connections of yours now"
            error = Error("connections", message)
            Connection(transport).close(refused, self.hub.retry_after_ms(), error)

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        if self.session is None:
            return None
        if isinstance(message, bytes):
            self.session.bad_frame("messages are text frames")
            return None
        return self.session.receive(message)

    def not_text(self) -> None:
        """A text frame was not UTF-8."""
        if self.session is not None:
            self.session.bad_frame("a text frame must be UTF-8")

    def heartbeat_lost(self) -> None:
        """A ping was not answered in time."""
        if self.session is not None:
            self.session.close(HEARTBEAT_LOST)

    def on_close(self) -> None:
        if self.session is None:
            return
        session, connection = self.session, self.session.connection
        code = connection.closed.code if connection.closed is not None else self.close_code
        # Called from outside of the connection's context, so its ids are given here.
        where = {} if session.trip_id is None else {"trip_id": session.trip_id}
        seconds = round(self.request.request_time(), 1)
        log.info("socket closed", extra=self.ids | where | {"code": code, "seconds": seconds})
        session.left()

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """A fault of ours. Tornado's own line would show the request."""
        exc_info = None if typ is None or value is None else (typ, value, tb)
        log.error("a socket failed", exc_info=exc_info, extra=self.ids)


def rules(deps: Deps) -> list[Any]:
    """The route of the socket, where there is a hub."""
    return [(PATH, RoomSocket, {"deps": deps})] if deps.hub is not None else []
