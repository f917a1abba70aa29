"""Reads many streams in one asyncio loop and notes when each byte came; takes them apart afterwards.

Owns the raw client of streams (an HTTP request, or a WebSocket after `loadtests.sink`'s handshake) and the
decoding of what was recorded: HTTP chunks, server-sent events, text frames. Does nothing but append while
it records, so that the reader costs less than what is measured. Measures nothing by itself. Called by
`loadtests.answers`.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from loadtests.sink import Client

HOST = "127.0.0.1"
_STAMP = re.compile(r"(\d+):(\d{6,}) ")


class Recording(asyncio.Protocol):
    """One stream: sends `request` and keeps what comes, with the time of each read. `over` is set by the
    last HTTP chunk, by the finished answer in a room, or when the connection ends."""

    def __init__(self, request: bytes = b"") -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.over = asyncio.Event()
        self._request = request
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._request:
            transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.pieces.append((time.monotonic_ns(), data))
        if data.endswith(b"0\r\n\r\n") or b'"answer.finish"' in data:
            self.over.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()

    def send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @property
    def raw(self) -> bytes:
        return b"".join(data for _, data in self.pieces)

    def times(self) -> Times:
        return Times([len(data) for _, data in self.pieces], [at for at, _ in self.pieces])


class Times:
    """When the byte before an offset came."""

    def __init__(self, sizes: list[int], at: list[int]) -> None:
        self._ends = list(accumulate(sizes))
        self._at = at

    def of(self, end: int) -> int:
        return self._at[bisect_left(self._ends, end)]


@dataclass
class Heard:
    """One stream as it was heard. `latencies`: nanoseconds of each chunk, from the stamp in it to its
    arrival; `prompt`: of those chunks alone that were not gathered with a later one. `pieces`: events or
    frames with text in them. `broken`: text that did not continue where the text before it ended."""

    text: str = ""
    latencies: list[int] = field(default_factory=list)
    prompt: list[int] = field(default_factory=list)
    pieces: int = 0
    broken: int = 0
    status: int = 0
    end: dict[str, Any] | None = None
    """The event `end` of the server."""

    def hear(self, text: str, at: int) -> None:
        stamps = [at - int(sent) for _, sent in _STAMP.findall(text)]
        self.text += text
        self.latencies += stamps
        self.prompt += stamps[-1:]
        self.pieces += bool(stamps)


def request(
    method: str, path: str, port: int, body: Any = None, headers: dict[str, str] | None = None
) -> bytes:
    """A whole HTTP request."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = {"Host": f"{HOST}:{port}", "Content-Length": str(len(data)), "Content-Type": "application/json"}
    lines |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data


async def record(port: int, sent: bytes) -> Recording:
    """A stream that has been asked for."""
    _, made = await asyncio.get_running_loop().create_connection(lambda: Recording(sent), HOST, port)
    return made


async def record_room(port: int, cookie: str, trip: str) -> Recording:
    """A member's socket that has sent `join`."""
    client = Client(port, "/api/socket", cookie)
    client.send({"t": "join", "v": 1, "room": trip, "client": secrets.token_hex(8)})
    made = Recording()
    made.pieces.append((time.monotonic_ns(), client.first))
    await asyncio.get_running_loop().create_connection(lambda: made, sock=client.socket)
    return made


# --- afterwards ---------------------------------------------------------------------------


def events(recording: Recording) -> Iterator[tuple[int, str, str]]:
    """(time, name, data) of each server-sent event of a chunked answer. Raises ValueError for another."""
    raw, times = recording.raw, recording.times()
    place = raw.index(b"\r\n\r\n") + 4
    if b"chunked" not in raw[:place].lower():
        raise ValueError(raw[:2_000].decode("utf-8", "replace"))
    buffer = b""
    while (line := raw.find(b"\r\n", place)) >= 0:
        size = int(raw[place:line], 16)
        if size == 0 or line + 2 + size > len(raw):
            return
        place = line + 2 + size
        *whole, buffer = (buffer + raw[line + 2 : place]).split(b"\n\n")
        at = times.of(place)
        place += 2
        for each in whole:
            lines = dict(part.partition(": ")[::2] for part in each.decode().split("\n"))
            if "data" in lines:
                yield at, lines.get("event", ""), lines["data"]


def frames(recording: Recording) -> Iterator[tuple[int, dict[str, Any]]]:
    """(time, message) of each text frame."""
    raw, times = recording.raw, recording.times()
    place = 0
    while place + 2 <= len(raw):
        size, head = raw[place + 1] & 0x7F, 2
        if size > 125:
            head = 4 if size == 126 else 10
            size = int.from_bytes(raw[place + 2 : place + head])
        end = place + head + size
        if end > len(raw):
            return
        if raw[place] & 0x0F == 1:
            yield times.of(end), json.loads(raw[place + head : end])
        place = end


def status_of(recording: Recording) -> int:
    """The HTTP status, 0 without one."""
    words = recording.raw[:20].split(b" ")
    return int(words[1]) if len(words) > 1 and words[1][:3].isdigit() else 0


def heard_directly(recording: Recording) -> Heard:
    """A stream of `loadtests.upstream` itself."""
    heard = Heard(status=status_of(recording))
    if heard.status == 200:
        for at, _, data in events(recording):
            if data != "[DONE]":
                for choice in json.loads(data)["choices"]:
                    heard.hear(choice["delta"].get("content", ""), at)
    return heard


def heard_as_events(recording: Recording) -> Heard:
    """An answer read from the server as server-sent events."""
    heard = Heard(status=status_of(recording))
    if heard.status == 200:
        for at, name, data in events(recording):
            if name == "delta":
                _grow(heard, json.loads(data), at)
            elif name == "end":
                heard.end = json.loads(data)
    return heard


def heard_in_room(recording: Recording) -> Heard:
    """The answer in a room, as one member's socket got it."""
    heard = Heard(status=101)
    for at, message in frames(recording):
        if message["t"] == "stream":
            _grow(heard, message, at)
        elif message["t"] == "events":
            for event in message["events"]:
                if event["kind"] == "answer.finish":
                    heard.end = {"status": "done", "text": event["talk"][0]["set"].get("text", "")}
    return heard


def _grow(heard: Heard, piece: dict[str, Any], at: int) -> None:
    """The stamps are ASCII, so characters are code points are bytes."""
    text = piece.get("text", "")
    heard.broken += bool(text) and piece.get("at", 0) != len(heard.text)
    heard.hear(text, at)
