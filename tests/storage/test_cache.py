"""The cache of aggregates lends each to one taker, and forgets the least recently used."""

from __future__ import annotations

from domain.entities import Stop, Trip
from domain.trip import TripAggregate
from storage.cache import AggregateCache


def _trip(trip_id: str, seq: int = 0, stops: int = 0, epoch: str = "e") -> TripAggregate:
    return TripAggregate(Trip(trip_id, "T"), epoch, seq, stops=[Stop(f"s{n}") for n in range(stops)])


def test_taking_is_exclusive() -> None:
    cache, trip = AggregateCache(), _trip("a")
    cache.put(trip)
    assert cache.take("a") is trip
    assert cache.take("a") is None
    assert (cache.hits, cache.misses, cache.records, len(cache)) == (1, 1, 0, 0)


def test_of_two_the_newer_stays() -> None:
    cache, newer = AggregateCache(), _trip("a", 5)
    cache.put(newer)
    cache.put(_trip("a", 4))
    assert cache.take("a") is newer
    other = _trip("a", 1, epoch="restored")
    cache.put(newer)
    cache.put(other)
    assert cache.take("a") is other
    assert cache.records == 0


def test_the_least_recently_used_go_first() -> None:
    cache = AggregateCache(max_trips=2)
    for name in "abc":
        cache.put(_trip(name))
    assert cache.take("a") is None
    used = cache.take("b")
    assert used is not None
    cache.put(used)
    cache.put(_trip("d"))
    assert cache.take("c") is None and cache.take("b") is used


def test_records_are_bounded_too() -> None:
    cache = AggregateCache(max_records=10)
    cache.put(_trip("a", stops=4))
    cache.put(_trip("b", stops=4))
    assert cache.records == 10
    cache.put(_trip("c", stops=0))
    assert cache.take("a") is None and cache.records == 6
    cache.put(_trip("huge", stops=20))
    assert len(cache) == 0 and cache.records == 0
