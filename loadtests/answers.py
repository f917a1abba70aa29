"""`make bench-answers`: what one server process does with 500 answers that grow at once.

Owns the figures of docs/ASSISTANT.md: what the server adds to each chunk's way, beside the same streams read
without it in the same run; how long its loop is held up; CPU, memory and database work; and whether any
character got lost or came twice. Starts its own MariaDB, upstream and server on 127.0.0.1, bounded in
count and time (about 90 seconds); asserts nothing (a benchmark is not a test).

The path of a chunk: `loadtests.upstream` stamps and sends it; `loadtests.recorder` takes the stamp from what
it hears. Both are part of both measurements, so the difference is the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from loadtests.bench.clock import cpu
from loadtests.recorder import (
    HOST,
    Heard,
    Recording,
    heard_as_events,
    heard_directly,
    heard_in_room,
    record,
    record_room,
    request,
)
from loadtests.upstream import PERIOD
from tests.integration.room_client import Api
from tests.services.mariadb import MariaDB
from tests.services.process import Service
from tests.services.server import ROOT, ServerProcess

MEMBERS = 10
AT_ONCE = 8
"""Requests under way while people and trips are made."""
LONGEST = 240
"""Seconds after which the benchmark gives up."""
PROBE_PAUSE = 0.02
DATABASE = "bench"
OURS = ("server", "database", "upstream", "reader")
_STATUS = ("Questions", "Bytes_received", "Innodb_os_log_written")


class Upstream(Service):
    """`loadtests.upstream`, and what it is told and asked."""

    name = "upstream"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "loadtests.upstream", str(self.port)]

    def working_folder(self) -> Path:
        return ROOT

    def is_ready(self) -> bool:
        self.ask("GET", "/state")
        return True

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def probe(port: int, seconds: float) -> list[float]:
    """Milliseconds of `GET /health/live`, again and again. Runs in a process of its own."""
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    took = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.perf_counter()
        connection.request("GET", "/health/live")
        connection.getresponse().read()
        took.append(1000 * (time.perf_counter() - started))
        time.sleep(PROBE_PAUSE)
    connection.close()
    return took


@dataclass
class World:
    """What runs, and who is there. `trips[n]` is of `people[n * MEMBERS]` and the nine after them."""

    server: ServerProcess
    upstream: Upstream
    database: MariaDB
    prober: ProcessPoolExecutor
    streams: int
    people: list[Api] = field(default_factory=list)
    trips: list[str] = field(default_factory=list)

    def probe(self, seconds: float) -> Awaitable[list[float]]:
        return asyncio.get_running_loop().run_in_executor(self.prober, probe, self.server.port, seconds)

    def counters(self) -> dict[str, float]:
        """Everything that only grows."""
        names = ", ".join(f"'{name}'" for name in _STATUS)
        rows = self.database.execute(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")
        found = {str(name).lower(): float(value) for name, value in rows}
        busy = psutil.cpu_times()
        return found | {
            "time": time.monotonic(),
            "sent": float(self.upstream.ask("GET", "/state")["sent"]),
            "server_cpu": cpu(self.server.pid),
            "database_cpu": cpu(self.database.pid),
            "upstream_cpu": cpu(self.upstream.pid),
            "reader_cpu": time.process_time(),
            "machine_cpu": float(sum(busy) - busy.idle - busy.iowait),
        }

    def rss(self) -> float:
        """KiB."""
        return float(psutil.Process(self.server.pid).memory_info().rss) / 1024


# --- people and trips ---------------------------------------------------------------------


async def settle(world: World) -> None:
    """Make guests, and trips with ten members each; one answer, so that nothing is first later."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def guest(n: int) -> Api:
        async with gate:
            return await Api(world.server.url).guest(f"Asker {n}")

    async def trip(n: int) -> str:
        owner, *others = world.people[n * MEMBERS : (n + 1) * MEMBERS]
        async with gate:
            made = await owner.ok("POST", "/api/trips", {"title": f"Bench {n}"})
            path = f"/api/trips/{made['trip']['id']}/invites"
            invite = await owner.ok("POST", path, {"role": "editor"})
            token = invite["url"].rsplit("/", 1)[1]
            for each in others:
                await each.ok("POST", f"/api/invites/{token}/accept")
            return str(made["trip"]["id"])

    world.people = list(await asyncio.gather(*(guest(n) for n in range(world.streams))))
    world.trips = list(await asyncio.gather(*(trip(n) for n in range(world.streams // MEMBERS))))
    world.upstream.ask("POST", "/expect", {"streams": 1, "chunks": 5})
    first = await ask(world, 0, "warm")
    async with asyncio.timeout(30):
        await first.over.wait()
    first.close()


def question(name: str) -> str:
    return f"两天怎么玩？Two days in Dali, by bicycle if it is dry. #{name}#"


async def ask(world: World, n: int, name: str) -> Recording:
    """One person asks in private and reads the answer as it grows."""
    asker = world.people[n]
    headers = {"Cookie": asker.cookie_header, "X-XSRFToken": asker.cookies["_xsrf"]}
    body = {"text": question(name), "locale": "en", "stream": True}
    return await record(world.server.port, request("POST", "/api/ai/chat", world.server.port, body, headers))


# --- what is measured ---------------------------------------------------------------------


@dataclass
class Scenario:
    """`start` begins the streams and returns each recording with the name of its stream."""

    name: str
    streams: int
    seconds: float
    start: Callable[[], Awaitable[list[tuple[str, Recording]]]]
    decode: Callable[[Recording], Heard]


def scenarios(world: World, seconds: float) -> list[Scenario]:
    """The same load without the server, through it to one reader each, and into rooms."""

    async def directly() -> list[tuple[str, Recording]]:
        port = world.upstream.port
        names = [f"direct-{n}" for n in range(world.streams)]
        bodies = [{"stream": True, "messages": [{"role": "user", "content": question(n)}]} for n in names]
        made = [await record(port, request("POST", "/v1/chat/completions", port, body)) for body in bodies]
        return list(zip(names, made, strict=True))

    async def privately() -> list[tuple[str, Recording]]:
        names = [f"private-{n}" for n in range(world.streams)]
        return [(name, await ask(world, n, name)) for n, name in enumerate(names)]

    async def in_rooms() -> list[tuple[str, Recording]]:
        found = []
        for n, person in enumerate(world.people[: len(world.trips) * MEMBERS]):
            made = await record_room(world.server.port, person.cookie_header, world.trips[n // MEMBERS])
            found.append((f"room-{n // MEMBERS}", made))
        await until(lambda: all(b'"t":"joined"' in made.raw for _, made in found), 20)
        for n, trip in enumerate(world.trips):
            body = {"text": question(f"room-{n}"), "locale": "en"}
            await world.people[n * MEMBERS].ok("POST", f"/api/trips/{trip}/ai/chat", body)
        return found

    return [
        Scenario("direct", world.streams, seconds / 2, directly, heard_directly),
        Scenario("private", world.streams, seconds, privately, heard_as_events),
        Scenario("rooms", len(world.trips), seconds / 2, in_rooms, heard_in_room),
    ]


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Look often; go on after `seconds` in any case, for what is missing is a figure."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110 (what is looked at sets no event)
        await asyncio.sleep(0.1)


async def run(world: World, scenario: Scenario) -> dict[str, Any]:
    """One scenario: its figures."""
    world.upstream.ask(
        "POST", "/expect", {"streams": scenario.streams, "chunks": int(scenario.seconds / PERIOD)}
    )
    idle = world.rss()
    started = time.monotonic()
    recordings = await scenario.start()
    # A cheap question in between: the pause it makes does not change what is measured later.
    await until(lambda: bool(world.upstream.ask("GET", "/state")["begun_ns"]), 40)
    opening = time.monotonic() - started
    await asyncio.sleep(1)
    before = await asyncio.to_thread(world.counters)
    answers = await world.probe(scenario.seconds - 2)
    after = await asyncio.to_thread(world.counters)
    loaded = world.rss()
    ended = time.monotonic()
    await until(lambda: all(recording.over.is_set() for _, recording in recordings), 20)
    closing = time.monotonic() - ended
    sent = await asyncio.to_thread(world.upstream.ask, "GET", "/sent")
    for _, recording in recordings:
        recording.close()
    spent = {name: after[name] - before[name] for name in before}
    heard = [(name, scenario.decode(recording)) for name, recording in recordings]
    return (
        {"name": scenario.name, "streams": scenario.streams, "readers": len(recordings)}
        | {"opening_s": opening, "closing_s": closing, "kib_per_stream": (loaded - idle) / scenario.streams}
        | costs(spent, len(recordings) / scenario.streams)
        | {"health_ms": spread(answers), "upstream_late_ms": spread(sent["late"])}
        | listening(heard)
        | compare(heard, sent["texts"])
    )


def costs(spent: dict[str, float], readers: float) -> dict[str, Any]:
    """What a second, and 100,000 chunks, took while all streamed."""
    seconds, chunks = spent["time"], max(spent["sent"], 1)
    return {
        "chunks_per_s": chunks / seconds,
        "deliveries_per_s": chunks * readers / seconds,
        "server_cores": spent["server_cpu"] / seconds,
        "cpu_s_per_100k_chunks": 100_000 * spent["server_cpu"] / chunks,
        "cpu_s_per_100k_deliveries": 100_000 * spent["server_cpu"] / chunks / readers,
        "database_cores": spent["database_cpu"] / seconds,
        "upstream_cores": spent["upstream_cpu"] / seconds,
        "reader_cores": spent["reader_cpu"] / seconds,
        "other_cores": (spent["machine_cpu"] - sum(spent[f"{name}_cpu"] for name in OURS)) / seconds,
        "database_kib_per_s": spent["bytes_received"] / seconds / 1024,
        "database_log_kib_per_s": spent["innodb_os_log_written"] / seconds / 1024,
        "statements_per_s": spent["questions"] / seconds,
    }


def listening(heard: list[tuple[str, Heard]]) -> dict[str, Any]:
    """How long chunks took. `prompt`: those that were not gathered with a later one."""
    every = [each / 1e6 for _, one in heard for each in one.latencies]
    prompt = [each / 1e6 for _, one in heard for each in one.prompt]
    pieces = sum(one.pieces for _, one in heard)
    return {
        "latency_ms": spread(every),
        "prompt_ms": spread(prompt),
        "chunks_per_piece": len(every) / max(pieces, 1),
    }


def compare(heard: list[tuple[str, Heard]], texts: dict[str, str]) -> dict[str, Any]:
    """What each reader heard beside what was sent to it."""
    faults: Counter[str] = Counter()
    found: dict[str, Any] = {
        "errors": 0,
        "missing_characters": 0,
        "repeated_characters": 0,
        "different_texts": 0,
    }
    found |= {"broken_pieces": 0, "different_ends": 0}
    for name, one in heard:
        sent = texts.get(name, "")
        wanted, got = (Counter(text.split()) for text in (sent, one.text))
        found["missing_characters"] += sum(len(each) * n for each, n in (wanted - got).items())
        found["repeated_characters"] += sum(len(each) * n for each, n in (got - wanted).items())
        found["different_texts"] += one.text != sent
        found["broken_pieces"] += one.broken
        if one.end is not None:
            found["different_ends"] += one.end["text"] != sent
        ended = "done" if name.startswith("direct") else ending(one)
        if one.status not in (101, 200) or ended != "done":
            found["errors"] += 1
            faults[f"{one.status} {ended}"] += 1
    return found | {"faults": dict(faults)}


def ending(heard: Heard) -> str:
    """How an answer ended for its reader: its status, and what was wrong."""
    if heard.end is None:
        return "without an end"
    return " ".join([heard.end["status"], (heard.end.get("fault") or {}).get("code", "")]).strip()


def spread(values: list[float]) -> dict[str, float]:
    """Percentiles."""
    ordered = sorted(values) or [0.0]
    last = len(ordered) - 1
    places = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[round(last * share)], 3) for name, share in places.items()}


# --- the report ---------------------------------------------------------------------------


def table(found: dict[str, Any]) -> str:
    """Markdown, one column a scenario."""
    columns = [found[name] for name in ("direct", "private", "rooms")]
    direct = found["direct"]

    def percentiles(key: str) -> list[str]:
        return [" / ".join(f"{each[key][p]:.1f}" for p in ("p50", "p95", "p99")) for each in columns]

    def added(key: str) -> list[str]:
        return ["–"] + [
            " / ".join(f"{each[key][p] - direct['latency_ms'][p]:.1f}" for p in ("p50", "p95", "p99"))
            for each in columns[1:]
        ]

    def plain(key: str, form: str = ",.0f", first: bool = False) -> list[str]:
        return [format(each[key], form) if first or each is not direct else "–" for each in columns]

    held = [f"{each['health_ms']['p99']:.1f} / {each['health_ms']['max']:.0f}" for each in columns]
    wrong = [f"{each['missing_characters']} / {each['repeated_characters']}" for each in columns]
    loads = [f"{each['upstream_cores'] + each['reader_cores']:.2f}" for each in columns]
    rows: list[tuple[str, list[str]]] = [
        ("answers / readers", [f"{each['streams']} / {each['readers']}" for each in columns]),
        ("chunks per second from upstream", plain("chunks_per_s", first=True)),
        ("deliveries per second to readers", plain("deliveries_per_s", first=True)),
        ("latency of a chunk, p50 / p95 / p99 ms", percentiles("latency_ms")),
        ("added by the server", added("latency_ms")),
        ("the same, chunks gathered with a later one left out", added("prompt_ms")),
        ("chunks per piece", plain("chunks_per_piece", ".2f", first=True)),
        ("`GET /health/live` meanwhile, p99 / max ms", held),
        ("cores used by the server", plain("server_cores", ".2f", first=True)),
        ("server CPU seconds per 100,000 chunks", plain("cpu_s_per_100k_chunks", ".1f")),
        ("server CPU seconds per 100,000 deliveries", plain("cpu_s_per_100k_deliveries", ".1f")),
        ("cores used by the upstream and the reader", loads),
        ("cores used by everything else on this machine", plain("other_cores", ".2f", first=True)),
        # In rooms it is drawn from what the scenario before left behind.
        ("KiB of memory per answer", ["–", f"{found['private']['kib_per_stream']:.0f}", "–"]),
        ("cores used by MariaDB", plain("database_cores", ".2f")),
        ("KiB per second sent to MariaDB", plain("database_kib_per_s")),
        ("seconds from the first question to all streaming", plain("opening_s", ".1f", first=True)),
        ("errors", plain("errors", first=True)),
        ("missing / repeated characters", wrong),
    ]
    head = "| | read directly | private answers | in rooms of 10 |\n|---|---|---|---|\n"
    return head + "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in rows)


async def measure(world: World, seconds: float) -> dict[str, Any]:
    """All scenarios, after what a quiet server answers."""
    await settle(world)
    await world.probe(0.5)
    found: dict[str, Any] = {"idle_health_ms": spread(await world.probe(3))}
    for scenario in scenarios(world, seconds):
        found[scenario.name] = await run(world, scenario)
        print(f"{scenario.name}: done", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.answers", description="500 answers at once")
    parser.add_argument("--out", type=Path, help="write all figures as JSON here")
    parser.add_argument("--streams", type=int, default=500, help="a multiple of 10")
    parser.add_argument("--seconds", type=float, default=20.0, help="of streaming through the server")
    given = parser.parse_args()
    # Ended from outside, it still ends what it started.
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    signal.setitimer(signal.ITIMER_REAL, LONGEST, 30)
    streams = str(given.streams)
    with MariaDB() as database, Upstream() as upstream:
        settings = {
            "DATABASE_URL": database.create_database(DATABASE),
            "AI_BASE_URL": f"http://{HOST}:{upstream.port}/v1",
            "AI_API_KEY": "bench",
            "AI_MODEL": "bench",
            "AI_STREAMS": streams,
            "AI_STREAMS_PER_USER": "4",
            "AI_STREAMS_PER_TRIP": "4",
            "AI_FIRST_TOKEN_SECONDS": "60",
            "MAX_CONNECTIONS_PER_USER": "100",
            "THROTTLE_FACTOR": "100000",
            "LOG_LEVEL": "WARNING",
            "NO_PROXY": HOST,
        }
        server = ServerProcess(settings)
        server.migrate()
        # Spawned, not forked: a fork would copy the reader's loop.
        prober = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        with server, prober:
            world = World(server, upstream, database, prober, given.streams)
            found = asyncio.run(measure(world, given.seconds))
            found["load_average"], found["cpus"] = os.getloadavg(), os.cpu_count()
            found["server_log"] = server.log_tail(20)
    print(table(found))
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=2, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    main()
