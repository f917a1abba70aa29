"""What a connection is: its bounded outbox, and the cut of a slow consumer.

Owns framing of server messages (RFC 6455 section 5.2), the byte budget of one client, and the
order "closing message, close frame, nothing more". Never touches sockets: a `Transport` (the
WebSocket handler, or a pair of queues in tests) moves the bytes. Called by `realtime.session` and
`realtime.room`.
"""

from __future__ import annotations

import struct
from typing import Protocol

from realtime import protocol
from realtime.close_codes import SLOW, CloseCode

HARD_LIMIT = 1024 * 1024
"""A client with more than this waiting is cut; it resumes from its last seq."""
SOFT_LIMIT = 64 * 1024
"""A client with more than this waiting loses ephemeral messages."""


def frame_text(payload: bytes) -> bytes:
    """One unmasked, final text frame, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


class Transport(Protocol):
    """Moves framed bytes to one client. None of its methods blocks or raises."""

    @property
    def buffered(self) -> int:
        """Bytes accepted by `write` that the operating system has not taken yet."""

    def write(self, data: bytes) -> None:
        """Send, or queue, bytes that hold whole WebSocket frames."""

    def finish(self, code: int, reason: str) -> None:
        """Send a close frame behind what is queued, and end within a few seconds."""

    def abort(self) -> None:
        """Drop the connection and what is queued, now."""

    def pause(self) -> None:
        """Read nothing from the client for now; what was read already may still come."""

    def resume(self) -> None:
        """Read again."""


class Connection:
    """The sending side of one client.

    `closed` is the code that this side closed with, or None. `cut` says that it was aborted as a
    slow consumer, `dropped` how many ephemeral messages it has lost.
    """

    __slots__ = ("_hard", "_limit", "_soft", "_transport", "closed", "cut", "dropped", "gone")

    def __init__(self, transport: Transport, hard: int = HARD_LIMIT, soft: int = SOFT_LIMIT) -> None:
        self._transport = transport
        self._hard = hard
        self._limit = hard
        self._soft = soft
        self.closed: CloseCode | None = None
        self.gone = False
        self.cut = False
        self.dropped = 0

    @property
    def buffered(self) -> int:
        """Bytes that wait to be sent."""
        return 0 if self.gone else self._transport.buffered

    @property
    def open(self) -> bool:
        return self.closed is None and not self.gone

    def send(self, data: bytes, ephemeral: bool = False) -> bool:
        """Send framed bytes. False: they were not sent, because the client reads too slowly
        (an ephemeral message was dropped, or the client was cut) or the connection has ended."""
        if self.closed is not None or self.gone:
            return False
        buffered = self._transport.buffered
        if buffered:
            if ephemeral and buffered > self._soft:
                self.dropped += 1
                return False
            if buffered + len(data) > self._limit:
                self._cut()
                return False
            if buffered <= self._hard:
                self._limit = self._hard
        self._transport.write(data)
        return True

    def send_bulk(self, data: bytes) -> bool:
        """Send one message that may by itself be larger than the budget, such as a snapshot.

        The budget counts what comes on top of it, until it has been taken. Who asks for another
        one without reading the first is cut.
        """
        if not self.open:
            return False
        buffered = self._transport.buffered
        if buffered > self._hard:
            self._cut()
            return False
        self._limit = buffered + len(data) + self._hard
        self._transport.write(data)
        return True

    def close(self, code: CloseCode, retry_after_ms: int = 0, error: protocol.Error | None = None) -> None:
        """Say why, say when to come back, and close. Does nothing when closed before."""
        if not self.open:
            return
        last = b"" if error is None else frame_text(protocol.encode(error))
        closing = protocol.Closing(code.code, code.reason, code.resume, retry_after_ms)
        if self.send(last + frame_text(protocol.encode(closing))):
            self.closed = code
            self._transport.finish(code.code, code.reason)

    def listen(self, on: bool) -> None:
        """Read from the client, or not for now: it then waits in its own send buffer."""
        if not self.gone:
            (self._transport.resume if on else self._transport.pause)()

    def abort(self) -> None:
        """End without a word: the peer is not answering."""
        self.gone = True
        self._transport.abort()

    def lost(self) -> None:
        """The transport has ended."""
        self.gone = True

    def _cut(self) -> None:
        # The stream is aborted, not closed: a close frame would only queue behind the rest.
        self.closed = SLOW
        self.cut = True
        self._transport.abort()
