"""Bodies that are too big: what the client is told, whatever it sends and however."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from handlers import body_limit
from handlers.body_limit import DISCARDED, LIMIT
from tests.handlers.raw_socket import RawSocket
from tests.handlers.world import World
from tests.realtime.world import until

Counted = list[tuple[str, str, int]]
HEAD = "POST /api/trips HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def counted() -> Counted:
    """Requests that went into the metrics: verb, route, status."""
    return []


@pytest.fixture
async def world(tmp_path: Path, counted: Counted) -> AsyncIterator[World]:
    made = World(tmp_path, count_request=lambda *of: counted.append(of[:3]))
    yield made
    await made.aclose()


async def ask(world: World, head: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to raw bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    try:
        writer.write(f"{HEAD}{head}\r\n".encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        return int(lines[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))
    finally:
        writer.close()
        await writer.wait_closed()


def chunked(size: int) -> bytes:
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    return piece * (size // 0x10000 + 1) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (f"Content-Length: {LIMIT + 1}\r\n", b"x" * (LIMIT + 1)),
        ("Transfer-Encoding: chunked\r\n", chunked(LIMIT)),
        # More than anybody reads: refused by what it says of itself.
        (f"Content-Length: {DISCARDED + 1}\r\n", b""),
        (f"Content-Length: {2**70}\r\n", b""),
        # The client goes on sending: it is answered all the same.
        ("Transfer-Encoding: chunked\r\n", chunked(DISCARDED)),
        ("Transfer-Encoding: chunked\r\n", chunked(DISCARDED)[:-5]),
        (f"Content-Length: {2 * DISCARDED}\r\n", b"x" * 2 * DISCARDED),
    ],
    ids=["announced", "chunked", "huge", "absurd", "chunked-huge", "chunked-endless", "huge-and-sent"],
)
async def test_too_big_is_said_in_json(
    world: World,
    counted: Counted,
    head: str,
    body: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "tongyou.access")
    status, headers, answer = await ask(world, head, body)
    assert (status, headers["content-type"]) == (413, "application/json; charset=utf-8")
    error = json.loads(answer)["error"]
    assert (error["code"], error["message"]) == ("too_large", "a body has at most 1024 KiB")
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
    (line,) = [vars(record) for record in caplog.records if record.name == "tongyou.access"]
    assert (line["route"], line["status"], line["request_id"]) == (
        "/api/trips", 413, headers["x-request-id"],
    )  # fmt: skip
    assert counted == [("POST", "/api/trips", 413)]
    assert (await world.client().get("/api/me")).status == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_who_goes_away_in_the_middle_is_no_fault(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for head, body in (
        (f"Content-Length: {LIMIT + 1}", b"x"),
        ("Transfer-Encoding: chunked", chunked(LIMIT)[:-9]),
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(f"{HEAD}{head}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    await until(lambda: not world.server._connections)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_the_connection_goes_on_after_what_was_thrown_away(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    for length, status in ((LIMIT + 1, b"413"), (LIMIT, b"403")):
        writer.write(f"{HEAD}Content-Length: {length}\r\n\r\n".encode() + b"x" * length)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] == status
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(size)
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_never_stops_is_hung_up_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "LINGER_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(f"{HEAD}Content-Length: {2 * DISCARDED}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.split()[1] == b"413" and b"connection: close" in head.lower()
    async with asyncio.timeout(10):
        await reader.read()  # to its end, which the server makes
    writer.close()
    await writer.wait_closed()


async def test_no_socket_is_opened_behind_a_body(tmp_path: Path) -> None:
    world = World(tmp_path, rooms=True)
    socket = await RawSocket.connect(world.port, {"Content-Length": str(DISCARDED + 1)})
    assert socket.status == 413 and not world.hub.sessions
    await socket.aclose()
    await world.aclose()
