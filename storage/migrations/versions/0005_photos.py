"""Photos of trips and stops, and their sizes.

Revision 0005. Adds tables, and a column to trips and one to stops that may be empty.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
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
    op.add_column("trips", sa.Column("cover", _ascii(200), nullable=True))
    op.add_column("stops", sa.Column("photo", _ascii(200), nullable=True))
    op.create_table(
        "photos",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("id", _ascii(40), nullable=False),
        sa.Column("user_id", _ascii(40), nullable=False),
        sa.Column("job_id", _ascii(40), nullable=False),
        sa.Column("created_at", _ascii(24), nullable=False),
        sa.Column("expires_at", _ascii(24), nullable=True),
        sa.Column("status", _ascii(16), nullable=False),
        sa.Column("error", _ascii(40), nullable=True),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("color", _ascii(7), nullable=False),
        sa.ForeignKeyConstraint(
            ["trip_id"], ["trips.id"], name=op.f("fk_photos_trip_id_trips"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trip_id", "id", name=op.f("pk_photos")),
        **OPTIONS,
    )
    op.create_index("ix_photos_job_id", "photos", ["job_id"], unique=False)
    op.create_index("ix_photos_expires_at", "photos", ["expires_at"], unique=False)
    op.create_table(
        "photo_files",
        sa.Column("trip_id", _ascii(40), nullable=False),
        sa.Column("photo_id", _ascii(40), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("n", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("body", _bytes(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trip_id", "photo_id"],
            ["photos.trip_id", "photos.id"],
            name=op.f("fk_photo_files_trip_id_photo_id_photos"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trip_id", "photo_id", "width", "n", name=op.f("pk_photo_files")),
        **OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("photo_files")
    op.drop_table("photos")
    with op.batch_alter_table("stops") as stops:
        stops.drop_column("photo")
    with op.batch_alter_table("trips") as trips:
        trips.drop_column("cover")
