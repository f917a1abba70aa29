"""Photos over HTTP: who asks is looked at before anything is kept; what is served runs nothing and is cached.

Who may do it at all is in `test_access`, what becomes of an upload in `tests/realtime/test_photos.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.accounts import Limit, Limits
from domain.errors import DomainError
from domain.photos import MAX_UPLOAD
from domain.services import uploads
from handlers.body_limit import DISCARDED, LIMIT
from handlers.receiving import Uploads
from tests.handlers.world import Client, World
from tests.photos import a_photo, from_a_camera
from tests.realtime.world import until


async def owner(world: World) -> tuple[Client, str]:
    ann = await world.client().account("ann")
    return ann, await ann.trip()


async def test_from_the_upload_to_the_screen(world: World) -> None:
    ann, trip = await owner(world)
    path = f"/api/trips/{trip}/photos/photo1"
    first = await ann.send("POST", path, raw=from_a_camera(), Content_Type="image/jpeg")
    waiting = {
        "id": "photo1", "status": "waiting", "error": None, "width": None, "height": None, "color": None,
    }  # fmt: skip
    assert (first.status, first.json) == (202, {"photo": waiting})
    assert (await ann.get(path)).json == {"photo": waiting}
    assert (await ann.get(f"{path}/320")).status == 404
    assert len(world.rung) == 1
    await world.worker.work(world.rung[0])
    ready = (await ann.get(path)).json["photo"]
    assert (ready["status"], ready["width"], ready["height"]) == ("ready", 300, 400)
    fetched = await ann.get(f"{path}/320")
    assert fetched.body.startswith(b"RIFF") and b"Secret" not in fetched.body
    headers = fetched.headers
    assert headers["Content-Type"] == "image/webp" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["Cache-Control"] == "private, max-age=86400, immutable" and headers["Vary"] == "Cookie"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    again = await ann.get(f"{path}/320", If_None_Match=headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert (await ann.get(f"{path}/960")).headers["ETag"] != headers["ETag"]
    for width in ("321", "0", "original", "99999999999999999999"):
        assert (await ann.get(f"{path}/{width}")).status == 404, width


async def test_whoever_may_no_longer_see_it_is_not_told_that_it_is_unchanged(world: World) -> None:
    ann, trip = await owner(world)
    await ann.post_photo(trip, "photo1")
    await world.worker.work(world.rung[0])
    path = f"/api/trips/{trip}/photos/photo1/320"
    tag = (await ann.get(path)).headers["ETag"]
    eve = await world.client().account("eve")
    assert (await eve.get(path, If_None_Match=tag)).status == 404
    await ann.delete(f"/api/trips/{trip}")
    assert (await ann.get(path, If_None_Match=tag)).status == 410


async def test_the_same_upload_again_is_the_same_photo(world: World) -> None:
    ann, trip = await owner(world)
    for _ in range(3):
        await ann.post_photo(trip, "photo1")
    assert len(world.rung) == 1
    bob = await (await world.client().account("bob")).join(await ann.invite(trip, "editor"))
    assert (await ann.send("POST", f"/api/trips/{trip}/photos/photo1", raw=b"")).code == "invalid"
    taken = await bob.send("POST", f"/api/trips/{trip}/photos/photo1", raw=a_photo())
    assert (taken.status, taken.code) == (409, "op_id_taken")


async def test_a_file_that_only_begins_like_a_photo_tells_its_uploader(world: World) -> None:
    ann, trip = await owner(world)
    await ann.post_photo(trip, "photo1", b"\xff\xd8\xff" + b"x" * 3_000)
    await world.worker.work(world.rung[0])
    found = (await ann.get(f"/api/trips/{trip}/photos/photo1")).json["photo"]
    assert (found["status"], found["error"]) == ("failed", "broken_image")
    body = {"op_id": "op-000001", "base": 0, "op": {"kind": "trip.set_cover", "photo": "photo1"}}
    refused = await ann.post(f"/api/trips/{trip}/operations", body)
    assert (refused.status, refused.code) == (409, "not_ready")


async def test_types_are_read_from_the_file_and_not_from_its_sender(world: World) -> None:
    ann, trip = await owner(world)
    path = f"/api/trips/{trip}/photos"
    page = await ann.send("POST", f"{path}/photo1", raw=b"<script>", Content_Type="image/jpeg")
    assert (page.status, page.code) == (415, "unsupported_media_type")
    assert (await ann.send("POST", f"{path}/photo2", raw=b"")).status == 400
    good = await ann.send("POST", f"{path}/photo3", raw=a_photo(format="PNG"), Content_Type="text/html")
    assert good.status == 202 and len(world.rung) == 1 and not len(world.deps.uploads)


async def test_sizes_up_to_the_limit(world: World) -> None:
    ann, trip = await owner(world)
    path = f"/api/trips/{trip}/photos"
    whole = a_photo() + bytes(MAX_UPLOAD)
    assert (await ann.send("POST", f"{path}/photo1", raw=whole[:MAX_UPLOAD])).status == 202
    refused = await ann.send("POST", f"{path}/photo2", raw=whole[: MAX_UPLOAD + 1])
    assert (refused.status, refused.code) == (413, "too_large")
    assert refused.json["error"]["message"] == "a body has at most 12288 KiB"
    # No other route takes so much, and this one no other verb.
    assert (await ann.send("POST", "/api/trips", raw=bytes(LIMIT + 1))).status == 413
    assert (await ann.send("PATCH", f"{path}/photo2", raw=bytes(LIMIT + 1))).status == 405
    assert len(world.rung) == 1 and not len(world.deps.uploads)


async def raw(world: World, ann: Client, path: str, head: str) -> asyncio.StreamWriter:
    """An upload of which only `head` and some bytes have come."""
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    cookies = "; ".join(f"{name}={value}" for name, value in ann.cookies.items())
    lines = f"POST {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nX-XSRFToken: {ann.cookies['_xsrf']}\r\n"
    writer.write(f"{lines}{head}\r\n\r\n".encode() + a_photo())
    await writer.drain()
    return writer


async def test_uploads_under_way_are_bounded_and_let_go(world: World) -> None:
    ann, trip = await owner(world)
    path = f"/api/trips/{trip}/photos"
    writers = [await raw(world, ann, f"{path}/w{n}", "Content-Length: 1000000") for n in range(3)]
    await until(lambda: len(world.deps.uploads) == 3)
    busy = await ann.send("POST", f"{path}/photo1", raw=a_photo())
    assert (busy.status, busy.code, busy.headers["Retry-After"]) == (429, "uploads_busy", "5")
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    await until(lambda: not len(world.deps.uploads))
    await ann.post_photo(trip, "photo1")


async def test_what_waits_for_the_database_is_counted_also_when_its_sender_has_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, trip = await owner(world)
    run, go, waiting = world.deps.run, asyncio.Event(), 0

    async def slow(service: Any, command: Any) -> Any:
        nonlocal waiting
        if service is uploads.add_photo:
            waiting += 1
            await go.wait()
        return await run(service, command)

    object.__setattr__(world.deps, "run", slow)
    size = len(a_photo())
    for n in range(3):
        writer = await raw(world, ann, f"/api/trips/{trip}/photos/w{n}", f"Content-Length: {size}")
        await until(lambda: waiting > n)  # noqa: B023
        writer.close()
        await writer.wait_closed()
    # Nothing tells when the server has seen all three go: it answers this one behind that.
    assert (await ann.get(f"/api/trips/{trip}")).status == 200
    assert len(world.deps.uploads) == 3
    busy = await ann.send("POST", f"/api/trips/{trip}/photos/photo1", raw=a_photo())
    assert busy.code == "uploads_busy"
    go.set()
    await until(lambda: not len(world.deps.uploads))


def began(uploads: Uploads, who: str, where: str) -> str:
    """How it went: `begun`, or the error's class."""
    try:
        uploads.begin(who, where)
    except DomainError as error:
        assert error.code == "uploads_busy"
        return type(error).__name__
    return "begun"


def test_nobody_takes_all_the_room() -> None:
    """Each address begins as many as it may, as somebody new each time, one address after the other."""
    uploads = Uploads(most=12, of_user=1, share=3)
    taken = []
    for address in range(9):
        while (said := began(uploads, f"guest {len(uploads)}", f"192.0.2.{address}")) == "begun":
            pass
        taken.append(len(uploads) - sum(taken))
        assert said == ("Throttled" if taken[-1] else "Unavailable")
    assert taken == [4, 2, 2, 1, 1, 1, 1, 0, 0]
    assert began(uploads, "guest 0", "192.0.2.99") == "Throttled", "a person has one, wherever"
    uploads.end("guest 0", "192.0.2.0")
    assert began(uploads, "guest 0", "192.0.2.0") == "Throttled", "others are waiting, and it has three"
    assert began(uploads, "guest 0", "192.0.2.99") == "begun"


async def test_nothing_is_kept_of_what_is_refused(world: World) -> None:
    """A stranger's megabytes are read and thrown away, and the answer says why."""
    ann, trip = await owner(world)
    eve = await world.client().account("eve")
    path = f"/api/trips/{trip}/photos/photo1"
    body = a_photo() + bytes(MAX_UPLOAD - 1_000)
    assert (await eve.send("POST", path, raw=body)).status == 404
    assert (await world.client().send("POST", path, raw=body)).status == 401
    assert (await ann.send("POST", path, raw=body, X_XSRFToken="")).code == "csrf"
    writer = await raw(world, eve, path, "Content-Length: 10000000")
    assert not len(world.deps.uploads)
    writer.close()
    await writer.wait_closed()
    huge = await ann.send("POST", path, raw=bytes(DISCARDED + 1))
    assert huge.status == 413 and world.rung == []


async def test_uploads_of_one_person_are_throttled(world: World) -> None:
    ann, trip = await owner(world)
    limit = world.deps.limits.photos_account
    assert limit.count == 300 and limit.seconds == 3600
    path = f"/api/trips/{trip}/photos"
    for n in range(300):
        answer = await ann.send("POST", f"{path}/p{n}", raw=b"no photo")
        assert answer.status == 415
    refused = await ann.send("POST", f"{path}/one-more", raw=b"no photo")
    assert (refused.status, refused.code) == (429, "throttled")


@pytest.mark.parametrize("limits", [Limits(photos_address=Limit(3, 3600))])
async def test_uploads_of_an_address_are_throttled_whoever_sends_them(world: World) -> None:
    """Guests cost nothing to make."""
    for n in range(4):
        guest = await world.client().guest(f"Gus {n}")
        trip = await guest.trip()
        answer = await guest.send("POST", f"/api/trips/{trip}/photos/p1", raw=b"no photo")
        assert answer.status == (415 if n < 3 else 429), n


async def test_trips_are_listed_with_their_covers(world: World) -> None:
    ann, trip = await owner(world)
    await ann.post_photo(trip, "photo1")
    await world.worker.work(world.rung[0])
    op = {"kind": "trip.set_cover", "photo": "photo1"}
    await ann.post(f"/api/trips/{trip}/operations", {"op_id": "op-000001", "base": 0, "op": op})
    (listed,) = (await ann.get("/api/trips")).json["trips"]
    assert listed["cover"]["id"] == "photo1" and listed["cover"]["width"] == 64
