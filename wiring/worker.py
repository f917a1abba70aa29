"""One worker process: it hears of jobs, does them, and shows what it does. Called by `server.py`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

from sqlalchemy import Engine
from tornado.httpserver import HTTPServer

from handlers import listening, metrics
from handlers.body_limit import BodyLimit
from handlers.deps import Shown
from handlers.worker_metrics import WorkerNumbers
from realtime.jobs.beats_redis import RedisBeats
from realtime.jobs.doorbell_celery import listen
from realtime.jobs.listening import Listening
from realtime.jobs.worker import Worker
from realtime.loop_lag import LoopLag
from realtime.tasks import Tasks
from settings import Settings, SettingsError
from storage.engine import make_engine, pool_counts
from storage.health import DatabaseHealth
from storage.revisions import check
from storage.runner import Runner
from storage.unit_of_work import SqlUnits
from wiring.jobs import make_worker

log = logging.getLogger("tongyou")


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


def work(settings: Settings, log_lines: Mapping[str, int]) -> int:
    """One worker process: Celery listens in this thread, the work is done on a loop in another. Returns
    the exit status. Raises `SettingsError`, `SchemaError`, `ListenError`."""
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
        worker = make_worker(settings, run, computing)
        beside = _beside_work(settings, log_lines, engine, sql, worker)
        listens = asyncio.run_coroutine_threadsafe(beside.__aenter__(), loop).result()

        def end() -> None:
            asyncio.run_coroutine_threadsafe(beside.__aexit__(None, None, None), loop).result()

        stack.callback(end)
        log.info("a worker listens")
        return listen(settings.bell_url, worker.work, loop, listens.tick)
