"""The composition root: reads the settings, builds the parts, wires them, listens, drains.

The only reader of the environment (and of `.env`), and the only place that chooses
implementations. Holds no rule of its own. Run as `python server.py [command]` (see `operations`), by
`make run`, or by supervisord, which hands the listening socket on file descriptor 0.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import uvloop
from dotenv import dotenv_values
from sqlalchemy import Engine
from tornado.httpserver import HTTPServer

from domain.answers import AskLimits
from domain.events import Committed
from handlers import listening, logs, make_application, metrics
from handlers.accepting import Board, Doors
from handlers.body_limit import BodyLimit
from handlers.demo import load_sample
from handlers.deps import Check, Deps, Features, Shown
from handlers.http_server import GracefulServer
from handlers.passwords import Argon2Hasher
from handlers.proxies import networks
from handlers.rates import Rates
from handlers.sessions import SessionCache
from handlers.worker_metrics import WorkerNumbers
from operations import Domain, Installation, MailDoor, commands
from realtime.admission import HubLimits
from realtime.assistant.answering import Budgets
from realtime.assistant.completions import Timeouts
from realtime.assistant.openai_client import OpenAICompletions
from realtime.assistant.pace import Pace
from realtime.assistant.queueing import Bounds
from realtime.assistant.runner import Assistant
from realtime.broker import Broker
from realtime.broker_memory import MemoryBroker
from realtime.broker_redis import RedisBroker
from realtime.broker_redis_cluster import RedisClusterBroker
from realtime.clock import utc_now
from realtime.hub import Hub
from realtime.jobs.beats_redis import RedisBeats
from realtime.jobs.doorbell import Doorbell
from realtime.jobs.doorbell_celery import CeleryDoorbell, listen
from realtime.jobs.doorbell_local import LocalDoorbell
from realtime.jobs.listening import Listening
from realtime.jobs.mail_server import read_sender
from realtime.jobs.postman import Post, Postman, send_trial
from realtime.jobs.render import render
from realtime.jobs.rounds import Rounds
from realtime.jobs.smtp import SmtpClient, fault_of, greeting
from realtime.jobs.worker import Worker
from realtime.loop_lag import LoopLag
from realtime.presence import PresenceStore
from realtime.presence_memory import MemoryPresenceStore
from realtime.presence_redis import RedisPresenceStore
from realtime.presence_redis_cluster import RedisClusterPresenceStore
from realtime.publisher import Publisher
from realtime.sweeping import Sweeper
from realtime.tasks import Tasks
from settings import CLUSTER_URLS, ROOT, Settings, SettingsError
from storage.engine import make_engine, pool_counts
from storage.health import DatabaseHealth
from storage.runner import Runner
from storage.schema import SchemaError, check
from storage.unit_of_work import SqlUnits

DIST = ROOT / "frontend" / "dist"
log = logging.getLogger("tongyou")


class Server:
    """One process: its parts, built in order and taken down in reverse."""

    def __init__(self, settings: Settings, log_lines: Mapping[str, int]) -> None:
        self.settings = settings
        self._log_lines = log_lines
        self.ready = False
        self.stopping = asyncio.Event()

    async def serve(self) -> None:
        """Build, listen, wait for SIGTERM or SIGINT, drain."""
        settings = self.settings
        async with AsyncExitStack() as stack:
            await self._build(stack)
            inherited = listening.inherited()
            sockets = inherited or listening.bind(
                settings.host, settings.port, shared=bool(settings.redis_url)
            )
            board = Board(settings.folder, settings.tongyou_process) if inherited else None
            self._doors = Doors(self._http, sockets, board, lambda: len(self._hub.sessions))
            self._doors.open()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._stop)
            self.ready = True
            said = f"Tongyou is ready: {listening.address(sockets)}"
            if sys.stdout.isatty():
                print(said, flush=True)
            else:
                log.info(said)
            await self.stopping.wait()
            await self._drain()

    async def _build(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        if not settings.redis_url:
            stack.enter_context(listening.only_process(settings.folder))
        engine = make_engine(settings.database_url, settings.db_pool_size)
        stack.callback(engine.dispose)
        await asyncio.to_thread(check, engine)
        executor = ThreadPoolExecutor(settings.db_pool_size, "sql")
        stack.callback(executor.shutdown)
        hashing = ThreadPoolExecutor(2, "argon2")
        stack.callback(hashing.shutdown)
        self._runner = run = Runner(SqlUnits(engine), executor, self._publish, threads=settings.db_pool_size)
        self._sessions = SessionCache(run, utc_now)
        broker, presence, check_bus = _bus(settings)
        limits = HubLimits(
            connections=settings.max_connections,
            of_user=settings.max_connections_per_user,
            frames_per_second=settings.frames_per_second,
        )
        self._hub = Hub(run, broker, presence, self._sessions.still_valid, limits=limits)
        self._publisher = Publisher(self._hub, broker)
        await self._hub.start()
        stack.push_async_callback(self._hub.aclose)
        self._assistant = _assistant(settings, self._hub, run)
        await self._assistant.start()
        stack.push_async_callback(self._assistant.aclose)
        self._worker, self._doorbell = _jobs(settings, run, stack)
        self._rounds = Rounds(run, self._doorbell, utc_now)
        self._sweeper = Sweeper(run, utc_now)
        lag, tasks = LoopLag(), Tasks()
        tasks.supervise("rounds of jobs", self._rounds.keep_looking)
        tasks.supervise("sweeping", self._sweeper.keep_sweeping)
        tasks.supervise("loop lag", lag.keep_measuring)
        stack.push_async_callback(tasks.aclose)
        database = DatabaseHealth(engine, executor)
        registry = metrics.make_registry(metrics.Numbers(self._numbers(engine, lag)))
        deps = replace(
            self._deps(run, hashing),
            checks={"process": self._is_ready, "database": database.check, "loop": lag.check},
            soft_checks={"schema": database.check_schema} | ({"redis": check_bus} if check_bus else {}),
            count_request=metrics.Requests(registry),
        )
        self._http = GracefulServer(BodyLimit(make_application(deps)), xheaders=False)
        if settings.metrics_port:
            operators = HTTPServer(BodyLimit(metrics.make_operators_application(deps, registry)))
            port = settings.metrics_port + settings.tongyou_process
            operators.add_sockets(listening.bind(settings.metrics_host, port))
            stack.callback(operators.stop)

    def _numbers(self, engine: Engine, lag: LoopLag) -> metrics.Sources:
        return metrics.Sources(
            hub=self._hub,
            runner=self._runner.gauges,
            assistant=self._assistant,
            jobs=lambda: (self._rounds.counts, self._worker.counts),
            job_seconds=self._worker.seconds,
            swept=self._sweeper.counts,
            mails=lambda: self._worker.mails,
            lag=lag,
            lanes=lambda: self._runner.lanes,
            pool=lambda: pool_counts(engine),
            threads=self.settings.db_pool_size,
            log_lines=self._log_lines,
            ready=lambda: self.ready,
            process=self.settings.tongyou_process,
        )

    def _deps(self, run: Runner, hashing: ThreadPoolExecutor) -> Deps:
        settings = self.settings
        return Deps(
            run=run,
            hasher=Argon2Hasher(hashing),
            revoke=self._hub.revoke,
            hub=self._hub,
            allowed_origins=settings.origins,
            assistant=self._assistant,
            sessions=self._sessions,
            ring=self._doorbell.ring,
            dist=DIST,
            sample=load_sample(),
            limits=settings.limits,
            rates=Rates(run, settings.limits, utc_now),
            features=Features(
                assistant=bool(self._assistant.model),
                assistant_model=self._assistant.model,
                mail=settings.mail is not None,
                tile_url=settings.tile_url,
                tile_attribution=settings.tile_attribution,
            ),
            trusted_proxies=networks(settings.trusted_proxies.split(",")),
        )

    def _publish(self, trip_id: str, epoch: str, committed: Sequence[Committed]) -> None:
        self._publisher.publish(trip_id, epoch, committed)

    async def _is_ready(self) -> str | None:
        return None if self.ready else "draining"

    def _stop(self) -> None:
        if self.stopping.is_set():
            log.warning("second signal: leaving at once")
            os._exit(1)
        self.stopping.set()

    async def _drain(self) -> None:
        """Not ready, no new connections, answers end (members see it), sockets leave, requests under way are
        answered, lanes finish; within `drain_seconds`."""
        self.ready = False
        log.info("draining")
        self._doors.close()
        self._http.retire()
        await self._assistant.drain(self.settings.drain_seconds * 0.25)
        await self._hub.drain(self.settings.drain_seconds * 0.4)
        # Before the runner: it refuses what still comes.
        await self._http.finish(self.settings.drain_seconds * 0.2)
        await self._doorbell.aclose()
        await self._runner.drain(self.settings.drain_seconds * 0.15)


def _bus(settings: Settings) -> tuple[Broker, PresenceStore, Check | None]:
    if not settings.redis_url:
        return MemoryBroker(), MemoryPresenceStore(), None
    url = settings.redis_url
    broker: RedisBroker
    presence: RedisPresenceStore
    if url.startswith(CLUSTER_URLS):
        broker, presence = RedisClusterBroker(url), RedisClusterPresenceStore(url)
    else:
        broker, presence = RedisBroker(url), RedisPresenceStore(url)

    async def check_bus() -> str | None:
        if broker.up and await presence.ping():
            return None
        return "Redis does not answer: rooms go on, other processes are heard with delay"

    return broker, presence, check_bus


def _assistant(settings: Settings, hub: Hub, run: Runner) -> Assistant:
    """Off without a key; `none` is the key of local servers that want none."""
    key = settings.ai_api_key
    pace = Pace()
    completions = None
    if key:
        completions = OpenAICompletions(
            settings.ai_base_url, "" if key == "none" else key, settings.ai_model, pause=pace.seconds
        )
    bounds = Bounds(settings.ai_streams, settings.ai_streams_per_user, settings.ai_streams_per_trip)
    return Assistant(
        hub,
        run,
        completions,
        bounds=bounds,
        # So many may wait behind those that are answered, over all processes.
        asked=AskLimits(max(5, 2 * bounds.of_user), max(10, 4 * bounds.of_trip)),
        budgets=Budgets(settings.ai_max_tokens, settings.ai_context_tokens),
        timeouts=Timeouts(
            settings.ai_first_token_seconds, settings.ai_silence_seconds, settings.ai_total_seconds
        ),
        pace=pace,
        readers_of_user=settings.max_connections_per_user,
    )


def _jobs(settings: Settings, run: Runner, stack: AsyncExitStack) -> tuple[Worker, Doorbell]:
    """Who is told of a job, and who does it where there are no worker processes."""
    computing = ThreadPoolExecutor(1, "jobs")
    stack.callback(computing.shutdown)
    worker = _worker(settings, run, computing)
    doorbell = CeleryDoorbell(settings.bell_url) if settings.workers else LocalDoorbell(worker.work)
    stack.push_async_callback(doorbell.aclose)
    return worker, doorbell


@asynccontextmanager
async def _beside_work(
    settings: Settings, log_lines: Mapping[str, int], engine: Engine, sql: ThreadPoolExecutor, worker: Worker
) -> AsyncIterator[Listening]:
    """What a worker process shows of itself, on its loop: a sign of life, and a port for operators."""
    listens = Listening(lambda: worker.under_way > 0)
    lag, tasks, beats = LoopLag(), Tasks(), RedisBeats(settings.bell_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(beats.aclose)
        stack.push_async_callback(tasks.aclose)
        tasks.supervise("loop lag", lag.keep_measuring)
        tasks.supervise("sign of life", lambda: beats.keep_beating(listens))
        if settings.metrics_port:
            database = DatabaseHealth(engine, sql)
            registry = metrics.make_registry(
                WorkerNumbers(
                    process=settings.worker_process,
                    listens=listens,
                    worker=worker,
                    lag=lag,
                    pool=lambda: pool_counts(engine),
                    log_lines=log_lines,
                )
            )
            shown = Shown(checks={"redis": listens.check, "database": database.check, "loop": lag.check})
            operators = HTTPServer(BodyLimit(metrics.make_operators_application(shown, registry)))
            port = settings.metrics_port + settings.worker_process
            operators.add_sockets(listening.bind(settings.metrics_host, port))
            stack.callback(operators.stop)
        yield listens


def _worker(settings: Settings, run: Runner, computing: ThreadPoolExecutor) -> Worker:
    post = _post(settings)
    postman = None if post is None else Postman(run, post, utc_now)
    return Worker(run, render, computing, utc_now, postman=postman)


def _post(settings: Settings) -> Post | None:
    """How mail is sent; None where it is not."""
    if settings.mail is None:
        return None
    send = SmtpClient(settings.mail, greeting(settings.site_url))
    return Post(send, settings.site_url.rstrip("/"), read_sender(settings.mail_from))


def run_worker(settings: Settings, log_lines: Mapping[str, int]) -> int:
    """One worker process: Celery listens in this thread, the work is done on a loop in another."""
    if not settings.workers:
        raise SettingsError("WORKERS is 0: the server processes do the work themselves")
    with ExitStack() as stack:
        engine = make_engine(settings.database_url, 2)
        stack.callback(engine.dispose)
        check(engine)
        sql, computing = ThreadPoolExecutor(2, "sql"), ThreadPoolExecutor(1, "jobs")
        stack.callback(sql.shutdown)
        stack.callback(computing.shutdown)
        loop = asyncio.new_event_loop()
        stack.callback(loop.close)
        thread = threading.Thread(target=loop.run_forever, name="loop")
        thread.start()
        stack.callback(thread.join)
        stack.callback(loop.call_soon_threadsafe, loop.stop)
        # Jobs record no events, so there is nothing to publish.
        run = Runner(SqlUnits(engine), sql, lambda *committed: None)
        worker = _worker(settings, run, computing)
        beside = _beside_work(settings, log_lines, engine, sql, worker)
        listens = asyncio.run_coroutine_threadsafe(beside.__aenter__(), loop).result()

        def end() -> None:
            asyncio.run_coroutine_threadsafe(beside.__aexit__(None, None, None), loop).result()

        stack.callback(end)
        log.info("a worker listens")
        return listen(settings.bell_url, worker.work, loop, listens.tick)


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run the process on uvloop, with the interpreter set for it."""
    # What was imported lives as long as the process: the collector need not look at it again and again,
    # and seldom at the rest (a full collection with 500 streams held the loop for a third of a second).
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # So long the loop waits for a thread that computes (SQL); ten times less than Python's 5 ms.
    sys.setswitchinterval(0.0005)
    uvloop.run(main)


@asynccontextmanager
async def _domain(settings: Settings) -> AsyncIterator[Domain]:
    """The services for an operator's command, and the word to the processes that serve."""
    async with AsyncExitStack() as stack:
        engine = make_engine(settings.database_url, 1)
        stack.callback(engine.dispose)
        await asyncio.to_thread(check, engine)
        executor = ThreadPoolExecutor(1, "sql")
        stack.callback(executor.shutdown)
        run = Runner(SqlUnits(engine), executor, lambda *committed: publisher.publish(*committed))
        broker, presence, _ = _bus(settings)
        stack.push_async_callback(presence.aclose)
        # Never started: it has no rooms and hears nothing, it only has a word for the others.
        hub = Hub(run, broker, presence, SessionCache(run, utc_now).still_valid)
        publisher = Publisher(hub, broker)
        yield Domain(run, hub.revoke, Argon2Hasher(executor).hash, utc_now)
        await run.drain(5)
        await broker.aclose()
        if isinstance(broker, RedisBroker) and broker.dropped:
            log.warning("Redis does not answer: open pages follow within 15 seconds")


def _mail_door(settings: Settings) -> MailDoor | None:
    server, post = settings.mail, _post(settings)
    if server is None or post is None:
        return None
    client = SmtpClient(server, greeting(settings.site_url))
    return MailDoor(
        server.shown,
        settings.mail_from,
        check=lambda: fault_of(client.check()),
        send=lambda address: fault_of(send_trial(post, address)),
    )


def _installation() -> Installation:
    """What the settings say, for the operators' commands. Raises `SettingsError`."""
    given = {**dotenv_values(ROOT / ".env"), **os.environ}
    settings = Settings.read({name: value for name, value in given.items() if value is not None})
    settings.folder.mkdir(parents=True, exist_ok=True)
    lines = logs.configure(
        settings.log_level.upper(),
        settings.log_format,
        process=settings.tongyou_process,
        secrets=settings.secrets,
    )
    return Installation(
        root=ROOT,
        folder=settings.folder,
        dist=DIST,
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        bell_url=settings.bell_url,
        processes=settings.processes,
        workers=settings.workers,
        metrics_host=settings.metrics_host,
        metrics_port=settings.metrics_port,
        db_pool_size=settings.db_pool_size,
        max_connections=settings.max_connections,
        serve=lambda: run_loop(Server(settings, lines.counts).serve()),
        work=lambda: run_worker(settings, lines.counts),
        domain=lambda: _domain(settings),
        mail=_mail_door(settings),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of `operations.commands`; 2 with one line on stderr when settings or schema are wrong."""
    try:
        return commands.main(arguments, _installation, ROOT)
    except (SettingsError, SchemaError, listening.ListenError) as error:
        print(f"tongyou: {error}", file=sys.stderr)
        return 2


def cli() -> None:
    """The console command `tongyou`."""
    sys.exit(main())


if __name__ == "__main__":
    cli()
