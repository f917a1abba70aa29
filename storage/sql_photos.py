"""`Photos` over SQL, for SQLite, MySQL and MariaDB.

Owns every query of photos and their files. Everything is written at once, behind the `fence` of the unit of
work. Made by `storage.unit_of_work`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from domain.photos import StoredPhoto, Thumbnails
from storage.faults import Contention
from storage.tables_photos import PIECE, photo_files, photos
from storage.trips_buffer import is_id

COLUMNS = [photos.c[name] for name in StoredPhoto.__struct_fields__]


class SqlPhotos:
    """One transaction's view of photos."""

    def __init__(self, connection: Connection, fence: Callable[[], None]) -> None:
        self._connection = connection
        self._fence = fence

    def _write(self, statement: Any) -> None:
        self._fence()
        self._connection.execute(statement)

    def _found(self, condition: ColumnElement[bool]) -> list[StoredPhoto]:
        query = select(*COLUMNS).where(condition).order_by(photos.c.expires_at, photos.c.id)
        return [StoredPhoto(*row) for row in self._connection.execute(query)]

    def add(self, photo: StoredPhoto) -> None:
        try:
            self._write(insert(photos).values(**msgspec.structs.asdict(photo)))
        except IntegrityError as error:
            raise Contention("somebody added this at the same moment") from error

    def photo(self, trip_id: str, photo_id: str) -> StoredPhoto | None:
        if not (is_id(trip_id) and is_id(photo_id)):
            return None
        return next(iter(self._found(_this(trip_id, photo_id))), None)

    def of_job(self, job_id: str) -> StoredPhoto | None:
        return next(iter(self._found(photos.c.job_id == job_id)), None) if is_id(job_id) else None

    def count(self, trip_id: str) -> int:
        query = select(func.count()).select_from(photos).where(photos.c.trip_id == trip_id)
        return self._connection.scalar(query) or 0

    def make_ready(self, photo: StoredPhoto, made: Thumbnails) -> None:
        ready = {"status": "ready", "width": made.width, "height": made.height, "color": made.color}
        self._write(update(photos).where(_this(photo.trip_id, photo.id)).values(error=None, **ready))
        mine = (photo_files.c.trip_id == photo.trip_id, photo_files.c.photo_id == photo.id)
        self._write(delete(photo_files).where(*mine))
        for width, body in made.files.items():
            for n, start in enumerate(range(0, len(body), PIECE)):
                piece = {"width": width, "n": n, "body": body[start : start + PIECE]}
                row = insert(photo_files).values(trip_id=photo.trip_id, photo_id=photo.id, **piece)
                self._write(row)

    def fail(self, photo: StoredPhoto, error: str) -> None:
        failed = update(photos).where(_this(photo.trip_id, photo.id)).values(status="failed", error=error)
        self._write(failed)

    def keep(self, trip_id: str, photo_ids: Sequence[str], expires_at: str | None) -> None:
        mine = (photos.c.trip_id == trip_id, photos.c.id.in_(photo_ids))
        self._write(update(photos).where(*mine).values(expires_at=expires_at))

    def expired_trip(self, at: str, after: str) -> str | None:
        query = select(func.min(photos.c.trip_id)).where(photos.c.expires_at < at, photos.c.trip_id > after)
        found: str | None = self._connection.scalar(query)
        return found

    def expired(self, trip_id: str, at: str) -> list[StoredPhoto]:
        return self._found(and_(photos.c.trip_id == trip_id, photos.c.expires_at < at))

    def remove(self, trip_id: str, photo_ids: Sequence[str]) -> None:
        of_files = (photo_files.c.trip_id == trip_id, photo_files.c.photo_id.in_(photo_ids))
        self._write(delete(photo_files).where(*of_files))
        self._write(delete(photos).where(photos.c.trip_id == trip_id, photos.c.id.in_(photo_ids)))

    def file(self, trip_id: str, photo_id: str, width: int) -> bytes | None:
        if not (is_id(trip_id) and is_id(photo_id)):
            return None
        mine = (
            photo_files.c.trip_id == trip_id,
            photo_files.c.photo_id == photo_id,
            photo_files.c.width == width,
        )
        found = self._connection.scalars(select(photo_files.c.body).where(*mine).order_by(photo_files.c.n))
        return b"".join(found) or None


def _this(trip_id: str, photo_id: str) -> ColumnElement[bool]:
    return and_(photos.c.trip_id == trip_id, photos.c.id == photo_id)
