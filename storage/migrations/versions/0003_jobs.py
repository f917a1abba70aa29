"""Jobs, and the files that they made.

Revision 0003. Only adds tables.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
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


def _bytes() -> Any:
    return sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("user_id", _ascii(40), nullable=False),
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("format", _ascii(16), nullable=False),
        sa.Column("locale", _ascii(8), nullable=False),
        sa.Column("created_at", _ascii(24), nullable=False),
        sa.Column("due_at", _ascii(24), nullable=False),
        sa.Column("expires_at", _ascii(24), nullable=False),
        sa.Column("kind", _ascii(16), nullable=False),
        sa.Column("status", _ascii(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("token", _ascii(40), nullable=True),
        sa.Column("finished_at", _ascii(24), nullable=True),
        sa.Column("error", _ascii(40), nullable=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("media_type", _ascii(100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("for_member", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        **OPTIONS,
    )
    op.create_index("ix_jobs_user_id", "jobs", ["user_id", "created_at"], unique=False)
    op.create_index("ix_jobs_due", "jobs", ["status", "due_at"], unique=False)
    op.create_index("ix_jobs_expires_at", "jobs", ["expires_at"], unique=False)
    op.create_table(
        "job_files",
        sa.Column("job_id", _ascii(40), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("body", _bytes(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_files_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "n", name=op.f("pk_job_files")),
        **OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("job_files")
    op.drop_table("jobs")
