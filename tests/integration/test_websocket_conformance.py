"""What RFC 6455 asks of a server, case by case, by a client that breaks every rule: R5.1, R6.1, R6.2.

The same ground as the well-known conformance suites, on the running server: framing, control frames, reserved
bits and opcodes, fragments, UTF-8, the closing handshake, and limits. Each case is sent twice: as one
write, and byte by byte.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from realtime.close_codes import TABLE
from realtime.protocol import MAX_FRAME_BYTES
from tests.handlers.raw_socket import BINARY, CLOSE, PING, PONG, TEXT, RawSocket, frame
from tests.integration.room_client import Api
from tests.services.server import ServerProcess

pytestmark = pytest.mark.timeout(60)

MORE = 0
HELLO = b'{"t":"ping","seq":1}'
LONG = 10.0
FRAMES_PER_SECOND = 500
PROTOCOL_ERROR, NOT_UTF8, TOO_BIG, RATE, BAD_FRAME = 1002, 1007, 1009, 4002, 4400


@dataclass(frozen=True)
class Case:
    """Send `data`. `code`: the server closes with it, after `pongs`; None: it answers the next message."""

    name: str
    data: bytes
    code: int | None = None
    pongs: tuple[bytes, ...] = ()
    answers: int = 0
    """Messages in `data` that are answered."""
    peer_closes: bool = False
    """The client closes, so the server has nothing to explain."""


def text(payload: bytes, **how: Any) -> bytes:
    return frame(payload, TEXT, **how)


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(b"" if code is None else struct.pack("!H", code) + reason, CLOSE)


def padded(size: int) -> bytes:
    """A message of exactly so many bytes."""
    return HELLO + b" " * (size - len(HELLO))


def with_reserved_bits(data: bytes, bits: int) -> bytes:
    return bytes([data[0] | bits << 4]) + data[1:]


def fragments(payload: bytes, size: int) -> bytes:
    parts = [payload[n : n + size] for n in range(0, len(payload), size)]
    return b"".join(
        frame(part, TEXT if n == 0 else MORE, fin=n == len(parts) - 1) for n, part in enumerate(parts)
    )


def framing() -> Iterator[Case]:
    for size in (len(HELLO), 125, 126, 127, 128, 4096, 65_535, MAX_FRAME_BYTES):
        yield Case(f"text of {size} bytes", text(padded(size)), answers=1)
    yield Case("text over the limit", text(padded(MAX_FRAME_BYTES + 1)), TOO_BIG)
    yield Case("fragments over the limit", fragments(padded(MAX_FRAME_BYTES + 1), 32_768), TOO_BIG)
    for size in (2**31, 2**62, 2**63, 2**64 - 1):
        yield Case(f"{size} bytes announced", b"\x81\xff" + struct.pack("!Q", size) + b"mask", TOO_BIG)
    yield Case("no mask", text(HELLO, masked=False), PROTOCOL_ERROR)
    yield Case("a ping without a mask", frame(b"", PING, masked=False), PROTOCOL_ERROR)
    yield Case("empty text", text(b""), BAD_FRAME)
    yield Case("binary", frame(HELLO, BINARY), BAD_FRAME)
    yield Case("empty binary", frame(b"", BINARY), BAD_FRAME)


def control_frames() -> Iterator[Case]:
    for payload in (b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc", b"\xfe" * 125):
        yield Case(f"ping of {len(payload)} bytes", frame(payload, PING), pongs=(payload,))
    yield Case("ping of 126 bytes", frame(b"\xfe" * 126, PING), PROTOCOL_ERROR)
    yield Case("pong of 126 bytes", frame(b"\xfe" * 126, PONG), PROTOCOL_ERROR)
    yield Case("pong that nobody asked for", frame(b"", PONG) + frame(b"unasked", PONG))
    yield Case("a ping between pongs", frame(b"x", PONG) + frame(b"1", PING), pongs=(b"1",))
    for opcode in (PING, PONG, CLOSE):
        half = frame(b"", opcode, fin=False) + frame(b"", MORE)
        yield Case(f"control frame {opcode} in fragments", half, PROTOCOL_ERROR)


def reserved() -> Iterator[Case]:
    for bits in range(1, 8):
        yield Case(f"reserved bits {bits:03b}", with_reserved_bits(text(HELLO), bits), PROTOCOL_ERROR)
    good = text(HELLO)
    after = good + with_reserved_bits(good, 4) + frame(b"", PING)
    yield Case("reserved bit behind a message", after, PROTOCOL_ERROR, answers=1)
    yield Case("ping with a reserved bit", with_reserved_bits(frame(b"", PING), 2), PROTOCOL_ERROR)
    yield Case("close with a reserved bit", with_reserved_bits(close(1000), 1), PROTOCOL_ERROR)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for payload in (b"", b"a payload"):
            name = f"opcode {opcode} with {len(payload)} bytes"
            yield Case(name, good + frame(payload, opcode) + good, PROTOCOL_ERROR, answers=1)


def fragmentation() -> Iterator[Case]:
    first, last = frame(HELLO[:7], TEXT, fin=False), frame(HELLO[7:], MORE)
    ping = frame(b"between", PING)
    yield Case("two fragments", first + last, answers=1)
    yield Case("a fragment for each byte", fragments(HELLO, 1), answers=1)
    yield Case("a ping between fragments", first + ping + last, answers=1, pongs=(b"between",))
    yield Case("a pong between fragments", first + frame(b"", PONG) + last, answers=1)
    empty = frame(b"", TEXT, fin=False) + frame(b"", MORE, fin=False)
    yield Case(
        "empty fragments around it", empty + frame(HELLO, MORE, fin=False) + frame(b"", MORE), answers=1
    )
    yield Case("empty fragments only", empty + frame(b"", MORE), BAD_FRAME)
    yield Case("nothing to continue", frame(HELLO, MORE), PROTOCOL_ERROR)
    yield Case("nothing to continue, not final", frame(HELLO, MORE, fin=False), PROTOCOL_ERROR)
    yield Case("continued behind the end", first + last + last, PROTOCOL_ERROR, answers=1)
    yield Case("a new message in the middle", first + text(HELLO), PROTOCOL_ERROR)
    yield Case("a new binary in the middle", first + frame(HELLO, BINARY), PROTOCOL_ERROR)
    yield Case("a new fragment in the middle", first + first, PROTOCOL_ERROR)
    yield Case("binary in fragments", frame(b"a", BINARY, fin=False) + frame(b"b", MORE), BAD_FRAME)
    yield Case("close in the middle", first + close(1000), 1000, peer_closes=True)


INVALID_UTF8 = {
    "a continuation byte alone": b"\x80",
    "continuation bytes": b"\x80\xbf\x80\xbf",
    "a lonely start of two": b"\xc0 \xc1 \xdf ",
    "a lonely start of three": b"\xe0 \xef ",
    "a lonely start of four": b"\xf0 \xf7 ",
    "two bytes cut": b"\xdf",
    "three bytes cut": b"\xef\xbf",
    "four bytes cut": b"\xf7\xbf\xbf",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "impossible bytes": b"\xfe\xfe\xff\xff",
    "overlong slash": b"\xc0\xaf",
    "overlong slash in three": b"\xe0\x80\xaf",
    "overlong slash in four": b"\xf0\x80\x80\xaf",
    "overlong maximum": b"\xf0\x8f\xbf\xbf",
    "overlong NUL": b"\xc0\x80",
    "a surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "Greek, then a surrogate": "κόσμε".encode() + b"\xed\xa0\x80edited",
}
VALID_UTF8 = [
    "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "大理古城", "𠀀𠮷", "👨‍👩‍👧‍👦🏳️‍🌈", "\x7f\u0080\u07ff\u0800\uffff",
    "\U00010000\U0010ffff", "\ud7ff\ue000\ufffd", "\ufffe\U0001fffe\U0010fffe",
]  # fmt: skip


def utf8() -> Iterator[Case]:
    for name, bad in INVALID_UTF8.items():
        yield Case(name, text(b'"' + bad + b'"'), NOT_UTF8)
        yield Case(f"{name}, in fragments", fragments(b'"' + bad + b'"', 1), NOT_UTF8)
    yield Case("a ping may hold anything", frame(b"\xff\x80", PING), pongs=(b"\xff\x80",))


MAY_BE_SENT = (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4401, 4999)
NEVER_SENT = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)


def closing() -> Iterator[Case]:
    def ends(name: str, data: bytes, code: int) -> Case:
        return Case(name, data, code, peer_closes=True)

    yield ends("no code", close(), 1000)
    yield ends("half a code", frame(b"\x03", CLOSE), PROTOCOL_ERROR)
    for code in MAY_BE_SENT:
        yield ends(f"code {code}", close(code), 1000)
        yield ends(f"code {code} with a reason", close(code, b"because"), 1000)
    for code in NEVER_SENT:
        yield ends(f"code {code} that may not be sent", close(code), PROTOCOL_ERROR)
        yield ends(f"code {code} that may not be sent, with a reason", close(code, b"so"), PROTOCOL_ERROR)
    yield ends("a reason of 123 bytes", close(1000, b"*" * 123), 1000)
    yield Case("a reason of 124 bytes", close(1000, b"*" * 124), PROTOCOL_ERROR)
    yield ends("a reason in Chinese", close(1000, "再见".encode()), 1000)
    yield ends("a reason that is not UTF-8", close(1000, b"\xce\xba\xed\xa0\x80"), NOT_UTF8)
    yield ends("a reason that is cut", close(1000, "再".encode()[:2]), NOT_UTF8)
    for name, more in (("close", close(1000)), ("ping", frame(b"late", PING)), ("text", text(HELLO))):
        yield ends(f"{name} behind the close", close(1000) + more, 1000)


CASES = [
    case
    for section in (framing(), control_frames(), reserved(), fragmentation(), utf8(), closing())
    for case in section
]


# --- the server -----------------------------------------------------------------------------


class Room:
    """A server of its own, one person and one trip."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.trip = ""
        self.headers: dict[str, str] = {}

    async def open(self) -> Room:
        if not self.trip:
            api = await Api(self.server.url).guest("Ann")
            self.trip = (await api.ok("POST", "/api/trips", {"title": "云南"}))["trip"]["id"]
            self.headers = {"Cookie": api.cookie_header, "Origin": self.server.url}
        return self

    async def join(self) -> RawSocket:
        raw = await RawSocket.connect(self.server.port, self.headers)
        assert raw.status == 101
        return await raw.join("tab", self.trip)


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    server = ServerProcess({"FRAMES_PER_SECOND": str(FRAMES_PER_SECOND)})
    server.migrate()
    with server:
        yield Room(server)


@pytest.fixture
async def ann(room: Room) -> AsyncIterator[RawSocket]:
    joined = await (await room.open()).join()
    yield joined
    await joined.aclose()


async def send(raw: RawSocket, data: bytes, chopped: bool) -> None:
    if not chopped:
        raw.writer.write(data)
        return
    # The beginning and the end byte by byte; a long middle in one.
    pieces = [data[n : n + 1] for n in range(min(len(data), 40))]
    pieces += [data[40:-40], *(data[n : n + 1] for n in range(max(40, len(data) - 40), len(data)))]
    for piece in pieces:
        raw.writer.write(piece)
        await asyncio.sleep(0)


async def exchange(raw: RawSocket, case: Case, chopped: bool) -> tuple[list[Any], list[bytes], int | None]:
    """Messages, pongs and the close code of what came back; without a close, up to the last answer."""
    messages: list[Any] = []
    pongs: list[bytes] = []
    code = None
    await send(raw, case.data + (text(HELLO) if case.code is None else b""), chopped)
    wanted = case.answers + 1
    async with asyncio.timeout(LONG):
        try:
            while case.code is not None or len(messages) < wanted:
                opcode, payload = await raw.read_frame()
                assert code is None, "a frame came behind the close frame"
                if opcode == TEXT:
                    message = json.loads(payload)
                    if message["t"] not in ("people", "head"):
                        messages.append(message)
                elif opcode == PONG:
                    pongs.append(payload)
                elif opcode == CLOSE:
                    code = int.from_bytes(payload[:2])
                    assert payload[2:].decode() == TABLE[code].reason
                    if code == BAD_FRAME:
                        raw.send(payload, CLOSE)  # here the handshake is completed
        except asyncio.IncompleteReadError as end:
            assert not end.partial, "the connection ended in the middle of a frame"
    return messages, pongs, code


@pytest.mark.parametrize("chopped", [False, True], ids=["whole", "chopped"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_conformance(ann: RawSocket, case: Case, chopped: bool) -> None:
    messages, pongs, code = await exchange(ann, case, chopped)
    assert code == case.code
    assert tuple(pongs) == case.pongs
    answered = [message["t"] for message in messages]
    if case.code is None:
        assert answered == ["pong"] * (case.answers + 1)
    elif case.peer_closes:
        assert answered == []
    else:
        assert answered == ["pong"] * case.answers + ["error", "closing"]
        assert (messages[-1]["code"], messages[-1]["resume"]) == (case.code, False)


@pytest.mark.parametrize("size", [1, 2, 1000], ids=["bytes", "pairs", "whole"])
async def test_every_character_arrives_as_it_was_sent(ann: RawSocket, size: int) -> None:
    for number, title in enumerate(VALID_UTF8):
        op = {"kind": "trip.set_fields", "fields": {"description": f"{size} {title}"}}
        message = {"t": "submit", "op_id": f"utf8-{size}-{number}", "base": 0, "op": op}
        raw = json.dumps(message, ensure_ascii=False).encode()
        position = raw.index(title.encode())
        end = position + len(title.encode())
        parts = [
            raw[:position],
            *(raw[n : min(n + size, end)] for n in range(position, end, size)),
            raw[end:],
        ]
        for n, part in enumerate(parts):
            ann.writer.write(frame(part, TEXT if n == 0 else MORE, fin=n == len(parts) - 1))
        answer = await ann.until("events")
        assert answer["events"][0]["changes"][0]["set"]["description"] == f"{size} {title}"


@pytest.mark.parametrize(
    "kind", [frame(b"x", PING), frame(b"", PONG), text(HELLO), frame(b"", TEXT, fin=False)],
    ids=["pings", "pongs", "messages", "fragments"],
)  # fmt: skip
async def test_a_flood_of_any_frames_is_closed_with_rate(ann: RawSocket, kind: bytes) -> None:
    rest = frame(b"", MORE, fin=False) if kind[0] == TEXT else kind
    ann.writer.write(kind + rest * 3 * FRAMES_PER_SECOND)
    assert await ann.end() == RATE
    assert ann.messages[-1]["t"] == "closing" and ann.messages[-1]["resume"] is True


async def test_many_pings_are_answered_in_order(ann: RawSocket) -> None:
    payloads = [b"payload-%d" % n for n in range(10)]
    await send(ann, b"".join(frame(payload, PING) for payload in payloads) + text(HELLO), True)
    got: list[bytes] = []
    async with asyncio.timeout(LONG):
        while (answer := await ann.read_frame())[0] == PONG:
            got.append(answer[1])
    # Section 5.5.3: the last one must be answered, others may be skipped.
    assert got and got[-1] == payloads[-1] and got == [p for p in payloads if p in got]


async def test_after_a_failure_nothing_is_understood_and_nobody_waits(ann: RawSocket) -> None:
    """The close frame arrives, then the end, although the client keeps talking and never closes."""
    ann.writer.write(with_reserved_bits(text(HELLO), 4) + text(HELLO) * 20 + b"\x00" * 100_000)
    async with asyncio.timeout(LONG):
        frames = []
        with pytest.raises(asyncio.IncompleteReadError):
            while True:
                frames.append(await ann.read_frame())
                ann.writer.write(b"\xff" * 1000)
    assert [opcode for opcode, _ in frames] == [TEXT, TEXT, CLOSE]


async def test_all_this_leaves_no_error_in_the_log_and_no_open_connection(room: Room) -> None:
    joined = await (await room.open()).join()
    await joined.aclose()
    log = room.server.log()
    assert "Traceback" not in log and " ERROR " not in log, log[-3000:]
    names = [case.name for case in CASES]
    assert all(count == 1 for count in map(names.count, names)), "two cases share a name"
