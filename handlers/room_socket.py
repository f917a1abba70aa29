"""The WebSocket of a room: HTTP handshake, frames in, framed bytes out.

Owns the strict check of the origin, who is signed in, and the way of bytes to the socket. Knows no
message and no rule: frames go to `realtime.session`, which answers through `StreamTransport`. Wired
by `handlers.make_application` through `rules(deps)`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import secrets
import socket
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
from realtime.close_codes import HEARTBEAT_LOST, NORMAL, NOT_UTF8, PROTOCOL_ERROR, TOO_BIG, CloseCode
from realtime.connection import Connection
from realtime.protocol import MAX_FRAME_BYTES, Error
from realtime.session import Session

PATH = r"/api/socket"
PING_INTERVAL = 25.0
PING_TIMEOUT = 10.0
CHUNK = 64 * 1024
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


def _is_key(text: str) -> bool:
    """Section 4.2.1."""
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


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


class _Violation(Exception):
    """The peer broke RFC 6455 (or our limit); the connection fails with `code`."""

    def __init__(self, code: CloseCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class RoomProtocol(WebSocketProtocol13):
    """Tornado's protocol, as strict as RFC 6455 asks. Tornado takes frames without a mask, ends most
    violations without a word, echoes whatever close code comes, and counts no control frames; a lost
    heartbeat has its own code here. Tornado is pinned, because this is reached through its internals."""

    handler: RoomSocket
    _at_head = False

    def finish(self, code: int, reason: str) -> None:
        """Send our close frame and wait a few seconds for the peer's."""
        super().close(code, reason)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        if self.client_terminated:
            super().close(NORMAL.code, NORMAL.reason)
        elif code == TOO_BIG.code:
            raise _Violation(TOO_BIG, f"a message holds at most {MAX_FRAME_BYTES} bytes")
        elif code is None:
            self.handler.heartbeat_lost()
        else:
            super().close(code, reason)

    async def _receive_frame(self) -> None:
        self._at_head = True
        try:
            await super()._receive_frame()
        except _Violation as found:
            self.handler.failed(found.code, str(found))
            await self._ignore_the_rest()

    async def _read_bytes(self, n: int) -> bytes:
        data = await super()._read_bytes(n)
        if self._at_head:
            self._at_head = False
            self._judge(*data)
        return data

    def _judge(self, first: int, second: int) -> None:
        """The first two bytes of a frame (section 5.2), before anything of it is read."""
        final, opcode = bool(first & self.FIN), first & self.OPCODE_MASK
        control, continued = opcode >= 0x8, self._fragmented_message_buffer is not None
        if first & self.RSV_MASK:
            raise _Violation(PROTOCOL_ERROR, "no extension was agreed on")
        if opcode not in (0x0, 0x1, 0x2, 0x8, 0x9, 0xA):
            raise _Violation(PROTOCOL_ERROR, "this opcode is reserved")
        if not second & 0x80:
            raise _Violation(PROTOCOL_ERROR, "clients mask their frames")
        if control and (not final or second & 0x7F > 125):
            raise _Violation(PROTOCOL_ERROR, "control frames are whole and hold at most 125 bytes")
        if not control and continued != (opcode == 0x0):
            why = "a message was not finished" if continued else "there is nothing to continue"
            raise _Violation(PROTOCOL_ERROR, why)
        if opcode in (0x9, 0xA) or not final:
            self.handler.count_frame()  # whole messages are counted by the session

    def _handle_message(self, opcode: int, data: bytes) -> Any:
        if self.client_terminated:
            return None
        if opcode == 0x1:
            try:
                text = data.decode()
            except UnicodeDecodeError:
                raise _Violation(NOT_UTF8, "a text frame must be UTF-8") from None
            return self._run_callback(self.handler.on_message, text)
        if opcode == 0x8:
            self._peer_closes(data)
            return None
        return super()._handle_message(opcode, data)

    def _peer_closes(self, data: bytes) -> None:
        """The peer's close frame (section 5.5.1), answered with a code of our own."""
        self.client_terminated = True
        own = NORMAL
        if data:
            self.close_code = int.from_bytes(data[:2])
            own = NORMAL if len(data) > 1 and _may_be_sent(self.close_code) else PROTOCOL_ERROR
            try:
                self.close_reason = data[2:].decode()
            except UnicodeDecodeError:
                own = NOT_UTF8
        super().close(own.code, own.reason)

    async def _ignore_the_rest(self) -> None:
        """Behind a violation nothing can be understood. Closing at once would be a reset, on which the
        peer may lose our close frame; so end our side only, and read until it ends, or until the timer of
        the close handshake is up."""
        await self.stream.write(b"")  # done when all before it is with the kernel
        with contextlib.suppress(OSError):
            self.stream.socket.shutdown(socket.SHUT_WR)
        while True:
            await self.stream.read_bytes(CHUNK, partial=True)
            await asyncio.sleep(0)  # data that is there already would not yield


def _may_be_sent(code: int) -> bool:
    """Whether a close frame may carry this code: registered for that (section 7.4.1 and IANA's list), or
    left to libraries and applications (7.4.2)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


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
        self._left = False
        self.actor = Actor(None)

    async def prepare(self) -> None:
        # This context is the connection's for as long as it lives: frames are read in it.
        bind_contextvars(**self.ids)
        if not self.check_origin(""):
            log.info("socket from origin %r refused", self.request.headers.get("Origin"))
            self.set_status(403)
            self.finish("foreign origin")
            return
        if not _is_key(self.request.headers.get("Sec-WebSocket-Key", "")):
            self.set_status(400)
            self.finish("Sec-WebSocket-Key must be 16 bytes in base64")
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
        return MAX_FRAME_BYTES

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
        if self._left:
            return  # while the handshake waited; `on_close` will not be called again
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

    def failed(self, code: CloseCode, why: str) -> None:
        """The peer does not speak WebSocket as it must."""
        if self.session is not None:
            self.session.refuse(code, "too_big" if code is TOO_BIG else "bad_frame", why)

    def count_frame(self) -> None:
        """A frame came that is no message: a control frame, or a fragment that is not the last."""
        if self.session is not None:
            self.session.count_frame()

    def heartbeat_lost(self) -> None:
        """A ping was not answered in time."""
        if self.session is not None:
            self.session.close(HEARTBEAT_LOST)

    def on_close(self) -> None:
        self._left = True
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
