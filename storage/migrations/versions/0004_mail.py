"""Mails that wait to be sent, and the links that were sent.

Revision 0004. Only adds tables.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
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


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("job_id", _ascii(40), nullable=False),
        sa.Column("recipient", sa.String(254), nullable=False),
        sa.Column("about", _ascii(40), nullable=False),
        sa.Column("not_before", _ascii(24), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_mails_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_mails")),
        **OPTIONS,
    )
    op.create_table(
        "reset_links",
        sa.Column("token_hash", _ascii(64), nullable=False),
        sa.Column("job_id", _ascii(40), nullable=False),
        sa.Column("user_id", _ascii(40), nullable=False),
        sa.Column("asked_at", _ascii(24), nullable=False),
        sa.Column("expires_at", _ascii(24), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_reset_links_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_reset_links")),
        **OPTIONS,
    )
    op.create_index(op.f("ix_reset_links_job_id"), "reset_links", ["job_id"], unique=False)
    op.create_index("ix_reset_links_user_id", "reset_links", ["user_id", "asked_at"], unique=False)
    op.create_table(
        "invite_links",
        sa.Column("token_hash", _ascii(64), nullable=False),
        sa.Column("invite_id", _ascii(40), nullable=False),
        sa.ForeignKeyConstraint(
            ["invite_id"], ["invites.id"], name=op.f("fk_invite_links_invite_id_invites"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_invite_links")),
        **OPTIONS,
    )
    op.create_index(op.f("ix_invite_links_invite_id"), "invite_links", ["invite_id"], unique=False)


def downgrade() -> None:
    op.drop_table("invite_links")
    op.drop_table("reset_links")
    op.drop_table("mails")
