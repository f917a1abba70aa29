"""What every request for a photo, every operation with one, and every sweep asks, uses an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from domain.photos import StoredPhoto
from storage.engine import make_engine
from storage.schema import upgrade
from storage.unit_of_work import SqlUnits
from tests.contracts.test_jobs import AT, FAR, LATER
from tests.photos import some_thumbnails
from tests.storage.support import make_trip

MANY = 100


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.integration)])
def units(request: pytest.FixtureRequest) -> Iterator[SqlUnits]:
    name = "tmp_sqlite_url" if request.param == "sqlite" else "mariadb_url"
    url: str = request.getfixturevalue(name)
    upgrade(url)
    engine = make_engine(url, 2)
    yield SqlUnits(engine)
    engine.dispose()


def test_queries_of_photos_use_their_indexes(units: SqlUnits) -> None:
    sqlite = units.engine.dialect.name == "sqlite"
    trips = [make_trip(units) for _ in range(5)]
    with units(True) as unit:
        for trip_id in trips:
            for n in range(MANY):
                photo = StoredPhoto(trip_id, f"p{n}", "ann", f"{trip_id}-{n}", AT, None)
                unit.photos.add(photo)
                unit.photos.make_ready(photo, some_thumbnails(1))
        unit.photos.keep(trips[0], ["p1"], LATER)
        unit.commit()
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *more: Any) -> None:
        asked.append((statement, parameters))

    event.listen(units.engine, "before_cursor_execute", note)
    with units(True) as unit:
        photos = unit.photos
        assert photos.expired_trip(FAR, "") == trips[0]
        assert photos.count(trips[1]) == MANY and photos.file(trips[1], "p7", 960)
        photos.photo(trips[1], "p7"), photos.of_job(f"{trips[1]}-7"), photos.expired(trips[0], FAR)
        photos.keep(trips[1], ["p7", "p8"], None)
        photos.remove(trips[1], ["p7"])
    event.remove(units.engine, "before_cursor_execute", note)
    asked = [each for each in asked if each[0].split()[0] in ("SELECT", "UPDATE", "DELETE")]
    assert len(asked) >= 9
    with units.engine.begin() as connection:
        connection.execute(text("ANALYZE" if sqlite else "ANALYZE TABLE photos, photo_files"))
        for statement, parameters in asked:
            if sqlite:
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                    assert "INDEX" in row[3] or not row[3].startswith("SCAN"), (statement, row[3])
            else:
                for found in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings():
                    assert found["key"] is not None and found["type"] != "ALL", (statement, dict(found))
