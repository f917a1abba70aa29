"""What a trip's events do to its photos: only what is ready is shown, and what is shown is kept.

Owns when a photo is needed no more. Called by `domain.services.rooms` inside the transaction of an
operation, and by `domain.services.sweeping`; uploads are `domain.services.uploads`'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from domain.accounts import later
from domain.entities import Photo
from domain.errors import Conflict, LimitReached, NotFound
from domain.events import Change, Event
from domain.operations import PhotoOperation, SetTripCover
from domain.photos import KEEP_UNUSED_DAYS, MAX_PHOTOS, photo_of, used_photos
from domain.ports import UnitOfWork
from domain.sweeping import Step
from domain.trip import PHOTO_FIELDS, TripAggregate


def ready_photo(uow: UnitOfWork, trip: TripAggregate, op: PhotoOperation) -> Photo | None:
    """The photo of this trip that an operation names. Raises `NotFound`, also for another trip's,
    `Conflict` (`not_ready`), and `LimitReached` when the trip shows as many others as it may."""
    photo_id = op.photo
    if photo_id is None:
        return None
    found = uow.photos.photo(trip.id, photo_id)
    if found is None:
        raise NotFound("there is no such photo in this trip", t="photo", id=photo_id)
    if found.status != "ready":
        raise Conflict("this photo is not ready", code="not_ready", t="photo", id=photo_id)
    # At the upload, others were perhaps not shown yet.
    if len(_others(trip, op) - {photo_id}) >= MAX_PHOTOS:
        raise LimitReached(f"a trip has at most {MAX_PHOTOS} photos", code="photos_full", limit=MAX_PHOTOS)
    return photo_of(found)


def _others(trip: TripAggregate, op: PhotoOperation) -> set[str]:
    """Photos that the trip shows in other places than that of `op`."""
    here = None if isinstance(op, SetTripCover) else op.id
    found = {stop.photo.id for stop in trip.stops.values() if stop.photo is not None and stop.id != here}
    if here is not None and trip.trip.cover is not None:
        found.add(trip.trip.cover.id)
    return found


def check_kept(uow: UnitOfWork, trip: TripAggregate, changes: Iterable[Change]) -> None:
    """Raise `Conflict` (`photo_gone`) when `changes` bring back a photo that is not kept any more."""
    for photo_id in _ids(change.set for change in changes):
        found = uow.photos.photo(trip.id, photo_id)
        if found is None or found.status != "ready":
            message = f"the photo was taken away more than {KEEP_UNUSED_DAYS} days ago and is gone"
            raise Conflict(message, code="photo_gone", t="photo", id=photo_id)


def settle(uow: UnitOfWork, trip: TripAggregate, event: Event) -> None:
    """Keep the photos that `event` (absorbed by `trip`) shows, and let those go later that it took away."""
    touched = {*_ids(change.set for change in event.changes), *_ids(change.old for change in event.changes)}
    if not touched:
        return
    used = used_photos(trip)
    if shown := touched & used:
        uow.photos.keep(trip.id, sorted(shown), None)
    if left := touched - used:
        uow.photos.keep(trip.id, sorted(left), later(event.at, days=KEEP_UNUSED_DAYS))


def sweep_photos(uow: UnitOfWork, at: str, after: str) -> Step:
    """Remove what one trip, the first behind `after`, keeps and nobody needs any more."""
    trip_id = uow.photos.expired_trip(at, after)
    if trip_id is None:
        return Step(0, None)
    # Locked: an operation may be about to show one of them.
    used = used_photos(uow.trips.lock(trip_id))
    gone = [photo.id for photo in uow.photos.expired(trip_id, at) if photo.id not in used]
    if gone:
        uow.photos.remove(trip_id, gone)
    return Step(len(gone), trip_id)


def _ids(values: Iterable[dict[str, object]]) -> Iterator[str]:
    for fields in values:
        for name in PHOTO_FIELDS:
            photo = fields.get(name)
            if isinstance(photo, dict):
                yield photo["id"]
