"""One port, several processes: how evenly sockets spread over them, and whom a rolling restart turns away.

Owns the comparison of the two ways to listen: the socket that supervisord hands to all processes (as
`supervisord.conf` ships), and a socket of each process's own with SO_REUSEPORT. docs/OPERATIONS.md has the
figures. Run as `python -m loadtests.listening`; takes about four minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
from tornado.httpclient import HTTPError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.integration.room_client import Api
from tests.services.mariadb import MariaDB
from tests.services.process import HOST
from tests.services.redis import Redis
from tests.services.supervisor import Supervisor

SETTINGS = {"MAX_CONNECTIONS_PER_USER": "100000", "THROTTLE_FACTOR": "1000", "LOG_LEVEL": "WARNING"}
CALLERS = 8
SLOW_SECONDS = 1.0


class OwnSockets(Supervisor):
    """Every process binds the port for itself."""

    def prepare(self) -> None:
        super().prepare()
        text = self.conf.read_text("utf-8").replace("[fcgi-program:", "[program:")
        self.conf.write_text(re.sub(r"(?m)^socket(_backlog)?=.*\n", "", text), "utf-8")


WAYS = {"inherited": Supervisor, "own": OwnSockets}


def connections(supervisor: Supervisor) -> list[int]:
    """Open connections of each process, in the order of their ids."""
    children = psutil.Process(supervisor.pid).children()
    return sorted(
        sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port == supervisor.port for c in found)
        for found in (child.net_connections("tcp") for child in children)
    )


async def spread(supervisor: Supervisor, count: int, at_once: int, page_first: bool) -> str:
    """Open `count` WebSockets and leave them idle; how many each process has."""
    api = await Api(supervisor.url).guest("Spread")
    turn = asyncio.Semaphore(at_once)
    opened: list[WebSocketClientConnection] = []

    async def open_one() -> None:
        async with turn:
            if page_first:
                await call(supervisor.port, "/api/me", Calls())
            url = supervisor.url.replace("http", "ws", 1) + "/api/socket"
            opened.append(await websocket_connect(HTTPRequest(url, headers={"Cookie": api.cookie_header})))

    await asyncio.gather(*(open_one() for _ in range(count)))
    await asyncio.sleep(0.5)
    found = connections(supervisor)
    for each in opened:
        each.close()
    await until(lambda: sum(connections(supervisor)) <= 2 * len(found))
    return shown(found)


def shown(found: list[int]) -> str:
    """The counts, and how far the extremes are from the mean."""
    mean = sum(found) / len(found)
    return f"{'/'.join(map(str, found))} (max/mean {max(found) / mean:.2f}, min/mean {min(found) / mean:.2f})"


async def spread_after_restarts(supervisor: Supervisor, count: int) -> str:
    """`count` WebSockets that come back when their process ends, after one rolling restart; and when a
    quarter more have come."""
    api = await Api(supervisor.url).guest("Back")
    url = supervisor.url.replace("http", "ws", 1) + "/api/socket"

    async def stay() -> None:
        while True:
            with contextlib.suppress(OSError, HTTPError):
                socket = await websocket_connect(HTTPRequest(url, headers={"Cookie": api.cookie_header}))
                while await socket.read_message() is not None:
                    pass
            await asyncio.sleep(random.uniform(0.1, 1.0))

    staying = [asyncio.create_task(stay()) for _ in range(count)]
    await until(lambda: sum(connections(supervisor)) >= count)
    for number, name in enumerate(supervisor.names):
        await asyncio.to_thread(supervisor.ctl, "restart", name)
        await until_ready(supervisor.operators_port + number)
    await until(lambda: sum(connections(supervisor)) >= count)
    await asyncio.sleep(1)
    said = shown(connections(supervisor))
    staying += [asyncio.create_task(stay()) for _ in range(count // 4)]
    await until(lambda: sum(connections(supervisor)) >= count + count // 4)
    said += f", and {count // 4} newcomers: {shown(connections(supervisor))}"
    for task in staying:
        task.cancel()
    await asyncio.gather(*staying, return_exceptions=True)
    return said


@dataclass
class Calls:
    """How new connections fared: `ok`, or the kind of failure; and the slowest."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    slow: int = 0


async def call(port: int, path: str, calls: Calls) -> None:
    """One request on a connection of its own."""
    began = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            calls.outcomes["ok" if b" 200 " in answer[:20] else f"answer {answer[:20]!r}"] += 1
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    except OSError as error:
        calls.outcomes[type(error).__name__] += 1
    took = time.monotonic() - began
    calls.slowest = max(calls.slowest, took)
    calls.slow += took > SLOW_SECONDS


async def restart_under_callers(supervisor: Supervisor, rounds: int, wait: bool) -> Calls:
    """Restart all processes one by one, `rounds` times, while callers connect without a pause. `wait`: until
    each is ready, which supervisorctl alone does not."""
    calls, done = Calls(), asyncio.Event()

    async def keep_calling() -> None:
        while not done.is_set():
            await call(supervisor.port, "/health/live", calls)

    callers = [asyncio.create_task(keep_calling()) for _ in range(CALLERS)]
    for _ in range(rounds):
        for number, name in enumerate(supervisor.names):
            await asyncio.to_thread(supervisor.ctl, "restart", name)
            if wait:
                await until_ready(supervisor.operators_port + number)
    done.set()
    await asyncio.gather(*callers)
    return calls


async def until_ready(port: int) -> None:
    calls = Calls()
    for _ in range(600):
        await call(port, "/health/ready", calls)
        if calls.outcomes["ok"]:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"the process at {port} does not become ready")


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.1)


async def measure(supervisor: Supervisor, count: int, rounds: int) -> None:
    for label, at_once, page_first in (
        ("one after the other", 1, False),
        ("each after a page", 1, True),
        ("50 at once", 50, False),
        ("50 at once, each after a page", 50, True),
    ):
        print(
            f"  {count} sockets, {label}: {await spread(supervisor, count, at_once, page_first)}", flush=True
        )
    found = await spread_after_restarts(supervisor, count)
    print(f"  {count} sockets after a rolling restart: {found}", flush=True)
    for label, wait in (("each ready before the next", True), ("not waiting", False)):
        calls = await restart_under_callers(supervisor, rounds, wait)
        print(
            f"  {rounds * supervisor.processes} restarts, {label}: {dict(calls.outcomes)}, "
            f"slowest {calls.slowest:.2f} s, {calls.slow} over {SLOW_SECONDS:g} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--sockets", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("ways", nargs="*", default=list(WAYS), help=f"of {', '.join(WAYS)}")
    arguments = parser.parse_args()
    with MariaDB() as database, Redis() as redis:
        for way in arguments.ways:
            settings = SETTINGS | {"DATABASE_URL": database.create_database(way), "REDIS_URL": redis.url}
            supervisor = WAYS[way](settings, arguments.processes)
            supervisor.migrate()
            with supervisor:
                print(f"{way}:", flush=True)
                asyncio.run(measure(supervisor, arguments.sockets, arguments.rounds))


if __name__ == "__main__":
    main()
