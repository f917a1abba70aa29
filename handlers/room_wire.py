"""The wire of a room: one WebSocket after its handshake, on the loop's own transport.

Owns the bytes in both directions, heartbeats, the closing handshake with its time limit, and how a peer
that does not speak WebSocket is left. Knows no message and no rule: whole messages go to
`realtime.session`, which answers through `write`. Made by `handlers.room_socket`, which then is
over: a connection costs this object and no HTTP request, no Tornado stream and no coroutine.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextvars import copy_context
from typing import cast

from handlers.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    FrameReader,
    Violation,
    answer_to_close,
    close_frame,
    control_frame,
)
from realtime.close_codes import HEARTBEAT_LOST, TOO_BIG
from realtime.protocol import MAX_FRAME_BYTES
from realtime.session import Session

CLOSE_SECONDS = 5.0
"""How long a peer may take to answer a close frame."""
log = logging.getLogger("tongyou.socket")


class RoomWire(asyncio.Protocol):
    """See the module, and `realtime.connection.Transport`.

    `interval`: seconds without a word after which the peer is pinged; `timeout`: how long it may take to
    answer. `on_open` makes the session before anything is read, `early` included, which came with the
    handshake; None: it is being closed. `on_end` is called once, with the peer's close code if it sent one.
    """

    __slots__ = (
        "_bytes", "_closing", "_context", "_early", "_ended", "_heard", "_interval", "_loop", "_on_end",
        "_on_open", "_pinged", "_reader", "_sock", "_timeout", "_timer", "close_code", "session",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        on_open: Callable[[RoomWire], Session | None],
        on_end: Callable[[Session | None, int | None], None],
        interval: float,
        timeout: float,
        early: bytes = b"",
    ) -> None:
        self.session: Session | None = None
        self.close_code: int | None = None
        self._sock = sock
        self._interval = interval
        self._timeout = timeout
        self._on_open: Callable[[RoomWire], Session | None] | None = on_open
        self._on_end = on_end
        self._early = early
        self._loop = asyncio.get_running_loop()
        # Messages are handled in the connection's context, whoever calls.
        self._context = copy_context()
        self._reader = FrameReader(MAX_FRAME_BYTES)
        self._bytes: asyncio.Transport | None = None
        self._closing = False
        """Our close frame is sent: nothing more is."""
        self._ended = False
        """Nothing more is understood."""
        self._heard = self._loop.time()
        self._pinged = False
        self._timer = self._loop.call_later(interval, self._look)

    # --- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._bytes = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        if self._sock.family != socket.AF_UNIX:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert self._on_open is not None
        self.session, self._on_open = self._context.run(self._on_open, self), None
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if self._ended:
            return
        self._context.run(self._read, data)
        # Again, for uvloop begins to read behind `connection_made`, whatever that said about pausing.
        if self.session is not None and self.session.waits and not self._ended:
            self.pause()

    def eof_received(self) -> None:
        """The peer sends nothing more, so nobody is there: the loop closes, behind what is queued. Perhaps
        the peer does not read, either."""
        self._timer.cancel()
        self._timer = self._loop.call_later(CLOSE_SECONDS, self.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._ended = self._closing = True
        self._bytes = None
        self._context.run(self._on_end, self.session, self.close_code)
        self.session = None

    # --- in ---------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
                if self._ended:
                    return
        except Violation as found:
            self._ended = True
            if self.session is not None:
                self.session.refuse(
                    found.code, "too_big" if found.code is TOO_BIG else "bad_frame", str(found)
                )
            self._leave_unheard()

    def _take(self, frame: Frame) -> None:
        session, (opcode, data) = self.session, frame
        if opcode == CLOSE:
            assert isinstance(data, bytes)
            self._peer_closes(data)
        elif session is None or self._closing:
            pass
        elif opcode == TEXT:
            session.receive(data)
        elif opcode == BINARY:
            session.bad_frame("messages are text frames")
        else:
            # A control frame, or a fragment; whole messages are counted by the session.
            session.count_frame()
            if opcode == PING and not self._closing:
                assert isinstance(data, bytes)
                self.write(control_frame(PONG, data))

    def _peer_closes(self, payload: bytes) -> None:
        self._ended = True
        if len(payload) >= 2:
            self.close_code = int.from_bytes(payload[:2])
        if not self._closing:
            own = answer_to_close(payload)
            self.finish(own.code, own.reason)
        if self._bytes is not None:
            self._bytes.close()  # behind what is queued

    def _leave_unheard(self) -> None:
        """Behind a violation nothing can be understood. Closing at once would be a reset, on which the
        peer may lose our close frame; so end our side only, and let the peer, or the timer, end it."""
        if self._bytes is not None and not self._bytes.is_closing():
            if self._bytes.can_write_eof():
                self._bytes.write_eof()
            self.resume()

    # --- out: `realtime.connection.Transport` -------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes that the operating system has not taken yet."""
        return 0 if self._bytes is None else self._bytes.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Straight to the socket while nothing waits, else behind it."""
        wire = self._bytes
        if wire is None or self._closing:
            return
        if not wire.get_write_buffer_size():
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                wire.abort()
                return
            if sent == len(data):
                return
            data = data[sent:]
        wire.write(data)

    def finish(self, code: int, reason: str) -> None:
        """Send our close frame, and wait a few seconds for the peer's."""
        if self._closing:
            return
        self.write(close_frame(code, reason))
        self._closing = True
        self._timer.cancel()
        self._timer = self._loop.call_later(CLOSE_SECONDS, self.abort)

    def abort(self) -> None:
        """Drop the connection and what is queued, now."""
        self._closing = self._ended = True
        if self._bytes is not None:
            self._bytes.abort()

    def pause(self) -> None:
        """Read nothing more for now."""
        if self._bytes is not None and self._bytes.is_reading():
            self._bytes.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._bytes is not None and not self._bytes.is_closing() and not self._bytes.is_reading():
            self._bytes.resume_reading()

    # --- heartbeat --------------------------------------------------------------------------

    def _look(self) -> None:
        """Whoever was heard within the interval lives; others are asked, and then have a little time."""
        if self._bytes is not None and not self._bytes.is_reading():
            self._heard = self._loop.time()  # it is we who do not listen
        quiet = self._loop.time() - self._heard
        if quiet < self._interval:
            self._pinged = False
            wait = self._interval - quiet
        elif not self._pinged:
            self._pinged = True
            self.write(control_frame(PING, b""))
            wait = self._timeout
        else:
            if self.session is not None:
                self._context.run(self.session.close, HEARTBEAT_LOST)
            return
        self._timer = self._loop.call_later(wait, self._look)
