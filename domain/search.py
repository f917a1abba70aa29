"""Full-text search over public trips: what is indexed, what is asked, and how hits are ranked.

Owns the grams: Han, kana and hangul text is indexed by single characters and pairs (there are no
spaces to split at), everything else by words. The grams are stored, and hits are ranked here and not by the
database, so that SQLite, MySQL and MariaDB find the same. Pure. The commands are those of
`domain.services.search`; the port `SearchIndex` is implemented by storage.

Ranking is Okapi BM25 (Robertson and Zaragoza, 2009, "The Probabilistic Relevance Framework"), by
record, and a trip counts as much as its best records.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, Protocol

import msgspec

from domain.entities import RecordType
from domain.talk import Source

MAX_GRAM = 32
"""Characters of a gram; longer words are cut."""
MAX_QUERY_GRAMS = 64
MAX_POSTINGS = 2_000
"""Postings read for one gram: those of trips changed last come first."""
MAX_HITS = 20


class Posting(msgspec.Struct, frozen=True):
    """How often a gram stands in one record of a trip (names count more than notes)."""

    gram: str
    trip_id: str
    t: RecordType
    record_id: str
    weight: int


class StaleTrip(msgspec.Struct, frozen=True):
    """A trip whose index is not what it should be; `public` False: it must not be in it."""

    trip_id: str
    public: bool


class FindTrips(msgspec.Struct, frozen=True):
    """Public trips that fit `text`, best first, without `except_trip`."""

    reads_only: ClassVar[bool] = True
    text: str
    limit: int = 4
    except_trip: str | None = None


class FoundTrips(msgspec.Struct, frozen=True):
    sources: list[Source]


class IndexTrips(msgspec.Struct, frozen=True):
    """Bring the index of at most `limit` stale trips up to date."""

    limit: int = 20


class SearchIndex(Protocol):
    """The stored grams inside one unit of work."""

    def stale(self, limit: int) -> list[StaleTrip]:
        """Public trips changed since they were indexed, and indexed ones that are not public (or
        are deleted) any more."""

    def replace(self, trip_id: str, seq: int, postings: Sequence[Posting]) -> None:
        """The trip as it stands at `seq`."""

    def remove(self, trip_id: str) -> None: ...

    def postings(self, grams: Collection[str], limit: int) -> list[Posting]:
        """At most `limit` a gram, of trips that are public and not deleted at this moment, in the
        same order on every database: by gram, trip, type and record."""

    def records(self) -> int:
        """Indexed records in all (an estimate is enough: it only scales the ranking)."""
