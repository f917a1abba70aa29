"""`make bench`: what one server process does, as ratios within one run.

Owns the figures of the README and docs: deliveries per CPU-second beside a plain `write_message`
loop, acknowledged operations per second in one room and over many, submit-to-seen latency,
memory per idle connection. Starts its own MariaDB and servers on 127.0.0.1, bounded in count and
time; asserts nothing (a benchmark is not a test).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from loadtests.sink import Client, Crowd
from tests.integration.room_client import Api
from tests.services.mariadb import MariaDB
from tests.services.process import free_port
from tests.services.server import ServerProcess

ROOM = 100
MESSAGES = 3_000
IN_FLIGHT = 48
NOTE = "沿洱海骑行到喜洲，午后风大，早点出发。Bring a jacket." + "·" * 10


def submit(op: dict[str, object]) -> bytes:
    """One `submit` frame's payload with a fresh op_id."""
    return json.dumps({"t": "submit", "op_id": secrets.token_hex(10), "base": 0, "op": op}).encode()


def cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


async def make_rooms(api: Api, count: int) -> list[str]:
    """Trips with one stop `s`."""
    rooms = []
    for n in range(count):
        trip = (await api.ok("POST", "/api/trips", {"title": f"Bench {n}"}))["trip"]["id"]
        op = {"kind": "stop.add", "id": "s", "fields": {"name": "洱海 Erhai"}}
        await api.ok(
            "POST", f"/api/trips/{trip}/operations", {"op_id": secrets.token_hex(10), "base": 0, "op": op}
        )
        rooms.append(trip)
    return rooms


def join(server: ServerProcess, api: Api, room: str) -> Client:
    """A client that has joined."""
    client = Client(server.port, "/api/socket", api.cookie_header)
    client.send({"t": "join", "v": 1, "room": room, "client": secrets.token_hex(8)})
    client.wait_for(b'"t":"joined"')
    return client


def edit(n: int) -> dict[str, object]:
    return {"kind": "stop.set_fields", "id": "s", "fields": {"notes": f"{n} {NOTE}"}}


def flood(senders: list[Client], crowd: Crowd, messages: int, each: int) -> float:
    """Send `messages` operations, at most `IN_FLIGHT` a sender unanswered; seconds until all of
    `each` deliveries a message arrived."""
    started = time.monotonic()
    goal = crowd.count
    sent = 0
    while sent < messages:
        for sender in senders:
            answered = (crowd.count - goal) / each
            batch = min(IN_FLIGHT * len(senders) - int(sent - answered), IN_FLIGHT, messages - sent)
            if batch > 0:
                sender.send_many([submit(edit(sent + n)) for n in range(batch)])
                sent += batch
        crowd.pump(0.002)
    crowd.until(goal + messages * each, 120)
    return time.monotonic() - started


def fan_out(server: ServerProcess, api: Api, room: str) -> float:
    """Deliveries per CPU-second of the server in a room of `ROOM` members, database included."""
    clients = [join(server, api, room) for _ in range(ROOM)]
    crowd = Crowd(clients, b'"op_id":')
    before = cpu(server.pid)
    flood(clients[:1], crowd, MESSAGES, ROOM)
    spent = cpu(server.pid) - before
    crowd.close()
    return MESSAGES * ROOM / spent


@contextmanager
def peer(module: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A peer server on a free port, stopped afterwards."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", module, str(port)])
    try:
        for _ in range(100):
            try:
                Client(port, "/socket").close()
                break
            except OSError:
                time.sleep(0.05)
        yield process, port
    finally:
        process.terminate()
        process.wait(10)


def fan_out_of_peer(module: str, messages: int) -> float:
    """Deliveries per CPU-second of a peer that only echoes to everybody."""
    with peer(module) as (process, port):
        clients = [Client(port, "/socket") for _ in range(ROOM)]
        crowd = Crowd(clients, b'"op_id":')
        before = cpu(process.pid)
        flood(clients[:1], crowd, messages, ROOM)
        spent = cpu(process.pid) - before
        crowd.close()
        return messages * ROOM / spent


def operations(server: ServerProcess, api: Api, rooms: list[str], total: int) -> float:
    """Acknowledged operations per second, one sender a room."""
    clients = [join(server, api, room) for room in rooms]
    crowd = Crowd(clients, b'"op_id":')
    seconds = flood(clients, crowd, total, 1)
    crowd.close()
    return total / seconds


def latency(server: ServerProcess, api: Api, room: str, count: int = 300) -> tuple[float, float]:
    """(median, p99) milliseconds from submit to seen by another member, one at a time."""
    writer, reader = join(server, api, room), join(server, api, room)
    crowd, other = Crowd([reader], b'"op_id":'), Crowd([writer], b'"op_id":')
    times = []
    for n in range(count):
        started = time.perf_counter()
        writer.send_many([submit(edit(n))])
        crowd.until(n + 1)
        times.append((time.perf_counter() - started) * 1000)
        other.until(n + 1)
    crowd.close()
    other.close()
    return statistics.median(times), sorted(times)[int(count * 0.99)]


def idle(server: ServerProcess, api: Api, room: str, count: int = 1_000) -> float:
    """KiB of resident memory per joined idle connection (the first 200 are not counted)."""
    warm = [join(server, api, room) for _ in range(200)]
    before = psutil.Process(server.pid).memory_info().rss
    more = [join(server, api, room) for _ in range(count)]
    used = psutil.Process(server.pid).memory_info().rss - before
    for client in warm + more:
        client.close()
    return used / count / 1024


def main() -> None:
    settings = {
        "MAX_CONNECTIONS_PER_USER": "5000",
        "LOG_LEVEL": "WARNING",
        "FRAMES_PER_SECOND": "100000",
        "THROTTLE_FACTOR": "100",
    }
    with MariaDB() as database:
        server = ServerProcess(settings | {"DATABASE_URL": database.create_database("bench")})
        server.migrate()
        with server:
            api = asyncio.run(Api(server.url).guest("Bench"))
            rooms = asyncio.run(make_rooms(api, 66))
            report(server, api, rooms)
        server.remove()


def report(server: ServerProcess, api: Api, rooms: list[str]) -> None:
    """Measure everything once and print a table."""
    ours = fan_out(server, api, rooms[0])
    plain = fan_out_of_peer("loadtests.peers.write_message", 1_000)
    one = operations(server, api, rooms[1:2], 6_000)
    many = operations(server, api, rooms[2:66], 12_000)
    median, p99 = latency(server, api, rooms[1])
    kib = idle(server, api, rooms[1])
    print("| what (one server process) | figure | aim |\n|---|---|---|")
    print(f"| deliveries per CPU-second, room of {ROOM}, durable operations | {ours:,.0f} | |")
    print(f"| the same, plain write_message loop without a database | {plain:,.0f} | |")
    print(f"| ratio | {ours / plain:.1f} | 5 |")
    print(f"| acknowledged operations per second, one room | {one:,.0f} | 3,000 |")
    print(f"| acknowledged operations per second, 64 rooms | {many:,.0f} | 6,000 |")
    print(f"| submit to seen, median / p99 ms | {median:.1f} / {p99:.1f} | |")
    print(f"| KiB per idle joined connection | {kib:.1f} | 20 |")


if __name__ == "__main__":
    main()
