"""The line of a request, and where its ids come from."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from structlog.contextvars import bound_contextvars

from handlers import logs
from handlers.application import ROUTES
from handlers.logs import Lines, configure
from realtime.jobs.thumbnails import make_thumbnails
from tests.handlers.world import World
from tests.photos import from_a_camera


@pytest.fixture
def root() -> Iterator[None]:
    """The logging of the tests, as it was before."""
    before = logging.getLogger()
    handlers, level, hooks = (
        list(before.handlers),
        before.level,
        (sys.excepthook, threading.excepthook),
    )
    quiet = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield
    before.handlers[:], before.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(False)
    for name, was in quiet.items():
        logging.getLogger(name).setLevel(was)


def requests(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.name == "tongyou.access"]


async def test_a_request_is_named_by_its_route(world: World, caplog: pytest.LogCaptureFixture) -> None:
    ann = await world.client().guest("Ann")
    trip = await ann.trip()
    token = await ann.invite(trip, "editor")
    with caplog.at_level(logging.DEBUG, "tongyou"):
        await world.client().get(f"/api/invites/{token}?password=hunter2")
        await world.client().get(f"/invite/{token}")
        await ann.get(f"/api/trips/{trip}")
        await ann.send("VERB", "/nothing")
    lines = requests(caplog)
    assert [line["route"] for line in lines] == [
        "/api/invites/{token}", "page", "/api/trips/{trip_id}", "unknown",
    ]  # fmt: skip
    assert [(line["method"], line["status"]) for line in lines][-2:] == [("GET", 200), ("other", 405)]
    assert token not in caplog.text and "hunter2" not in caplog.text


async def test_every_route_has_its_name(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "tongyou"):
        for route in ROUTES:
            path = route.path
            for name in route.parameters:
                path = path.replace(f"{{{name}}}", "x1")
            await world.client().get(path)
    assert [line["route"] for line in requests(caplog)] == [route.path for route in ROUTES]


async def test_probes_and_files_are_quiet(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tongyou"):
        for path in ("/health/live", "/health/ready", "/favicon.ico", "/assets/x.js"):
            await world.client().get(path)
    assert requests(caplog) == []


@pytest.mark.parametrize(
    ("given", "taken"),
    [("from-proxy.1_A", True), ("short", False), ("x" * 65, False), ('a"b c d e f', False), ("", False)],
)
async def test_a_trusted_proxy_names_the_request(world: World, given: str, taken: bool) -> None:
    answer = await world.client().get("/api/me", X_Request_ID=given)
    assert (answer.headers["X-Request-ID"] == given) is taken
    assert len(answer.headers["X-Request-ID"]) >= 8


async def test_a_stranger_does_not(tmp_path: Any) -> None:
    world = World(tmp_path, trusted_proxies=())
    answer = await world.client().get("/api/me", X_Request_ID="from-proxy-1")
    assert answer.headers["X-Request-ID"] != "from-proxy-1"
    await world.aclose()


@pytest.mark.usefixtures("root")
def test_a_terminal_gets_text_and_everything_else_json() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, style, as_json in (
        (io.StringIO(), "auto", True), (Terminal(), "auto", False),
        (Terminal(), "json", True), (io.StringIO(), "text", False),
    ):  # fmt: skip
        configure("INFO", style, stream=stream)
        with bound_contextvars(trip_id="t1"):
            logging.getLogger("x").info("你好 %d", 7)
        line = stream.getvalue()
        assert line.count("\n") == 1 and "你好 7" in line and "t1" in line
        assert line.startswith("{") is as_json
        if as_json:
            assert list(json.loads(line)) == ["time", "level", "logger", "event", "trip_id"]


@pytest.mark.usefixtures("root")
def test_lines_are_counted_by_level_and_libraries_do_not_chatter() -> None:
    stream = io.StringIO()
    lines: Lines = configure("DEBUG", "json", stream=stream)
    logging.getLogger("x").error("one")
    logging.getLogger("openai").debug("Request options: with what people wrote")
    logging.getLogger("httpx").info("with an address")
    assert lines.counts == {"warning": 0, "error": 1, "critical": 0}
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize("secret", ['pass"word', "back\\slash", 'it\'s\n"both"', "p@ss word/%"])
def test_a_secret_is_masked_however_it_is_quoted(root: None, style: str, secret: str) -> None:
    stream = io.StringIO()
    configure("INFO", style, stream=stream, secrets=[secret])
    log = logging.getLogger("tongyou")
    log.info("as it is: %s", secret)
    log.info("quoted: %r", secret)
    log.info("redis://:%s@host", quote(secret, safe=""), extra={"also": [secret]})
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("failed: %r", {"key": secret})
    told = stream.getvalue()
    for each in (secret, quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        assert each not in told and json.dumps(each)[1:-1] not in told
    assert told.count(logs.MASK) >= 5


def test_what_a_camera_wrote_is_in_no_log_however_much_is_logged(root: None) -> None:
    original, stream = from_a_camera(), io.StringIO()
    configure("DEBUG", "json", stream=stream)
    make_thumbnails(original)
    assert "Secret" not in stream.getvalue()
