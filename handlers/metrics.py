"""Metrics for Prometheus, on a port of the operators' own.

Owns the names, texts and labels of all metrics (docs/OPERATIONS.md lists them) and the requests that
are counted here; everything else is plain numbers of other parts, read when somebody scrapes. Labels
have few values: routes, codes, roles; never an id. Each process listens on a port of its own, because
a scrape of the shared one would meet a different process each time, and because `/metrics` is nobody
else's business. Called by the composition root.
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from tornado.web import Application, HTTPError

from domain.distribution import Distribution
from domain.jobs import JobStatus
from domain.sweeping import Swept
from handlers import health
from handlers.base import BaseHandler
from handlers.deps import Deps, Shown
from handlers.families import counter, gauge, histogram
from handlers.logs import log_request
from realtime import close_codes
from realtime.assistant.runner import Assistant
from realtime.census import census
from realtime.hub import Hub
from realtime.jobs.postman import Result
from realtime.jobs.worker import Outcome
from realtime.loop_lag import LoopLag

# What alerts ask about is there from the start: a series that appears with its first event does not grow.
RESULTS = (("applied", ""), ("repeated", ""), ("rejected", "unavailable"), ("failed", "internal"))
CODES = {"0": 0} | {str(code): 0 for code in close_codes.TABLE}
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RunnerNumbers(Protocol):
    """What is read of `storage.runner.Gauges`."""

    queued: int
    in_flight: int
    transactions: int
    retries: int
    refused: int
    events: int
    operations: Count[tuple[str, str]]
    group_sizes: Distribution
    waits: Distribution
    writes: Distribution
    reads: Distribution


@dataclass(frozen=True)
class Sources:
    """Whose numbers are shown. `pool`: (connections at most, in use); `log_lines`: by level. `jobs`: of the
    whole installation by status, and attempts of this process by outcome. `job_seconds`: of an attempt;
    `mails`: those of mails by result."""

    hub: Hub
    runner: RunnerNumbers
    assistant: Assistant
    jobs: Callable[[], tuple[Mapping[JobStatus, int], Mapping[Outcome, int]]]
    job_seconds: Distribution
    swept: Mapping[Swept, int]
    mails: Callable[[], Mapping[Result, int]]
    lag: LoopLag
    lanes: Callable[[], int]
    pool: Callable[[], tuple[int, int]]
    threads: int
    log_lines: Mapping[str, int]
    ready: Callable[[], bool]
    process: int


class Requests:
    """Counts requests; see `handlers.deps.CountRequest`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counted = Counter(
            "tongyou_http_requests_total",
            "Requests that were answered, by route and status",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "tongyou_http_request_seconds",
            "Seconds from a request to the end of its answer (streams: to their end)",
            ["route"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )

    def __call__(self, method: str, route: str, status: int, seconds: float) -> None:
        self._counted.labels(method, route, str(status)).inc()
        if status != 101:  # an open socket is not a slow request
            self._seconds.labels(route).observe(seconds)


class Numbers(Collector):
    """All that other parts count, as it is at the moment of the scrape."""

    def __init__(self, sources: Sources) -> None:
        self._of = sources

    def collect(self) -> Iterator[Metric]:
        yield from self._process()
        yield from self._connections()
        yield from self._rooms()
        yield from self._commands()
        yield from self._threads()
        yield from self._answers()
        yield from self._jobs()

    def _process(self) -> Iterator[Metric]:
        of = self._of
        info = GaugeMetricFamily("tongyou_process_info", "1; which process this is", labels=["process"])
        info.add_metric([str(of.process)], 1)
        yield info
        yield gauge("tongyou_ready", "1: takes new connections; 0: starts or drains", of.ready())
        yield histogram("tongyou_loop_lag_seconds", "How late the event loop was", {"": of.lag.lags})
        yield gauge(
            "tongyou_loop_lag_max_seconds", "The worst lag of the last 15 to 30 seconds", of.lag.worst
        )
        yield counter("tongyou_log_lines_total", "Lines logged", of.log_lines, "level")

    def _connections(self) -> Iterator[Metric]:
        stats, now = self._of.hub.stats, census(self._of.hub.sessions)
        yield gauge("tongyou_connections", "Open WebSockets", len(self._of.hub.sessions))
        yield gauge(
            "tongyou_connections_arriving", "WebSockets whose handshake is under way", self._of.hub.arriving
        )
        yield counter("tongyou_connections_opened_total", "WebSockets let in", stats.opened)
        yield gauge("tongyou_connections_limit", "WebSockets at most", self._of.hub.limits.connections)
        closed = CODES | {str(code): count for code, count in stats.closed.items()}
        yield counter(
            "tongyou_connections_closed_total",
            "WebSockets that ended, by the close code we sent; 0: the peer left",
            closed,
            "code",
        )
        refused = {"4003": 0, "4429": 0} | {str(code): count for code, count in stats.refused.items()}
        yield counter("tongyou_connections_refused_total", "WebSockets not let in", refused, "code")
        yield counter("tongyou_slow_cuts_total", "Clients cut because they did not read", stats.cut)
        yield counter(
            "tongyou_ephemeral_dropped_total", "Ephemeral messages that slow readers lost", stats.dropped
        )
        yield gauge("tongyou_outbox_bytes", "Unsent bytes of all WebSockets", now.outbox)
        yield gauge("tongyou_outbox_max_bytes", "Unsent bytes of the WebSocket with most", now.fullest)
        roles = GaugeMetricFamily("tongyou_sessions", "WebSockets in rooms, by role", labels=["role"])
        for role, count in now.roles.items():
            roles.add_metric([role], count)
        yield roles
        yield gauge("tongyou_members", "People in rooms, once a room, without spectators", now.members)

    def _rooms(self) -> Iterator[Metric]:
        stats, counts = self._of.hub.stats, self._of.hub.counts()
        yield gauge("tongyou_rooms", "Rooms open in this process", counts["rooms"])
        yield counter(
            "tongyou_joins_total",
            "Joins answered: first, or with `since`: recovered from the log, or by a snapshot",
            stats.joins,
            "outcome",
        )
        yield counter("tongyou_deliveries_total", "Writes of frames to one WebSocket", stats.deliveries)
        yield histogram(
            "tongyou_fan_out_seconds", "Handing one turn's events to all of a room", {"": stats.fan_out}
        )
        yield counter("tongyou_gaps_total", "Times that a room was found behind the log", stats.gaps)
        yield counter("tongyou_catch_ups_total", "Reads of the log that closed a gap", stats.catch_ups)
        yield counter("tongyou_resyncs_total", "Rooms whose people had to come back", stats.resyncs)
        yield gauge("tongyou_bus_up", "1: other processes are heard", counts["bus_up"])
        yield counter("tongyou_bus_dropped_total", "Messages that did not reach Redis", counts["bus_dropped"])

    def _commands(self) -> Iterator[Metric]:
        runner = self._of.runner
        results = Count(dict.fromkeys(RESULTS, 0))
        results.update(runner.operations)
        for code, count in self._of.hub.stats.refused_submits.items():
            results["rejected", code] += count
        operations = CounterMetricFamily(
            "tongyou_operations_total",
            "Operations answered, by result and error code",
            labels=["result", "code"],
        )
        for (result, code), count in results.items():
            operations.add_metric([result, code], count)
        yield operations
        yield counter("tongyou_events_total", "Events committed by this process", runner.events)
        yield gauge("tongyou_commands_queued", "Commands accepted and not answered", runner.queued)
        yield counter("tongyou_commands_refused_total", "Commands refused, busy or draining", runner.refused)
        yield gauge("tongyou_lanes", "Rooms with a transaction in flight or waiting", self._of.lanes())
        yield histogram("tongyou_commit_commands", "Commands committed together", {"": runner.group_sizes})
        yield counter("tongyou_transactions_total", "Transactions begun", runner.transactions)
        yield counter("tongyou_transaction_retries_total", "Transactions begun again", runner.retries)
        yield histogram(
            "tongyou_transaction_seconds",
            "A transaction in its thread, commit included",
            {"read": runner.reads, "write": runner.writes},
            "kind",
        )

    def _threads(self) -> Iterator[Metric]:
        runner, threads = self._of.runner, self._of.threads
        size, used = self._of.pool()
        yield histogram(
            "tongyou_executor_wait_seconds", "From the loop to a database thread", {"": runner.waits}
        )
        yield gauge("tongyou_executor_threads", "Threads for transactions", threads)
        yield gauge("tongyou_executor_busy", "Threads in a transaction", min(runner.in_flight, threads))
        yield gauge(
            "tongyou_executor_queue",
            "Transactions that wait for a thread",
            max(0, runner.in_flight - threads),
        )
        yield gauge("tongyou_pool_size", "Database connections at most", size)
        yield gauge("tongyou_pool_in_use", "Database connections in use", used)

    def _answers(self) -> Iterator[Metric]:
        counts = self._of.assistant.counts()
        ended = CounterMetricFamily(
            "tongyou_answers_total", "Answers made here, by how they ended", labels=["result", "code"]
        )
        for outcome, count in self._of.assistant.lives.outcomes.items():
            result, _, code = outcome.partition(" ")
            ended.add_metric([result, code], count)
        yield ended
        yield gauge("tongyou_answers_streaming", "Answers being written", counts["answers_running"])
        yield gauge("tongyou_answers_waiting", "Answers that wait for a place", counts["answers_waiting"])
        yield gauge("tongyou_answer_readers", "Readers of answers over HTTP", counts["answer_readers"])
        yield gauge("tongyou_answer_copies", "Answers of other processes read here", counts["answer_copies"])

    def _jobs(self) -> Iterator[Metric]:
        known, attempts = self._of.jobs()
        jobs = GaugeMetricFamily(
            "tongyou_jobs", "Jobs of the whole installation, by status, half a minute old", labels=["status"]
        )
        for status, count in known.items():
            jobs.add_metric([status], count)
        yield jobs
        yield counter(
            "tongyou_job_attempts_total",
            "Attempts at jobs in this process, by outcome",
            {str(outcome): count for outcome, count in attempts.items()},
            "outcome",
        )
        yield histogram(
            "tongyou_job_seconds", "An attempt at a job, from its row to its file", {"": self._of.job_seconds}
        )
        yield counter(
            "tongyou_swept_total",
            "Rows that this process removed because their time was over",
            {str(what): count for what, count in self._of.swept.items()},
            "what",
        )
        yield counter(
            "tongyou_mails_total",
            "Attempts to send a mail in this process, by result",
            {str(result): count for result, count in self._of.mails().items()},
            "result",
        )


def make_registry(numbers: Collector) -> CollectorRegistry:
    """A registry of our own: the library's global one belongs to nobody."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # as many series again, and nobody asks for them
    registry = CollectorRegistry(auto_describe=False)
    registry.register(numbers)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class MetricsHandler(BaseHandler):
    """All metrics, in the format that the scraper asks for."""

    route = "/metrics"

    def initialize(self, deps: Deps, registry: CollectorRegistry) -> None:  # type: ignore[override]
        super().initialize(deps)
        self.registry = registry

    async def get(self) -> None:
        encode, content_type = choose_encoder(self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-store")
        self.finish(encode(self.registry))


class NothingHandler(BaseHandler):
    """Every other path of that port."""

    def prepare(self) -> None:
        super().prepare()
        raise HTTPError(404)


def make_operators_application(deps: Shown, registry: CollectorRegistry) -> Application:
    """What the operators' own port serves: metrics and health, also while the process drains."""
    return Application(
        [
            ("/metrics", MetricsHandler, {"deps": deps, "registry": registry}),
            *((route.pattern, route.handler, {"deps": deps, "route": route.path}) for route in health.routes),
        ],
        default_handler_class=NothingHandler,
        default_handler_args={"deps": deps},
        log_function=lambda handler: log_request(handler, getattr(handler, "route", "unknown")),
    )
