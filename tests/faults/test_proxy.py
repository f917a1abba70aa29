"""The faults of the proxy, each seen from both ends of a connection."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio as redis

from tests.faults.bus import BusFaults, PubSubFilter, end_of_reply
from tests.faults.proxy import Faults, Proxy, obey, parse
from tests.services.process import HOST
from tests.services.redis import Redis

pytestmark = pytest.mark.timeout(30)
LONG = 10.0
SHORT = 0.05
"""Nothing came in so long: enough to be wrong about, never to be right about by luck."""


class Echo:
    """A server that answers everything with itself, and remembers how connections ended."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.ends: asyncio.Queue[str] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while data := await reader.read(65536):
                self.received.append(data)
                writer.write(data)
                await writer.drain()
            self.ends.put_nowait("FIN")
        except ConnectionResetError:
            self.ends.put_nowait("RST")
        finally:
            writer.close()


class Line:
    """A client behind a proxy before an echo server."""

    def __init__(self, echo: Echo, proxy: Proxy) -> None:
        self.echo, self.proxy = echo, proxy
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(HOST, self.proxy.port)
        self.writers.append(writer)
        return reader, writer

    async def no_links(self) -> None:
        async with asyncio.timeout(LONG):
            await asyncio.gather(*(link.task for link in self.proxy.links if link.task is not None))

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.connect()
        writer.write(b"hello")
        assert await asyncio.wait_for(reader.readexactly(5), LONG) == b"hello"
        return reader, writer


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, HOST, 0)
    async with Proxy((HOST, server.sockets[0].getsockname()[1])) as proxy:
        made = Line(echo, proxy)
        yield made
    server.close()
    for writer in echo.writers + made.writers:
        writer.transport.abort()
    await asyncio.sleep(0)


async def silent(reader: asyncio.StreamReader) -> bool:
    try:
        await asyncio.wait_for(reader.read(1), SHORT)
    except TimeoutError:
        return True
    return False


async def test_without_faults_everything_passes_and_so_does_the_end(line: Line) -> None:
    reader, writer = await line.dial()
    big = random.Random(1).randbytes(1_000_000)
    writer.write(big)
    assert await asyncio.wait_for(reader.readexactly(len(big)), LONG) == big
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), LONG) == b""
    assert await asyncio.wait_for(line.echo.ends.get(), LONG) == "FIN"
    writer.close()
    await line.no_links()


async def test_latency_delays_and_keeps_the_order(line: Line) -> None:
    reader, writer = await line.dial()
    line.proxy.set(latency=0.05, jitter=0.05)
    loop, sent = asyncio.get_running_loop(), b"".join(b"%04d" % n for n in range(200))
    began = loop.time()
    for n in range(0, len(sent), 4):
        writer.write(sent[n : n + 4])
        await asyncio.sleep(0)
    assert await asyncio.wait_for(reader.readexactly(len(sent)), LONG) == sent
    assert loop.time() - began >= 0.1


async def test_bandwidth_is_kept_and_the_sender_feels_it(line: Line) -> None:
    reader, writer = await line.dial()
    line.proxy.set("down", bandwidth=100_000)
    loop = asyncio.get_running_loop()
    began = loop.time()
    writer.write(b"x" * 30_000)
    await asyncio.wait_for(reader.readexactly(30_000), LONG)
    assert loop.time() - began >= 0.2
    writer.transport.set_write_buffer_limits(high=0)
    line.proxy.set("up", stalled=True)
    writer.write(b"x" * 50_000_000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(writer.drain(), SHORT)


async def test_slices_cut_what_was_one_write(line: Line) -> None:
    reader, writer = await line.dial()
    line.proxy.set("up", slice=1)
    writer.write(b"a frame")
    assert await asyncio.wait_for(reader.readexactly(7), LONG) == b"a frame"
    assert b"a frame" not in line.echo.received


async def test_a_stall_holds_everything_and_lets_it_go(line: Line) -> None:
    reader, writer = await line.dial()
    line.proxy.set("down", stalled=True)
    writer.write(b"later")
    assert await silent(reader)
    line.proxy.heal()
    assert await asyncio.wait_for(reader.readexactly(5), LONG) == b"later"


async def test_half_open_links_stay_dead_and_new_ones_live_after_healing(line: Line) -> None:
    reader, writer = await line.dial()
    line.proxy.half_open()
    writer.write(b"lost")
    assert await silent(reader)
    line.proxy.heal()
    writer.write(b"lost, too")
    assert await silent(reader)
    await line.dial()
    writer.transport.abort()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.echo.ends.get(), SHORT)  # the server is never told
    assert b"".join(line.echo.received) == b"hellohello"


async def test_answers_alone_may_vanish(line: Line) -> None:
    reader, writer = await line.dial()
    line.proxy.half_open("down")
    writer.write(b"done?")
    assert await silent(reader)
    assert b"".join(line.echo.received) == b"hellodone?"


async def test_cut_and_reset_end_both_sides(line: Line) -> None:
    reader, _ = await line.dial()
    assert line.proxy.cut() == 1
    assert await asyncio.wait_for(reader.read(), LONG) == b""
    assert await asyncio.wait_for(line.echo.ends.get(), LONG) == "FIN"
    reader, _ = await line.dial()
    assert line.proxy.reset() == 1
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), LONG)
    assert await asyncio.wait_for(line.echo.ends.get(), LONG) == "RST"


async def test_refusing_and_a_server_that_is_away(line: Line) -> None:
    line.proxy.refusing = True
    with pytest.raises(ConnectionError):
        reader, _ = await line.connect()
        await asyncio.wait_for(reader.readexactly(1), LONG)
    line.proxy.heal()
    right, line.proxy.to = line.proxy.to, (HOST, 1)
    reader, _ = await line.connect()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(reader.readexactly(1), LONG)
    line.proxy.to = right
    await line.dial()


async def test_a_server_that_dies_ends_the_link(line: Line) -> None:
    reader, writer = await line.dial()
    line.echo.writers[-1].transport.abort()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), LONG)
    writer.close()
    await line.no_links()


# --- by hand --------------------------------------------------------------------------------


async def test_commands(line: Line) -> None:
    proxy = line.proxy
    assert obey(proxy, "down.latency 0.2") == obey(proxy, "slice 3") == "ok"
    assert (proxy.down, proxy.up) == (Faults(latency=0.2, slice=3), Faults(slice=3))
    assert obey(proxy, "half-open up") == "ok" and proxy.up.swallowed and not proxy.down.swallowed
    assert obey(proxy, "heal") == "ok" and proxy.up == proxy.down == Faults()
    await line.dial()
    assert obey(proxy, "status").startswith("1 links")
    assert obey(proxy, "reset") == "1 reset"
    for wrong in ("latency", "nothing 1", "latency much", "half-open up down"):
        assert "heal" in obey(proxy, wrong), wrong


def test_the_command_line(redis_server: Redis) -> None:
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.proxy", "--to", f"{HOST}:{redis_server.port}", "--slice", "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root,
    )  # fmt: skip
    try:
        assert process.stdin is not None and process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:")
        through = Redis(int(line.rsplit(":", 1)[1]))
        assert through.is_ready()
        through.remove()
        answer, _ = process.communicate("status\n", timeout=LONG)
        assert "1 so far" in answer and "slice=1" in answer
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
    assert parse(["--to", "db:3306"]).to == ("db", 3306)


# --- Redis ----------------------------------------------------------------------------------


def published(channel: bytes, data: bytes) -> bytes:
    parts = (b"message", channel, data)
    return b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def test_where_a_reply_ends() -> None:
    for reply in (b"+OK\r\n", b":12\r\n", b"$-1\r\n", b"*0\r\n", b"*-1\r\n", b"$4\r\na\r\nb\r\n",
                  b"*2\r\n*1\r\n:1\r\n$0\r\n\r\n", published(b"room:1", b"\r\n*3\r\n")):  # fmt: skip
        for cut in range(len(reply)):
            assert end_of_reply(reply[:cut]) == 0, (reply, cut)
        assert end_of_reply(reply + b"+more\r\n") == len(reply)
    with pytest.raises(ValueError, match="RESP2"):
        end_of_reply(b">2\r\n+a\r\n+b\r\n")


@pytest.mark.parametrize(
    ("fault", "want"),
    [("drop", [b"+OK"]), ("duplicate", [b"+OK", b"a", b"a", b"b", b"b"]), ("reorder", [b"+OK", b"b", b"a"])],
)
def test_messages_are_lost_repeated_or_swapped_and_nothing_else_is(fault: str, want: list[bytes]) -> None:
    faults = BusFaults(random.Random(1))
    setattr(faults, fault, 1.0)
    stream = b"+OK\r\n" + b"".join(
        published(channel, data)
        for channel, data in (
            (b"t:beacon:1", b""),
            (b"room:1", b"a"),
            (b"room:1", b"b"),
            (b"t:beacon:1", b""),
        )
    )
    for size in (1, 7, len(stream)):
        made = PubSubFilter(faults)
        got = [r for n in range(0, len(stream), size) for r in made.feed(stream[n : n + size])]
        beacons = [reply for reply in got if b":beacon:" in reply]
        rest = [reply.split(b"\r\n")[-2] for reply in got if b":beacon:" not in reply]
        assert len(beacons) == 2 and rest == want


async def test_a_real_subscriber_behind_the_filter(redis_server: Redis, redis_url: str) -> None:
    faults = BusFaults(random.Random(3), drop=0.3, duplicate=0.3, reorder=0.3)
    async with Proxy((HOST, redis_server.port), filter=faults.filter) as proxy:
        publishing = redis.Redis.from_url(redis_url, protocol=2)
        subscribing = redis.Redis(host=HOST, port=proxy.port, protocol=2)
        async with subscribing.pubsub() as pubsub:
            await pubsub.subscribe("room:1")
            for n in range(100):
                await publishing.publish("room:1", str(n))
            faults.quiet()
            await publishing.publish("room:1", "end")
            got: list[int] = []
            async with asyncio.timeout(LONG):
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        if message["data"] == b"end":
                            break
                        got.append(int(message["data"]))
        await subscribing.aclose()
        await publishing.aclose()
    assert set(got) < set(range(100)) and len(set(got)) < len(got) and got != sorted(got)
    assert all(faults.counts.values())
