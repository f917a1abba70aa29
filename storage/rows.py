"""Entities and their rows: the two directions, written by hand.

Owns the JSON of `links`, photos and `stamps` inside a row. A stamp list is `[[seq, user, [field, ...]],
...]`: a record's fields mostly share a few stamps. Used by `storage.sql_trips`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Table

from domain.entities import Day, Entity, Link, Member, Photo, RecordType, Stop, Trip
from domain.trip import Stamp
from storage.tables import days, members, stops, trips

TABLES: dict[RecordType, Table] = {"trip": trips, "day": days, "stop": stops, "member": members}
FieldStamps = dict[str, Stamp]

_links = msgspec.json.Decoder(dict[str, Link])
_stamps = msgspec.json.Decoder(list[tuple[int, str, list[str]]])
_encode = msgspec.json.Encoder().encode
_photo = msgspec.json.Decoder(Photo)
_LINKS = Stop.__struct_fields__.index("links")
_PHOTO = Stop.__struct_fields__.index("photo")
_COVER = Trip.__struct_fields__.index("cover")


def columns_of(t: RecordType) -> list[Column[Any]]:
    """The columns of an entity in the order of its fields, then its stamps."""
    table = TABLES[t]
    kind: type[Entity] = {"trip": Trip, "day": Day, "stop": Stop, "member": Member}[t]  # type: ignore[assignment]
    return [*(table.c[name] for name in kind.__struct_fields__), table.c.stamps]


def row_of(trip_id: str, record: Entity, stamps: FieldStamps) -> tuple[Any, ...]:
    """The row of a day, stop or member, in the order of its table's columns."""
    fields = msgspec.structs.astuple(record)
    if isinstance(record, Stop):
        links = _encode(record.links).decode() if record.links else "{}"
        plain = (*fields[:_LINKS], links, *fields[_LINKS + 1 : _PHOTO])
        return (trip_id, *plain, encode_stamps(stamps), encode_photo(record.photo))
    return (trip_id, *fields, encode_stamps(stamps))


def trip_from(row: Sequence[Any]) -> Trip:
    fields = list(row)
    fields[_COVER] = decode_photo(fields[_COVER])
    return Trip(*fields)


def day_from(row: Sequence[Any]) -> Day:
    return Day(*row)


def stop_from(row: Sequence[Any]) -> Stop:
    fields = list(row)
    fields[_LINKS] = _links.decode(fields[_LINKS])
    fields[_PHOTO] = decode_photo(fields[_PHOTO])
    return Stop(*fields)


def member_from(row: Sequence[Any]) -> Member:
    return Member(*row)


def encode_photo(photo: Photo | None) -> str | None:
    return None if photo is None else _encode(photo).decode()


def decode_photo(text: str | None) -> Photo | None:
    return None if text is None else _photo.decode(text)


def encode_stamps(stamps: FieldStamps) -> str:
    groups: dict[Stamp, list[str]] = {}
    for field, stamp in stamps.items():
        groups.setdefault(stamp, []).append(field)
    return _encode([(seq, user, fields) for (seq, user), fields in groups.items()]).decode()


def decode_stamps(text: str) -> FieldStamps:
    return {field: (seq, user) for seq, user, fields in _stamps.decode(text) for field in fields}
