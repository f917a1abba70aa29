"""A TCP tap between the application and a language model: sees who hung up, and can lie.

Owns a listening socket and a thread of its own, so that it serves tests with and without an event loop, and
other processes. It understands just enough HTTP/1.1 to know where a request and its answer end.
"""

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.services.process import HOST

PATIENCE = 10.0
STALL = object()
"""In a canned answer: send nothing more until the client goes away."""

Part = bytes | object


def http(status: int, body: str | bytes = b"", **headers: str | int) -> bytes:
    """A whole HTTP answer; `retry_after=3` is the header Retry-After."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Canned", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
"""The beginning of a streamed answer, which ends where the connection does."""
DONE = b"data: [DONE]\n\n"


def event(data: object) -> bytes:
    """One event of a stream: JSON, or a text as it is."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def chunk(finish_reason: str | None = None, **delta: Any) -> bytes:
    """One event of a completion."""
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


@dataclass
class Exchange:
    """One request and its answer, as far as they came."""

    request: bytes = b""
    response: bytes = b""
    finished: bool = False
    """The whole answer passed."""
    closed_early: bool = False
    """The client hung up before that."""

    @property
    def body(self) -> Any:
        """The JSON of the request."""
        return json.loads(self.request.partition(b"\r\n\r\n")[2])


class Tap:
    """Passes everything to `target`, a port, except for what `answer` was given for.

    `exchanges` is written by its thread; `wait` and `seen` wait for something to be true of them.
    """

    def __init__(self, target: int | None = None) -> None:
        self.port = 0
        self.exchanges: list[Exchange] = []
        self._connections: list[asyncio.StreamWriter] = []
        self._serving: list[asyncio.Task[None]] = []
        self.target = target
        self._canned: deque[tuple[Part, ...]] = deque()
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tap", daemon=True)
        self._server: asyncio.Server | None = None
        self._last: tuple[bytes, ...] = ()
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def connections(self) -> int:
        """How often a client connected."""
        return len(self._connections)

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given."""
        return f"http://{HOST}:{self.port}/v1"

    # What it does

    def answer(self, *parts: Part) -> None:
        """Answer the next request like this (several calls: one request each), then hang up unless the
        answer says its own length. STALL keeps the connection open."""
        self._canned.append(parts)

    def hold(self, after: str = "") -> None:
        """Let nothing more pass to the client: from its side, the upstream falls silent. With `after`, from
        the end of the event on in which an answer says these words; to be told before it is asked for."""
        if after:
            self._last = (json.dumps(after).strip('"').encode(), after.encode())
        else:
            self._call(self._flowing.clear)

    def release(self) -> None:
        """End `hold`."""
        self._last = ()
        self._call(self._flowing.set)

    def _call(self, function: Callable[[], None]) -> None:
        async def run() -> None:
            function()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE)

    # What it saw

    def wait(self, condition: Callable[[list[Exchange]], object], timeout: float = PATIENCE) -> None:
        """Wait until this is true of the exchanges. Blocks: for tests without an event loop."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.exchanges), timeout):
                raise AssertionError(f"the tap saw only {self.exchanges}")

    async def seen(self, condition: Callable[[list[Exchange]], object]) -> None:
        """The same while the event loop goes on."""
        await asyncio.to_thread(self.wait, condition)

    # Its life

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, HOST, self.port), self._loop
        ).result(PATIENCE)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for writer in self._connections:
            # close() alone would wait for a client that has stopped reading.
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Here and not in the task, which may be cancelled before it begins.
        self._connections.append(writer)
        self._serving.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(reader)
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(client.listen())]
        try:
            while (request := await client.request()) is not None:
                exchange = Exchange(request)
                with self._changed:
                    self.exchanges.append(exchange)
                    self._changed.notify_all()
                answering = asyncio.create_task(self._answer(exchange, writer))
                tasks += [answering, asyncio.create_task(client.gone.wait())]
                await asyncio.wait(tasks[-2:], return_when=asyncio.FIRST_COMPLETED)
                if not answering.done():
                    self._note(exchange, closed_early=True)
                if not answering.done() or not is_complete(exchange.response):
                    return
        finally:
            writer.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, exchange: Exchange, writer: asyncio.StreamWriter) -> None:
        if self._canned:
            for part in self._canned.popleft():
                if not isinstance(part, bytes):
                    await asyncio.Event().wait()
                else:
                    await self._pass_on(exchange, writer, part)
        elif self.target is not None:
            upstream, request = await asyncio.open_connection(HOST, self.target)
            try:
                request.write(exchange.request)
                while not exchange.finished and (data := await upstream.read(65536)):
                    await self._pass_on(exchange, writer, data)
            finally:
                request.close()
        # Without a length, the end of the connection is the end of the answer.
        if not is_framed(exchange.response):
            self._note(exchange, finished=True)

    async def _pass_on(self, exchange: Exchange, writer: asyncio.StreamWriter, data: bytes) -> None:
        await self._flowing.wait()
        if end := self._end_of_last(exchange.response, data):
            self._last = ()
            await self._write(exchange, writer, data[:end])
            self._flowing.clear()
            await self._flowing.wait()
            data = data[end:]
        await self._write(exchange, writer, data)

    def _end_of_last(self, before: bytes, data: bytes) -> int:
        """How much of `data` passes before it is held; 0 where it is not."""
        response = before + data
        for words in self._last:
            at = response.find(words)
            end = response.find(b"\n\n", at)
            if at >= 0 and end >= 0:
                return max(0, end + 2 - len(before))
        return 0

    async def _write(self, exchange: Exchange, writer: asyncio.StreamWriter, data: bytes) -> None:
        response = exchange.response + data
        # Before the client can see the end, and leave.
        self._note(exchange, response=response, finished=is_complete(response))
        writer.write(data)
        await writer.drain()

    def _note(self, exchange: Exchange, **what: Any) -> None:
        with self._changed:
            for name, value in what.items():
                setattr(exchange, name, value)
            self._changed.notify_all()


class _Client:
    """What a client sends, and whether it is still there. Reads ahead, to see the end of the connection."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.gone = asyncio.Event()
        self._reader = reader
        self._received = b""
        self._more = asyncio.Event()

    async def listen(self) -> None:
        """Read until the client goes away."""
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(65536):
                self._received += data
                self._more.set()
        self.gone.set()
        self._more.set()

    async def request(self) -> bytes | None:
        """The next whole request; None when there is none."""
        while True:
            head, separator, rest = self._received.partition(b"\r\n\r\n")
            length = content_length(head) or 0
            if separator and len(rest) >= length:
                self._received = rest[length:]
                return head + separator + rest[:length]
            if self.gone.is_set():
                return None
            self._more.clear()
            await self._more.wait()


def content_length(head: bytes) -> int | None:
    """What the header says, if there is one."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return None


def is_framed(response: bytes) -> bool:
    """Whether an answer says where it ends, so that one without an end is a broken one."""
    head = response.partition(b"\r\n\r\n")[0].lower()
    return b"transfer-encoding: chunked" in head or content_length(head) is not None


def is_complete(response: bytes) -> bool:
    """Whether an answer has reached the end that it announced."""
    head, separator, body = response.partition(b"\r\n\r\n")
    if not separator or not is_framed(response):
        return False
    length = content_length(head)
    return body.endswith(b"\r\n0\r\n\r\n") if length is None else len(body) >= length
