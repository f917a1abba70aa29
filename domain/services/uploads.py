"""Photos from the upload to the screen: taken, made into sizes by a job, read, and swept.

Owns who may upload and see them, and their limits. Called through `run(service, command)` by
`handlers.photos`, `realtime.jobs` and its rounds. What shows a photo is an operation of the room
(`domain.services.rooms`).
"""

from __future__ import annotations

from domain import permissions
from domain.accounts import later
from domain.commands import Actor
from domain.errors import Conflict, Gone, LimitReached, NotFound, Throttled, Unauthenticated
from domain.jobs import KEEP_DAYS, RING_SECONDS, File, Job
from domain.photos import (
    KEEP_JOB_HOURS,
    KEEP_UNSHOWN_DAYS,
    MAX_PHOTOS,
    MAX_PHOTOS_EVER,
    MAX_PHOTOS_UNDER_WAY,
    MAX_UPLOAD,
    MEDIA_TYPE,
    AddPhoto,
    CheckUpload,
    FinishThumbnails,
    ReadOriginal,
    ReadPhoto,
    ReadPhotoFile,
    SeePhoto,
    StoredPhoto,
    shown_photos,
    used_photos,
)
from domain.ports import UnitOfWork
from domain.services.jobs import UNDER_WAY
from domain.services.rooms import read_as_member, read_trip

RETRY_SECONDS = 10


def check_upload(command: CheckUpload, uow: UnitOfWork) -> StoredPhoto | None:
    """The photo when it was uploaded before, else None: then it may be.

    Raises as `read_trip` does, `Forbidden` for whoever may not edit, `Conflict` for somebody else's id,
    `LimitReached` and `Throttled`.
    """
    return _check(command.actor, command.trip_id, command.photo_id, uow)


def _check(
    actor: Actor, trip_id: str, photo_id: str, uow: UnitOfWork, added: str | None = None
) -> StoredPhoto | None:
    """`added`: the upload's own job, which is there already."""
    user_id = actor.user_id
    if user_id is None:
        raise Unauthenticated("sign in first")
    trip, role = read_trip(uow, trip_id, user_id)
    permissions.check("trip.set_cover", role)
    known = uow.photos.photo(trip_id, photo_id)
    if known is not None:
        if known.user_id != user_id:
            raise Conflict("this id was used for something else", code="op_id_taken")
        return known
    if len(used_photos(trip)) >= MAX_PHOTOS or uow.photos.count(trip_id) >= MAX_PHOTOS_EVER:
        raise LimitReached(
            f"a trip has at most {MAX_PHOTOS} photos, and {MAX_PHOTOS_EVER} with replaced ones",
            code="photos_full",
            limit=MAX_PHOTOS,
        )
    mine = [job for job in uow.jobs.of_user(user_id, "thumbnail") if job.id != added]
    if sum(job.status in UNDER_WAY for job in mine) >= MAX_PHOTOS_UNDER_WAY:
        raise Throttled(
            f"{MAX_PHOTOS_UNDER_WAY} photos of yours are being made ready, wait for one",
            code="photos_busy",
            retry_after=RETRY_SECONDS,
        )
    return None


def add_photo(command: AddPhoto, uow: UnitOfWork) -> StoredPhoto:
    """Keep an upload and its job. Raises as `check_upload` does, and `LimitReached` for a large body."""
    if len(command.body) > MAX_UPLOAD:
        raise LimitReached(f"a photo has at most {MAX_UPLOAD >> 20} MiB", code="photo_too_large")
    job = Job(
        id=command.job_id,
        user_id=command.actor.user_id or "",
        trip_id=command.trip_id,
        format="webp",
        locale="zh",
        created_at=command.at,
        due_at=later(command.at, seconds=RING_SECONDS),
        expires_at=later(command.at, days=KEEP_DAYS),
        kind="thumbnail",
    )
    # Megabytes first: reading the trip locks it until the commit, and others want to edit.
    uow.jobs.add(job, command.body)
    known = _check(command.actor, command.trip_id, command.photo_id, uow, added=job.id)
    if known is not None:
        uow.jobs.remove([job.id])
        return known
    photo = StoredPhoto(
        trip_id=command.trip_id,
        id=command.photo_id,
        user_id=job.user_id,
        job_id=job.id,
        created_at=command.at,
        # What nobody has worked on goes with its job.
        expires_at=later(command.at, days=KEEP_DAYS + KEEP_UNSHOWN_DAYS),
    )
    uow.photos.add(photo)
    return photo


def read_photo(command: ReadPhoto, uow: UnitOfWork) -> StoredPhoto:
    """How far a photo is. Raises as `read_as_member` does, and `NotFound`."""
    read_as_member(uow, command.trip_id, command.actor.user_id)
    found = uow.photos.photo(command.trip_id, command.photo_id)
    if found is None:
        raise NotFound("there is no such photo in this trip")
    return found


def see_photo(command: SeePhoto, uow: UnitOfWork) -> None:
    """Raises as `read_trip` does, and `NotFound`. A spectator sees what the trip shows, not what it showed
    before or in private."""
    trip, role = read_trip(uow, command.trip_id, command.actor.user_id)
    hidden = role == "spectator" and command.photo_id not in shown_photos(trip)
    found = None if hidden else uow.photos.photo(command.trip_id, command.photo_id)
    if found is None or found.status != "ready":
        raise NotFound("there is no such photo in this trip")


def read_photo_file(command: ReadPhotoFile, uow: UnitOfWork) -> bytes:
    """One size, WebP. Checks no right: that is `see_photo`'s. Raises `NotFound`."""
    body = uow.photos.file(command.trip_id, command.photo_id, command.width)
    if body is None:
        raise NotFound("there is no such size of a photo")
    return body


def read_original(command: ReadOriginal, uow: UnitOfWork) -> bytes:
    """What a thumbnail job works on. For workers, not for users: checks no right. Raises `Gone`."""
    body = uow.jobs.given(command.job_id)
    if body is None:
        raise Gone("the upload is not there any more", code="upload_lost")
    return body


def finish_thumbnails(command: FinishThumbnails, uow: UnitOfWork) -> bool:
    """Store the sizes and forget the original; False when the attempt had lost its lease."""
    nothing = File("", MEDIA_TYPE, b"", for_member=False)
    until = later(command.at, hours=KEEP_JOB_HOURS)
    if not uow.jobs.finish(command.job_id, command.token, nothing, command.at, until):
        return False
    photo = uow.photos.of_job(command.job_id)
    if photo is not None:
        uow.photos.make_ready(photo, command.made)
        uow.photos.keep(photo.trip_id, [photo.id], later(command.at, days=KEEP_UNSHOWN_DAYS))
    return True
