"""One load run inside the locust process: its phases, its shared ledger, its clock, and what it found.

Owns the order of the phases (everybody comes; measured; silence; the end), the storms, progress on the
screen and `result.json`. All users live in this one process, so one clock and one ledger serve them all.
Never judges: that is `loadtests.run`. Called by `loadtests.locustfile`; users reach it as
`stage.of(environment)`.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from locust.env import Environment
from locust.stats import StatsEntry

from loadtests.ledger import Ledger
from loadtests.seats import ACKNOWLEDGED, MEASURING, RESULT, Seats
from loadtests.targets import Profile, Result, Row, Storms

COMING_PATIENCE = 180.0
PROGRESS_EVERY = 5.0
LAG_EVERY = 0.05

log = logging.getLogger("loadtests")


class Storm:
    """One storm. Users wait for `leave`, then for `back`, and note themselves in `returned`."""

    def __init__(self) -> None:
        self.leave = Event()
        self.back = Event()
        self.back_at = 0.0
        self.heads: dict[str, int] = {}
        self.returned = 0
        self.last_at = 0.0


class Stage:
    """See the module."""

    def __init__(self, environment: Environment, profile: Profile, seats: Seats, folder: Path) -> None:
        self.environment = environment
        self.profile = profile
        self.seats = seats
        self.folder = folder
        self.ledger = Ledger()
        self.settled_in = 0
        """Users that have come and may be counted on."""
        self.sockets = 0
        self.counts: Counter[str] = Counter()
        """What happened without being a fault: restarts, returns, resends."""
        self.quiet = False
        """From now on nobody begins anything new; those who are away come back."""
        self.over = False
        """The run has ended: what breaks now is of no interest."""
        self.hushed = Event()
        self.storm = Storm()
        self._measured = (0.0, 0.0)
        self._storms: list[tuple[float, float]] = []
        self._exceptions: Counter[str] = Counter()
        self._lags: list[float] = []
        environment.events.user_error.add_listener(self._note_exception)

    # --- what users tell --------------------------------------------------------------------

    @staticmethod
    def now() -> float:
        return time.monotonic()

    def report(
        self, kind: str, name: str, seconds: float, error: BaseException | str | None = None, size: int = 0
    ) -> None:
        """One measurement into the statistics; nothing any more when the run is over."""
        if self.over:
            return
        failure = RuntimeError(error) if isinstance(error, str) else error
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=1000 * seconds,
            response_length=size,
            exception=failure,
            context={},
        )

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the moment when all fall silent."""
        self.hushed.wait(seconds)

    def _note_exception(self, exception: BaseException, **_: Any) -> None:
        if not self.over:
            self._exceptions[repr(exception)] += 1

    # --- phases -----------------------------------------------------------------------------

    def play(self) -> None:
        """The whole run, in a greenlet of its own; ends the locust process."""
        helpers = [gevent.spawn(self._watch_lag), gevent.spawn(self._show_progress)]
        try:
            self._come()
            self._measure()
            self._fall_silent()
            self._write()
        except Exception:
            log.exception("the run broke off")
            self.environment.process_exit_code = 3
        finally:
            self.over = True
            gevent.killall(helpers)
            assert self.environment.runner is not None
            self.environment.runner.quit()

    def _come(self) -> None:
        started = self.now()
        while self.settled_in < self.profile.crowd:
            if self.now() - started > COMING_PATIENCE:
                raise TimeoutError(f"only {self.settled_in} of {self.profile.crowd} users could begin")
            gevent.sleep(0.1)
        gevent.sleep(self.profile.warm_up_seconds)

    def _measure(self) -> None:
        assert self.environment.runner is not None
        # What failed on the way in is not forgotten with the figures.
        early = [error for error in self.environment.stats.errors.values() if error.occurrences]
        self.environment.stats.reset_all()
        for error in early:
            for _ in range(min(error.occurrences, 100)):
                self.report(error.method, error.name, 0, f"while coming: {error.error}")
        began = self.now()
        (self.folder / MEASURING).write_text(str(began), "ascii")
        if self.profile.storms is not None:
            self._storm(self.profile.storms)
        gevent.sleep(max(0.0, began + self.profile.seconds - self.now()))
        self._measured = (began, self.now())
        self._rows = [
            self._row(entry) for entry in self.environment.stats.entries.values() if entry.num_requests
        ]

    def _storm(self, storms: Storms) -> None:
        expected = self.profile.of("storm")
        for n in range(storms.count):
            gevent.sleep(storms.pause_seconds)
            storm = self.storm
            storm.leave.set()
            gevent.sleep(storms.away_seconds)
            storm.heads = {name: room.head for name, room in self.ledger.rooms.items()}
            storm.back_at = self.now()
            self.storm = Storm()
            storm.back.set()
            while storm.returned < expected and self.now() - storm.back_at < COMING_PATIENCE:
                gevent.sleep(0.05)
            self._storms.append((storm.back_at, storm.last_at))
            print(
                f"  storm {n + 1}: {storm.returned} of {expected} back and current"
                f" {storm.last_at - storm.back_at:.1f} s after all returned at once",
                flush=True,
            )

    def _fall_silent(self) -> None:
        self.quiet = True
        self.hushed.set()
        end = self.now() + self.profile.settle_seconds
        while self.now() < end and not self._settled():
            gevent.sleep(0.1)
        # Longer than a process needs to deliver twice what it delivers at all.
        gevent.sleep(1)
        self.over = True
        self.ledger.finish()

    def _settled(self) -> bool:
        ledger = self.ledger
        if any(reader.here_since is None for reader in ledger.readers):
            return False
        return not ledger.unanswered() and all(ledger.is_current(reader) for reader in ledger.readers)

    # --- figures ----------------------------------------------------------------------------

    def _watch_lag(self) -> None:
        """How late this process itself is: what it adds to every latency."""
        while True:
            due = self.now() + LAG_EVERY
            gevent.sleep(LAG_EVERY)
            if not self.quiet:
                self._lags.append(self.now() - due)

    def _show_progress(self) -> None:
        started, sent, arrived = self.now(), 0, 0
        while True:
            gevent.sleep(PROGRESS_EVERY)
            ledger, seen = self.ledger, self.environment.stats.get("submit to seen", "WS")
            operations, arrivals = len(ledger.operations), ledger.arrivals
            phase = "silence" if self.quiet else "measured" if self._begun else "coming"
            p95 = seen.get_response_time_percentile(0.95) or 0
            print(
                f"  {self.now() - started:5.0f} s {phase:<8} {self.settled_in:5} users"
                f" {self.sockets:5} sockets"
                f" {(operations - sent) / PROGRESS_EVERY:6.1f} operations/s"
                f" {(arrivals - arrived) / PROGRESS_EVERY:8.1f} arrivals/s"
                f"  seen p95 {p95:5.0f} ms  errors {self.environment.stats.total.num_failures}"
                f"  lost {ledger.lost + ledger.gaps}  doubled {ledger.duplicates}",
                flush=True,
            )
            sent, arrived = operations, arrivals

    @property
    def _begun(self) -> bool:
        return (self.folder / MEASURING).exists()

    def _row(self, entry: StatsEntry) -> Row:
        seconds = max(self._measured[1] - self._measured[0], 0.001)
        p50, p95, p99 = (float(entry.get_response_time_percentile(p) or 0) for p in (0.5, 0.95, 0.99))
        return Row(
            kind=entry.method or "",
            name=entry.name,
            count=entry.num_requests,
            failures=entry.num_failures,
            per_second=entry.num_requests / seconds,
            p50=p50,
            p95=p95,
            p99=p99,
            max=float(entry.max_response_time),
        )

    def _write(self) -> None:
        ledger = self.ledger
        lags = sorted(self._lags) or [0.0]
        errors = self.environment.stats.errors.values()
        result = Result(
            profile=self.folder.name,
            rows=sorted(self._rows, key=lambda row: (row.kind, row.name)),
            errors=sum(error.occurrences for error in errors),
            lost=ledger.lost,
            duplicates=ledger.duplicates,
            disordered=ledger.disordered,
            faults=dict(ledger.faults),
            examples=[
                *ledger.examples,
                *(f"{e.occurrences} x {e.method} {e.name}: {e.error}" for e in errors),
            ],
            exceptions=[f"{count} x {text}" for text, count in self._exceptions.items()],
            figures={
                "users": self.profile.crowd,
                "operations": len(ledger.operations),
                "arrivals": ledger.arrivals,
                "caught up after being away": ledger.caught_up,
                "snapshots": ledger.snapshots,
                "lag of the load process, p50 ms": 1000 * lags[len(lags) // 2],
                "lag of the load process, p99 ms": 1000 * lags[int(len(lags) * 0.99)],
            }
            | {name: float(count) for name, count in sorted(self.counts.items())},
            measured=self._measured,
            storms=self._storms,
        )
        for kind, count in ledger.faults.items():
            # So that the HTML report shows them, too.
            self.environment.stats.log_error("ledger", kind, RuntimeError(f"{count} times"))
        acknowledged = {
            op_id: [op.room, op.seq] for op_id, op in ledger.operations.items() if op.seq is not None
        }
        (self.folder / ACKNOWLEDGED).write_text(json.dumps(acknowledged), "utf-8")
        (self.folder / RESULT).write_bytes(msgspec.json.encode(result))


def of(environment: Environment) -> Stage:
    """The stage of this locust process."""
    found = getattr(environment, "stage", None)
    assert isinstance(found, Stage)
    return found
