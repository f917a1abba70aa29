"""Tables of talk: messages, proposals, read marks; answers under way, conversations; the search index.

Owns their columns, keys and indexes. Messages and proposals are written together with the log, so
they never disagree with it. Read marks and the search index have no foreign key: InnoDB would lock
the trip's row for it, and make whoever reads wait for whoever edits. Times are ISO 8601 text, as
in `storage.tables`. Used by `storage.rows_talk`, the `sql_*` repositories and the migrations.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text
from sqlalchemy.dialects import mysql

from storage.metadata import metadata
from storage.tables import OPTIONS


def _ascii(length: int) -> String:
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def _exact(length: int) -> String:
    return String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def _long() -> Text:
    return Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean(create_constraint=False), nullable=False)


def _trip_id() -> Column[str]:
    return Column("trip_id", _ascii(40), ForeignKey("trips.id", ondelete="CASCADE"), primary_key=True)


messages = Table(
    "messages",
    metadata,
    _trip_id(),
    Column("id", _ascii(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("channel", _ascii(8), nullable=False),
    Column("author", _ascii(40), nullable=False),
    Column("at", _ascii(24), nullable=False),
    Column("text", _long(), nullable=False),
    Column("reply_to", _ascii(40)),
    Column("about_t", _ascii(8)),
    Column("about_id", _ascii(40)),
    Column("about_field", _ascii(16)),
    Column("mentions", _long(), nullable=False),
    Column("reactions", _long(), nullable=False),
    Column("edited_at", _ascii(24)),
    _flag("deleted"),
    Column("resolved_by", _ascii(40)),
    Column("resolved_at", _ascii(24)),
    Column("answer", _long()),
    Index("ix_messages_page", "trip_id", "channel", "seq"),
    Index("ix_messages_about", "trip_id", "channel", "about_t", "about_id", "seq"),
    Index("ix_messages_unread", "trip_id", "seq", "deleted", "author"),
    **OPTIONS,
)
"""`mentions`, `reactions` and `answer` are JSON. What is unread is counted from the index alone."""

proposals = Table(
    "proposals",
    metadata,
    _trip_id(),
    Column("id", _ascii(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("author", _ascii(40), nullable=False),
    Column("asked_by", _ascii(40)),
    Column("message", _ascii(40)),
    Column("at", _ascii(24), nullable=False),
    Column("base", BigInteger, nullable=False),
    Column("note", _long(), nullable=False),
    Column("pieces", _long(), nullable=False),
    _flag("open"),
    Column("applied", _long(), nullable=False),
    Column("decided_by", _ascii(40)),
    Index("ix_proposals_open", "trip_id", "open", "seq"),
    **OPTIONS,
)
"""`pieces` and `applied` are JSON. The columns are the entity's fields."""

read_marks = Table(
    "read_marks",
    metadata,
    Column("trip_id", _ascii(40), primary_key=True),
    Column("user_id", _ascii(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    **OPTIONS,
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("user_id", _ascii(40), nullable=False),
    Column("title", String(300), nullable=False),
    Column("created_at", _ascii(24), nullable=False),
    Column("updated_at", _ascii(24), nullable=False),
    Index("ix_conversations_user_id", "user_id", "updated_at", "id"),
    **OPTIONS,
)

turns = Table(
    "turns",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("conversation_id", _ascii(40), ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("role", _ascii(16), nullable=False),
    Column("at", _ascii(24), nullable=False),
    Column("text", _long(), nullable=False),
    Column("status", _ascii(16), nullable=False),
    Column("model", _long(), nullable=False),
    Column("reasoning", _long(), nullable=False),
    Column("fault", _long()),
    Column("usage", _long()),
    Column("sources", _long(), nullable=False),
    Index("ix_turns_conversation_id", "conversation_id", "n"),
    **OPTIONS,
)
"""`fault`, `usage` and `sources` are JSON. `model` is whatever the upstream calls itself."""

runs = Table(
    "runs",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("user_id", _ascii(40), nullable=False),
    Column("node", String(200), nullable=False),
    Column("started_at", _ascii(24), nullable=False),
    Column("lease_until", _ascii(24), nullable=False),
    Column("trip_id", _ascii(40), ForeignKey("trips.id", ondelete="CASCADE")),
    Column("conversation_id", _ascii(40), ForeignKey("conversations.id", ondelete="CASCADE")),
    Column("status", _ascii(16), nullable=False),
    Column("text", _long(), nullable=False),
    Column("reasoning", _long(), nullable=False),
    _flag("stop"),
    Column("finished_at", _ascii(24)),
    Column("model", _long(), nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Index("ix_runs_user_id", "user_id", "status"),
    Index("ix_runs_trip_id", "trip_id", "status"),
    Index("ix_runs_conversation_id", "conversation_id"),
    Index("ix_runs_lease", "status", "lease_until"),
    **OPTIONS,
)
"""The columns are the entity's fields. Finished runs stay, without their text: for the counts."""

search_grams = Table(
    "search_grams",
    metadata,
    Column("gram", _exact(32), primary_key=True),
    Column("trip_id", _ascii(40), primary_key=True),
    Column("t", _ascii(8), primary_key=True),
    Column("record_id", _ascii(40), primary_key=True),
    Column("weight", Integer, nullable=False),
    Index("ix_search_grams_trip_id", "trip_id", "t", "record_id"),
    **OPTIONS,
)

search_trips = Table(
    "search_trips",
    metadata,
    Column("trip_id", _ascii(40), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    **OPTIONS,
)
"""Which state of which trips is indexed, and how many records they have."""
