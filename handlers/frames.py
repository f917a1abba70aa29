"""Frames of RFC 6455 as a server reads them: from bytes to messages, strictly.

Owns the framing (section 5), the joining of fragments, the limit on a message, and what is a
violation with which close code (section 7.4). Knows no socket, loop or meaning: bytes are fed, whole
messages come out. One reader for each connection; called by `handlers.room_wire`.

Tornado's own reading suspends a coroutine several times for each frame and lets much pass; this one costs
a few microseconds and is checked against the cases of the well-known conformance suites.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tornado.util import _websocket_mask

from realtime.close_codes import NORMAL, NOT_UTF8, PROTOCOL_ERROR, TOO_BIG, CloseCode

CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_KNOWN = frozenset((CONTINUED, TEXT, BINARY, CLOSE, PING, PONG))
_FINAL, _RESERVED, _OPCODE, _MASKED = 0x80, 0x70, 0x0F, 0x80


class Violation(Exception):
    """The peer broke RFC 6455, or our limit; the connection is to fail with `code`."""

    def __init__(self, code: CloseCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class Frame(NamedTuple):
    """A whole message (`TEXT` as str, `BINARY`), a control frame, or (`CONTINUED`, with nothing in it) the
    news that a fragment came that is not the last."""

    opcode: int
    data: str | bytes


class FrameReader:
    """Reads what one client sends. `limit`: bytes of one message."""

    __slots__ = ("_buffer", "_fragments", "_limit", "_need", "_opcode", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._need = 2
        """Bytes that must be in the buffer before anything more can be read."""
        self._opcode = CONTINUED
        """Of the message of which there are fragments."""
        self._fragments: list[bytes] | None = None
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete. Raises Violation, after those before it; nothing can
        be fed afterwards."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._need:
                return
            data, self._buffer = bytes(self._buffer), bytearray()
        at, end = 0, len(data)
        while end - at >= 2:
            first, start, stop = self._head(data, at, end)
            if end < stop:
                self._need = stop - at
                break
            yield self._frame(first, _websocket_mask(data[start - 4 : start], data[start:stop]))
            at = stop
        else:
            self._need = 2
        self._buffer += data[at:]

    def _head(self, data: bytes, at: int, end: int) -> tuple[int, int, int]:
        """(first byte, where the payload starts, where it stops) of the frame at `at`; section 5.2. What is
        not there yet is past the end. Judges what is there, so that nobody waits for what is refused."""
        first, second = data[at], data[at + 1]
        self._judge(first, second)
        length = second & 0x7F
        start = at + 6
        if length >= 126:
            wide = 2 if length == 126 else 8
            start += wide
            if end < at + 2 + wide:
                return first, start, start  # the length itself is not there yet
            length = int.from_bytes(data[at + 2 : at + 2 + wide])
        if first & _OPCODE < CLOSE and self._size + length > self._limit:
            raise Violation(TOO_BIG, f"a message holds at most {self._limit} bytes")
        return first, start, start + length

    def _judge(self, first: int, second: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED:
            raise Violation(PROTOCOL_ERROR, "no extension was agreed on")
        if opcode not in _KNOWN:
            raise Violation(PROTOCOL_ERROR, "this opcode is reserved")
        if not second & _MASKED:
            raise Violation(PROTOCOL_ERROR, "clients mask their frames")
        if opcode >= CLOSE:
            if not first & _FINAL or second & 0x7F > 125:
                raise Violation(PROTOCOL_ERROR, "control frames are whole and hold at most 125 bytes")
        elif (self._fragments is not None) != (opcode == CONTINUED):
            why = "there is nothing to continue" if opcode == CONTINUED else "a message was not finished"
            raise Violation(PROTOCOL_ERROR, why)

    def _frame(self, first: int, payload: bytes) -> Frame:
        opcode = first & _OPCODE
        if opcode >= CLOSE:
            return Frame(opcode, payload)
        if not first & _FINAL:
            if self._fragments is None:
                self._opcode, self._fragments = opcode, []
            if payload:  # empty ones may come for ever
                self._fragments.append(payload)
                self._size += len(payload)
            return Frame(CONTINUED, b"")
        if self._fragments is not None:
            opcode, payload = self._opcode, b"".join([*self._fragments, payload])
            self._fragments, self._size = None, 0
        if opcode == BINARY:
            return Frame(BINARY, payload)
        try:
            return Frame(TEXT, payload.decode())
        except UnicodeDecodeError:
            raise Violation(NOT_UTF8, "a text frame must be UTF-8") from None


def close_frame(code: int, reason: str) -> bytes:
    """What a server sends as its close frame (section 5.5.1)."""
    return control_frame(CLOSE, code.to_bytes(2, "big") + reason.encode())


def control_frame(opcode: int, payload: bytes) -> bytes:
    """A control frame, unmasked; `payload` is 125 bytes at most."""
    return bytes((_FINAL | opcode, len(payload))) + payload


def answer_to_close(payload: bytes) -> CloseCode:
    """The code with which a peer's close frame is answered: never its own."""
    if not payload:
        return NORMAL
    if len(payload) < 2 or not _may_be_sent(int.from_bytes(payload[:2], "big")):
        return PROTOCOL_ERROR
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return NOT_UTF8
    return NORMAL


def _may_be_sent(code: int) -> bool:
    """Whether a close frame may carry this code: registered for that (section 7.4.1 and IANA's list), or
    left to libraries and applications (7.4.2)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
