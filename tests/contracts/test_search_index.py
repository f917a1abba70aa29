"""The port of the search index: one suite for memory, SQLite and MariaDB."""

from __future__ import annotations

import pytest

from domain.operations import DeleteTrip, RestoreTrip, SetTripFields, SetTripVisibility, TripFields
from domain.search import Posting, StaleTrip
from domain.services.rooms import apply
from storage.unit import UnitFactory
from tests.storage.support import AT, Store, do, make_trip


def _public(units: UnitFactory, minute: int = 0) -> str:
    """A public trip, changed last in that minute."""
    trip_id = make_trip(units)
    do(units, trip_id, SetTripVisibility("public"))
    _touch(units, trip_id, minute)
    return trip_id


def _touch(units: UnitFactory, trip_id: str, minute: int) -> None:
    with units(True) as unit:
        trip = unit.trips.lock(trip_id)
        op = SetTripFields(TripFields(title=f"at {minute} in {trip.seq}"))
        at = AT.replace("08:00", f"08:{minute:02}")
        apply(unit, trip, op, "ann", f"touch-{trip.seq:05}", trip.seq, at)
        unit.commit()


def _seq(units: UnitFactory, trip_id: str) -> int:
    with units(False) as unit:
        return unit.trips.heads([trip_id])[0].seq


def _index(units: UnitFactory, trip_id: str, *grams: str, record: str = "s1", weight: int = 1) -> None:
    with units(True) as unit:
        postings = [Posting(gram, trip_id, "stop", record, weight) for gram in grams]
        unit.search.replace(trip_id, _seq(units, trip_id), postings)
        unit.commit()


def _stale(units: UnitFactory, limit: int = 99) -> list[StaleTrip]:
    with units(False) as unit:
        return unit.search.stale(limit)


def _find(units: UnitFactory, *grams: str, limit: int = 99) -> list[tuple[str, str, str]]:
    with units(False) as unit:
        return [(each.gram, each.trip_id, each.record_id) for each in unit.search.postings(grams, limit)]


def test_grams_compare_exactly_and_come_in_one_order(store: Store) -> None:
    units = store.process()
    trips = sorted(_public(units) for _ in range(2))
    grams = ["大理", "大", "理", "dali", "dalì", "DALI", "𠮷野", "🏔", "cafe", "café", "ß", "ss", "w" * 32]
    for trip_id in trips:
        with units(True) as unit:
            postings = [
                Posting(gram, trip_id, t, record, n + 1)
                for n, gram in enumerate(grams)
                for t, record in (("stop", "b"), ("stop", "B"), ("day", "c"), ("trip", trip_id))
            ]
            unit.search.replace(trip_id, 3, postings)
            unit.commit()
    with store.process()(False) as unit:
        for n, gram in enumerate(grams):
            assert unit.search.postings([gram], 99) == [
                Posting(gram, trip_id, t, record, n + 1)  # type: ignore[arg-type]
                for trip_id in trips
                for t, record in (("day", "c"), ("stop", "B"), ("stop", "b"), ("trip", trip_id))
            ]
        found = unit.search.postings(grams[::-1], 99)
        assert [each.gram for each in found] == [gram for gram in sorted(grams) for _ in range(8)]
        assert unit.search.postings(["nothing", "大理古"], 99) == []
        assert unit.search.postings([], 99) == []
        assert unit.search.records() == 8


def test_a_trip_is_gone_at_the_moment_it_becomes_private(store: Store) -> None:
    units = store.process()
    shown, hidden = _public(units), _public(units)
    for trip_id in (shown, hidden):
        _index(units, trip_id, "大理")
    assert {trip for _, trip, _ in _find(units, "大理")} == {shown, hidden}
    do(units, hidden, SetTripVisibility("private"))
    assert {trip for _, trip, _ in _find(units, "大理")} == {shown}
    do(units, hidden, SetTripVisibility("public"))
    do(units, shown, DeleteTrip())
    assert {trip for _, trip, _ in _find(units, "大理")} == {hidden}
    do(units, shown, RestoreTrip())
    assert {trip for _, trip, _ in _find(units, "大理")} == {shown, hidden}
    private = make_trip(units)
    _index(units, private, "大理")  # by whatever mistake
    assert {trip for _, trip, _ in _find(units, "大理")} == {shown, hidden}


def test_a_limit_keeps_the_trips_changed_last(store: Store) -> None:
    units = store.process()
    old, new, middle = (_public(units, minute) for minute in (10, 30, 20))
    for trip_id in (old, new, middle):
        _index(units, trip_id, "古城", "水")
    found = _find(units, "古城", "水", limit=2)
    assert found == [(gram, trip, "s1") for gram in ("古城", "水") for trip in sorted((new, middle))]
    assert _find(units, "古城", limit=1) == [("古城", new, "s1")]
    _touch(units, old, 40)
    assert _find(units, "古城", limit=1) == [("古城", old, "s1")]


def test_replacing_keeps_nothing_of_before(store: Store) -> None:
    units = store.process()
    trip_id, other = _public(units), _public(units)
    _index(units, other, "b", record="s1")
    with units(True) as unit:
        before = [("a", "s1", 1), ("b", "s1", 2), ("a", "s2", 3), ("c", "s3", 4), ("d", "s3", 5)]
        unit.search.replace(trip_id, 3, [Posting(g, trip_id, "stop", r, w) for g, r, w in before])
        unit.commit()
    after = [("a", "s1", 1), ("b", "s2", 3), ("c", "s3", 9), ("d", "s3", 5), ("a", "s4", 1)]
    with units(True) as unit:
        unit.search.replace(trip_id, 4, [Posting(g, trip_id, "stop", r, w) for g, r, w in after])
        unit.commit()
    with units(False) as unit:
        found = unit.search.postings(["a", "b", "c", "d"], 99)
        assert [(p.gram, p.record_id, p.weight) for p in found if p.trip_id == trip_id] == sorted(after)
        assert [p.gram for p in found if p.trip_id == other] == ["b"]
        assert unit.search.records() == 5
    with units(True) as unit:
        unit.search.remove(trip_id)
        unit.search.remove("gone")
        unit.commit()
    assert _find(units, "a", "b", "c", "d") == [("b", other, "s1")]
    with units(False) as unit:
        assert unit.search.records() == 1


def test_what_is_to_be_indexed(store: Store) -> None:
    units = store.process()
    make_trip(units)  # private: never
    late, early, gone, hidden = (_public(units, minute) for minute in (30, 10, 20, 40))
    assert _stale(units) == [StaleTrip(each, True) for each in (early, gone, late, hidden)]
    assert _stale(units, 2) == [StaleTrip(each, True) for each in (early, gone)]
    for trip_id in (late, early, gone, hidden):
        _index(units, trip_id, "x")
    assert _stale(units) == []
    _touch(units, late, 50)
    do(units, gone, DeleteTrip())
    do(units, hidden, SetTripVisibility("private"))
    out = [StaleTrip(each, False) for each in sorted((gone, hidden))]
    assert _stale(units) == [*out, StaleTrip(late, True)]
    assert _stale(units, 2) == out and _stale(units, 1) == out[:1]
    with units(True) as unit:
        for each in (gone, hidden):
            unit.search.remove(each)
        unit.commit()
    _index(units, late)  # has no grams now: indexed all the same
    assert _stale(units) == []
    do(units, gone, RestoreTrip())
    assert _stale(units) == [StaleTrip(gone, True)]


def test_a_dropped_command_indexed_nothing(store: Store) -> None:
    units = store.process()
    first, second = _public(units), _public(units)
    with units(True) as unit:
        unit.mark()
        unit.search.replace(first, 4, [Posting("a", first, "stop", "s1", 1)])
        unit.mark()
        unit.search.remove(first)
        unit.search.replace(second, 4, [Posting("a", second, "stop", "s1", 1)])
        unit.drop(broken=False)
        unit.commit()
    assert _find(units, "a") == [("a", first, "s1")]
    with units(True) as unit:
        unit.search.remove(first)
    assert _find(units, "a") == [("a", first, "s1")]
    with units(False) as unit, pytest.raises(RuntimeError, match="only reads"):
        unit.search.remove(first)
