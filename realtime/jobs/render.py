"""An export's file: its format, its name, and whether it holds what only members see.

Owns the choice of the format and names of files. Pure computation: called in a thread by
`realtime.jobs.worker`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import msgspec

from domain.jobs import File, Job, JobFormat, Material
from domain.photos import MEDIA_TYPE
from realtime.jobs.calendar import make_calendar
from realtime.jobs.page import make_page

MAX_NAME = 80
_UNFIT = re.compile(r'[\\/:*?"<>|]+')


def make_data(material: Material) -> bytes:
    """Everything that the asker may see, as JSON in the words of the protocol (`protocol.gen.ts`)."""
    snapshot = material.snapshot
    everything = {
        "format": "tongyou-trip",
        "version": 1,
        "exported_at": material.at,
        "seq": material.seq,
        "role": material.role,
        "trip": snapshot.trip,
        "days": snapshot.days,
        "stops": snapshot.stops,
        "members": snapshot.members,
    }
    if material.photos:
        # Their bytes in base64; sizes and places stand with the trip and its stops.
        everything["photos"] = {
            photo_id: {"media_type": MEDIA_TYPE, "data": body} for photo_id, body in material.photos.items()
        }
    if material.role != "spectator":
        everything |= {"messages": material.messages, "proposals": material.proposals}
    return msgspec.json.format(msgspec.json.encode(everything), indent=2)


FORMATS: dict[JobFormat, tuple[str, str, Callable[[Material], bytes]]] = {
    "calendar": ("ics", "text/calendar; charset=utf-8", make_calendar),
    "page": ("html", "text/html; charset=utf-8", make_page),
    "data": ("json", "application/json; charset=utf-8", make_data),
}


def render(job: Job, material: Material) -> File:
    """The file of an export."""
    ending, media_type, make = FORMATS[job.format]
    body = make(material)
    name = f"{file_name(material.snapshot.trip.title)}.{ending}"
    return File(name, media_type, body, for_member=material.role != "spectator")


def file_name(title: str) -> str:
    """A title as every file system takes it; never empty."""
    plain = "".join(c if unicodedata.category(c) not in ("Cc", "Cs", "Cf") else " " for c in title)
    plain = " ".join(_UNFIT.sub(" ", plain).split()).strip(". ")
    return plain[:MAX_NAME].strip(". ") or "trip"
