"""The part `flat`: what an operation costs in a small trip, and in one with many stops and a long log.

Owns the two trips. The large one is filled by SQL, below the server. Called by `bench.main`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from statistics import median

from fractional_indexing import generate_n_keys_between
from sqlalchemy import Connection, Engine, select, update

from loadtests.bench.figures import Findings, Flat
from loadtests.bench.profiling import Profiler
from loadtests.bench.stands import Stand, leave
from loadtests.bench.traffic import Traffic
from loadtests.bench.wires import STOP, OpIds
from storage.engine import make_engine
from storage.statements import statements
from storage.tables import operations, stops, trips

SMALL = (10, 100)
LARGE = (1_000, 100_000)
CHUNK = 1_000
WINDOW = 48
WARM_UP = 0.3
PROFILED = 2.0


def measure(
    stand: Stand, url: str, sizes: Sequence[tuple[int, int]], rounds: int, seconds: float, profiler: Profiler
) -> Findings:
    """One `Flat` for each of `sizes` (stops, log rows): edits of one stop, in turn, medians."""
    print("cost of an operation in a small and in a large trip ...", flush=True)
    rooms = stand.new_rooms(len(sizes))
    engine = make_engine(url, 1)
    try:
        for room, (count, log_rows) in zip(rooms, sizes, strict=True):
            with engine.begin() as connection:
                _fill(engine, connection, room, count, log_rows)
    finally:
        engine.dispose()
    groups = [stand.groups_in([room], 1)[0] for room in rooms]
    spent: list[list[tuple[float, float, int]]] = [[] for _ in rooms]
    try:
        for n in range(rounds):
            for place, group in enumerate(groups):
                stand.keep_alive(groups)
                traffic = Traffic([group], stand.wire.message, WINDOW)
                if n == 0:
                    traffic.run(WARM_UP)
                before, apart = stand.spent()
                count = traffic.run(seconds).messages
                after, apart_after = stand.spent()
                database = apart_after["database"] - apart["database"]
                spent[place].append(((after - before) / count * 1e6, database / count * 1e6, count))
        with profiler.watch(stand.pids[0], "flat, the large trip") as watching:
            if watching:
                Traffic(groups[-1:], stand.wire.message, WINDOW).run(PROFILED)
    finally:
        leave(groups)
    return Findings(
        flat=[
            Flat(
                stops=count,
                log_rows=log_rows,
                cpu=median(each[0] for each in found),
                database=median(each[1] for each in found),
                operations=sum(each[2] for each in found),
            )
            for (count, log_rows), found in zip(sizes, spent, strict=True)
        ]
    )


def _fill(engine: Engine, connection: Connection, trip: str, count: int, log_rows: int) -> None:
    """Copies of the stop and of its event, until there are so many. Nobody has the trip open."""
    sql = statements(engine.dialect)
    mine = (stops.c.trip_id == trip, stops.c.id == STOP)
    first = connection.execute(select(stops).where(*mine)).one()._asdict()
    keys = generate_n_keys_between(first["pos"], None, count - 1)
    more = [tuple((first | {"id": f"s{n}", "pos": key}).values()) for n, key in enumerate(keys)]
    connection.exec_driver_sql(sql.upserts["stop"], more)
    last = select(operations).where(operations.c.trip_id == trip).order_by(operations.c.seq.desc()).limit(1)
    event = connection.execute(last).one()
    op_ids = OpIds()
    for begin in range(event.seq + 1, log_rows + 1, CHUNK):
        seqs = range(begin, min(begin + CHUNK, log_rows + 1))
        # Nobody reads these bodies: the room is joined behind them.
        log = [(trip, seq, op_ids(), event.actor, event.kind, event.at, event.body) for seq in seqs]
        connection.exec_driver_sql(sql.add_operations, log)
        connection.exec_driver_sql(sql.add_records, [(trip, "stop", STOP, seq) for seq in seqs])
    # A new epoch says that the log is not a continuation of what the server knows.
    changed = {"seq": log_rows, "epoch": secrets.token_hex(8)}
    connection.execute(update(trips).where(trips.c.id == trip).values(**changed))
