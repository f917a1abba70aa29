"""The first schema: trips with their log, accounts, invitations, throttles.

Revision 0001. Written out in full: a migration never changes when the code does.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OPTIONS: dict[str, Any] = {
    f"{dialect}_{name}": value
    for dialect in ("mysql", "mariadb")
    for name, value in (
        ("engine", "InnoDB"),
        ("default_charset", "utf8mb4"),
        ("collate", "utf8mb4_general_ci"),
    )
}


def _ascii(length: int) -> Any:
    ascii_bin = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(ascii_bin, "mysql", "mariadb")


def _exact(length: int) -> Any:
    return sa.String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def _long() -> Any:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    _trips()
    _log()
    _accounts()


def downgrade() -> None:
    for name in (
        "log_records",
        "operations",
        "members",
        "stops",
        "days",
        "auth_sessions",
        "invites",
        "throttles",
        "users",
        "trips",
    ):
        op.drop_table(name)


def _trips() -> None:
    op.create_table(
        "trips",
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("epoch", _ascii(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", _long(), nullable=False),
        sa.Column("start_date", _ascii(10), nullable=True),
        sa.Column("end_date", _ascii(10), nullable=True),
        sa.Column("time_zone", _ascii(64), nullable=False),
        sa.Column("currency", _ascii(3), nullable=False),
        sa.Column("visibility", _ascii(16), nullable=False),
        sa.Column("created_by", _ascii(40), nullable=False),
        sa.Column("created_at", _ascii(24), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("updated_at", _ascii(24), nullable=False),
        sa.Column("stamps", _long(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trips")),
        **OPTIONS,
    )
    op.create_table(
        "days",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("date", _ascii(10), nullable=True),
        sa.Column("pos", _ascii(64), nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("notes", _long(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("stamps", _long(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trip_id"], ["trips.id"], name=op.f("fk_days_trip_id_trips"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trip_id", "id", name=op.f("pk_days")),
        **OPTIONS,
    )
    op.create_table(
        "members",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("user_id", _ascii(40), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("role", _ascii(16), nullable=False),
        sa.Column("color", sa.Integer(), nullable=False),
        sa.Column("joined_at", _ascii(24), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("stamps", _long(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trip_id"], ["trips.id"], name=op.f("fk_members_trip_id_trips"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trip_id", "user_id", name=op.f("pk_members")),
        **OPTIONS,
    )
    op.create_index("ix_members_user_id", "members", ["user_id", "deleted"], unique=False)
    op.create_table(
        "stops",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("day_id", _ascii(40), nullable=True),
        sa.Column("pos", _ascii(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_alt", sa.String(300), nullable=False),
        sa.Column("kind", _ascii(16), nullable=False),
        sa.Column("place_name", sa.String(300), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lng", sa.Double(), nullable=True),
        sa.Column("start_time", _ascii(5), nullable=True),
        sa.Column("end_time", _ascii(5), nullable=True),
        sa.Column("duration_min", sa.Integer(), nullable=True),
        sa.Column("time_zone", _ascii(64), nullable=True),
        sa.Column("notes", _long(), nullable=False),
        sa.Column("links", _long(), nullable=False),
        sa.Column("cost_amount", sa.BigInteger(), nullable=True),
        sa.Column("cost_currency", _ascii(3), nullable=True),
        sa.Column("status", _ascii(16), nullable=False),
        sa.Column("proposed_by", _ascii(40), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("stamps", _long(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trip_id"], ["trips.id"], name=op.f("fk_stops_trip_id_trips"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trip_id", "id", name=op.f("pk_stops")),
        **OPTIONS,
    )


def _log() -> None:
    op.create_table(
        "log_records",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("t", _ascii(8), nullable=False),
        sa.Column("record_id", _ascii(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["trip_id"], ["trips.id"], name=op.f("fk_log_records_trip_id_trips"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trip_id", "t", "record_id", "seq", name=op.f("pk_log_records")),
        **OPTIONS,
    )
    op.create_table(
        "operations",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("op_id", _ascii(80), nullable=False),
        sa.Column("actor", _ascii(40), nullable=False),
        sa.Column("kind", _ascii(32), nullable=False),
        sa.Column("at", _ascii(24), nullable=False),
        sa.Column("body", _long(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trip_id"], ["trips.id"], name=op.f("fk_operations_trip_id_trips"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trip_id", "seq", name=op.f("pk_operations")),
        sa.UniqueConstraint("trip_id", "op_id", name=op.f("uq_operations_trip_id_op_id")),
        **OPTIONS,
    )


def _accounts() -> None:
    op.create_table(
        "invites",
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("token_hash", _ascii(64), nullable=False),
        sa.Column("role", _ascii(16), nullable=False),
        sa.Column("created_by", _ascii(40), nullable=False),
        sa.Column("inviter_name", sa.String(60), nullable=False),
        sa.Column("created_at", _ascii(24), nullable=False),
        sa.Column("made_at_seq", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", _ascii(24), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invites")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invites_token_hash")),
        **OPTIONS,
    )
    op.create_index("ix_invites_trip_id_created_at", "invites", ["trip_id", "created_at"], unique=False)
    op.create_table(
        "throttles",
        sa.Column("subject", _ascii(64), nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_throttles")),
        **OPTIONS,
    )
    op.create_table(
        "users",
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("created_at", _ascii(24), nullable=False),
        sa.Column("locale", _ascii(8), nullable=False),
        sa.Column("is_guest", sa.Boolean(), nullable=False),
        sa.Column("username", sa.String(32), nullable=True),
        sa.Column("username_key", _exact(200), nullable=True),
        sa.Column("email", sa.String(254), nullable=True),
        sa.Column("email_key", _exact(320), nullable=True),
        sa.Column("password_hash", _ascii(255), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
        sa.UniqueConstraint("username_key", name=op.f("uq_users_username_key")),
        **OPTIONS,
    )
    op.create_table(
        "auth_sessions",
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("user_id", _ascii(40), nullable=False),
        sa.Column("token_hash", _ascii(64), nullable=False),
        sa.Column("created_at", _ascii(24), nullable=False),
        sa.Column("expires_at", _ascii(24), nullable=False),
        sa.Column("last_seen", _ascii(24), nullable=False),
        sa.Column("user_agent", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_auth_sessions_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_auth_sessions_token_hash")),
        **OPTIONS,
    )
    op.create_index(op.f("ix_auth_sessions_user_id"), "auth_sessions", ["user_id"], unique=False)
