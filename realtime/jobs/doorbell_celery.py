"""The doorbell of an installation with workers: a Celery task on Redis, which only names the job.

Owns the one door to Celery: how a server sends a ring, and how a worker process hears it. Redis may forget
every ring, Celery may repeat any: the job's row decides (`domain.jobs`). So a ring is acknowledged at
once, has no result, and is not tried again by Celery. Knows nothing of what a job is. Chosen by the
composition root; Celery is imported when it is first needed, for it is large.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

from realtime.jobs.doorbell import Work
from realtime.jobs.listening import TICK_SECONDS

if TYPE_CHECKING:
    from celery import Celery

TASK = "tongyou.job"
QUEUE = "jobs"
"""Rings for exports and photos, and, of versions before, for all."""
MAILS = "mails"
"""However many photos wait, a link for a new password does not wait behind them: a worker takes from both in
turn. Nor do they wait behind mails while a mail server is slow."""
PREFIX = "tongyou:celery:"
RING_LIMIT = 100
"""Rings of one process that wait for Redis; `realtime.jobs.rounds` finds the jobs of others again."""
TIMEOUT_SECONDS = 5.0
STALE_SECONDS = 120
"""A ring that nobody heard for so long is not answered any more: newer ones have been sent."""
log = logging.getLogger(__name__)


def broker_url(redis_url: str) -> str:
    """Celery's name of the same server: it spells the URL of a Unix socket in its own way, believes any
    certificate unless it is told not to, knows no login but the one before `@` and no database but the one in
    the path, and takes any other option for one of the connection, which then cannot be made."""
    parts = urlsplit(redis_url)
    options = [each for each in parts.query.split("&") if each]
    login = _login(parts.netloc.rpartition("@")[0], options)
    options = [each for each in options if each.partition("=")[0] not in ("username", "password")]
    netloc = parts.netloc.rpartition("@")[2]
    if login:
        netloc = f"{login}@{netloc}"
    # What redis-py does: the option wins.
    number = next((v for k, _, v in (each.partition("=") for each in options) if k == "db"), "")
    if parts.scheme == "unix":
        return f"redis+socket://{netloc}{parts.path}?virtual_host={number or '0'}"
    path = f"/{number}" if number else parts.path
    options = [each for each in options if each.startswith("ssl_")]
    if parts.scheme == "rediss" and not any(each.startswith("ssl_cert_reqs=") for each in options):
        options.append("ssl_cert_reqs=required")
    return urlunsplit(parts._replace(netloc=netloc, path=path, query="&".join(options)))


def _login(before_host: str, options: list[str]) -> str:
    """`user:password` as redis-py understands the URL: what stands before the host wins."""
    user, _, password = before_host.partition(":")
    given = {name: value for name, _, value in (each.partition("=") for each in options)}

    def option(name: str) -> str:
        return quote(unquote_plus(given.get(name, "")), safe="")

    user, password = user or option("username"), password or option("password")
    return f"{user}:{password}" if password else user


def make_app(redis_url: str) -> Celery:
    """The Celery application of senders and workers."""
    from celery import Celery

    app = Celery("tongyou", broker=broker_url(redis_url), set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        # Each with an exchange of its own: by default they share one, and all would be in both.
        task_queues={name: {"exchange": name, "routing_key": name} for name in (MAILS, QUEUE)},
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_timeout=TIMEOUT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "global_keyprefix": PREFIX,
            "queue_order_strategy": "round_robin",
            "socket_timeout": TIMEOUT_SECONDS,
            "socket_connect_timeout": TIMEOUT_SECONDS,
        },
        # One ring at a time: what a worker holds back, no other can hear.
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        # Lines are ours: see handlers.logs.
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


class CeleryDoorbell:
    """See `realtime.jobs.doorbell.Doorbell`. Rings leave in a thread of their own."""

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._app: Celery | None = None
        self._thread = ThreadPoolExecutor(1, "celery")
        self._waiting: set[str] = set()
        self._closed = False

    def ring(self, job_id: str, mail: bool = False) -> None:
        if self._closed or job_id in self._waiting or len(self._waiting) >= RING_LIMIT:
            return
        self._waiting.add(job_id)
        sent = asyncio.get_running_loop().run_in_executor(
            self._thread, self._send, job_id, MAILS if mail else QUEUE
        )
        sent.add_done_callback(lambda _: self._waiting.discard(job_id))

    def _send(self, job_id: str, queue: str) -> None:
        try:
            if self._app is None:
                self._app = make_app(self._url)
            self._app.send_task(
                TASK, (job_id,), queue=queue, expires=STALE_SECONDS, retry=False, ignore_result=True
            )
        except Exception as error:
            # Whatever it was, the job stands in the database and is called out again.
            log.warning("workers could not be told of job %s: %s", job_id, error)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._app is not None:
            await asyncio.to_thread(self._app.close)


def listen(
    redis_url: str, work: Work, loop: asyncio.AbstractEventLoop, tick: Callable[[], None] = lambda: None
) -> int:
    """Hear rings and do the jobs, one after the other, on `loop`, which runs in another thread. Blocks the
    main thread until SIGTERM or SIGINT, and until the job under way is done. `tick` is called every
    `TICK_SECONDS` by the loop that hears rings, while it is connected. Returns the exit status."""
    from celery import bootsteps
    from celery.apps import worker as program
    from celery.exceptions import SecurityWarning

    class Tick(bootsteps.StartStopStep):  # type: ignore[misc]
        """Part of each connection of Celery's consumer, from when it hears rings to its end."""

        requires = ("celery.worker.consumer.tasks:Tasks",)
        timer: Any = None

        def start(self, consumer: Any) -> None:
            tick()
            self.timer = consumer.timer.call_repeatedly(TICK_SECONDS, tick)

        def stop(self, consumer: Any) -> None:
            if self.timer is not None:
                self.timer.cancel()

        shutdown = stop

    app = make_app(redis_url)
    app.steps["consumer"].add(Tick)
    # It warns root, and whoever has no name here, of rings that are programs (pickle). Ours are JSON alone.
    warnings.simplefilter("ignore", SecurityWarning)
    # It would write plain lines to stdout when it is told to end; each line of a log is ours.
    program.safe_say = _say

    def heard(job_id: Any) -> None:
        if isinstance(job_id, str):
            asyncio.run_coroutine_threadsafe(work(job_id), loop).result()

    app.task(heard, name=TASK, ignore_result=True)
    # Solo: no child processes. Supervisord starts as many workers as are wanted, and sees each of them.
    worker = app.Worker(
        pool="solo",
        concurrency=1,
        quiet=True,
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _say(message: str, _stream: object = None) -> None:
    log.debug("%s", message.strip())
