"""The last word on a load run: what was acknowledged, beside what the database holds.

Owns that comparison. Pure but for `read_log`, which reads the private database that the run was made on.
Called by `loadtests.run` after the users have ended.
"""

from __future__ import annotations

from collections import Counter

from tests.services.mariadb import MariaDB

Log = dict[str, dict[int, str]]
"""Of each room: the op_id of each seq."""


def read_log(database: MariaDB, name: str) -> Log:
    """The log of every trip, straight from its table."""
    log: Log = {}
    for trip, seq, op_id in database.execute("SELECT trip_id, seq, op_id FROM operations", name):
        log.setdefault(str(trip), {})[int(seq)] = str(op_id)
    return log


def compare(acknowledged: dict[str, tuple[str, int]], log: Log) -> tuple[list[str], list[str]]:
    """(lost, duplicates): every acknowledged operation (`op_id` -> room and seq) is in the log under the seq
    that was told, none is in there twice, and each room's numbers have no gap."""
    lost, twice = [], []
    for op_id, (room, seq) in acknowledged.items():
        if log.get(room, {}).get(seq) != op_id:
            lost.append(f"{op_id}: acknowledged as {seq} of {room}, which the database does not have")
    for room, events in log.items():
        twice += [
            f"{op_id}: {count} times in the log of {room}"
            for op_id, count in Counter(events.values()).items()
            if count > 1
        ]
        missing = set(range(1, max(events, default=0) + 1)) - events.keys()
        lost += [f"seq {seq} is not in the log of {room}" for seq in sorted(missing)]
    return lost, twice
