"""Thumbnails as jobs: done once, told to the uploader when they fail, and swept by the rounds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import msgspec
import pytest

from domain.accounts import later
from domain.commands import Actor
from domain.errors import DomainError
from domain.jobs import KEEP_DAYS, MAX_ATTEMPTS, MAX_PHOTO_BYTES, Job
from domain.operations import AddStop, SetStopPhoto, SetTripCover, StopFields
from domain.photos import (
    KEEP_JOB_HOURS,
    KEEP_UNSHOWN_DAYS,
    AddPhoto,
    ReadPhoto,
    ReadPhotoFile,
    StoredPhoto,
    Thumbnails,
)
from domain.services import uploads
from realtime.jobs.thumbnails import make_thumbnails
from realtime.jobs.worker import Worker
from realtime.sweeping import Sweeper
from tests.photos import a_photo, from_a_camera, some_thumbnails
from tests.realtime.test_jobs import Bench


class Album(Bench):
    """A bench with photos."""

    async def upload(self, photo_id: str = "p1", body: bytes | None = None) -> str:
        """Its job."""
        command = AddPhoto(
            Actor("ann"), self.trip_id, photo_id, f"job-{photo_id}", body or a_photo(), self.clock()
        )
        return (await self.run(uploads.add_photo, command)).job_id

    async def photo(self, photo_id: str = "p1") -> StoredPhoto:
        found: StoredPhoto = await self.run(
            uploads.read_photo, ReadPhoto(self.trip_id, Actor("bob"), photo_id)
        )
        return found

    async def size(self, width: int, photo_id: str = "p1") -> bytes:
        command = ReadPhotoFile(self.trip_id, photo_id, width)
        return bytes(await self.run(uploads.read_photo_file, command))

    def shrinker(self, shrink: object) -> Worker:
        return self.worker(shrink=shrink)


@pytest.fixture
async def album() -> AsyncIterator[Album]:
    made = Album()
    yield made
    await made.run.aclose()
    made.threads.shutdown()


async def test_an_upload_becomes_sizes_and_the_original_goes(album: Album) -> None:
    job_id = await album.upload(body=from_a_camera())
    assert (await album.photo()).status == "waiting"
    await album.worker().work(job_id)
    wanted = make_thumbnails(from_a_camera())
    ready = await album.photo()
    assert (ready.status, ready.width, ready.height, ready.color) == ("ready", 300, 400, wanted.color)
    for width, body in wanted.files.items():
        assert await album.size(width) == body
    assert b"Secret" not in repr(album.run.store.jobs.state.files).encode()
    assert album.run.store.jobs.state.files == {job_id: b""}


async def test_it_is_done_once_however_often_it_is_called_out(album: Album) -> None:
    made: list[bytes] = []

    def shrink(original: bytes) -> Thumbnails:
        made.append(original)
        return some_thumbnails()

    job_id = await album.upload()
    workers = [album.shrinker(shrink) for _ in range(3)]
    await asyncio.gather(*(worker.work(job_id) for worker in workers for _ in range(2)))
    assert made == [a_photo()] and sum(worker.counts["done"] for worker in workers) == 1


async def test_an_attempt_that_lost_its_lease_has_no_effect(album: Album) -> None:
    """Frozen so long that another one took the job and was done first."""
    job_id = await album.upload()
    began, go_on = threading.Event(), threading.Event()

    def slow(original: bytes) -> Thumbnails:
        began.set()
        assert go_on.wait(30)
        return Thumbnails(1, 1, "#000000", {320: b"late", 960: b"late", 1920: b"late"})

    frozen = album.worker(shrink=slow, beat=3_600)
    working = asyncio.create_task(frozen.work(job_id))
    assert await asyncio.to_thread(began.wait, 30)
    album.wait(seconds=31)
    assert await album.rounds(lambda _: None).look() == [job_id]
    await album.shrinker(lambda _: some_thumbnails()).work(job_id)
    go_on.set()
    await working
    assert frozen.counts["lost"] == 1 and await album.size(320) == some_thumbnails().files[320]
    assert (await album.photo()).width == 64


async def test_whoever_uploaded_it_hears_why_it_failed(album: Album) -> None:
    job_id = await album.upload(body=b"\xff\xd8\xff" + bytes(500))
    worker = album.worker()
    await worker.work(job_id)
    found = await album.photo()
    assert (found.status, found.error, worker.counts["failed"]) == ("failed", "broken_image", 1)
    assert album.run.store.jobs.state.files == {}, "nothing is kept of it"
    with pytest.raises(DomainError):
        await album.size(320)


async def test_one_that_failed_is_kept_no_longer_than_one_that_is_never_shown(album: Album) -> None:
    """Whatever is no photo would else fill the trip, and the list of a user's jobs, for days."""
    for n in range(3):
        await album.worker().work(await album.upload(f"bad{n}", body=b"\xff\xd8\xff" + bytes(500)))
    album.wait(hours=KEEP_JOB_HOURS, seconds=1)
    await album.rounds(lambda _: None).look()
    assert album.run.store.jobs.state.jobs == {}
    assert (await album.photo("bad0")).error == "broken_image"
    album.wait(days=KEEP_UNSHOWN_DAYS)
    sweeper = Sweeper(album.run, album.clock, pause=0)
    assert await sweeper.sweep() and sweeper.counts["photos"] == 3


async def test_faults_of_ours_are_tried_again_and_then_told(album: Album) -> None:
    def broken(original: bytes) -> Thumbnails:
        raise RuntimeError("no ink")

    job_id = await album.upload()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert (await album.photo()).status == "waiting", attempt
        await album.shrinker(broken).work(job_id)
    assert ((await album.photo()).status, (await album.photo()).error) == ("failed", "internal")


async def test_a_photo_that_no_worker_takes_or_survives_is_given_up(album: Album) -> None:
    rounds = album.rounds(lambda _: None)
    job_id = await album.upload()
    for _ in range(MAX_ATTEMPTS):
        stored = album.run.store.jobs.state.jobs
        stored[job_id] = _as_if_killed(stored[job_id], album.clock())
        album.wait(seconds=31)
        await rounds.look()
    assert ((await album.photo()).status, (await album.photo()).error) == ("failed", "worker_lost")
    await album.upload("p2")
    album.wait(days=KEEP_DAYS, seconds=1)
    await rounds.look()
    assert ((await album.photo("p2")).status, (await album.photo("p2")).error) == ("failed", "worker_lost")
    assert album.run.store.jobs.state.jobs.keys() <= {job_id}


def _as_if_killed(job: Job, at: str) -> Job:
    """An attempt has begun, and nobody hears of it again."""
    lease = later(at, seconds=30)
    return msgspec.structs.replace(
        job, status="running", token="dead", attempts=job.attempts + 1, due_at=lease
    )


async def test_what_nobody_needs_is_swept(album: Album) -> None:
    rounds = album.rounds(lambda _: None)
    sweeper = Sweeper(album.run, album.clock, pause=0)
    for photo_id in ("shown", "not-shown"):
        await album.worker().work(await album.upload(photo_id))
    await album.do(SetTripCover("shown"))
    album.wait(hours=KEEP_JOB_HOURS, seconds=1)
    await rounds.look()
    assert album.run.store.jobs.state.jobs == {}, "its job has nothing more to tell"
    assert await sweeper.sweep() and sweeper.counts["photos"] == 0
    album.wait(days=KEEP_UNSHOWN_DAYS)
    assert await sweeper.sweep() and sweeper.counts["photos"] == 1
    assert (await album.photo("shown")).status == "ready"
    with pytest.raises(DomainError):
        await album.photo("not-shown")


async def test_exports_take_photos_along(album: Album) -> None:
    big = Thumbnails(64, 48, "#3a7f58", {320: b"small", 960: b"cover", 1920: b"large"})
    for photo_id in ("p1", "p2", "unused"):
        await album.shrinker(lambda _: big).work(await album.upload(photo_id))
    await album.do(AddStop("s1", StopFields(name="Erhai")))
    await album.do(SetTripCover("p1"))
    await album.do(SetStopPhoto("s1", "p2"))
    found: dict[str, bytes] = {}
    for format in ("page", "data", "calendar"):
        job_id = await album.ask(format=format)
        await album.worker().work(job_id)
        found[format] = await album.file(job_id)
    assert b'class="cover" src="data:image/webp;base64,Y292ZXI="' in found["page"]
    assert b'class="photo" src="data:image/webp;base64,c21hbGw=" alt="Erhai"' in found["page"]
    assert b"img-src data:" in found["page"]
    assert b'"data": "Y292ZXI="' in found["data"] and b'"data": "c21hbGw="' in found["data"]
    assert b"unused" not in found["data"] and b"base64" not in found["calendar"]


async def test_photos_of_an_export_stay_within_bounds(album: Album) -> None:
    huge = bytes(MAX_PHOTO_BYTES)
    big = Thumbnails(64, 48, "#3a7f58", {320: b"small", 960: huge, 1920: huge})
    for photo_id in ("p1", "p2"):
        await album.shrinker(lambda _: big).work(await album.upload(photo_id))
    await album.do(AddStop("s1", StopFields(name="Erhai")))
    await album.do(SetTripCover("p1"))
    await album.do(SetStopPhoto("s1", "p2"))
    job_id = await album.ask(format="page")
    await album.worker().work(job_id)
    page = await album.file(job_id)
    assert b'class="cover"' in page and b'class="photo"' not in page
