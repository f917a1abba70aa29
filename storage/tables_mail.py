"""Tables of mail: what mails that wait need, and the links that were sent, as hashes.

Owns their columns and indexes. A mail's row goes when its job ends; links for new passwords and for addresses
go with their jobs, those of invitations with their invitations. Used by `storage.sql_mails`,
`storage.sql_jobs`, `storage.accounts_repository` and the migrations.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table
from sqlalchemy.dialects import mysql

from storage.metadata import metadata
from storage.tables import OPTIONS


def _ascii(length: int) -> String:
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


mails = Table(
    "mails",
    metadata,
    Column("job_id", _ascii(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("recipient", String(254), nullable=False),
    Column("about", _ascii(40), nullable=False),
    Column("not_before", _ascii(24), nullable=False),
    **OPTIONS,
)
"""The columns are the entity's fields, in their order."""

reset_links = Table(
    "reset_links",
    metadata,
    Column("token_hash", _ascii(64), primary_key=True),
    Column("job_id", _ascii(40), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("user_id", _ascii(40), nullable=False),
    Column("asked_at", _ascii(24), nullable=False),
    Column("expires_at", _ascii(24), nullable=False),
    Column("used", Boolean(create_constraint=False), nullable=False),
    Index("ix_reset_links_user_id", "user_id", "asked_at"),
    **OPTIONS,
)
"""The columns are the entity's fields, in their order."""

invite_links = Table(
    "invite_links",
    metadata,
    Column("token_hash", _ascii(64), primary_key=True),
    Column("invite_id", _ascii(40), ForeignKey("invites.id", ondelete="CASCADE"), nullable=False, index=True),
    **OPTIONS,
)
"""Further links of one invitation: one for each mail. A withdrawn invitation ends them all."""

email_changes = Table(
    "email_changes",
    metadata,
    Column("user_id", _ascii(40), ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("job_id", _ascii(40), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("email", String(254), nullable=False),
    Column("asked_at", _ascii(24), nullable=False),
    Column("expires_at", _ascii(24), nullable=False),
    **OPTIONS,
)
"""The columns are the entity's fields, in their order. Whose address is unique is the business of `users`: an
address may wait for several people."""

email_links = Table(
    "email_links",
    metadata,
    Column("token_hash", _ascii(64), primary_key=True),
    Column("job_id", _ascii(40), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    **OPTIONS,
)
"""Links of the change whose mail the job sends. A change that ended, or was replaced, ends them."""
