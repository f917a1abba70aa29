"""Talk: messages, proposals and read marks, answers under way, conversations, the search index.

Revision 0002. Only adds tables, and an index on trips: what 0001 has written stays as it is.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
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
    op.create_index("ix_trips_visibility", "trips", ["visibility", "deleted"], unique=False)
    _talk()
    _answers()
    _search()


def downgrade() -> None:
    for name in (
        "search_trips",
        "search_grams",
        "runs",
        "turns",
        "conversations",
        "read_marks",
        "proposals",
        "messages",
    ):
        op.drop_table(name)
    op.drop_index("ix_trips_visibility", table_name="trips")


def _talk() -> None:
    op.create_table(
        "messages",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("channel", _ascii(8), nullable=False),
        sa.Column("author", _ascii(40), nullable=False),
        sa.Column("at", _ascii(24), nullable=False),
        sa.Column("text", _long(), nullable=False),
        sa.Column("reply_to", _ascii(40), nullable=True),
        sa.Column("about_t", _ascii(8), nullable=True),
        sa.Column("about_id", _ascii(40), nullable=True),
        sa.Column("about_field", _ascii(16), nullable=True),
        sa.Column("mentions", _long(), nullable=False),
        sa.Column("reactions", _long(), nullable=False),
        sa.Column("edited_at", _ascii(24), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("resolved_by", _ascii(40), nullable=True),
        sa.Column("resolved_at", _ascii(24), nullable=True),
        sa.Column("answer", _long(), nullable=True),
        sa.ForeignKeyConstraint(
            ["trip_id"], ["trips.id"], name=op.f("fk_messages_trip_id_trips"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trip_id", "id", name=op.f("pk_messages")),
        **OPTIONS,
    )
    op.create_index("ix_messages_page", "messages", ["trip_id", "channel", "seq"], unique=False)
    op.create_index(
        "ix_messages_about", "messages", ["trip_id", "channel", "about_t", "about_id", "seq"], unique=False
    )
    op.create_index("ix_messages_unread", "messages", ["trip_id", "seq", "deleted", "author"], unique=False)
    op.create_table(
        "proposals",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("author", _ascii(40), nullable=False),
        sa.Column("asked_by", _ascii(40), nullable=True),
        sa.Column("message", _ascii(40), nullable=True),
        sa.Column("at", _ascii(24), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("note", _long(), nullable=False),
        sa.Column("pieces", _long(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("applied", _long(), nullable=False),
        sa.Column("decided_by", _ascii(40), nullable=True),
        sa.ForeignKeyConstraint(
            ["trip_id"], ["trips.id"], name=op.f("fk_proposals_trip_id_trips"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trip_id", "id", name=op.f("pk_proposals")),
        **OPTIONS,
    )
    op.create_index("ix_proposals_open", "proposals", ["trip_id", "open", "seq"], unique=False)
    op.create_table(
        "read_marks",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("user_id", _ascii(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("trip_id", "user_id", name=op.f("pk_read_marks")),
        **OPTIONS,
    )


def _answers() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("user_id", _ascii(40), nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("created_at", _ascii(24), nullable=False),
        sa.Column("updated_at", _ascii(24), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        **OPTIONS,
    )
    op.create_index(
        "ix_conversations_user_id", "conversations", ["user_id", "updated_at", "id"], unique=False
    )
    op.create_table(
        "turns",
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("conversation_id", _ascii(40), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("role", _ascii(16), nullable=False),
        sa.Column("at", _ascii(24), nullable=False),
        sa.Column("text", _long(), nullable=False),
        sa.Column("status", _ascii(16), nullable=False),
        sa.Column("model", _long(), nullable=False),
        sa.Column("reasoning", _long(), nullable=False),
        sa.Column("fault", _long(), nullable=True),
        sa.Column("usage", _long(), nullable=True),
        sa.Column("sources", _long(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_turns_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_turns")),
        **OPTIONS,
    )
    op.create_index("ix_turns_conversation_id", "turns", ["conversation_id", "n"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("user_id", _ascii(40), nullable=False),
        sa.Column("node", sa.String(200), nullable=False),
        sa.Column("started_at", _ascii(24), nullable=False),
        sa.Column("lease_until", _ascii(24), nullable=False),
        sa.Column("trip_id", _ascii(40), nullable=True),
        sa.Column("conversation_id", _ascii(40), nullable=True),
        sa.Column("status", _ascii(16), nullable=False),
        sa.Column("text", _long(), nullable=False),
        sa.Column("reasoning", _long(), nullable=False),
        sa.Column("stop", sa.Boolean(), nullable=False),
        sa.Column("finished_at", _ascii(24), nullable=True),
        sa.Column("model", _long(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trip_id"], ["trips.id"], name=op.f("fk_runs_trip_id_trips"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_runs_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        **OPTIONS,
    )
    op.create_index("ix_runs_user_id", "runs", ["user_id", "status"], unique=False)
    op.create_index("ix_runs_trip_id", "runs", ["trip_id", "status"], unique=False)
    op.create_index("ix_runs_conversation_id", "runs", ["conversation_id"], unique=False)
    op.create_index("ix_runs_lease", "runs", ["status", "lease_until"], unique=False)


def _search() -> None:
    op.create_table(
        "search_grams",
        sa.Column("gram", _exact(32), nullable=False),
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("t", _ascii(8), nullable=False),
        sa.Column("record_id", _ascii(40), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("gram", "trip_id", "t", "record_id", name=op.f("pk_search_grams")),
        **OPTIONS,
    )
    op.create_index("ix_search_grams_trip_id", "search_grams", ["trip_id", "t", "record_id"], unique=False)
    op.create_table(
        "search_trips",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("trip_id", name=op.f("pk_search_trips")),
        **OPTIONS,
    )
