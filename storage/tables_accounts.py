"""Tables of accounts: users, sessions, invitations, throttles.

Owns their columns and indexes. Times are ISO 8601 text (UTC, milliseconds, `Z`), which sorts as
time does; keys compare bytewise, because MySQL's default collations would make `e` and `é` one
user. Used by `storage.accounts_repository` and the migrations.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table
from sqlalchemy.dialects import mysql

from storage.metadata import metadata
from storage.tables import OPTIONS


def _ascii(length: int) -> String:
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def _exact(length: int) -> String:
    return String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


users = Table(
    "users",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("name", String(60), nullable=False),
    Column("created_at", _ascii(24), nullable=False),
    Column("locale", _ascii(8), nullable=False),
    Column("is_guest", Boolean(create_constraint=False), nullable=False),
    Column("username", String(32)),
    Column("username_key", _exact(200), unique=True),
    Column("email", String(254)),
    Column("email_key", _exact(320), unique=True),
    Column("password_hash", _ascii(255)),
    Column("email_confirmed_at", _ascii(24)),
    **OPTIONS,
)

auth_sessions = Table(
    "auth_sessions",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("user_id", _ascii(40), ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("token_hash", _ascii(64), nullable=False, unique=True),
    Column("created_at", _ascii(24), nullable=False),
    Column("expires_at", _ascii(24), nullable=False),
    Column("last_seen", _ascii(24), nullable=False),
    Column("user_agent", String(200), nullable=False),
    **OPTIONS,
)

invites = Table(
    "invites",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("trip_id", _ascii(40), nullable=False),
    Column("token_hash", _ascii(64), nullable=False, unique=True),
    Column("role", _ascii(16), nullable=False),
    Column("created_by", _ascii(40), nullable=False),
    Column("inviter_name", String(60), nullable=False),
    Column("created_at", _ascii(24), nullable=False),
    Column("made_at_seq", BigInteger, nullable=False),
    Column("expires_at", _ascii(24)),
    Column("revoked", Boolean(create_constraint=False), nullable=False),
    Index("ix_invites_trip_id_created_at", "trip_id", "created_at"),
    **OPTIONS,
)

throttles = Table(
    "throttles",
    metadata,
    Column("subject", _ascii(64), primary_key=True),
    Column("bucket", BigInteger, nullable=False),
    Column("hits", Integer, nullable=False),
    **OPTIONS,
)
