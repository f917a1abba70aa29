"""One server process: its parts, built in order and taken down in reverse.

Owns the walks of one start and of one drain (docs/ARCHITECTURE.md). Called by `server.py`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace

import uvloop
from sqlalchemy import Engine
from tornado.httpserver import HTTPServer

from domain.answers import AskLimits
from domain.events import Committed
from handlers import listening, metrics
from handlers.accepting import Board, Doors
from handlers.application import make_application
from handlers.body_limit import BodyLimit
from handlers.demo import load_sample
from handlers.deps import Deps, Features
from handlers.http_server import GracefulServer
from handlers.passwords import Argon2Hasher
from handlers.proxies import networks
from handlers.rates import Rates
from handlers.sessions import SessionCache
from realtime.admission import HubLimits
from realtime.assistant.answering import Budgets
from realtime.assistant.completions import Timeouts
from realtime.assistant.openai_client import OpenAICompletions
from realtime.assistant.pace import Pace
from realtime.assistant.queueing import Bounds
from realtime.assistant.runner import Assistant
from realtime.clock import utc_now
from realtime.hub import Hub
from realtime.jobs.doorbell import Doorbell
from realtime.jobs.doorbell_celery import CeleryDoorbell
from realtime.jobs.doorbell_local import LocalDoorbell
from realtime.jobs.rounds import Rounds
from realtime.jobs.worker import Worker
from realtime.loop_lag import LoopLag
from realtime.publisher import Publisher
from realtime.sweeping import Sweeper
from realtime.tasks import Tasks
from settings import ROOT, Settings
from storage.engine import make_engine, pool_counts
from storage.health import DatabaseHealth
from storage.revisions import check
from storage.runner import Runner
from storage.unit_of_work import SqlUnits
from wiring.bus import make_bus
from wiring.jobs import make_worker

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
        broker, presence, check_bus = make_bus(settings)
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
    worker = make_worker(settings, run, computing)
    doorbell = CeleryDoorbell(settings.bell_url) if settings.workers else LocalDoorbell(worker.work)
    stack.push_async_callback(doorbell.aclose)
    return worker, doorbell


def serve(settings: Settings, log_lines: Mapping[str, int]) -> None:
    """Run one process until it is told to end, on uvloop, with the interpreter set for it.
    Raises `SchemaError`, `ListenError`."""
    # What was imported lives as long as the process: the collector need not look at it again and again,
    # and seldom at the rest (a full collection with 500 streams held the loop for a third of a second).
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # So long the loop waits at most for a thread that computes (SQL), instead of Python's 5 ms. Shorter costs
    # more than it gives: at 0.5 ms, 64 busy rooms needed a tenth more for changing threads.
    sys.setswitchinterval(0.002)
    uvloop.run(Server(settings, log_lines).serve())
