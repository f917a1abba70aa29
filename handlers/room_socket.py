"""The WebSocket of a room, up to its handshake.

Owns the strict check of the origin, who is signed in, and the hand-over: after Tornado's handshake the
connection is a `handlers.room_wire.RoomWire` on the loop's own transport, and the request is over. Knows
no message and no rule. Wired by `handlers.make_application` through `rules(deps)`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import secrets
import socket
import time
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from structlog.contextvars import bind_contextvars
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler, WebSocketProtocol, WebSocketProtocol13, _WebSocketParams

from domain.commands import Actor
from domain.errors import DomainError
from handlers.body_limit import is_too_big, refusal
from handlers.deps import Deps
from handlers.errors import status_of
from handlers.proxies import is_trusted, request_id, throttle_address
from handlers.room_wire import RoomWire
from handlers.sessions import COOKIE
from realtime.admission import Arrival
from realtime.connection import Connection
from realtime.hub import Hub
from realtime.protocol import MAX_FRAME_BYTES, Error
from realtime.session import Session

PATH = r"/api/socket"
PING_INTERVAL = 25.0
PING_TIMEOUT = 10.0
CHUNK = 64 * 1024
MAX_EARLY = 16 * CHUNK
"""Bytes that may have come before the handshake was answered: honest clients wait for that."""
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


class Handshake(WebSocketProtocol13):
    """Tornado's handshake; what follows it is `handlers.room_wire`'s. Tornado is pinned, because this is
    reached through its internals."""

    handler: RoomSocket

    def start_pinging(self) -> None:
        pass

    async def _receive_frame_loop(self) -> None:
        assert self.stream is not None
        await self.handler.take_over(self.stream)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Only a handshake that failed comes here."""
        self.client_terminated = self.server_terminated = True


async def taken_from(stream: IOStream) -> tuple[socket.socket, bytes]:
    """The connection of a stream, and what the peer has sent already; the stream is closed. Raises
    StreamClosedError when the peer has left, or sends without an end."""
    if stream.writing():
        await stream.write(b"")  # done when the answer to the handshake is with the kernel
    early = bytearray()
    while (read := asyncio.ensure_future(stream.read_bytes(CHUNK, partial=True))).done():
        early += read.result()
        if len(early) > MAX_EARLY:
            stream.close()
            raise StreamClosedError
    read.add_done_callback(asyncio.Future.exception)  # it ends with the stream, which is no news
    try:
        taken = stream.socket.dup()
    finally:
        stream.close()  # also when there are no files left: nobody else would
    taken.setblocking(False)
    return taken, bytes(early)


class _Visit:
    """One connection as the hub and the log see it, from the handshake to its end."""

    __slots__ = ("_actor", "_address", "_arrival", "_began", "_hub", "_ids")

    def __init__(self, hub: Hub, arrival: Arrival, actor: Actor, address: str, ids: dict[str, str]) -> None:
        self._hub = hub
        self._arrival = arrival
        self._actor = actor
        self._address = address
        self._ids = ids
        self._began = time.monotonic()

    def begin(self, wire: RoomWire) -> Session | None:
        """The session of an admitted connection; None, and it is closed, when there are too many."""
        session = self._hub.session(wire, self._actor, self._address, self._arrival)
        if session is not None:
            log.info("socket opened")
            return session
        refused = self._arrival.refused
        assert refused is not None
        log.info("socket refused", extra={"code": refused.code})
        error = Error("connections", "this process takes no more connections of yours now")
        Connection(wire).close(refused, self._hub.retry_after_ms(), error)
        return None

    def end(self, session: Session | None, close_code: int | None) -> None:
        """The connection is gone; `close_code` is the peer's, if it sent one."""
        self._hub.gone(self._arrival)
        if session is None:
            return
        connection = session.connection
        code = connection.closed.code if connection.closed is not None else close_code
        where = {} if session.trip_id is None else {"trip_id": session.trip_id}
        seconds = round(time.monotonic() - self._began, 1)
        log.info("socket closed", extra=self._ids | where | {"code": code, "seconds": seconds})
        session.left()


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
        self.actor = Actor(None)
        self.taken_over = False
        """The connection lives on, and says itself when it is gone."""

    async def prepare(self) -> None:
        # This context is the connection's for as long as it lives: frames are read in it.
        bind_contextvars(**self.ids)
        if is_too_big(self.request):
            raise refusal()
        if not self.check_origin(""):
            log.info("socket from origin %r refused", self.request.headers.get("Origin"))
            self.set_status(403)
            self.finish("foreign origin")
            return
        if not _is_key(self.request.headers.get("Sec-WebSocket-Key", "")):
            self.set_status(400)
            self.finish("Sec-WebSocket-Key must be 16 bytes in base64")
            return

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """The handshake, which counts from here on: until its connection is gone, or it has failed."""
        self.arrival = self.hub.arrive()
        try:
            if await self._may_come():
                await super().get(*args, **kwargs)
        finally:
            if not self.taken_over:
                self.hub.gone(self.arrival)

    async def _may_come(self) -> bool:
        """Who it is, and whether there is a place. False: it was answered."""
        if self.arrival.refused is None:
            try:
                if self.deps.rates is not None:
                    await self.deps.rates.count_address("GET", self.address)
                # Not from the cache: a sign-in that ended elsewhere must not outlive its sockets.
                signed_in = await self.deps.sessions.resolve(self.get_cookie(COOKIE), fresh=True)
            except DomainError as error:
                self._come_later(error.message, status_of(error), error.details.get("retry_after", 1))
                return False
            if signed_in is not None:
                self.actor = signed_in.actor
                self.ids["user_id"] = self.actor.user_id or ""
                bind_contextvars(user_id=self.actor.user_id)
            self.hub.claim(self.arrival, self.actor.user_id, self.address)
        if not self.arrival.heard:
            self._come_later("too many connections are being sent away already")
        return self.arrival.heard

    def _come_later(self, why: str, status: int = 503, seconds: int = 1) -> None:
        self.set_status(status)
        self.set_header("Retry-After", str(seconds))
        self.finish(why)

    @property
    def address(self) -> str:
        """What limits by address count by."""
        return throttle_address(self.request, self.deps.trusted_proxies)

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
        return Handshake(self, False, params)

    async def take_over(self, stream: IOStream) -> None:
        """The handshake is done: the connection goes on without this handler."""
        visit = _Visit(self.hub, self.arrival, self.actor, self.address, self.ids)
        try:
            taken, early = await taken_from(stream)
        except StreamClosedError:
            return
        wire = RoomWire(taken, visit.begin, visit.end, self.ping_interval, self.ping_timeout, early)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: wire, taken)
        except BaseException:
            taken.close()
            raise
        self.taken_over = True
        self.ws_connection = None  # a cycle, and nobody comes back to it

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """A fault of ours, or a request that is none. Tornado's own line would show the request."""
        if isinstance(value, HTTPError) and value.status_code < 500:
            log.info("no handshake", extra=self.ids | {"status": value.status_code})
            return
        exc_info = None if typ is None or value is None else (typ, value, tb)
        log.error("a socket failed", exc_info=exc_info, extra=self.ids)


def rules(deps: Deps) -> list[Any]:
    """The route of the socket, where there is a hub."""
    return [(PATH, RoomSocket, {"deps": deps})] if deps.hub is not None else []
