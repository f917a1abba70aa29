"""Search over public trips, and keeping its index up to date.

The index is behind by seconds at most; what may be found is decided at the moment of asking, and
what is shown comes from the trip as it stands. Called through `run(service, command)` by
`realtime.assistant` and by the composition root's index job.
"""

from __future__ import annotations

from domain.entities import Day, Stop
from domain.errors import DomainError
from domain.ports import UnitOfWork
from domain.search import (
    MAX_POSTINGS,
    FindTrips,
    FoundTrips,
    Hit,
    IndexTrips,
    excerpt,
    postings_of,
    query_grams,
    rank,
)
from domain.talk import Source, SourceRecord
from domain.trip import RecordKey, TripAggregate

MAX_FOUND = 20


def find_trips(command: FindTrips, uow: UnitOfWork) -> FoundTrips:
    """Public trips that fit the text, best first."""
    wanted = query_grams(command.text)
    if not wanted:
        return FoundTrips([])
    postings = uow.search.postings(wanted, MAX_POSTINGS)
    found: list[Source] = []
    for hit in rank(wanted, postings, uow.search.records()):
        if len(found) >= min(command.limit, MAX_FOUND):
            break
        if hit.trip_id != command.except_trip and (source := _source(uow, hit, wanted)) is not None:
            found.append(source)
    return FoundTrips(found)


def _source(uow: UnitOfWork, hit: Hit, wanted: list[str]) -> Source | None:
    try:
        trip = uow.trips.read(hit.trip_id)
    except DomainError:
        return None
    if trip.trip.deleted or trip.trip.visibility != "public":
        return None
    shown = [each for key in hit.records if (each := _record(trip, key)) is not None]
    texts = [text for text in (_notes(trip, key) for key in hit.records) if text]
    return Source(
        trip_id=trip.id,
        title=trip.trip.title,
        excerpt=excerpt(texts[0], wanted) if texts else "",
        records=shown,
    )


def _record(trip: TripAggregate, key: RecordKey) -> SourceRecord | None:
    record = trip.find(*key)
    if record is None or record.deleted:
        return None
    if isinstance(record, Stop):
        return SourceRecord("stop", record.id, record.name)
    if isinstance(record, Day):
        return SourceRecord("day", record.id, record.title)
    return None


def _notes(trip: TripAggregate, key: RecordKey) -> str:
    record = trip.find(*key)
    if record is None or record.deleted:
        return ""
    if isinstance(record, Stop):
        return record.notes or record.place_name
    return record.notes if isinstance(record, Day) else trip.trip.description


def index_trips(command: IndexTrips, uow: UnitOfWork) -> int:
    """Bring stale trips up to date; how many were."""
    stale = uow.search.stale(command.limit)
    # In one order everywhere: two processes may do this at once, and reading locks.
    for each in sorted(stale, key=lambda stale: stale.trip_id):
        if not each.public:
            uow.search.remove(each.trip_id)
            continue
        trip = uow.trips.read(each.trip_id)
        if trip.trip.deleted or trip.trip.visibility != "public":
            uow.search.remove(trip.id)
        else:
            uow.search.replace(trip.id, trip.seq, postings_of(trip))
    return len(stale)
