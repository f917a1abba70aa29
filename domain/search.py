"""Full-text search over public trips: what is indexed, what is asked, and how hits are ranked.

Owns the grams: Han, kana and hangul text is indexed by single characters and pairs (there are no
spaces to split at), everything else by words. The grams are stored, and hits are ranked here and not by the
database, so that SQLite, MySQL and MariaDB find the same. Pure. The commands are those of
`domain.services.search`; the port `SearchIndex` is implemented by storage.

Ranking is Okapi BM25 (Robertson and Zaragoza, 2009, "The Probabilistic Relevance Framework"), by
record, and a trip counts as much as its best records.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import ClassVar, Protocol

import msgspec

from domain.entities import RecordType
from domain.talk import Source
from domain.trip import RecordKey, TripAggregate

MAX_GRAM = 32
"""Characters of a gram; longer words are cut."""
MAX_QUERY_GRAMS = 64
MAX_POSTINGS = 2_000
"""Postings read for one gram: those of trips changed last come first."""
NAME_WEIGHT = 4
"""How many times in a note a word in a name counts."""
BEST_RECORDS = 3
"""Records of a trip that count for its rank, and that are shown of it."""
K1, B, USUAL_WEIGHT = 1.2, 0.5, 12.0

# Scripts without spaces between words: kana, Han (with extensions), hangul.
_DENSE_CLASS = (
    "\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\uac00-\\ud7af\\U00020000-\\U0003ffff"
)
_DENSE = re.compile(f"[{_DENSE_CLASS}]")
_RUN = re.compile(rf"[{_DENSE_CLASS}]+|(?:(?![{_DENSE_CLASS}])\w)+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that stand in every question, and say nothing about places.
_STOP_WORDS = _words(
    "a an and any are as at be can could do does for from how i in is it me my near of on or our should"
    " some that the there to us we what when where which who why will with would you your good best day"
    " days trip please about"
)
# The same in Chinese, where they are cut out of a question before its pairs are made.
_STOP_PHRASES = re.compile(
    "有什么|为什么|怎么样|什么|怎么|哪里|哪些|哪个|可以|我们|有没有|没有|一下|一个|推荐|介绍|附近|请问|帮我"
    "|应该|如何|安排|行程|多少|几天|好玩|地方|建议|值得|的|吗|呢|吧|了|去|在|和"
)


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


# --- grams --------------------------------------------------------------------------------


def grams(text: str) -> Iterator[str]:
    """What of a text is indexed, in order: words, and of dense scripts characters and pairs."""
    for run in _runs(text):
        if _DENSE.match(run):
            yield from run
            yield from (a + b for a, b in pairwise(run))
        else:
            yield run[:MAX_GRAM]


def query_grams(text: str) -> list[str]:
    """What of a question is looked up: words and pairs; single characters only where a run has no
    more than one. Each once, at most `MAX_QUERY_GRAMS`; words that say nothing left out (unless
    nothing else is asked)."""
    return _looked_up(_STOP_PHRASES.sub(" ", text)) or _looked_up(text)


def _looked_up(text: str) -> list[str]:
    found: dict[str, None] = {}
    for run in _runs(text):
        if not _DENSE.match(run):
            if run not in _STOP_WORDS and len(run) > 1:
                found.setdefault(run[:MAX_GRAM])
        elif len(run) == 1:
            found.setdefault(run)
        else:
            found.update((a + b, None) for a, b in pairwise(run))
    return list(found)[:MAX_QUERY_GRAMS]


def _runs(text: str) -> Iterator[str]:
    for match in _RUN.finditer(unicodedata.normalize("NFKC", text).casefold()):
        if match.group():
            yield match.group()


def postings_of(trip: TripAggregate) -> list[Posting]:
    """Everything that is indexed of a trip: its title and description, days and stops."""
    found: list[Posting] = []
    for (t, record_id), names, notes in _texts(trip):
        weights: Counter[str] = Counter()
        for text in names:
            for gram in grams(text):
                weights[gram] += NAME_WEIGHT
        for text in notes:
            weights.update(grams(text))
        found += [Posting(gram, trip.id, t, record_id, weight) for gram, weight in sorted(weights.items())]
    return found


def _texts(trip: TripAggregate) -> Iterator[tuple[RecordKey, list[str], list[str]]]:
    about = trip.trip
    yield ("trip", trip.id), [about.title], [about.description]
    for day in trip.live_days():
        yield ("day", day.id), [day.title], [day.notes]
    for stop in trip.stops.values():
        if not stop.deleted:
            yield ("stop", stop.id), [stop.name, stop.name_alt, stop.place_name], [stop.notes]


# --- ranking ------------------------------------------------------------------------------


class Hit(msgspec.Struct, frozen=True):
    """A trip that fits, with its best records, best first."""

    trip_id: str
    score: float
    records: list[RecordKey]


def rank(wanted: Sequence[str], postings: Sequence[Posting], records: int) -> list[Hit]:
    """Trips by how well they fit, best first; equal ones by id. `records`: indexed in all."""
    of_gram: dict[str, list[Posting]] = defaultdict(list)
    for posting in postings:
        of_gram[posting.gram].append(posting)
    scores: dict[tuple[str, RecordKey], float] = defaultdict(float)
    matched: dict[str, set[str]] = defaultdict(set)
    for gram in wanted:
        hits = of_gram.get(gram, [])
        total = max(records, len(hits))
        rarity = math.log(1 + (total - len(hits) + 0.5) / (len(hits) + 0.5))
        for hit in hits:
            matched[hit.trip_id].add(gram)
            saturated = hit.weight * (K1 + 1) / (hit.weight + K1 * (1 - B + B * USUAL_WEIGHT / NAME_WEIGHT))
            scores[hit.trip_id, (hit.t, hit.record_id)] += rarity * saturated
    by_trip: dict[str, list[tuple[float, RecordKey]]] = defaultdict(list)
    for (trip_id, key), score in scores.items():
        by_trip[trip_id].append((score, key))
    found: list[Hit] = []
    for trip_id, each in by_trip.items():
        best = sorted(each, key=lambda pair: (-pair[0], pair[1]))[:BEST_RECORDS]
        # A trip that has more of what was asked comes before one that has one word often.
        covered = len(matched[trip_id]) / len(wanted)
        score = round(sum(score for score, _ in best) * covered, 9)
        found.append(Hit(trip_id, score, [key for _, key in best]))
    return sorted(found, key=lambda hit: (-hit.score, hit.trip_id))


def excerpt(text: str, wanted: Collection[str], length: int = 120) -> str:
    """The part of a text around the first gram that was asked for; its start where there is none."""
    flat = " ".join(text.split())
    folded = flat.casefold()
    places = [at for gram in wanted if (at := folded.find(gram)) >= 0] if len(folded) == len(flat) else []
    start = max(0, min(places, default=0) - length // 4)
    cut = flat[start : start + length]
    return ("…" if start else "") + cut + ("…" if start + length < len(flat) else "")
