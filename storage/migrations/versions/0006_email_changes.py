"""Addresses that wait to be confirmed, and when one was.

Revision 0006. Adds tables, and a column to users that may be empty.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
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
    op.add_column("users", sa.Column("email_confirmed_at", _ascii(24), nullable=True))
    op.create_table(
        "email_changes",
        sa.Column("user_id", _ascii(40), nullable=False),
        sa.Column("job_id", _ascii(40), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("asked_at", _ascii(24), nullable=False),
        sa.Column("expires_at", _ascii(24), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_email_changes_user_id_users"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_email_changes_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_email_changes")),
        **OPTIONS,
    )
    op.create_index(op.f("ix_email_changes_job_id"), "email_changes", ["job_id"], unique=False)
    op.create_table(
        "email_links",
        sa.Column("token_hash", _ascii(64), nullable=False),
        sa.Column("job_id", _ascii(40), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_email_links_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_email_links")),
        **OPTIONS,
    )
    op.create_index(op.f("ix_email_links_job_id"), "email_links", ["job_id"], unique=False)


def downgrade() -> None:
    op.drop_table("email_links")
    op.drop_table("email_changes")
    with op.batch_alter_table("users") as users:
        users.drop_column("email_confirmed_at")
