"""Tables of photos: what is known of each, and its sizes, in pieces.

Owns their columns and indexes. The pixels lie in the database, so that every process on every machine can
serve them, a backup holds them, and they go with their trip. Pieces are small, because servers refuse large
packets. Used by `storage.sql_photos` and the migrations.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Index, Integer, LargeBinary, String, Table
from sqlalchemy.dialects import mysql

from storage.metadata import metadata
from storage.tables import OPTIONS

PIECE = 512 * 1024
"""Bytes of one piece of a file."""


def _ascii(length: int) -> String:
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


photos = Table(
    "photos",
    metadata,
    Column("trip_id", _ascii(40), ForeignKey("trips.id", ondelete="CASCADE"), primary_key=True),
    Column("id", _ascii(40), primary_key=True),
    Column("user_id", _ascii(40), nullable=False),
    Column("job_id", _ascii(40), nullable=False),
    Column("created_at", _ascii(24), nullable=False),
    Column("expires_at", _ascii(24)),
    Column("status", _ascii(16), nullable=False),
    Column("error", _ascii(40)),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("color", _ascii(7), nullable=False),
    Index("ix_photos_job_id", "job_id"),
    Index("ix_photos_expires_at", "expires_at"),
    **OPTIONS,
)
"""The columns are the entity's fields, in their order."""

photo_files = Table(
    "photo_files",
    metadata,
    Column("trip_id", _ascii(40), primary_key=True),
    Column("photo_id", _ascii(40), primary_key=True),
    Column("width", Integer, primary_key=True, autoincrement=False),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
    ForeignKeyConstraint(["trip_id", "photo_id"], ["photos.trip_id", "photos.id"], ondelete="CASCADE"),
    **OPTIONS,
)
"""Pieces of each size, from 0."""
