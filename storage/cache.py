"""Aggregates of the rooms in use, kept between transactions.

Owns nothing but memory: whether a kept aggregate may be used is decided by whoever takes it, by
its epoch and seq. Taking removes it, so that no two threads ever share one; a transaction that
fails does not put it back. Used by the units of work.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from domain.trip import TripAggregate

MAX_RECORDS = 200_000
"""Records kept by default, over all trips: some 100 to 400 MB when full."""
MAX_TRIPS = 5_000


class AggregateCache:
    """The least recently used trips go first, when there are too many trips or records."""

    def __init__(self, max_trips: int = MAX_TRIPS, max_records: int = MAX_RECORDS) -> None:
        self._max_trips = max_trips
        self._max_records = max_records
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[TripAggregate, int]] = OrderedDict()
        self.records = 0
        self.hits = 0
        self.misses = 0

    def take(self, trip_id: str) -> TripAggregate | None:
        """Remove the trip's aggregate and lend it to the caller alone."""
        with self._lock:
            found = self._kept.pop(trip_id, None)
            if found is None:
                self.misses += 1
                return None
            self.hits += 1
            self.records -= found[1]
            return found[0]

    def put(self, trip: TripAggregate) -> None:
        """Keep an aggregate whose state is committed; of two, the newer one."""
        size = 1 + len(trip.days) + len(trip.stops) + len(trip.members)
        with self._lock:
            other = self._kept.pop(trip.id, None)
            if other is not None:
                self.records -= other[1]
                if other[0].epoch == trip.epoch and other[0].seq > trip.seq:
                    trip, size = other
            self._kept[trip.id] = (trip, size)
            self.records += size
            while self._kept and (len(self._kept) > self._max_trips or self.records > self._max_records):
                self.records -= self._kept.popitem(last=False)[1][1]

    def __len__(self) -> int:
        return len(self._kept)
