"""Exports over HTTP: told of once, seen by their asker, and fetched as a download that runs nothing.

Who may do it at all is in `test_access`; what becomes of a job in `tests/realtime/test_jobs.py`.
"""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from domain.accounts import Limit, Limits
from handlers.exports import disposition
from tests.handlers.world import Client, World


async def ask(client: Client, trip: str, format: str = "page", **headers: str) -> str:
    answer = await client.post(f"/api/trips/{trip}/exports", {"format": format, "locale": "en"}, **headers)
    assert answer.status == 202, answer
    return str(answer.json["export"]["id"])


async def test_an_export_from_the_wish_to_the_file(world: World) -> None:
    ann = await world.client().account("ann")
    trip = await ann.trip('云南: 10% "new" 🏔️')
    job_id = await ask(ann, trip)
    assert world.rung == [job_id]
    path = f"/api/exports/{job_id}"
    before = (await ann.get(path)).json["export"]
    assert before == {
        "id": job_id, "trip_id": trip, "format": "page", "locale": "en", "status": "queued",
        "created_at": world.clock(), "expires_at": "2026-05-04T08:00:00.000Z", "error": None, "name": None,
        "size": None,
    }  # fmt: skip
    early = await ann.get(f"{path}/file")
    assert (early.status, early.code) == (409, "not_ready")
    await world.worker.work(job_id)
    fetched = await ann.get(f"{path}/file", Accept_Encoding="gzip")
    after = (await ann.get(path)).json["export"]
    assert (after["status"], after["name"]) == ("done", "云南 10% new 🏔️.html")
    assert after["size"] == len(fetched.body) > 1_000 and b"<script" not in fetched.body
    assert fetched.headers["Content-Type"] == "text/html; charset=utf-8"
    # Megabytes are neither compressed nor hashed on the loop.
    assert not {"Content-Encoding", "X-Consumed-Content-Encoding", "Etag"} & set(fetched.headers)
    assert fetched.headers["X-Content-Type-Options"] == "nosniff"
    assert fetched.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert fetched.headers["Cache-Control"] == "private, no-store"
    assert fetched.headers["Content-Disposition"] == disposition("云南 10% new 🏔️.html")


async def test_the_same_key_is_the_same_export(world: World) -> None:
    ann, bob = await world.client().account("ann"), await world.client().account("bob")
    trip, other = await ann.trip(), await bob.trip()
    first = await ask(ann, trip, Idempotency_Key="key-00001")
    assert await ask(ann, trip, Idempotency_Key="key-00001") == first
    assert await ask(ann, trip, Idempotency_Key="key-00002") != first
    assert await ask(bob, other, Idempotency_Key="key-00001") != first


async def test_limits_have_a_number_and_a_message(world: World) -> None:
    ann = await world.client().account("ann")
    trip = await ann.trip()
    for _ in range(3):
        await ask(ann, trip)
    refused = await ann.post(f"/api/trips/{trip}/exports", {"format": "data"})
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (429, "exports_busy", "10")
    assert refused.json["error"]["message"] == "3 exports are being made for you, wait for one"


async def test_what_was_refused_is_told_to_nobody(world: World) -> None:
    ann, bob = await world.client().account("ann"), await world.client().account("bob")
    trip = await ann.trip()
    assert (await bob.post(f"/api/trips/{trip}/exports", {"format": "data"})).status == 404
    for body in ({"format": "pdf"}, {}, {"format": "page", "locale": "fr"}, {"format": "page", "more": 1}):
        assert (await ann.post(f"/api/trips/{trip}/exports", body)).status == 400
    assert world.rung == [] and world.run.store.jobs.state.jobs == {}


class TestThrottled:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(exports_account=Limit(2, 3600))

    async def test_exports_of_one_person_are_counted(self, world: World) -> None:
        ann = await world.client().account("ann")
        trip = await ann.trip()
        for _ in range(2):
            await world.worker.work(await ask(ann, trip))
        refused = await ann.post(f"/api/trips/{trip}/exports", {"format": "data"})
        assert (refused.status, refused.code) == (429, "throttled")


@pytest.mark.parametrize("name", ["云南.html", 'a"b\\c%.ics', "plain.json", "é 🏔️; x=\r\n.html"])
def test_names_in_a_header(name: str) -> None:
    said = disposition(name)
    assert said.isascii() and said.isprintable() and said.count('"') == 2
    assert unquote(said.partition("filename*=UTF-8''")[2]) == name
