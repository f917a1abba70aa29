"""A language model that only keeps time: every stream gets a chunk each 50 ms, stamped when it is sent.

Owns the pace, the stamps (`<n>:<nanoseconds> `, on the clock that all processes of a machine share), and
what was sent on each stream, so that a reader can compare to the character. Speaks just enough of
OpenAI's chat completions, on raw asyncio: a framework would cost more than the server under test. Never
begins before all expected streams are open, so that they run at once. Binds 127.0.0.1 only. Started as
a process (`python -m loadtests.upstream PORT`) by `loadtests.answers`, which steers it:

- `POST /expect {"streams", "chunks"}`: forget everything; begin when so many streams are open;
- `POST .../chat/completions`: a stream, named by the `#name#` in the request (the last one counts);
- `GET /state`: how far it is; `GET /sent`: the text of each stream, and how late chunks were sent.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

PERIOD = 0.05
PATIENCE = 25.0
"""Seconds after the first stream was opened when it begins, whether or not all are there."""

_NAME = re.compile(rb"#([a-z0-9-]{1,40})#")
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)
# As long as what providers send around a token.
_AROUND = (
    '{"id":"chatcmpl-7f1d2c3b4a5968778695a4b3c2d1e0f1","object":"chat.completion.chunk",'
    '"created":1764000000,"model":"bench","system_fingerprint":"fp_8802369eaa_prod0623","choices":%s,"usage":%s}'
)
_WORDS = _AROUND % (
    '[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}]',
    "null",
)
_FIRST = _AROUND % (
    '[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]',
    "null",
)
_LAST = _AROUND % ('[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"stop"}]', "null")
_USAGE = _AROUND % ("[]", '{"prompt_tokens":50,"completion_tokens":%d,"total_tokens":%d}')


def _event(data: str) -> bytes:
    """One server-sent event as one HTTP chunk."""
    body = f"data: {data}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(body), body)


class Book:
    """What is expected, and what was sent."""

    def __init__(self) -> None:
        self.expect(1, 1)

    def expect(self, streams: int, chunks: int) -> None:
        self.expected = streams
        self.chunks = chunks
        self.texts: dict[str, list[str]] = {}
        self.waiting: list[Stream] = []
        self.begun_ns = 0
        self.sent = 0
        self.ended = 0
        self.cut = 0
        self.late: list[float] = []
        self.timer: asyncio.TimerHandle | None = None

    def open(self, stream: Stream) -> None:
        """One more stream; begin with the last."""
        self.texts[stream.name] = stream.texts
        if self.begun_ns:
            stream.begin(asyncio.get_running_loop().time() + PERIOD)
            return
        self.waiting.append(stream)
        if len(self.waiting) >= self.expected:
            self.begin()
        elif self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(PATIENCE, self.begin)

    def begin(self) -> None:
        """Start every stream, spread evenly over one period."""
        if self.timer is not None:
            self.timer.cancel()
        if self.begun_ns:
            return
        self.begun_ns = time.monotonic_ns()
        now = asyncio.get_running_loop().time()
        for n, stream in enumerate(self.waiting):
            stream.begin(now + PERIOD * (1 + n / len(self.waiting)))
        self.waiting = []

    def state(self) -> dict[str, Any]:
        """Cheap, so that asking for it holds up no chunk."""
        return {"begun_ns": self.begun_ns, "sent": self.sent, "ended": self.ended, "cut": self.cut}

    def all_sent(self) -> dict[str, Any]:
        texts = {name: "".join(parts) for name, parts in self.texts.items()}
        return {"texts": texts, "late": self.late}


class Stream:
    """One answer. Its n-th chunk is due at `start + n * PERIOD`, however late the one before was."""

    def __init__(self, name: str, transport: asyncio.Transport, book: Book) -> None:
        self.name = name
        self.texts: list[str] = []
        self.over = False
        self._transport = transport
        self._book = book
        self._chunks = book.chunks
        self._start = 0.0
        self._timer: asyncio.TimerHandle | None = None
        transport.write(_HEAD + _event(_FIRST))

    def begin(self, at: float) -> None:
        if not self.over:
            self._start = at
            self._timer = asyncio.get_running_loop().call_at(at, self._send)

    def _send(self) -> None:
        n = len(self.texts)
        loop, due = asyncio.get_running_loop(), self._start + n * PERIOD
        text = f"{n}:{time.monotonic_ns()} "
        self._transport.write(_event(_WORDS % text))
        self.texts.append(text)
        self._book.sent += 1
        self._book.late.append(1000 * (loop.time() - due))
        if n + 1 < self._chunks:
            self._timer = loop.call_at(due + PERIOD, self._send)
        else:
            self.over = True
            self._book.ended += 1
            self._transport.write(
                _event(_LAST) + _event(_USAGE % (n + 1, n + 51)) + _event("[DONE]") + b"0\r\n\r\n"
            )

    def close(self) -> None:
        """The reader went away."""
        if not self.over:
            self.over = True
            self._book.cut += 1
        if self._timer is not None:
            self._timer.cancel()


class Connection(asyncio.Protocol):
    """One client; one request at a time, as HTTP clients send them."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._buffer = b""
        self._stream: Stream | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stream is not None:
            self._stream.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        self._answer(head.split(b" ", 2)[1], rest[:size])

    def _answer(self, path: bytes, body: bytes) -> None:
        assert self._transport is not None
        if path.endswith(b"/chat/completions"):
            names = _NAME.findall(body) or [b"nameless"]
            self._stream = Stream(names[-1].decode(), self._transport, self._book)
            self._book.open(self._stream)
            return
        answer: Any = {}
        if path == b"/expect":
            self._book.expect(**json.loads(body))
        elif path == b"/state":
            answer = self._book.state()
        elif path == b"/sent":
            answer = self._book.all_sent()
        payload = json.dumps(answer).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(payload), payload)
        )


async def serve(port: int) -> None:
    """Until the process is ended."""
    book = Book()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(book), "127.0.0.1", port, backlog=1024
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
