"""Why a socket was closed: one table of codes, reasons, and whether the client may come back.

Only codes of this table are ever sent; a peer's code is never echoed. 1000..1015 mean what RFC 6455 section
7.4.1 says. 4000..4399: come back and resume. 4400..4999: don't, until something changed (section 7.4.2 leaves
4000..4999 to applications).
"""

from __future__ import annotations

from typing import NamedTuple


class CloseCode(NamedTuple):
    """`reason` is ASCII under 123 bytes; `resume`: the client should reconnect by itself."""

    code: int
    reason: str
    resume: bool


NORMAL = CloseCode(1000, "bye", False)
PROTOCOL_ERROR = CloseCode(1002, "not WebSocket", False)
NOT_UTF8 = CloseCode(1007, "not UTF-8", False)
RESTART = CloseCode(1012, "restart", True)
TOO_BIG = CloseCode(1009, "frame too big", False)
SLOW = CloseCode(4000, "too slow, resume", True)
HEARTBEAT_LOST = CloseCode(4001, "heartbeat lost, resume", True)
RATE = CloseCode(4002, "too many frames, resume", True)
BUSY = CloseCode(4003, "process full, resume", True)
RESYNC = CloseCode(4004, "resync", True)
BAD_FRAME = CloseCode(4400, "bad frame", False)
UNAUTHENTICATED = CloseCode(4401, "sign in", False)
FORBIDDEN = CloseCode(4403, "no access", False)
NOT_FOUND = CloseCode(4404, "no such trip", False)
GONE = CloseCode(4410, "trip deleted", False)
TOO_MANY = CloseCode(4429, "too many connections", False)
UPGRADE = CloseCode(4426, "protocol version", False)

TABLE: dict[int, CloseCode] = {
    row.code: row
    for row in (
        NORMAL, PROTOCOL_ERROR, NOT_UTF8, TOO_BIG, RESTART, SLOW, HEARTBEAT_LOST, RATE, BUSY, RESYNC,
        BAD_FRAME, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, GONE, TOO_MANY, UPGRADE,
    )
}  # fmt: skip
