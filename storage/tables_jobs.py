"""Tables of jobs: the work itself, and the files that it made, in pieces.

Owns their columns and indexes. A file lies beside its job, in the database: so it appears in the same
commit that ends the job, every process on every machine can serve it, and it goes with its row. Pieces
are small, because servers refuse large packets. Used by `storage.sql_jobs` and the migrations.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table
from sqlalchemy.dialects import mysql

from storage.metadata import metadata
from storage.tables import OPTIONS

PIECE = 512 * 1024
"""Bytes of one piece of a file."""


def _ascii(length: int) -> String:
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def _bytes() -> Any:
    return LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


jobs = Table(
    "jobs",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("user_id", _ascii(40), nullable=False),
    Column("trip_id", _ascii(40), nullable=False),
    Column("format", _ascii(16), nullable=False),
    Column("locale", _ascii(8), nullable=False),
    Column("created_at", _ascii(24), nullable=False),
    Column("due_at", _ascii(24), nullable=False),
    Column("expires_at", _ascii(24), nullable=False),
    Column("kind", _ascii(16), nullable=False),
    Column("status", _ascii(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("token", _ascii(40)),
    Column("finished_at", _ascii(24)),
    Column("error", _ascii(40)),
    Column("name", String(300), nullable=False),
    Column("media_type", _ascii(100), nullable=False),
    Column("size", Integer, nullable=False),
    Column("for_member", Boolean(create_constraint=False), nullable=False),
    Index("ix_jobs_user_id", "user_id", "created_at"),
    Index("ix_jobs_due", "status", "due_at"),
    Index("ix_jobs_expires_at", "expires_at"),
    **OPTIONS,
)
"""The columns are the entity's fields, in their order."""

job_files = Table(
    "job_files",
    metadata,
    Column("job_id", _ascii(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("body", _bytes(), nullable=False),
    **OPTIONS,
)
"""Pieces, from 0: of what a job works on until it ends, then of what it made."""
