"""A TCP proxy with faults: latency, bandwidth, slices, stalls, half-open connections, cuts and resets.

Owns one listening socket and the links through it. Each direction of a link has its own faults, which act at
once on open links. Understands no protocol: what does is given as a `filter`, see `tests.faults.bus`. Used by
tests within their event loop, and by hand (one command a line on stdin):

    python -m tests.faults.proxy --listen 127.0.0.1:7000 --to 127.0.0.1:6379 --latency 0.05
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

CHUNK = 16 * 1024
WINDOW = 16
"""Chunks under way in one direction; then the sender feels it, as on any network."""
SLICES_A_SECOND = 20
"""So often a limited bandwidth lets something pass."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
PATIENCE = 5.0


@dataclass
class Faults:
    """What happens to the bytes of one direction. Seconds; bytes, or bytes a second; 0 is no fault."""

    latency: float = 0.0
    jitter: float = 0.0
    """Up to so much more for each chunk; order is kept, as TCP does."""
    bandwidth: float = 0.0
    slice: int = 0
    """The most bytes of one write: a frame arrives in pieces."""
    stalled: bool = False
    """Nothing passes now, everything later, as behind a frozen peer."""
    swallowed: bool = False
    """Bytes and the end of the connection vanish, and nobody is told: half-open. For a link that has met
    this there is no way back."""


class Filter(Protocol):
    """Changes the bytes from the server to the client; one for each link."""

    def feed(self, data: bytes) -> Iterable[bytes]:
        """What the client gets now."""


class Pipe:
    """One direction of one link."""

    def __init__(
        self, proxy: Proxy, faults: Faults, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.dead = False
        self.passed = 0
        self._proxy = proxy
        self._faults = faults
        self._reader = reader
        self._writer = writer
        self._queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WINDOW)
        # `drain` then means that the kernel has it all.
        writer.transport.set_write_buffer_limits(high=0)

    async def run(self, filtered: Filter | None) -> None:
        """Until both ends have nothing more to say, or one of them is gone (ConnectionError)."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(filtered))
            group.create_task(self._write())

    async def _read(self, filtered: Filter | None) -> None:
        loop, due = asyncio.get_running_loop(), 0.0
        while data := await self._reader.read(CHUNK):
            delay = self._faults.latency + self._proxy.rng.random() * self._faults.jitter
            due = max(due, loop.time() + delay)
            for piece in filtered.feed(data) if filtered is not None else (data,):
                await self._queue.put((due, piece))
        await self._queue.put((due, b""))

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._queue.get()
            await asyncio.sleep(due - loop.time())
            rest = memoryview(data)
            while rest:
                await self._proxy.until(lambda: not self._faults.stalled)
                size = self._size()
                await self._pass(rest[:size])
                rest = rest[size:]
            if not data:
                await self._end()
                return

    def _size(self) -> int:
        size = self._faults.slice or CHUNK
        if self._faults.bandwidth:
            size = min(size, int(self._faults.bandwidth / SLICES_A_SECOND))
        return max(1, size)

    async def _pass(self, piece: memoryview) -> None:
        self.dead = self.dead or self._faults.swallowed
        if self.dead:
            return
        self._writer.write(bytes(piece))
        await self._writer.drain()
        self.passed += len(piece)
        if self._faults.bandwidth:
            await asyncio.sleep(len(piece) / self._faults.bandwidth)
        elif self._faults.slice:
            await asyncio.sleep(0)

    async def _end(self) -> None:
        await self._proxy.until(lambda: not self._faults.stalled)
        self.dead = self.dead or self._faults.swallowed
        if self.dead:
            await asyncio.Event().wait()  # the other side must not hear of it
        self._writer.write_eof()


class Link:
    """One client's connection and ours to the server. `server` is None while the server is out of reach."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.up: Pipe | None = None
        self.down: Pipe | None = None
        self.task: asyncio.Task[None] | None = None
        self._ended = False

    def abort(self, reset: bool) -> None:
        """End both sides now: with RST, or with FIN and what the kernel still has. Once."""
        if self._ended:
            return
        self._ended = True
        for writer in (self.client, self.server):
            if writer is None:
                continue
            sock = writer.get_extra_info("socket")
            if reset and sock is not None and sock.fileno() != -1:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()


class Proxy:
    """See the module. `up` acts on what clients send, `down` on what they get.

    `refusing`: new connections are reset. `filter` makes what changes the bytes towards a client. `seed`
    decides the jitter. Everything runs on the loop of `start`.
    """

    def __init__(
        self,
        to: tuple[str, int],
        listen: tuple[str, int] = ("127.0.0.1", 0),
        *,
        filter: Callable[[], Filter] | None = None,
        seed: int | str = 0,
    ) -> None:
        self.to = to
        self.port = listen[1]
        self.up, self.down = Faults(), Faults()
        self.refusing = False
        self.accepted = 0
        """Connections so far."""
        self.links: set[Link] = set()
        self.rng = random.Random(seed)
        self._host = listen[0]
        self._filter = filter
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()

    # --- faults -----------------------------------------------------------------------------

    def set(self, direction: str = "both", **values: Any) -> None:
        """Change faults by name; `direction` is up, down or both."""
        for name, faults in (("up", self.up), ("down", self.down)):
            if direction in (name, "both"):
                for field, value in values.items():
                    if not hasattr(faults, field):
                        raise ValueError(f"there is no fault {field!r}")
                    setattr(faults, field, value)
        self._changed.set()

    def half_open(self, direction: str = "both") -> None:
        """From now on bytes vanish; open links never recover, new ones do after `heal`."""
        self.set(direction, swallowed=True)

    def heal(self) -> None:
        """No faults any more. Links that were half-open stay so."""
        healthy: dict[str, Any] = vars(Faults())
        self.set("both", **healthy)
        self.refusing = False

    def cut(self) -> int:
        """End every link with FIN; how many there were."""
        return self._abort_all(reset=False)

    def reset(self) -> int:
        """End every link with RST; how many there were."""
        return self._abort_all(reset=True)

    def _abort_all(self, reset: bool) -> int:
        links = list(self.links)
        for link in links:
            link.abort(reset)
            if link.task is not None:
                link.task.cancel()
        return len(links)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when this is true of the faults."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> Self:
        """Listen; `port` is then known."""
        self._server = await asyncio.start_server(self._accept, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def aclose(self) -> None:
        """Stop listening and end every link."""
        if self._server is not None:
            self._server.close()
        self.reset()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=PATIENCE)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # --- links ------------------------------------------------------------------------------

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = Link(writer)
        if self.refusing:
            link.abort(reset=True)
            return
        self.links.add(link)
        task = link.task = asyncio.create_task(self._serve(link, reader))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, link: Link, reader: asyncio.StreamReader) -> None:
        reset = True
        try:
            with contextlib.suppress(OSError):
                upstream, link.server = await asyncio.open_connection(*self.to)
                link.up = Pipe(self, self.up, reader, link.server)
                link.down = Pipe(self, self.down, upstream, link.client)
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(link.up.run(None))
                        group.create_task(link.down.run(self._filter() if self._filter else None))
                    reset = False
                except* OSError:
                    # One end is gone. Across a dead link the other one does not learn it.
                    if link.up.dead or link.down.dead:
                        await asyncio.Event().wait()
        finally:
            link.abort(reset)
            self.links.discard(link)


# --- by hand --------------------------------------------------------------------------------


def obey(proxy: Proxy, line: str) -> str:
    """One command, such as `down.latency 0.2`, `half-open up`, `cut`, `heal`; the answer."""
    words = line.split()
    try:
        match words:
            case ["cut"]:
                return f"{proxy.cut()} cut"
            case ["reset"]:
                return f"{proxy.reset()} reset"
            case ["heal"]:
                proxy.heal()
            case ["refuse"]:
                proxy.refusing = True
            case ["half-open", *direction]:
                proxy.half_open(*direction)
            case ["status"]:
                return f"{len(proxy.links)} links, {proxy.accepted} so far, up {proxy.up}, down {proxy.down}"
            case [name, value]:
                way, _, field = name.rpartition(".")
                kinds: dict[str, type] = {each.name: type(each.default) for each in fields(Faults)}
                proxy.set(way or "both", **{field: kinds.get(field, float)(float(value))})
            case _:
                raise ValueError("unknown command")
    except (ValueError, TypeError) as error:
        names = ", ".join(each.name for each in fields(Faults))
        return (
            f"{error}; cut, reset, refuse, half-open [up|down], heal, status, [up.|down.]NAME VALUE ({names})"
        )
    return "ok"


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.proxy",
        description="A TCP proxy with faults. Commands on stdin change them: see `help` there.",
    )
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0), help="HOST:PORT (0: any)")
    parser.add_argument("--to", type=_address, required=True, help="HOST:PORT of the server")
    parser.add_argument("--seed", default="0", help="decides the jitter")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds, in each direction")
    parser.add_argument("--jitter", type=float, default=0.0, help="seconds at most on top of it")
    parser.add_argument("--bandwidth", type=float, default=0.0, help="bytes a second in each direction")
    parser.add_argument("--slice", type=int, default=0, help="bytes of one write at most")
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> None:
    """Until stdin ends, if there is one, or Ctrl-C."""
    async with Proxy(options.to, options.listen, seed=options.seed) as proxy:
        names = ("latency", "jitter", "bandwidth", "slice")
        proxy.set(**{name: getattr(options, name) for name in names})
        print(f"listening on {options.listen[0]}:{proxy.port}", flush=True)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        while line := await reader.readline():
            if line.strip():
                print(obey(proxy, line.decode()), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parse()))
