"""`SearchIndex` in memory: the same answers as SQL, for tests and benchmarks.

Owns the indexed trips of the in-memory store. Made by the in-memory unit of work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.search import Posting, StaleTrip
from storage.drafts import Draft


class Listed(NamedTuple):
    """A trip as the index sees it, committed."""

    seq: int
    public: bool
    updated_at: str


TripsListed = Callable[[], Mapping[str, Listed]]


@dataclass
class SearchState:
    """The postings of each indexed trip, with the seq that they are of."""

    trips: dict[str, tuple[int, tuple[Posting, ...]]] = field(default_factory=dict)

    def copy(self) -> SearchState:
        return SearchState(dict(self.trips))


class MemorySearch:
    """One unit of work's view of the search index."""

    def __init__(self, draft: Draft[SearchState], trips: TripsListed) -> None:
        self._draft = draft
        self._trips = trips

    def stale(self, limit: int) -> list[StaleTrip]:
        trips, indexed = self._trips(), self._draft.seen.trips
        found = [
            StaleTrip(trip_id, False)
            for trip_id in sorted(indexed)
            if trip_id not in trips or not trips[trip_id].public
        ]
        changed = [
            (trip.updated_at, trip_id)
            for trip_id, trip in trips.items()
            if trip.public and (trip_id not in indexed or indexed[trip_id][0] != trip.seq)
        ]
        return [*found, *(StaleTrip(trip_id, True) for _, trip_id in sorted(changed))][:limit]

    def replace(self, trip_id: str, seq: int, postings: Sequence[Posting]) -> None:
        self._draft.write().trips[trip_id] = (seq, tuple(postings))

    def remove(self, trip_id: str) -> None:
        self._draft.write().trips.pop(trip_id, None)

    def postings(self, grams: Collection[str], limit: int) -> list[Posting]:
        trips = self._trips()
        by_gram: dict[str, list[Posting]] = defaultdict(list)
        by_id = sorted(each for each in self._draft.seen.trips if each in trips and trips[each].public)
        # Newest first; those changed in the same moment stay in the order of their ids.
        for trip_id in sorted(by_id, key=lambda each: trips[each].updated_at, reverse=True):
            for each in sorted(self._draft.seen.trips[trip_id][1], key=lambda p: (p.t, p.record_id)):
                if each.gram in grams and len(by_gram[each.gram]) < limit:
                    by_gram[each.gram].append(each)
        found = [each for kept in by_gram.values() for each in kept]
        return sorted(found, key=lambda each: (each.gram, each.trip_id, each.t, each.record_id))

    def records(self) -> int:
        indexed = self._draft.seen.trips.values()
        return sum(len({(each.t, each.record_id) for each in postings}) for _, postings in indexed)
