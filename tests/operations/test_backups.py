"""A backup holds one moment; a restore is whole, compared, and only into what is empty."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, select

from domain.accounts import User
from domain.addresses import EmailChange
from domain.administration import ReadTrip
from domain.entities import Trip
from domain.events import decode_event
from domain.membership import Invite
from domain.operations import AddStop, SetTripCover, SetTripVisibility, StopFields
from domain.photos import StoredPhoto, Thumbnails
from domain.services.administration import read_trip
from domain.trip import TripAggregate
from operations import Failed
from operations.archive import MANIFEST, ArchiveReader, ArchiveWriter
from operations.backups import load, verify, write
from storage import copying
from storage.engine import make_engine
from storage.revisions import SchemaError
from storage.schema import upgrade
from storage.tables import log_records, operations, trips
from storage.tables_photos import PIECE
from storage.unit_of_work import SqlUnits
from tests.contracts.test_mails import a_link, a_mail, a_mail_job
from tests.storage.support import AT, do, make_trip

KINDS = ["sqlite", pytest.param("mariadb", marks=pytest.mark.integration)]
of_the_file = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
"""What a test is about does not depend on the database."""


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with this version's schema and no rows."""
    made = (
        f"sqlite:///{tmp_path / 'first.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("mariadb_url")
    )
    upgrade(made)
    return str(made)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = make_engine(url, 2)
    yield made
    made.dispose()


@pytest.fixture
def filled(engine: Engine) -> list[str]:
    """Trips with some history; their ids."""
    units = SqlUnits(engine)
    made = [make_trip(units) for _ in range(3)]
    for trip_id in made:
        for n in range(4):
            do(units, trip_id, AddStop(id=f"s{n}", fields=StopFields(name=f"大理 {n} 🏔️")))
    return made


@pytest.fixture
def archive(url: str, filled: list[str], tmp_path: Path) -> Path:
    path = tmp_path / "backup.zip"
    write(url, path)
    return path


def rewritten(archive: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The same file with some members changed, and everything else about it in order."""
    path = archive.with_name("changed.zip")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return path


def fresh(tmp_path: Path, name: str = "second") -> str:
    return f"sqlite:///{tmp_path / name}.db"


def is_empty(url: str) -> bool:
    engine = make_engine(url, 1)
    try:
        upgrade(url)
        with engine.connect() as connection:
            return copying.filled(connection) == []
    finally:
        engine.dispose()


def state_of(engine: Engine, trip_id: str) -> tuple[bytes, bytes, str]:
    """(the state as stored, the state as the log tells it, the epoch)."""
    with SqlUnits(engine)(False) as unit:
        trip = unit.trips.read(trip_id)
        told = TripAggregate(Trip(id=trip_id, title=""), trip.epoch)
        for body in unit.trips.events_after(trip_id, 0, 10_000):
            told.absorb(decode_event(body))
        return trip.snapshot(), told.snapshot(), trip.epoch


def test_what_is_restored_is_what_was_there(
    engine: Engine, archive: Path, filled: list[str], tmp_path: Path
) -> None:
    load(archive, fresh(tmp_path), new_epochs=True)
    second = make_engine(fresh(tmp_path), 2)
    for trip_id in filled:
        before, _, epoch = state_of(engine, trip_id)
        stored, told, new_epoch = state_of(second, trip_id)
        assert stored == told == before
        assert new_epoch != epoch, "a client that saw more would take this log for the one it knows"
    # And the trip goes on.
    do(SqlUnits(second), filled[0], AddStop(id="more", fields=StopFields(name="More")))
    second.dispose()


def test_back_into_the_same_kind_of_database(archive: Path, engine: Engine, url: str) -> None:
    with copying.writing(engine) as connection:
        for table in reversed(copying.TARGET.sorted_tables):
            connection.execute(table.delete())
    assert load(archive, url, new_epochs=False).tables["trips"].rows == 3


@of_the_file
def test_a_backup_is_for_its_owner_only(archive: Path) -> None:
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert not list(archive.parent.glob("*.partial"))


@of_the_file
def test_a_backup_overwrites_nothing(url: str, archive: Path) -> None:
    before = archive.read_bytes()
    with pytest.raises(Failed, match="exists already"):
        write(url, archive)
    assert archive.read_bytes() == before


@of_the_file
def test_a_backup_that_fails_leaves_no_file(
    url: str, filled: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Iterator[Any]:
        raise OSError("no space left")
        yield

    monkeypatch.setattr(copying, "rows", full)
    with pytest.raises(OSError, match="no space"):
        write(url, tmp_path / "backup.zip")
    assert not list(tmp_path.glob("backup*"))


def test_one_moment(engine: Engine, filled: list[str]) -> None:
    """What is committed while the backup reads is not in it, in no table."""
    with copying.snapshot(engine) as connection:
        before = list(copying.rows(connection, trips))
        do(SqlUnits(engine), filled[0], AddStop(id="late", fields=StopFields(name="Late")))
        assert list(copying.rows(connection, trips)) == before
        found = connection.scalars(select(operations.c.seq).where(operations.c.trip_id == filled[0]))
        assert max(found) == next(row[2] for row in before if row[0] == filled[0])


def test_the_moment_is_that_of_the_beginning(engine: Engine, filled: list[str]) -> None:
    with copying.snapshot(engine) as connection:
        do(SqlUnits(engine), filled[0], AddStop(id="late", fields=StopFields(name="Late")))
        assert copying.broken_logs(connection) == []
        assert "late" not in {row[1] for row in copying.rows(connection, copying.TARGET.tables["stops"])}


@pytest.mark.parametrize("page", [1, 7])
def test_pages_return_every_row_once(
    engine: Engine, filled: list[str], page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.connect() as connection:
        whole = sorted(tuple(row) for row in connection.execute(select(log_records)))
        monkeypatch.setattr(copying, "PAGE", page)
        paged = list(copying.rows(connection, log_records))
        connection.rollback()
    assert len(whole) > 20 and sorted(paged) == whole


def test_a_database_that_holds_anything_is_refused(archive: Path, url: str) -> None:
    with pytest.raises(Failed, match=r"not empty.*trips"):
        load(archive, url, new_epochs=True)


@of_the_file
def test_another_schema_is_refused_before_anything_is_made(archive: Path, tmp_path: Path) -> None:
    def change(name: str, data: bytes) -> bytes:
        return data.replace(b'"revision": "0', b'"revision": "9') if name == MANIFEST else data

    with pytest.raises(Failed, match="has schema 9"):
        load(rewritten(archive, change), fresh(tmp_path), new_epochs=True)
    assert not (tmp_path / "second.db").exists()


def test_a_database_with_an_old_schema_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="migrate"):
        write(fresh(tmp_path), tmp_path / "backup.zip")


def drop_a_row(name: str, data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[1:]) if name == "tables/stops.jsonl" else data


def change_a_row(name: str, data: bytes) -> bytes:
    return data.replace("大理 2".encode(), "大理 9".encode(), 1) if name == "tables/stops.jsonl" else data


@of_the_file
@pytest.mark.parametrize("change", [drop_a_row, change_a_row])
def test_a_damaged_file_is_refused_and_leaves_nothing(
    archive: Path, tmp_path: Path, change: Callable[[str, bytes], bytes]
) -> None:
    with pytest.raises(Failed, match="stops"):
        load(rewritten(archive, change), fresh(tmp_path), new_epochs=True)
    assert is_empty(fresh(tmp_path))


@of_the_file
def test_a_file_cut_short_is_refused(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) * 9 // 10])
    with pytest.raises(Failed, match="cannot be read as a backup"):
        load(archive, fresh(tmp_path), new_epochs=True)


def test_wherever_one_bit_is_wrong_it_is_said_and_no_traceback(tmp_path: Path) -> None:
    path, rows = tmp_path / "whole.zip", [[n, hashlib.sha256(bytes([n])).hexdigest()] for n in range(200)]
    with ArchiveWriter(path) as writing:
        writing.add_table("people", ["id", "name"], rows)
        writing.finish(made_at="now", version="1", database="sqlite", revision="1")
    whole, refused = path.read_bytes(), 0
    damaged = tmp_path / "damaged.zip"
    for place in range(0, len(whole), 5):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        try:
            with ArchiveReader(damaged) as reading:
                assert list(reading.rows("people")) == rows
        except Failed:
            refused += 1
    assert refused > len(whole) // 10


def test_a_log_with_a_gap_is_refused(engine: Engine, url: str, filled: list[str], tmp_path: Path) -> None:
    with copying.writing(engine) as connection:
        gone = (operations.c.trip_id == filled[1], operations.c.seq == 3)
        connection.execute(operations.delete().where(*gone))
    write(url, tmp_path / "backup.zip")
    with pytest.raises(Failed, match=f"gaps: {filled[1]}"):
        load(tmp_path / "backup.zip", fresh(tmp_path), new_epochs=True)
    assert is_empty(fresh(tmp_path))


@of_the_file
def test_what_a_database_does_not_keep_is_noticed(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an old server that cuts texts would."""
    plain = copying.write

    def cutting(connection: Any, table: Any, page: Any) -> None:
        if table.name == "stops":
            name = copying.columns(table).index("name")
            page = [[*row[:name], row[name][:2], *row[name + 1 :]] for row in page]
        plain(connection, table, page)

    monkeypatch.setattr(copying, "write", cutting)
    with pytest.raises(Failed, match="rows of table stops are not those"):
        verify(archive, None)


@of_the_file
def test_verifying_leaves_nothing_behind(archive: Path) -> None:
    before = sorted(archive.parent.iterdir())
    verify(archive, None)
    assert sorted(archive.parent.iterdir()) == before


@of_the_file
def test_the_search_index_is_built_anew(engine: Engine, url: str, filled: list[str], tmp_path: Path) -> None:
    do(SqlUnits(engine), filled[0], SetTripVisibility(visibility="public"))
    write(url, tmp_path / "backup.zip")
    load(tmp_path / "backup.zip", fresh(tmp_path), new_epochs=True)
    second = make_engine(fresh(tmp_path), 1)
    with SqlUnits(second)(False) as unit:
        assert [stale.trip_id for stale in unit.search.stale(10)] == [filled[0]]
        assert read_trip(ReadTrip(filled[0]), unit).trip.visibility == "public"
    second.dispose()


def test_photos_come_along_byte_for_byte(url: str, engine: Engine, tmp_path: Path) -> None:
    """Between kinds of databases, and back into the same."""
    units = SqlUnits(engine)
    trip_id = make_trip(units)
    body = bytes(range(256)) * (PIECE * 3 // 256) + b"the rest"
    photo = StoredPhoto(trip_id, "p1", "ann", "j1", AT, None)
    with units(True) as unit:
        for n in range(copying.FEW + 2):
            unit.photos.add(msgspec.structs.replace(photo, id=f"p{n}", job_id=f"j{n}"))
        made = Thumbnails(64, 48, "#3a7f58", {320: b"s", 960: body, 1920: body[::-1]})
        unit.photos.make_ready(photo, made)
        unit.commit()
    do(units, trip_id, SetTripCover("p1"))
    archive = tmp_path / "photos.zip"
    write(url, archive)
    verify(archive, None)
    load(archive, fresh(tmp_path), new_epochs=True)
    second = make_engine(fresh(tmp_path), 2)
    with SqlUnits(second)(False) as unit:
        assert unit.photos.file(trip_id, "p1", 960) == body
        assert unit.photos.file(trip_id, "p1", 1920) == body[::-1]
        cover = unit.trips.read(trip_id).trip.cover
        assert cover is not None and cover.id == "p1"
        assert unit.photos.count(trip_id) == copying.FEW + 2
    second.dispose()


@of_the_file
def test_a_damaged_photo_is_found(url: str, engine: Engine, tmp_path: Path) -> None:
    units = SqlUnits(engine)
    trip_id = make_trip(units)
    photo = StoredPhoto(trip_id, "p1", "ann", "j1", AT, None)
    with units(True) as unit:
        unit.photos.add(photo)
        unit.photos.make_ready(photo, Thumbnails(1, 1, "#000000", {320: b"pixels"}))
        unit.commit()
    archive = tmp_path / "photos.zip"
    write(url, archive)

    def change(name: str, data: bytes) -> bytes:
        return data.replace(b64encode(b"pixels"), b64encode(b"piXels"))

    with pytest.raises(Failed, match="photo_files"):
        load(rewritten(archive, change), fresh(tmp_path), new_epochs=True)
    assert is_empty(fresh(tmp_path))


def test_mailed_invitations_work_after_a_restore_and_mails_that_wait_are_left_out(
    url: str, engine: Engine, tmp_path: Path
) -> None:
    with SqlUnits(engine)(True) as unit:
        unit.accounts.add_invite(Invite("i1", "t1", "shown", "viewer", "ann", "Ann", AT, 1))
        unit.accounts.add_invite_link("mailed", "i1")
        unit.jobs.add(a_mail_job("j1"))
        unit.mails.add(a_mail("j1"))
        unit.mails.add_reset(a_link("reset", "j1"))
        unit.accounts.add_user(User("u-confirmed", "Cyd", AT, email_confirmed_at=AT))
        unit.mails.set_email_change(EmailChange("u-confirmed", "j1", "cyd@example.net", AT, AT))
        unit.mails.add_email_link("email", "j1")
        unit.commit()
    path = tmp_path / "backup.zip"
    write(url, path)
    load(path, fresh(tmp_path), new_epochs=True)
    assert b"example" not in b"".join(zipfile.ZipFile(path).read(n) for n in zipfile.ZipFile(path).namelist())
    second = make_engine(fresh(tmp_path), 1)
    with SqlUnits(second)(False) as unit:
        found = unit.accounts.invite_by_token("mailed")
        assert found is not None and found.id == "i1"
        assert unit.jobs.job("j1") is None and unit.mails.mail("j1") is None
        assert unit.mails.reset("reset") is None
        assert unit.mails.email_change("u-confirmed") is None and unit.mails.email_change_of("email") is None
        assert unit.accounts.user("u-confirmed") == User("u-confirmed", "Cyd", AT, email_confirmed_at=AT)
    second.dispose()
