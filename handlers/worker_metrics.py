"""Metrics of a worker process, on a port of its own as every process has.

Owns the names and texts of what only workers have; what they share with servers has the same name there
(`handlers.metrics`). Called by the composition root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from handlers.families import counter, gauge, histogram
from realtime.jobs.worker import Worker
from realtime.loop_lag import LoopLag


@dataclass(frozen=True, eq=False)
class WorkerNumbers(Collector):
    """Whose numbers are shown, as they are at the moment of the scrape. `pool`: (connections at most, in
    use); `log_lines`: by level."""

    process: int
    listens: Callable[[], bool]
    worker: Worker
    lag: LoopLag
    pool: Callable[[], tuple[int, int]]
    log_lines: Mapping[str, int]

    def collect(self) -> Iterator[Metric]:
        worker, (size, used) = self.worker, self.pool()
        attempts = {str(outcome): count for outcome, count in worker.counts.items()}
        info = GaugeMetricFamily("tongyou_process_info", "1; which process this is", labels=["process"])
        info.add_metric([str(self.process)], 1)
        yield info
        yield gauge("tongyou_worker_listening", "1: hears of jobs", self.listens())
        yield gauge("tongyou_worker_busy", "1: does a job", worker.under_way)
        yield counter(
            "tongyou_job_attempts_total", "Attempts at jobs in this process, by outcome", attempts, "outcome"
        )
        yield counter(
            "tongyou_mails_total",
            "Attempts to send a mail in this process, by result",
            {str(result): count for result, count in worker.mails.items()},
            "result",
        )
        yield histogram(
            "tongyou_job_seconds", "An attempt at a job, from its row to its file", {"": worker.seconds}
        )
        yield histogram("tongyou_loop_lag_seconds", "How late the event loop was", {"": self.lag.lags})
        yield gauge(
            "tongyou_loop_lag_max_seconds", "The worst lag of the last 15 to 30 seconds", self.lag.worst
        )
        yield gauge("tongyou_pool_size", "Database connections at most", size)
        yield gauge("tongyou_pool_in_use", "Database connections in use", used)
        yield counter("tongyou_log_lines_total", "Lines logged", self.log_lines, "level")
