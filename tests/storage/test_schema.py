"""Migrations make exactly the tables that the code uses, and the server says when they are not there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from domain.operations import PostMessage
from storage import revisions, schema
from storage.engine import make_engine
from storage.metadata import metadata
from storage.unit_of_work import SqlUnits
from tests.storage.support import AT, do


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.integration)])
def url(request: pytest.FixtureRequest) -> str:
    name = "tmp_sqlite_url" if request.param == "sqlite" else "mariadb_url"
    found: str = request.getfixturevalue(name)
    return found


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = make_engine(url, 2)
    yield made
    made.dispose()


def test_the_revisions_are_those_of_alembic(url: str, engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema._FOLDER))
    scripts = ScriptDirectory.from_config(config)
    assert revisions.head() == scripts.get_current_head()
    assert revisions.revisions() == {script.revision for script in scripts.walk_revisions()}
    with engine.connect() as connection:
        assert revisions.current(connection) is None
    schema.upgrade(url)
    with engine.connect() as connection:
        assert revisions.current(connection) == MigrationContext.configure(connection).get_current_revision()


def test_a_migrated_database_is_the_metadata(url: str, engine: Engine) -> None:
    schema.upgrade(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_columns_and_indexes_are_those_of_create_all(url: str, engine: Engine) -> None:
    """Collations, lengths and keys too, which Alembic does not compare."""

    def described() -> dict[str, Any]:
        found = inspect(engine)
        return {
            table: (
                [(c["name"], repr(c["type"]), c["nullable"]) for c in found.get_columns(table)],
                found.get_pk_constraint(table),
                sorted(map(str, found.get_indexes(table))),
                sorted(map(str, found.get_unique_constraints(table))),
                sorted(map(str, found.get_foreign_keys(table))),
            )
            for table in sorted(found.get_table_names())
            if table != "alembic_version"
        }

    schema.upgrade(url)
    migrated = described()
    with engine.begin() as connection:
        metadata.drop_all(connection)
    with engine.begin() as connection:
        metadata.create_all(connection)
    assert migrated == described()
    assert {"trips", "operations", "log_records", "users", "invites", "messages", "runs"} <= set(migrated)


@pytest.mark.integration
def test_mariadb_compares_ids_and_positions_bytewise(mariadb_url: str) -> None:
    schema.upgrade(mariadb_url)
    engine = make_engine(mariadb_url, 1)
    query = text(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND column_name IN ('id', 'pos', 'trip_id', 'op_id', 'user_id')"
        " AND table_name <> 'alembic_version'"
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
        engines = connection.execute(
            text("SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = DATABASE()")
        ).scalars()
        assert set(engines) == {"InnoDB"}
    engine.dispose()
    assert len(rows) > 25
    assert {collation for _, _, collation in rows} == {"ascii_bin"}


def test_the_way_down_and_up_again(url: str, engine: Engine) -> None:
    schema.upgrade(url)
    config = Config()
    config.set_main_option("script_location", str(schema._FOLDER))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    schema.upgrade(url)
    revisions.check(engine)


def test_a_database_of_the_first_schema_keeps_its_data(url: str, engine: Engine) -> None:
    """Rows as 0001 wrote them come through, and the tables of talk work on top of them."""
    config = Config()
    config.set_main_option("script_location", str(schema._FOLDER))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()
    assert "messages" not in inspect(engine).get_table_names()
    with engine.begin() as connection:
        trip = {
            "id": "t1", "epoch": "e1", "seq": 1, "title": "云南 🏔️", "description": "", "time_zone": "UTC",
            "currency": "CNY", "visibility": "private", "created_by": "ann", "created_at": AT,
            "deleted": False, "updated_at": AT, "stamps": "[]",
        }  # fmt: skip
        member = {
            "trip_id": "t1", "user_id": "ann", "name": "王", "role": "owner", "color": 0, "joined_at": AT,
            "deleted": False, "stamps": "[]",
        }  # fmt: skip
        event = '{"seq":1,"op_id":"op-1","actor":"ann","at":"","kind":"trip.create","changes":[]}'
        logged = {
            "trip_id": "t1", "seq": 1, "op_id": "op-1", "actor": "ann", "kind": "trip.create", "at": AT,
            "body": event,
        }  # fmt: skip
        for table, row in (("trips", trip), ("members", member), ("operations", logged)):
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
    with pytest.raises(revisions.SchemaError, match="0001 is older"):
        revisions.check(engine)
    schema.upgrade(url)
    revisions.check(engine)
    units = SqlUnits(engine)
    assert do(units, "t1", PostMessage("m1", "大理见 🙂")).seq == 2
    with units(False) as unit:
        assert unit.trips.read("t1").trip.title == "云南 🏔️"
        assert unit.trips.events_after("t1", 0, 9)[0] == event.encode()
        [message] = unit.talk.messages("t1", "chat", None, 9)
        assert (message.text, message.seq) == ("大理见 🙂", 2)
        assert [each.unread for each in unit.accounts.trips_of("ann", False)] == [0]


def test_check_names_the_command_that_mends(
    url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(revisions.SchemaError, match=r"no tables yet; run: .*server\.py migrate"):
        revisions.check(engine)
    schema.upgrade(url)
    revisions.check(engine)
    now = revisions.head()
    monkeypatch.setattr(revisions, "head", lambda: "a later one")
    with pytest.raises(revisions.SchemaError, match=rf"{now} is older .*; run: .*server\.py migrate"):
        revisions.check(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(revisions.SchemaError, match=r"9999 is unknown .*newer.*python server\.py migrate"):
        revisions.check(engine)


def test_upgrading_again_and_at_the_same_time_is_fine(url: str, engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        schema.upgrade(url)
        schema.upgrade(url)
    else:
        with ThreadPoolExecutor(3) as threads:
            assert list(threads.map(schema.upgrade, [url] * 3)) == [None] * 3
    revisions.check(engine)


def test_a_database_that_does_not_answer_is_said_plainly(mariadb_down_url: str) -> None:
    engine = make_engine(mariadb_down_url, 1)
    with pytest.raises(revisions.SchemaError, match="does not answer") as caught:
        revisions.check(engine)
    assert "secret" not in str(caught.value)


@pytest.fixture
def mariadb_down_url() -> str:
    return "mysql+pymysql://root:secret@127.0.0.1:1/none"
