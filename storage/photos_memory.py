"""`Photos` in memory: the same answers as SQL, for tests and benchmarks.

Owns the photos and files of the in-memory store. Made by the in-memory unit of work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from domain.photos import StoredPhoto, Thumbnails
from storage.drafts import Draft
from storage.faults import Contention

Key = tuple[str, str]
"""(trip, photo)."""


@dataclass
class PhotosState:
    """Tables as dicts by primary key."""

    photos: dict[Key, StoredPhoto] = field(default_factory=dict)
    files: dict[Key, dict[int, bytes]] = field(default_factory=dict)

    def copy(self) -> PhotosState:
        return PhotosState(dict(self.photos), dict(self.files))


class MemoryPhotos:
    """One unit of work's view of photos."""

    def __init__(self, draft: Draft[PhotosState]) -> None:
        self._draft = draft

    def _change(self, key: Key, **fields: Any) -> None:
        found = self._draft.write().photos.get(key)
        if found is not None:
            self._draft.write().photos[key] = msgspec.structs.replace(found, **fields)

    def _found(self, wanted: Callable[[StoredPhoto], bool]) -> list[StoredPhoto]:
        found = [photo for photo in self._draft.seen.photos.values() if wanted(photo)]
        return sorted(found, key=lambda photo: (photo.expires_at or "", photo.id))

    def add(self, photo: StoredPhoto) -> None:
        key = (photo.trip_id, photo.id)
        if key in self._draft.write().photos:
            raise Contention("somebody added this at the same moment")
        self._draft.write().photos[key] = photo

    def photo(self, trip_id: str, photo_id: str) -> StoredPhoto | None:
        return self._draft.seen.photos.get((trip_id, photo_id))

    def of_job(self, job_id: str) -> StoredPhoto | None:
        return next(iter(self._found(lambda photo: photo.job_id == job_id)), None)

    def count(self, trip_id: str) -> int:
        return len(self._found(lambda photo: photo.trip_id == trip_id))

    def make_ready(self, photo: StoredPhoto, made: Thumbnails) -> None:
        key = (photo.trip_id, photo.id)
        size = {"width": made.width, "height": made.height, "color": made.color}
        self._change(key, status="ready", error=None, **size)
        self._draft.write().files[key] = dict(made.files)

    def fail(self, photo: StoredPhoto, error: str) -> None:
        self._change((photo.trip_id, photo.id), status="failed", error=error)

    def keep(self, trip_id: str, photo_ids: Sequence[str], expires_at: str | None) -> None:
        for photo_id in photo_ids:
            self._change((trip_id, photo_id), expires_at=expires_at)

    def _all_expired(self, at: str) -> list[StoredPhoto]:
        return self._found(lambda photo: photo.expires_at is not None and photo.expires_at < at)

    def expired_trip(self, at: str, after: str) -> str | None:
        trips = {photo.trip_id for photo in self._all_expired(at)}
        return min((trip_id for trip_id in trips if trip_id > after), default=None)

    def expired(self, trip_id: str, at: str) -> list[StoredPhoto]:
        return [photo for photo in self._all_expired(at) if photo.trip_id == trip_id]

    def remove(self, trip_id: str, photo_ids: Sequence[str]) -> None:
        state = self._draft.write()
        for photo_id in photo_ids:
            state.photos.pop((trip_id, photo_id), None)
            state.files.pop((trip_id, photo_id), None)

    def file(self, trip_id: str, photo_id: str, width: int) -> bytes | None:
        return self._draft.seen.files.get((trip_id, photo_id), {}).get(width)
