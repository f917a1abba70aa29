"""The port of photos: one suite for memory, SQLite and MariaDB."""

from __future__ import annotations

from typing import Any

import pytest

from domain.jobs import File
from domain.photos import StoredPhoto, Thumbnails
from storage.faults import Contention
from storage.tables_photos import PIECE
from storage.unit import UnitFactory
from tests.contracts.test_jobs import AT, FAR, LATER, SOON, a_job
from tests.photos import some_thumbnails
from tests.storage.support import Store, make_trip


def a_row(trip_id: str, photo_id: str = "p1", **more: Any) -> StoredPhoto:
    given: dict[str, Any] = {
        "user_id": "ann", "job_id": f"j-{photo_id}", "created_at": AT, "expires_at": FAR,
    }  # fmt: skip
    return StoredPhoto(trip_id, photo_id, **(given | more))


def call(units: UnitFactory, name: str, *arguments: Any) -> Any:
    """One method of the port in a transaction of its own."""
    with units(True) as unit:
        answer = getattr(unit.photos, name)(*arguments)
        unit.commit()
    return answer


def test_photos_come_back_as_they_were_added(store: Store) -> None:
    units = store.process()
    trip, other = make_trip(units), make_trip(units)
    row = a_row(trip, error="broken_image", status="failed")
    call(units, "add", row)
    call(units, "add", a_row(trip, "p2", expires_at=None))
    call(units, "add", a_row(other, "p1", job_id="j-else"))
    with store.process()(False) as unit:
        assert unit.photos.photo(trip, "p1") == row == unit.photos.of_job("j-p1")
        assert unit.photos.of_job("j-else") == a_row(other, "p1", job_id="j-else")
        assert (unit.photos.count(trip), unit.photos.count(other), unit.photos.count("none")) == (2, 1, 0)
        for nobody in ("P1", "p1 ", "", "大理"):
            assert unit.photos.photo(trip, nobody) is None and unit.photos.of_job(nobody) is None
            assert unit.photos.file(trip, nobody, 320) is None
    with pytest.raises(Contention), units(True) as unit:
        unit.photos.add(a_row(trip))
        unit.commit()


def test_sizes_come_back_byte_for_byte_and_replace_what_was_there(store: Store) -> None:
    units = store.process()
    trip = make_trip(units)
    call(units, "add", a_row(trip))
    large = bytes(range(256)) * (PIECE * 2 // 256) + b"the rest"
    call(units, "make_ready", a_row(trip), Thumbnails(9, 7, "#000000", {320: large, 960: large, 1920: b"x"}))
    made = Thumbnails(64, 48, "#3a7f58", {320: large, 960: b"medium", 1920: b"large"})
    call(units, "make_ready", a_row(trip), made)
    with store.process()(False) as unit:
        ready = a_row(trip, status="ready", width=64, height=48, color="#3a7f58")
        assert unit.photos.photo(trip, "p1") == ready
        for width, body in made.files.items():
            assert unit.photos.file(trip, "p1", width) == body
        assert unit.photos.file(trip, "p1", 321) is None and unit.photos.file(trip, "p2", 320) is None


def test_what_has_expired_and_what_is_kept(store: Store) -> None:
    units = store.process()
    trip, other = make_trip(units), make_trip(units)
    for row in (
        a_row(trip, "old", expires_at=AT), a_row(trip, "kept", expires_at=SOON), a_row(trip, "new"),
        a_row(other, "also", expires_at=SOON), a_row(trip, "ever", expires_at=None),
    ):  # fmt: skip
        call(units, "add", row)
    call(units, "keep", trip, ["kept", "nobody"], None)
    with units(False) as unit:
        first, second = sorted((trip, other))
        assert unit.photos.expired_trip(LATER, "") == first
        assert unit.photos.expired_trip(LATER, first) == second
        assert unit.photos.expired_trip(LATER, second) is None and unit.photos.expired_trip(AT, "") is None
        assert [photo.id for photo in unit.photos.expired(trip, LATER)] == ["old"]
    call(units, "make_ready", a_row(trip, "old"), some_thumbnails())
    call(units, "keep", trip, ["kept"], AT)
    call(units, "remove", trip, ["old", "nobody"])
    with units(False) as unit:
        assert unit.photos.photo(trip, "old") is None and unit.photos.file(trip, "old", 320) is None
        assert [photo.id for photo in unit.photos.expired(trip, LATER)] == ["kept"]
    call(units, "fail", a_row(trip, "new"), "broken_image")
    with units(False) as unit:
        found = unit.photos.photo(trip, "new")
        assert found is not None and (found.status, found.error) == ("failed", "broken_image")


def test_nothing_is_kept_of_what_is_not_committed(store: Store) -> None:
    units = store.process()
    trip = make_trip(units)
    with units(True) as unit:
        unit.photos.add(a_row(trip))
        unit.photos.make_ready(a_row(trip), some_thumbnails())
    with units(False) as unit:
        assert unit.photos.photo(trip, "p1") is None and unit.photos.file(trip, "p1", 320) is None
    with pytest.raises(RuntimeError), units(False) as unit:
        unit.photos.add(a_row(trip))


def test_what_a_job_works_on_is_kept_until_it_ends(store: Store) -> None:
    """Well, badly, or given up: then the upload is gone."""
    units = store.process()
    upload = b"\xff\xd8" + bytes(range(256)) * (PIECE // 200)

    def jobs(name: str, *arguments: Any) -> Any:
        with units(True) as unit:
            answer = getattr(unit.jobs, name)(*arguments)
            unit.commit()
        return answer

    def given(job_id: str) -> bytes | None:
        with store.process()(False) as unit:
            return unit.jobs.given(job_id)

    for name in ("done", "failed", "given-up", "released"):
        jobs("add", a_job(name, kind="thumbnail", format="webp"), upload)
        assert given(name) == upload
        jobs("claim", name, "k", AT, SOON)
        assert given(name) == upload
    assert jobs("finish", "done", "k", File("", "image/webp", b"", False), LATER, FAR)
    assert jobs("fail", "failed", "k", "broken_image", LATER, FAR)
    assert jobs("release", "released", "k", LATER)
    with units(False) as unit:
        seen = unit.jobs.job("given-up")
    assert jobs("abandon", seen, "worker_lost", LATER, FAR)
    assert [given(name) for name in ("done", "failed", "given-up")] == [None] * 3
    assert given("released") == upload and given("nobody") is None
    with units(False) as unit:
        assert unit.jobs.file("done") == b""
