"""Covers and photos of stops as operations: only of this trip, only when ready, with undo as long as kept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain.accounts import later
from domain.commands import Actor
from domain.entities import Photo
from domain.errors import Conflict, DomainError, Forbidden, Gone, LimitReached, NotFound, Throttled
from domain.operations import (
    AddStop,
    RemoveStop,
    RestoreStop,
    SetStopPhoto,
    SetTripCover,
    StopFields,
    Undo,
    decode_operation,
)
from domain.photos import (
    KEEP_UNSHOWN_DAYS,
    KEEP_UNUSED_DAYS,
    MAX_PHOTOS,
    MAX_PHOTOS_EVER,
    MAX_PHOTOS_UNDER_WAY,
    MAX_UPLOAD,
    AddPhoto,
    CheckUpload,
    FinishThumbnails,
    SeePhoto,
    StoredPhoto,
)
from domain.services import rooms, sweeping, uploads
from domain.sweeping import Sweep
from domain.trip import TripAggregate
from storage.unit_of_work_memory import MemoryUnits
from tests.photos import some_thumbnails
from tests.storage.support import AT, command, current, do, make_trip


class Album:
    """A trip (ann owns it, bob edits) and uploads that are ready, or not."""

    def __init__(self) -> None:
        self.units = MemoryUnits()
        self.trip = make_trip(self.units)
        self.op(AddStop("s1", StopFields(name="Erhai")))

    def op(self, op: Any, **more: Any) -> int:
        return do(self.units, self.trip, op, **more).seq

    def call(self, service: Any, asked: Any) -> Any:
        with self.units(True) as unit:
            answer = service(asked, unit)
            unit.commit()
        return answer

    def upload(self, photo_id: str, by: str = "ann", body: bytes = b"jpeg", job_id: str = "") -> StoredPhoto:
        asked = AddPhoto(Actor(by), self.trip, photo_id, job_id or f"job-{photo_id}", body, AT)
        made: StoredPhoto = self.call(uploads.add_photo, asked)
        return made

    def finish(self, photo_id: str, at: str = AT) -> bool:
        with self.units(True) as unit:
            unit.jobs.claim(f"job-{photo_id}", "k", at, at)
            asked = FinishThumbnails(f"job-{photo_id}", "k", some_thumbnails(), at)
            done = uploads.finish_thumbnails(asked, unit)
            unit.commit()
        return done

    def ready(self, *photo_ids: str) -> None:
        for photo_id in photo_ids:
            self.upload(photo_id)
            assert self.finish(photo_id)

    def row(self, photo_id: str) -> StoredPhoto | None:
        with self.units(False) as unit:
            return unit.photos.photo(self.trip, photo_id)

    def expires(self, photo_id: str) -> str | None:
        found = self.row(photo_id)
        assert found is not None
        return found.expires_at

    def sweep(self, at: str) -> int:
        gone, after = 0, ""
        while True:
            step = self.call(sweeping.sweep, Sweep("photos", at, after, 500))
            gone += step.removed
            if step.next is None:
                return gone
            after = step.next

    def state(self) -> dict[str, Any]:
        with self.units(False) as unit:
            return current(unit, self.trip)


@pytest.fixture
def album() -> Album:
    return Album()


def cover(album: Album) -> str | None:
    found: Photo | None = album.state()["trip"].cover
    return None if found is None else found.id


def test_an_operation_carries_what_is_needed_to_leave_room(album: Album) -> None:
    album.ready("p1")
    seq = album.op(SetTripCover("p1"))
    album.op(SetStopPhoto("s1", "p1"))
    value = {"id": "p1", "width": 64, "height": 48, "color": "#3a7f58"}
    with album.units(False) as unit:
        event = unit.trips.event(album.trip, seq)
        assert event is not None and event.kind == "trip.set_cover"
        assert msgspec.to_builtins(event.changes) == [
            {"t": "trip", "id": album.trip, "set": {"cover": value}, "old": {"cover": None}}
        ]
    assert album.state()["trip"].cover == Photo("p1", 64, 48, "#3a7f58")
    assert album.state()["stops"]["s1"].photo == Photo("p1", 64, 48, "#3a7f58")


def test_only_photos_of_this_trip_that_are_ready(album: Album) -> None:
    other = make_trip(album.units)
    album.ready("p1")
    album.upload("waits")
    for op, code in (
        (SetTripCover("nobody"), "not_found"), (SetTripCover("waits"), "not_ready"),
        (SetStopPhoto("s1", "waits"), "not_ready"), (SetStopPhoto("none", "p1"), "not_found"),
    ):  # fmt: skip
        with pytest.raises(DomainError) as raised:
            album.op(op)
        assert raised.value.code == code
    with pytest.raises(NotFound):
        do(album.units, other, SetTripCover("p1"))
    with pytest.raises(DomainError):
        album.op(SetTripCover("p1"), by="eve")
    album.op(RemoveStop("s1"))
    with pytest.raises(Gone):
        album.op(SetStopPhoto("s1", "p1"))
    assert cover(album) is None


def test_undo_and_redo(album: Album) -> None:
    album.ready("p1", "p2")
    album.op(SetTripCover("p1"))
    second = album.op(SetTripCover("p2"))
    undo = album.op(Undo(second))
    assert cover(album) == "p1"
    album.op(Undo(undo))
    assert cover(album) == "p2"
    album.op(SetTripCover("p1"), by="bob")
    with pytest.raises(Conflict):
        album.op(Undo(second))
    on_stop = album.op(SetStopPhoto("s1", "p2"))
    album.op(Undo(on_stop))
    assert album.state()["stops"]["s1"].photo is None


def test_what_nobody_had_seen_is_told(album: Album) -> None:
    album.ready("p1", "p2")
    base = album.op(SetTripCover("p1"))
    seq = album.op(SetTripCover("p2"), by="bob", base=base - 1)
    with album.units(False) as unit:
        event = unit.trips.event(album.trip, seq)
    assert event is not None
    assert [(lost.field, lost.value["id"], lost.by) for lost in event.overwrote] == [("cover", "p1", "ann")]


def test_the_log_tells_the_state(album: Album) -> None:
    album.ready("p1", "p2")
    album.op(SetTripCover("p1"))
    album.op(SetStopPhoto("s1", "p2"))
    album.op(RemoveStop("s1"))
    album.op(RestoreStop("s1"))
    with album.units(False) as unit:
        trip = unit.trips.read(album.trip)
        told = TripAggregate(msgspec.structs.replace(trip.trip, cover=None), trip.epoch)
        for body in unit.trips.events_after(album.trip, 0, 100):
            told.absorb(rooms.decode_event(body))
        assert told.snapshot() == trip.snapshot() and b'"photo":{"id":"p2"' in trip.snapshot()


def test_how_long_photos_are_kept(album: Album) -> None:
    """Shown ones as long as the trip; replaced ones as long as undo may ask for them."""
    album.ready("p1", "p2", "p3")
    assert album.expires("p1") == later(AT, days=KEEP_UNSHOWN_DAYS)
    album.op(SetTripCover("p1"))
    album.op(SetStopPhoto("s1", "p2"))
    assert album.expires("p1") is None and album.expires("p2") is None
    replaced = album.op(SetTripCover("p2"))
    gone_at = later(AT, days=KEEP_UNUSED_DAYS)
    assert album.expires("p1") == gone_at
    # It is still the stop's when it is no longer the cover; and a removed stop keeps it.
    album.op(SetTripCover(None))
    album.op(RemoveStop("s1"))
    assert album.expires("p2") is None
    assert album.sweep(later(AT, days=KEEP_UNSHOWN_DAYS, seconds=1)) == 1 and album.row("p3") is None
    assert album.sweep(gone_at) == 0 and album.row("p1") is not None
    again = album.op(SetTripCover("p1"))
    assert album.expires("p1") is None
    album.op(Undo(again))
    assert album.sweep(later(gone_at, seconds=1)) == 1
    for op in (Undo(replaced), SetTripCover("p1")):
        with pytest.raises(DomainError):
            album.op(op)
    assert cover(album) is None and album.row("p2") is not None


def test_what_is_shown_is_never_swept_whatever_its_row_says(album: Album) -> None:
    album.ready("p1")
    album.op(SetTripCover("p1"))
    with album.units(True) as unit:
        unit.photos.keep(album.trip, ["p1"], AT)
        unit.commit()
    assert album.sweep(later(AT, days=1_000)) == 0 and album.row("p1") is not None


def test_undo_of_what_is_no_longer_kept_says_so(album: Album) -> None:
    album.ready("p1")
    album.op(SetTripCover("p1"))
    taken = album.op(SetTripCover(None))
    assert album.sweep(later(AT, days=KEEP_UNUSED_DAYS, seconds=1)) == 1
    with pytest.raises(Conflict) as raised:
        album.op(Undo(taken))
    assert raised.value.code == "photo_gone" and "30 days" in raised.value.message


def test_the_same_id_is_the_same_photo(album: Album) -> None:
    first = album.upload("p1")
    assert album.upload("p1", body=b"another", job_id="again") == first
    with album.units(False) as unit:
        assert unit.jobs.given("job-p1") == b"jpeg" and unit.jobs.job("again") is None
    with pytest.raises(Conflict) as raised:
        album.upload("p1", by="bob")
    assert raised.value.code == "op_id_taken"
    assert album.finish("p1") and not album.finish("p1")


def test_who_may_upload(album: Album) -> None:
    with pytest.raises(NotFound):
        album.call(uploads.check_upload, CheckUpload(album.trip, Actor("eve"), "p1"))
    with pytest.raises(NotFound):
        album.upload("p1", by="eve")
    with album.units(False) as unit:
        assert unit.jobs.job("job-p1") is None and unit.photos.count(album.trip) == 0
    assert album.call(uploads.check_upload, CheckUpload(album.trip, Actor("bob"), "p1")) is None


def test_limits_have_numbers(album: Album) -> None:
    with pytest.raises(LimitReached) as raised:
        album.upload("large", body=bytes(MAX_UPLOAD + 1))
    assert raised.value.message == "a photo has at most 12 MiB"
    for n in range(MAX_PHOTOS_UNDER_WAY):
        album.upload(f"w{n}")
    with pytest.raises(Throttled) as busy:
        album.upload("more")
    assert busy.value.code == "photos_busy" and album.upload("w0").id == "w0"
    with album.units(True) as unit:
        for n in range(MAX_PHOTOS_EVER - MAX_PHOTOS_UNDER_WAY):
            unit.photos.add(StoredPhoto(album.trip, f"x{n}", "ann", f"jx{n}", AT, None))
        unit.commit()
    with pytest.raises(LimitReached) as full:
        album.upload("bobs", by="bob")
    assert (full.value.code, str(MAX_PHOTOS) in full.value.message) == ("photos_full", True)


def test_a_trip_shows_no_more_photos_than_it_may_whenever_they_were_uploaded(album: Album) -> None:
    album.ready("p1", "p2", "p3")
    with album.units(True) as unit:
        for n in range(MAX_PHOTOS):
            photo = StoredPhoto(
                album.trip, f"x{n}", "ann", f"jx{n}", AT, None, "ready", None, 4, 3, "#000000"
            )
            unit.photos.add(photo)
        unit.commit()
    for n in range(MAX_PHOTOS - 1):
        album.op(AddStop(f"x{n}", StopFields(name="Erhai")))
        album.op(SetStopPhoto(f"x{n}", f"x{n}"))
    album.op(SetTripCover("p1"))
    with pytest.raises(LimitReached) as full:
        album.op(SetStopPhoto("s1", "p2"))
    assert full.value.code == "photos_full"
    album.op(SetStopPhoto("s1", "p1"))
    with pytest.raises(LimitReached):
        album.op(SetTripCover("p2"))
    album.op(SetStopPhoto("s1", None))
    album.op(SetTripCover("p2"))
    album.op(SetStopPhoto("x0", "p3"))


def test_a_spectator_sees_what_the_trip_shows_and_nothing_else(album: Album) -> None:
    album.ready("p1", "p2", "p3")
    album.op(SetTripCover("p1"))
    album.op(SetStopPhoto("s1", "p2"))
    album.op(SetTripCover("p3"))
    album.op(decode_operation(b'{"kind":"trip.set_visibility","visibility":"public"}'))

    def seen(by: str | None, photo_id: str) -> bool:
        try:
            album.call(uploads.see_photo, SeePhoto(album.trip, Actor(by), photo_id))
        except NotFound:
            return False
        return True

    assert [seen(None, photo) for photo in ("p1", "p2", "p3")] == [False, True, True]
    assert [seen("ann", photo) for photo in ("p1", "p2", "p3")] == [True, True, True]
    album.op(RemoveStop("s1"))
    assert not seen(None, "p2") and seen("bob", "p2")


def test_what_a_client_may_send() -> None:
    assert decode_operation(b'{"kind":"trip.set_cover","photo":null}') == SetTripCover(None)
    for bad in (
        b'{"kind":"trip.set_cover"}',
        b'{"kind":"trip.set_cover","photo":"a b"}',
        b'{"kind":"trip.set_cover","photo":{"id":"p1","width":1,"height":1,"color":"#ffffff"}}',
        b'{"kind":"stop.set_photo","photo":"p1"}',
        b'{"kind":"stop.set_fields","id":"s1","fields":{"photo":null}}',
        b'{"kind":"trip.set_fields","fields":{"cover":null}}',
    ):
        with pytest.raises(msgspec.ValidationError):
            decode_operation(bad)


def test_a_viewer_may_not(album: Album) -> None:
    album.ready("p1")
    with album.units(True) as unit:
        trip = unit.trips.lock(album.trip)
        rooms.join_trip(unit, trip, rooms.JoinTrip(name="Vic", role="viewer"), "vic", "join-vic1", AT)
        unit.commit()
    for ask in (
        lambda: album.op(SetTripCover("p1"), by="vic"),
        lambda: album.op(SetStopPhoto("s1", "p1"), by="vic"),
        lambda: album.upload("p9", by="vic"),
    ):
        with pytest.raises(Forbidden):
            ask()
    assert command(album.trip, SetTripCover("p1")).op == SetTripCover("p1")
