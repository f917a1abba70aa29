"""Exports of a trip: ask for one, see how far it is, fetch the file.

Owns the way to the file: only its asker gets it, only while he may see what it holds, and always as a
download that the browser neither guesses about nor runs. Making it is `realtime.jobs`' business.
"""

from __future__ import annotations

import hashlib
from typing import Literal, cast
from urllib.parse import quote

import msgspec

from domain.accounts import Count, Locale, new_id
from domain.jobs import Format, Job, JobStatus, ReadExport, RequestExport
from domain.services import jobs
from domain.services.accounts import count
from handlers.base import ApiHandler
from handlers.routes import Endpoint, Route
from realtime.jobs.render import FORMATS


class ExportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`calendar`: iCalendar; `page`: a page to print or take along; `data`: JSON of everything."""

    format: Format
    locale: Locale = "zh"


class Export(msgspec.Struct, frozen=True):
    """`error`: why it failed, a stable code. `name` and `size` (bytes) are there once it is done."""

    id: str
    trip_id: str
    format: Format
    locale: Locale
    status: JobStatus
    created_at: str
    expires_at: str
    error: str | None
    name: str | None
    size: int | None


class ExportAnswer(msgspec.Struct, frozen=True):
    export: Export


def shown(job: Job) -> ExportAnswer:
    """A job as its asker sees it."""
    done = job.status == "done"
    return ExportAnswer(
        Export(
            id=job.id,
            trip_id=job.trip_id,
            format=cast(Format, job.format),  # a mail is nobody's export, see read_export
            locale=job.locale,
            status=job.status,
            created_at=job.created_at,
            expires_at=job.expires_at,
            error=job.error if job.status == "failed" else None,
            name=job.name if done else None,
            size=job.size if done else None,
        )
    )


def disposition(name: str) -> str:
    """Content-Disposition of a download (RFC 6266), the name in UTF-8 (RFC 8187) and, for old programs,
    in ASCII."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


class TripExportsHandler(ApiHandler):
    async def post(self, trip_id: str) -> None:
        actor = self.actor
        body = self.read_body(ExportBody)
        key = self.read_op_id("")
        now = self.deps.clock()
        # The same key of the same person names the same export: asked again, it is made once.
        named = hashlib.sha256(f"export {actor.user_id} {key}".encode()).hexdigest()[:20]
        command = RequestExport(named if key else new_id(), actor, trip_id, body.format, body.locale, now)
        await self.deps.run(count, Count(f"exports:{actor.user_id}", self.deps.limits.exports_account, now))
        job = await self.deps.run(jobs.request_export, command)
        self.deps.ring(job.id)
        self.reply(shown(job), status=202)


class ExportHandler(ApiHandler):
    async def get(self, export_id: str) -> None:
        self.reply(shown(await self.deps.run(jobs.read_export, ReadExport(self.actor, export_id))))


class ExportFileHandler(ApiHandler):
    async def get(self, export_id: str) -> None:
        job, body = await self.deps.run(jobs.read_file, ReadExport(self.actor, export_id))
        self.set_header("Content-Type", job.media_type)
        self.set_header("Content-Disposition", disposition(job.name))
        # Should a browser show it all the same: without scripts, and not as one of our pages.
        self.set_header(
            "Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        )
        self.set_header("Cache-Control", "private, no-store")
        await self.finish(body)

    def compute_etag(self) -> str | None:
        return None  # a hash of megabytes, for what nobody may keep


_SEEN: tuple[Literal[401, 403, 404, 410], ...] = (401, 403, 404, 410)

routes = [
    Route(
        "/api/trips/{trip_id}/exports",
        TripExportsHandler,
        {
            "POST": Endpoint(
                "Ask for an export of the trip, made in the background",
                ExportAnswer,
                status=202,
                body=ExportBody,
                errors=(400, 404, 409, 410, 415, 429),
                op_id=True,
            )
        },
    ),
    Route(
        "/api/exports/{export_id}",
        ExportHandler,
        {"GET": Endpoint("How far one's own export is", ExportAnswer, errors=_SEEN)},
    ),
    Route(
        "/api/exports/{export_id}/file",
        ExportFileHandler,
        {
            "GET": Endpoint(
                "The file of one's own export",
                str,
                errors=(*_SEEN, 409),
                files=tuple(media_type.partition(";")[0] for _, media_type, _ in FORMATS.values()),
            )
        },
    ),
]
