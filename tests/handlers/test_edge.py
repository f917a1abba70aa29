"""The shape of every answer: errors, headers, bodies, files, health."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.ioloop import IOLoop

from domain.errors import Unavailable
from handlers.application import ROUTES
from tests.handlers.world import World
from tests.realtime.world import until


@pytest.mark.parametrize("path", ["/api/nothing", "/api/trips/a.b", "/nothing", "/api/trips/x/y/z"])
async def test_unknown_paths(world: World, path: str) -> None:
    for verb in ("GET", "POST", "DELETE"):
        answer = await world.client().send(verb, path)
        assert (answer.status, answer.code) == (404, "not_found")


async def test_wrong_method(world: World) -> None:
    answer = await world.client().send("DELETE", "/api/trips")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, POST"
    for verb in ("PUT", "OPTIONS", "HEAD", "TRACE"):
        answer = await world.client().send(verb, "/api/me", X_XSRFToken="")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, PATCH"), verb


async def test_a_bug_is_logged_and_not_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    ann = await world.client().guest("Ann")
    world.run.fault = RuntimeError("secret detail")
    world.wait(seconds=6)
    answer = await ann.get("/api/trips")
    assert (answer.status, answer.code) == (500, "internal")
    assert b"secret" not in answer.body and b"Traceback" not in answer.body
    (record,) = [r for r in caplog.records if r.name == "tongyou.http"]
    assert record.exc_info is not None and answer.headers["X-Request-ID"] in record.getMessage()


async def test_unavailable_may_be_sent_again(world: World) -> None:
    ann = await world.client().guest("Ann")
    world.run.fault = Unavailable("the database does not answer")
    world.wait(seconds=6)
    answer = await ann.get("/api/trips")
    assert (answer.status, answer.code) == (503, "unavailable")
    assert answer.json["error"]["retryable"] is True
    assert int(answer.headers["Retry-After"]) > 0


async def test_security_headers_everywhere(world: World) -> None:
    for path in ("/", "/api/me", "/api/nothing", "/health/live", "/api/trips"):
        headers = (await world.client().get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy and "default-src 'self'" in policy
        assert f"ws://127.0.0.1:{world.port}" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"]
        assert "Server" not in headers


async def test_a_strange_host_stays_out_of_the_policy(world: World) -> None:
    answer = await world.client().get("/api/me", Host="evil.example;script-src *")
    assert "evil" not in answer.headers.get("Content-Security-Policy", "")


async def test_content_types_and_sizes(world: World) -> None:
    ann = await world.client().guest("Ann")
    for media in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await ann.send("POST", "/api/trips", raw=b'{"title": "T"}', Content_Type=media)
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
    fine = await ann.send(
        "POST", "/api/trips", raw=b'{"title": "T"}', Content_Type="application/json; charset=utf-8"
    )
    assert fine.status == 201
    large = json.dumps({"title": "x" * 300_000}).encode()
    answer = await ann.send("POST", "/api/trips", raw=large)
    assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"title": "\\ud800"}', b"[" * 100_000, b'{"title":1e999}'],
)
async def test_broken_bodies(world: World, raw: bytes) -> None:
    ann = await world.client().guest("Ann")
    answer = await ann.send("POST", "/api/trips", raw=raw)
    assert (answer.status, answer.code) == (400, "invalid")


@pytest.mark.parametrize(
    ("path", "field"),
    [("/api/trips?deleted=yes", "deleted"), ("/api/trips/{}/history?limit=0", "limit"),
     ("/api/trips/{}/history?limit=many", "limit"), ("/api/trips/{}/history?record=x", "record"),
     ("/api/trips/{}/history?before=-1", "before")],
)  # fmt: skip
async def test_bad_queries_name_the_argument(world: World, path: str, field: str) -> None:
    ann = await world.client().guest("Ann")
    answer = await ann.get(path.format(await ann.trip()))
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, field)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
BODIES = [
    (verb, route.path, endpoint.body)
    for route in ROUTES
    for verb, endpoint in route.endpoints.items()
    if endpoint.body is not None
]


@st.composite
def almost_right(draw: st.DrawFn) -> tuple[str, str, Any]:
    """A body with the endpoint's own field names and arbitrary values, or arbitrary altogether."""
    verb, path, kind = draw(st.sampled_from(BODIES))
    names = list(kind.__struct_fields__)
    body = draw(JSON | st.dictionaries(st.sampled_from(names), JSON, max_size=len(names)))
    return verb, path, body


def test_no_body_breaks_anything(io_loop: IOLoop, tmp_path: Path) -> None:
    """Whatever JSON comes: an answer below 500, in the envelope, naming a code."""

    async def stage() -> Any:
        world = World(tmp_path)
        ann = await world.client().guest("Ann")
        return world, ann, await ann.trip()

    world, ann, trip_id = io_loop.run_sync(stage)

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(almost_right())
    def check(case: tuple[str, str, Any]) -> None:
        verb, path, body = case
        path = path.format(trip_id=trip_id, user_id=ann.user["id"])
        answer = io_loop.run_sync(lambda: ann.send(verb, path, body))
        assert answer.status < 500, answer
        if answer.status >= 400:
            assert set(answer.json["error"]) == {"code", "message", "retryable", "details"}
        else:
            world.run.state.throttles.clear()

    check()
    io_loop.run_sync(world.aclose)


# --- pages and files ----------------------------------------------------------------------


def _build(dist: Path) -> None:
    (dist / "assets").mkdir()
    (dist / "map").mkdir()
    (dist / "index.html").write_text("<!doctype html><title>SPA</title>")
    (dist / "assets" / "app-1a2b.js").write_text("export {}")
    (dist / "assets" / "worker.mjs").write_text("export {}")
    (dist / "map" / "land.geojson").write_text("{}")
    (dist / "favicon.svg").write_text("<svg/>")


@pytest.mark.parametrize(
    "path",
    ["/", "/login", "/register", "/forgot", "/reset", "/trips", "/settings", "/t/abc123", "/invite/to-ken_1"],
)
async def test_pages_are_the_spa(world: World, tmp_path: Path, path: str) -> None:
    _build(tmp_path)
    client = world.client()
    answer = await client.get(path)
    assert answer.status == 200 and b"SPA" in answer.body
    secret = path.startswith(("/reset", "/invite/"))
    assert answer.headers["Cache-Control"] == ("no-store" if secret else "no-cache")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "_xsrf" in client.cookies
    again = await client.get(path, If_None_Match=answer.headers["Etag"])
    assert again.status == 304
    assert (await client.send("HEAD", path)).status == 200


async def test_files(world: World, tmp_path: Path) -> None:
    _build(tmp_path)
    js = await world.client().get("/assets/app-1a2b.js")
    assert js.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert js.headers["Content-Type"].startswith("text/javascript")
    worker = await world.client().get("/assets/worker.mjs")
    assert worker.headers["Content-Type"].startswith("text/javascript")
    land = await world.client().get("/map/land.geojson")
    assert land.headers["Cache-Control"] == "public, max-age=86400"
    assert (await world.client().get("/favicon.svg")).headers["Content-Type"] == "image/svg+xml"


@pytest.mark.parametrize(
    "path", ["/assets/none.js", "/assets/%00", "/assets/../index.html", "/assets/%2e%2e/%2e%2e/etc/passwd"]
)
async def test_files_that_are_not_there(world: World, tmp_path: Path, path: str) -> None:
    _build(tmp_path)
    answer = await world.client().get(path)
    assert answer.status in (403, 404) and "error" in answer.json


async def test_an_unknown_page_is_the_spa_with_404(world: World, tmp_path: Path) -> None:
    _build(tmp_path)
    answer = await world.client().get("/nowhere", Accept="text/html,*/*")
    assert answer.status == 404 and b"SPA" in answer.body


async def test_without_a_build_the_page_says_what_to_do(world: World) -> None:
    answer = await world.client().get("/")
    assert answer.status == 503 and b"make build" in answer.body


# --- health -------------------------------------------------------------------------------


async def test_health(tmp_path: Path) -> None:
    problems: dict[str, str | None] = {"database": None}

    async def database() -> str | None:
        return problems["database"]

    async def broken() -> str | None:
        raise OSError("secret")

    world = World(tmp_path, checks={"database": database})
    ready = await world.client().get("/health/ready")
    assert (ready.status, ready.json) == (200, {"status": "ok", "checks": {"database": "ok"}})
    problems["database"] = "does not answer"
    ready = await world.client().get("/health/ready")
    assert (ready.status, ready.json["checks"]) == (503, {"database": "does not answer"})
    assert (await world.client().get("/health/live")).status == 200
    await world.aclose()
    world = World(tmp_path, checks={"broken": broken})
    ready = await world.client().get("/health/ready")
    assert ready.status == 503 and b"secret" not in ready.body
    await world.aclose()


async def test_get_changes_nothing(world: World) -> None:
    """Every GET route, as an owner, leaves the state as it was."""
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    token = await ann.invite(trip_id, "viewer")
    asked = (await ann.post(f"/api/trips/{trip_id}/ai/chat", {"text": "Hi"})).json
    private = (await ann.post("/api/ai/chat", {"text": "Hi"})).json
    for n in range(2):
        (await world.model.asked(n)).say("Hello.")
        world.model.calls[n].finish()
    await until(lambda: not len(world.assistant.lives))
    export = (await ann.post(f"/api/trips/{trip_id}/exports", {"format": "data"})).json["export"]["id"]
    await world.worker.work(export)
    photo = await ann.post_photo(trip_id, "photo1")
    await world.worker.work(world.rung[-1])

    def state() -> tuple[object, ...]:
        store = world.run.store
        return (
            repr(world.run.state),
            world.run.heads(),
            repr(store.jobs.state.jobs),
            store.photos.state.photos,
        )

    before = state()
    for route in ROUTES:
        if "GET" in route.endpoints:
            answer = (private if route.path.startswith("/api/ai/") else asked)["answer"]
            path = route.path.format(
                trip_id=trip_id,
                token=token,
                answer_id=answer,
                conversation_id=private["conversation"],
                export_id=export,
                photo_id=photo,
                width=320,
            )
            assert (await ann.get(path)).status == 200
    assert before == state()


async def test_what_a_process_can_do_without_makes_it_degraded(tmp_path: Path) -> None:
    said: dict[str, str | None] = {"hard": None, "soft": "Redis does not answer"}

    async def hard() -> str | None:
        return said["hard"]

    async def soft() -> str | None:
        return said["soft"]

    world = World(tmp_path, checks={"hard": hard}, soft_checks={"soft": soft})
    ready = await world.client().get("/health/ready")
    assert (ready.status, ready.json["status"]) == (200, "degraded")
    assert ready.json["checks"] == {"hard": "ok", "soft": "Redis does not answer"}
    said["hard"] = "no database"
    ready = await world.client().get("/health/ready")
    assert (ready.status, ready.json["status"]) == (503, "failing")
    said |= {"hard": None, "soft": None}
    assert (await world.client().get("/health/ready")).json["status"] == "ok"
    await world.aclose()
