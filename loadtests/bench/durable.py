"""The part `operations`: durable operations a second, through the whole path and without it.

Owns both loops. The whole path is WebSocket, decoding, the lane, the domain, the transaction, publishing. The
bare layer is the transaction alone: SQLAlchemy Core and PyMySQL, the statements that `storage.sql_trips`
sends for a group, in groups of the same size, with rows made up beforehand. Called by `bench.main`.
"""

from __future__ import annotations

import json
import threading
import time
from statistics import median

from sqlalchemy import Connection, Engine, select

from loadtests.bench.clock import cpu
from loadtests.bench.figures import Findings, Operations
from loadtests.bench.profiling import Profiler
from loadtests.bench.stands import Stand, leave
from loadtests.bench.traffic import Group, Traffic
from loadtests.bench.wires import NOTE, STOP, OpIds
from storage.engine import make_engine
from storage.runner import GROUP
from storage.statements import statements
from storage.tables import operations, stops, trips

ONE_ROOM = "one hot room"
MANY_ROOMS = "64 rooms"
BARE_ONE = "bare transactions, 1 connection"
BARE_MANY = "bare transactions, 8 connections"
ROOMS = 64
CONNECTIONS = 8
"""As many as the server's pool has."""
HOT_SENDERS = 4
HOT_WINDOW = 4 * 48
WINDOW = 48
WARM_UP = 0.5
PROFILED = 3.0
_NOTES = [column.name for column in stops.columns].index("notes")


def measure(stand: Stand, url: str, rounds: int, seconds: float, profiler: Profiler) -> Findings:
    """All four in turn, round after round. `url`: the database of `stand`, whose other trips the bare layer
    writes to."""
    print("durable operations ...", flush=True)
    wholes = {
        ONE_ROOM: Whole(stand, stand.groups(1, HOT_SENDERS, everybody_sends=True), HOT_WINDOW),
        MANY_ROOMS: Whole(stand, stand.groups(ROOMS, 1), WINDOW),
    }
    engine = make_engine(url, CONNECTIONS)
    bares = {
        BARE_ONE: Bare(stand, engine, stand.new_rooms(1)),
        BARE_MANY: Bare(stand, engine, stand.new_rooms(CONNECTIONS)),
    }
    found: dict[str, list[Operations]] = {}
    try:
        for what, whole in wholes.items():
            whole.measure(what, WARM_UP)
        for _ in range(rounds):
            for what in (ONE_ROOM, BARE_ONE, MANY_ROOMS, BARE_MANY):
                for whole in wholes.values():
                    stand.keep_alive(whole.groups)
                source = wholes.get(what) or bares[what]
                found.setdefault(what, []).append(source.measure(what, seconds))
        for what, whole in wholes.items():
            stand.keep_alive(whole.groups)
            with profiler.watch(stand.pids[0], f"operations, {what}") as watching:
                if watching:
                    whole.measure(what, PROFILED)
    finally:
        engine.dispose()
        for whole in wholes.values():
            leave(whole.groups)
    return Findings(operations=[_middle(each) for each in found.values()])


def _middle(rounds: list[Operations]) -> Operations:
    """The median of each figure."""
    values = {
        name: median(getattr(each, name) for each in rounds)
        for name in Operations.__struct_fields__
        if name != "what"
    }
    return Operations(rounds[0].what, **values)


class Whole:
    """Operations through everything."""

    def __init__(self, stand: Stand, groups: list[Group], window: int) -> None:
        self.groups = groups
        self._stand = stand
        self._traffic = Traffic(groups, stand.wire.message, window)

    def measure(self, what: str, seconds: float) -> Operations:
        """For so long."""
        before, apart = self._stand.spent()
        outcome = self._traffic.run(seconds)
        after, apart_after = self._stand.spent()
        latencies = sorted(outcome.latencies)
        return Operations(
            what=what,
            per_second=outcome.messages / outcome.seconds,
            cpu=(after - before) / outcome.messages * 1e6,
            database=(apart_after["database"] - apart["database"]) / outcome.messages * 1e6,
            p50=latencies[len(latencies) // 2],
            p99=latencies[int(len(latencies) * 0.99)],
        )


class Bare:
    """Transactions with made-up rows: one thread and connection for each trip."""

    def __init__(self, stand: Stand, engine: Engine, trips: list[str]) -> None:
        self._database = stand.apart["database"]
        self._engine = engine
        self._logs = [BareLog(engine, trip) for trip in trips]

    def measure(self, what: str, seconds: float) -> Operations:
        """For so long, each thread."""
        counts = [0] * len(self._logs)
        end = time.perf_counter() + seconds

        def work(n: int) -> None:
            with self._engine.connect() as connection:
                while time.perf_counter() < end:
                    counts[n] += self._logs[n].append(connection)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(self._logs))]
        database = cpu(self._database)
        began, spent = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took, total = time.perf_counter() - began, sum(counts)
        return Operations(
            what=what,
            per_second=total / took,
            cpu=(time.process_time() - spent) / total * 1e6,
            database=(cpu(self._database) - database) / total * 1e6,
        )


class BareLog:
    """The log of one trip that nobody else writes to, and its stop `s`."""

    def __init__(self, engine: Engine, trip: str) -> None:
        self._sql = statements(engine.dialect)
        self._trip = trip
        self._op_ids = OpIds()
        with engine.connect() as connection:
            self._seq, self._at = connection.execute(
                select(trips.c.seq, trips.c.updated_at).where(trips.c.id == trip)
            ).one()
            mine = (stops.c.trip_id == trip, stops.c.id == STOP)
            self._stop = tuple(connection.execute(select(stops).where(*mine)).one())
            last = select(operations).where(operations.c.trip_id == trip).order_by(operations.c.seq.desc())
            row = connection.execute(last.limit(1)).one()
            self._actor, self._kind = row.actor, row.kind
            # As long as the event of an edit.
            self._body = json.dumps({"actor": row.actor, "at": row.at, "note": NOTE, "more": "x" * 100})
            connection.rollback()

    def append(self, connection: Connection) -> int:
        """One transaction as `SqlTrips` does it; the operations in it."""
        sql, trip, at = self._sql, self._trip, self._at
        first = self._seq + 1
        op_ids = [self._op_ids() for _ in range(GROUP)]
        log = [
            (trip, seq, op_id, self._actor, self._kind, at, self._body)
            for seq, op_id in enumerate(op_ids, first)
        ]
        about = [(trip, "stop", STOP, seq) for seq in range(first, first + GROUP)]
        stop = (*self._stop[:_NOTES], f"{first} {NOTE}", *self._stop[_NOTES + 1 :])
        with connection.begin():
            connection.exec_driver_sql(sql.locked_head_with(GROUP), (*op_ids, trip)).all()
            connection.exec_driver_sql(sql.touch, (first + GROUP - 1, at, trip))
            connection.exec_driver_sql(sql.add_operations, log)
            connection.exec_driver_sql(sql.add_records, about)
            connection.exec_driver_sql(sql.upserts["stop"], [stop])
        self._seq += GROUP
        return GROUP
