"""Photos of a trip: its cover, and one of each stop.

Owns limits, the row of a photo, the commands of `domain.services.photos`, and the port `Photos`. A photo
is uploaded first, under an id made by the client; a job (`thumbnail`) makes its sizes and forgets the
original; then an operation (`trip.set_cover`, `stop.set_photo`) shows it to everybody. The trip holds only
what is needed to leave the right space for it (`domain.entities.Photo`); the pixels lie beside, by trip and
id, and never change. Times are as in `domain.accounts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

import msgspec

from domain.commands import Actor, RoomCommand
from domain.entities import Photo
from domain.trip import TripAggregate

MAX_UPLOAD = 12 * 1024 * 1024
"""Bytes of an uploaded photo."""
MAX_PIXELS = 50_000_000
MAX_PIXELS_OF = {"WEBP": 25_000_000, "AVIF": 25_000_000}
"""What takes its decoder more memory, and comes from no camera."""
MAX_SIDE = 30_000
"""Pixels of an uploaded photo, and of its longer side."""
MAX_PHOTOS = 200
"""Different photos that a trip shows."""
MAX_PHOTOS_EVER = 400
"""Photos that are kept for a trip, with those that wait, failed or were replaced."""
KEEP_UNUSED_DAYS = 30
"""A photo that was replaced or taken away is kept so long: as long, undo brings it back."""
KEEP_UNSHOWN_DAYS = 1
"""A photo that was uploaded and never shown goes after so long."""
MAX_PHOTOS_UNDER_WAY = 20
"""Uploads of one person that wait or are worked on."""
KEEP_JOB_HOURS = 1
"""The job of a photo goes so long after its end; what became of it stands in the photo's row."""
WIDTHS = (320, 960, 1920)
"""Widths that are made. A small photo is never enlarged: then its sizes are alike."""
MEDIA_TYPE = "image/webp"

PhotoStatus = Literal["waiting", "ready", "failed"]


class StoredPhoto(msgspec.Struct, frozen=True):
    """The row of a photo. `expires_at`: None while the trip shows it. `error`: why it failed, a stable
    code. `width`, `height` (of the largest size) and `color` are there once it is ready."""

    trip_id: str
    id: str
    user_id: str
    job_id: str
    created_at: str
    expires_at: str | None
    status: PhotoStatus = "waiting"
    error: str | None = None
    width: int = 0
    height: int = 0
    color: str = ""


class Thumbnails(msgspec.Struct, frozen=True):
    """What is made of an upload: WebP by width, without any metadata."""

    width: int
    height: int
    color: str
    files: dict[int, bytes]


def image_type(body: bytes) -> str | None:
    """The media type that the first bytes speak of, among those that are taken; None for all others."""
    if body.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return "image/webp"
    if body[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return None


def shown_photos(trip: TripAggregate) -> set[str]:
    """Ids of the photos that a reader of the trip sees now."""
    stops = (stop.photo for stop in trip.stops.values() if not stop.deleted)
    return {photo.id for photo in (trip.trip.cover, *stops) if photo is not None}


def used_photos(trip: TripAggregate) -> set[str]:
    """Those that the trip may show without an upload: removed stops, which can be restored, included."""
    stops = (stop.photo for stop in trip.stops.values())
    return {photo.id for photo in (trip.trip.cover, *stops) if photo is not None}


# --- commands -----------------------------------------------------------------------------


class CheckUpload(RoomCommand, frozen=True):
    """May this be uploaded? Asked before the body is read."""

    reads_only: ClassVar[bool] = True
    actor: Actor
    photo_id: str


class AddPhoto(msgspec.Struct, frozen=True):
    """Keep an upload and put its job into the queue. The same `photo_id` again is the same photo."""

    actor: Actor
    trip_id: str
    photo_id: str
    job_id: str
    body: bytes
    at: str


class ReadPhoto(RoomCommand, frozen=True):
    """How far a photo is; for members."""

    reads_only: ClassVar[bool] = True
    actor: Actor
    photo_id: str


class SeePhoto(RoomCommand, frozen=True):
    """Whether somebody may see a photo."""

    reads_only: ClassVar[bool] = True
    actor: Actor
    photo_id: str


class ReadPhotoFile(msgspec.Struct, frozen=True):
    """One size of a photo. No command of the room: its people do not wait for anybody's pixels."""

    reads_only: ClassVar[bool] = True
    trip_id: str
    photo_id: str
    width: int


class ReadOriginal(msgspec.Struct, frozen=True):
    """What a thumbnail job works on."""

    reads_only: ClassVar[bool] = True
    job_id: str


class FinishThumbnails(msgspec.Struct, frozen=True):
    """Store what an attempt made, if it still holds the lease."""

    job_id: str
    token: str
    made: Thumbnails
    at: str


# --- port ---------------------------------------------------------------------------------


class Photos(Protocol):
    """Photos inside one unit of work. Everything is written at once."""

    def add(self, photo: StoredPhoto) -> None:
        """Raises storage's `Contention` when somebody added this id at the same moment."""

    def photo(self, trip_id: str, photo_id: str) -> StoredPhoto | None: ...

    def of_job(self, job_id: str) -> StoredPhoto | None: ...

    def count(self, trip_id: str) -> int:
        """All that are kept for a trip."""

    def make_ready(self, photo: StoredPhoto, made: Thumbnails) -> None:
        """Store the sizes, which take the place of what was there."""

    def fail(self, photo: StoredPhoto, error: str) -> None: ...

    def keep(self, trip_id: str, photo_ids: Sequence[str], expires_at: str | None) -> None:
        """Until when; None: as long as the trip."""

    def expired_trip(self, at: str, after: str) -> str | None:
        """The first trip, by id, behind `after` that has photos which were to go before `at`."""

    def expired(self, trip_id: str, at: str) -> list[StoredPhoto]:
        """Those of one trip, the oldest first."""

    def remove(self, trip_id: str, photo_ids: Sequence[str]) -> None:
        """With their files."""

    def file(self, trip_id: str, photo_id: str, width: int) -> bytes | None:
        """One size of a photo that is ready."""


def photo_of(stored: StoredPhoto) -> Photo:
    """What a trip holds of a photo that is ready."""
    return Photo(stored.id, stored.width, stored.height, stored.color)
