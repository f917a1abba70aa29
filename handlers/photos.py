"""Photos of a trip: upload one, see how far it is, fetch a size.

Owns the way of an upload: who asks is looked at before anything is kept, what is refused is read to its end
and thrown away (a client that still sends does not listen), and what is kept goes to the database once it is
whole. Sizes never change and are cached by the browser that fetched them, for whoever is signed in there.
Decoding is `realtime.jobs`' business; showing a photo is an operation of the room.
"""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec
from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, stream_request_body

from domain.accounts import Count, new_id
from domain.errors import DomainError, Invalid, NotFound
from domain.photos import (
    MEDIA_TYPE,
    WIDTHS,
    AddPhoto,
    CheckUpload,
    PhotoStatus,
    ReadPhoto,
    ReadPhotoFile,
    SeePhoto,
    StoredPhoto,
    image_type,
)
from domain.services import uploads
from domain.services.accounts import count
from handlers.base import ApiHandler
from handlers.routes import Endpoint, Route

UPLOAD_SECONDS = 300
"""An upload that takes longer is cut: 12 MiB at 0.34 Mbit/s."""
CACHED_SECONDS = 86_400
"""So long a browser shows a size without asking again whether it may still be seen."""
TYPES = ("image/jpeg", "image/png", "image/webp", "image/avif")


class PhotoView(msgspec.Struct, frozen=True):
    """A photo on its way. `error`: why it failed, a stable code. `width`, `height` and `color` (`#rrggbb`)
    are there once it is ready; then `trip.set_cover` and `stop.set_photo` take its id."""

    id: str
    status: PhotoStatus
    error: str | None
    width: int | None
    height: int | None
    color: str | None


class PhotoAnswer(msgspec.Struct, frozen=True):
    photo: PhotoView


def shown(photo: StoredPhoto) -> PhotoAnswer:
    """A photo as members see it."""
    ready = photo.status == "ready"
    return PhotoAnswer(
        PhotoView(
            id=photo.id,
            status=photo.status,
            error=photo.error if photo.status == "failed" else None,
            width=photo.width if ready else None,
            height=photo.height if ready else None,
            color=photo.color if ready else None,
        )
    )


class PhotoHandler(ApiHandler):
    async def get(self, trip_id: str, photo_id: str) -> None:
        found = await self.deps.run(uploads.read_photo, ReadPhoto(trip_id, self.visitor, photo_id))
        self.reply(shown(found))


@stream_request_body
class UploadHandler(PhotoHandler):
    """The body is the file itself. Refusals wait for its end: they are answers to it."""

    _refusal: Exception | None = None
    _empty = True
    _holder: str | None = None
    _known: StoredPhoto | None = None
    _deadline: asyncio.TimerHandle | None = None
    _storing = False

    def initialize(self, *args: object, **kwargs: object) -> None:
        super().initialize(*args, **kwargs)  # type: ignore[arg-type]
        self._pieces: list[bytes] = []

    def check_xsrf_cookie(self) -> None:
        try:
            super().check_xsrf_cookie()
        except (DomainError, HTTPError) as error:
            self._refusal = error

    async def prepare(self) -> None:
        if self._refusal is not None:
            return
        try:
            await super().prepare()
            if self.request.method == "POST":
                await self._admit(**self.path_kwargs)
        except (DomainError, HTTPError) as error:
            self._refusal = error

    async def _admit(self, trip_id: str, photo_id: str) -> None:
        user_id = self.person.user.id
        self._known = await self.deps.run(uploads.check_upload, CheckUpload(trip_id, self.actor, photo_id))
        if self._known is not None:
            return
        limits = self.deps.limits
        # A guest costs nothing to make.
        for key, limit in (
            (f"photos:{user_id}", limits.photos_account),
            (f"photos at:{self.address}", limits.photos_address),
        ):
            await self.deps.run(count, Count(key, limit, self.deps.clock()))
        self.deps.uploads.begin(user_id, self.address)
        self._holder = user_id
        self._deadline = asyncio.get_running_loop().call_later(UPLOAD_SECONDS, self._cut)

    def _cut(self) -> None:
        """It takes too long."""
        connection = self.request.connection
        if isinstance(connection, HTTP1Connection) and connection.stream is not None:
            connection.stream.close()

    def data_received(self, chunk: bytes) -> None:
        self._empty = False
        if self._holder is not None:  # else it is refused, or here already
            self._pieces.append(chunk)

    async def get(self, trip_id: str, photo_id: str) -> None:
        self._accept()
        await super().get(trip_id, photo_id)

    async def post(self, trip_id: str, photo_id: str) -> None:
        self._accept()
        if self._empty:
            raise Invalid("the body must be the photo itself", field="")
        if self._known is None:
            body = b"".join(self._pieces)
            self._pieces.clear()
            if image_type(body) is None:
                raise HTTPError(415, reason="send a JPEG, PNG, WebP or AVIF file")
            job_id = new_id()
            command = AddPhoto(self.actor, trip_id, photo_id, job_id, body, self.deps.clock())
            # Its bytes are in memory until then, also when whoever sent them has gone.
            self._storing = True
            try:
                self._known = await self.deps.run(uploads.add_photo, command)
            finally:
                self._storing = False
                self._let_go()
            if self._known.job_id == job_id:
                self.deps.ring(job_id)
        self.reply(shown(self._known), status=202)

    def _accept(self) -> None:
        """The body is here: say now what there was to say against it."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._refusal is not None:
            raise self._refusal
        self._check_size()

    def _let_go(self) -> None:
        self._pieces.clear()
        if self._deadline is not None:
            self._deadline.cancel()
        if self._holder is not None:
            self.deps.uploads.end(self._holder, self.address)
            self._holder = None

    def on_finish(self) -> None:
        self._let_go()

    def on_connection_close(self) -> None:
        if not self._storing:
            self._let_go()
        super().on_connection_close()


class PhotoFileHandler(ApiHandler):
    async def get(self, trip_id: str, photo_id: str, width: str) -> None:
        tag = f'"{photo_id}-{width}"'
        fresh = tag in self.request.headers.get("If-None-Match", "")
        await self.deps.run(uploads.see_photo, SeePhoto(trip_id, self.visitor, photo_id))
        if width not in map(str, WIDTHS):
            raise NotFound("there is no such size of a photo")
        command = ReadPhotoFile(trip_id, photo_id, int(width))
        body = b"" if fresh else await self.deps.run(uploads.read_photo_file, command)
        self.set_header("ETag", tag)
        self.set_header("Cache-Control", f"private, max-age={CACHED_SECONDS}, immutable")
        # Whoever signs in after somebody else does not see what that one saw.
        self.set_header("Vary", "Cookie")
        if fresh:
            self.set_status(304)
            self.clear_header("Content-Type")
            await self.finish()
            return
        self.set_header("Content-Type", MEDIA_TYPE)
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        self.set_header("Content-Disposition", f'inline; filename="{photo_id}.webp"')
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        await self.finish(body)

    def compute_etag(self) -> str | None:
        return None  # it has one already


_TRIP: tuple[Literal[400, 401, 403, 404, 410], ...] = (403, 404, 410)

routes = [
    Route(
        "/api/trips/{trip_id}/photos/{photo_id}",
        UploadHandler,
        {
            "GET": Endpoint("How far a photo of the trip is (members)", PhotoAnswer, errors=(401, *_TRIP)),
            "POST": Endpoint(
                "Upload a photo for the trip, under an id of one's own; its sizes are made in the background",
                PhotoAnswer,
                status=202,
                errors=(400, *_TRIP, 409, 415, 422, 429, 503),
                takes=TYPES,
            ),
        },
    ),
    Route(
        "/api/trips/{trip_id}/photos/{photo_id}/{width}",
        PhotoFileHandler,
        {
            "GET": Endpoint(
                f"A photo, {', '.join(map(str, WIDTHS))} pixels wide or less; of a public trip for everybody",
                str,
                errors=(401, *_TRIP),
                signed_in=False,
                files=(MEDIA_TYPE,),
            )
        },
    ),
]
