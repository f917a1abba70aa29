"""A person's list of trips: SQL (SQLite, MariaDB) and memory give the same."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, Table, create_engine, event, insert

from domain.entities import Member, Stop, Trip
from domain.membership import TripSummary
from domain.trip import TripAggregate
from storage import tables, tables_accounts
from storage.accounts_memory import AccountsState, MemoryAccounts
from storage.metadata import metadata
from storage.trip_lists import trips_of

AT = "2026-05-01T08:00:00.000Z"


def _trip(n: int, members: list[Member], stops: int = 0, **more: Any) -> TripAggregate:
    about = Trip(f"t{n}", f"Trip {n} 云南", created_by="u1", created_at=AT, **more)
    live = [Stop(f"s{k}", pos=f"a{k}", name="S") for k in range(stops)]
    return TripAggregate(about, "e", n, stops=[*live, Stop("gone", deleted=True)], members=members)


def _member(n: int, role: Any = "viewer", **more: Any) -> Member:
    return Member(f"u{n}", f"M{n}", role, joined_at=f"2026-05-01T08:00:{n:02}.000Z", **more)


TRIPS = [
    _trip(1, [_member(1, "owner"), _member(2)], stops=3, start_date="2026-10-01", end_date="2026-10-02"),
    _trip(2, [_member(1, "editor"), _member(2, "owner", deleted=True)]),
    _trip(3, [_member(n, "owner") for n in reversed(range(1, 12))], visibility="public"),
    _trip(4, [_member(1, "owner")], deleted=True),
    _trip(5, [_member(2, "owner"), _member(1, deleted=True)]),
]


def _updated(trip: TripAggregate) -> str:
    return f"2026-06-0{trip.id[1:]}T00:00:00.000Z"


def _fill(engine: Engine) -> None:
    def put(table: Table, record: Any, **more: Any) -> None:
        values = {column.key: getattr(record, column.key, None) for column in table.c} | more
        connection.execute(insert(table).values({"stamps": "{}"} | values | {"stamps": "{}"}))

    with engine.begin() as connection:
        for trip in TRIPS:
            put(tables.trips, trip.trip, epoch=trip.epoch, seq=trip.seq, updated_at=_updated(trip))
            for stop in trip.stops.values():
                put(tables.stops, stop, trip_id=trip.id, links="{}")
            for member in trip.members.values():
                put(tables.members, member, trip_id=trip.id)


@pytest.fixture(params=["memory", "sqlite", "mariadb"])
def ask(request: pytest.FixtureRequest) -> Any:
    if request.param == "memory":
        accounts = MemoryAccounts(AccountsState(), lambda: [(trip, _updated(trip)) for trip in TRIPS])
        yield lambda user, deleted: (accounts.trips_of(user, deleted), 0)
        return
    name = "tmp_sqlite_url" if request.param == "sqlite" else "mariadb_url"
    engine = create_engine(request.getfixturevalue(name))
    assert "users" in metadata.tables and tables_accounts
    metadata.create_all(engine)
    _fill(engine)

    def over_sql(user: str, deleted: bool) -> tuple[list[TripSummary], int]:
        asked: list[str] = []
        with engine.begin() as connection:
            event.listen(connection, "before_cursor_execute", lambda *a: asked.append(a[2]))
            return trips_of(connection, user, deleted), len(asked)

    yield over_sql
    engine.dispose()


def test_my_trips(ask: Any) -> None:
    found, queries = ask("u1", False)
    assert [(each.id, each.role, each.stop_count) for each in found] == [
        ("t3", "owner", 0), ("t2", "editor", 0), ("t1", "owner", 3),
    ]  # fmt: skip
    assert [each.member_names for each in found] == [
        [f"M{n}" for n in range(1, 9)], ["M1"], ["M1", "M2"],
    ]  # fmt: skip
    assert found[2] == TripSummary(
        "t1", "Trip 1 云南", "2026-10-01", "2026-10-02", "UTC", "private", "owner", 1, 3, ["M1", "M2"],
        "2026-06-01T00:00:00.000Z", False,
    )  # fmt: skip
    assert queries <= 2


def test_the_bin(ask: Any) -> None:
    found, _ = ask("u1", True)
    assert [(each.id, each.deleted) for each in found] == [("t4", True)]
    assert ask("u2", True)[0] == []


def test_nobodys_trips(ask: Any) -> None:
    assert ask("u99", False)[0] == []
