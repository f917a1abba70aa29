"""Tables of trips: the trips themselves, their days, stops and members, and their log.

Owns columns, keys and indexes, typed for MySQL/MariaDB and SQLite alike. The state tables and the
log are written in one transaction, so they never disagree. Identifiers and positions compare
bytewise (`ascii_bin`). Instants and dates are the ISO 8601 text of the events, unchanged (UTC,
milliseconds, `Z`): it sorts as time does, and what is loaded equals what was absorbed. Used by
`storage.rows`, `storage.sql_trips`, `storage.trip_lists` and the migrations.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql

from storage.metadata import metadata

OPTIONS: dict[str, Any] = {
    f"{dialect}_{name}": value
    for dialect in ("mysql", "mariadb")
    for name, value in (
        ("engine", "InnoDB"),
        ("default_charset", "utf8mb4"),
        ("collate", "utf8mb4_general_ci"),
    )
}


def _ascii(length: int) -> String:
    return String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql", "mariadb"
    )


def _long() -> Text:
    """JSON and other text that can pass MySQL's 64 KiB of TEXT."""
    return Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean(create_constraint=False), nullable=False)


def _photo(name: str) -> Column[str]:
    """A `Photo` as JSON: shown with its record, never asked for by what is in it."""
    return Column(name, _ascii(200))


def _trip_id() -> Column[str]:
    return Column("trip_id", _ascii(40), ForeignKey("trips.id", ondelete="CASCADE"), primary_key=True)


trips = Table(
    "trips",
    metadata,
    Column("id", _ascii(40), primary_key=True),
    Column("epoch", _ascii(40), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("title", String(200), nullable=False),
    Column("description", _long(), nullable=False),
    Column("start_date", _ascii(10)),
    Column("end_date", _ascii(10)),
    Column("time_zone", _ascii(64), nullable=False),
    Column("currency", _ascii(3), nullable=False),
    Column("visibility", _ascii(16), nullable=False),
    Column("created_by", _ascii(40), nullable=False),
    Column("created_at", _ascii(24), nullable=False),
    _flag("deleted"),
    Column("updated_at", _ascii(24), nullable=False),
    Column("stamps", _long(), nullable=False),
    _photo("cover"),
    Index("ix_trips_visibility", "visibility", "deleted"),
    **OPTIONS,
)
"""By visibility the search index finds the public trips."""

days = Table(
    "days",
    metadata,
    _trip_id(),
    Column("id", _ascii(40), primary_key=True),
    Column("date", _ascii(10)),
    Column("pos", _ascii(64), nullable=False),
    Column("title", String(300), nullable=False),
    Column("notes", _long(), nullable=False),
    _flag("deleted"),
    Column("stamps", _long(), nullable=False),
    **OPTIONS,
)

stops = Table(
    "stops",
    metadata,
    _trip_id(),
    Column("id", _ascii(40), primary_key=True),
    Column("day_id", _ascii(40)),
    Column("pos", _ascii(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("name_alt", String(300), nullable=False),
    Column("kind", _ascii(16), nullable=False),
    Column("place_name", String(300), nullable=False),
    Column("lat", Double),
    Column("lng", Double),
    Column("start_time", _ascii(5)),
    Column("end_time", _ascii(5)),
    Column("duration_min", Integer),
    Column("time_zone", _ascii(64)),
    Column("notes", _long(), nullable=False),
    Column("links", _long(), nullable=False),
    Column("cost_amount", BigInteger),
    Column("cost_currency", _ascii(3)),
    Column("status", _ascii(16), nullable=False),
    Column("proposed_by", _ascii(40)),
    _flag("deleted"),
    Column("stamps", _long(), nullable=False),
    _photo("photo"),
    **OPTIONS,
)

members = Table(
    "members",
    metadata,
    _trip_id(),
    Column("user_id", _ascii(40), primary_key=True, key="id"),
    Column("name", String(300), nullable=False),
    Column("role", _ascii(16), nullable=False),
    Column("color", Integer, nullable=False),
    Column("joined_at", _ascii(24), nullable=False),
    _flag("deleted"),
    Column("stamps", _long(), nullable=False),
    Index("ix_members_user_id", "id", "deleted"),
    **OPTIONS,
)
"""`members.c.id` is the column `user_id`: the entity's id."""

operations = Table(
    "operations",
    metadata,
    _trip_id(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("op_id", _ascii(80), nullable=False),
    Column("actor", _ascii(40), nullable=False),
    Column("kind", _ascii(32), nullable=False),
    Column("at", _ascii(24), nullable=False),
    Column("body", _long(), nullable=False),
    UniqueConstraint("trip_id", "op_id"),
    **OPTIONS,
)
"""The log. `body` is the encoded event, byte for byte as it was published."""

log_records = Table(
    "log_records",
    metadata,
    _trip_id(),
    Column("t", _ascii(8), primary_key=True),
    Column("record_id", _ascii(40), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    **OPTIONS,
)
"""Which events changed which record: the index behind the history of one record."""
