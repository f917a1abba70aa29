"""Server-sent events read straight from a socket, as `curl -N` would: every byte when it comes.

Owns one connection and one request. Knows just enough HTTP/1.1 (chunks) and of the event format.
Also used against real servers. Never used by the product.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class SentEvent:
    """One event; a comment has the name ``:``."""

    name: str
    id: str
    data: Any


class RawStream:
    """See the module. `events` are all that came so far, without comments."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.events: list[SentEvent] = []
        self.comments = 0
        self.over = False
        """The server has ended the answer."""

    @property
    def text(self) -> str:
        """The text of all `delta` events, which must follow one on the other."""
        return "".join(each.data.get("text", "") for each in self.events if each.name == "delta")

    @property
    def last_id(self) -> str:
        return self.events[-1].id

    async def _head(self) -> None:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        pairs = (line.split(": ", 1) for line in lines[1:] if line)
        self.headers = {name.lower(): value for name, value in pairs}

    async def body(self) -> bytes:
        """The whole body of an answer that is no stream."""
        return await self._reader.readexactly(int(self.headers["content-length"]))

    async def next(self) -> SentEvent | None:
        """The next event or comment; None at the end."""
        while b"\n\n" not in self._rest:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            chunk = await self._reader.readexactly(size + 2)
            if not size:
                self.over = True
                return None
            self._rest += chunk[:-2]
        raw, _, self._rest = self._rest.partition(b"\n\n")
        fields = dict(line.split(": ", 1) for line in raw.decode().split("\n") if not line.startswith(":"))
        if "event" not in fields:
            self.comments += 1
            return SentEvent(":", "", None)
        event = SentEvent(fields["event"], fields["id"], json.loads(fields["data"]))
        self.events.append(event)
        return event

    async def until(self, condition: Callable[[RawStream], object], within: float = 20.0) -> RawStream:
        """Read on until this holds."""
        async with asyncio.timeout(within):
            while not condition(self):
                assert await self.next() is not None, f"the stream ended: {self.events}"
        return self

    async def end(self, within: float = 20.0) -> dict[str, Any]:
        """Read to the end; the last event's data."""
        async with asyncio.timeout(within):
            while await self.next() is not None:
                pass
        last = self.events[-1]
        assert last.name == "end", self.events
        return dict(last.data)

    def close(self) -> None:
        """Go away without a word."""
        self._writer.close()


@contextlib.asynccontextmanager
async def open_stream(
    base_url: str, verb: str, path: str, headers: Mapping[str, str], body: Any = None
) -> AsyncIterator[RawStream]:
    """Send one request and read the head of its answer."""
    address = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        data = b"" if body is None else json.dumps(body).encode()
        sent = {"Host": address.netloc, "Content-Length": str(len(data)), **headers}
        lines = [f"{verb} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + data)
        stream = RawStream(reader, writer)
        async with asyncio.timeout(20):
            await stream._head()
        yield stream
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
