"""Two real server processes, a language model, a mailbox, a browser, and people with browser windows.

Owns the life of all five and what happens when a test fails: a screenshot of every window in a temporary
folder. Never holds test data. Used by the tests of this folder only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.cluster import Cluster
from tests.e2e.people import People
from tests.services.aimock import Aimock
from tests.services.chromium import LAUNCH_ARGUMENTS
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis
from tests.services.server import ROOT
from tests.services.smtp import Mailbox
from tests.services.tap import Tap

# Five seconds, the default, can be too short where the machine does other things as well.
expect.set_options(timeout=15_000)
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets fixtures know how their test ended."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture(scope="package")
def _model() -> Iterator[Aimock]:
    """Not started: most tests never ask the assistant."""
    made = Aimock()
    yield made
    made.remove()


@pytest.fixture(scope="package")
def tap(_model: Aimock) -> Iterator[Tap]:
    """Between the assistant of both processes and its model. Sees the questions of all tests."""
    with Tap(_model.port) as made:
        yield made


@pytest.fixture
def model(_model: Aimock, tap: Tap) -> Iterator[Aimock]:
    """The language model, which says what `tests/services/aimock.py` lists until a test declares more."""
    if not _model.running:
        tap.target = _model.start().port
    yield _model
    tap.release()
    _model.reset()


@pytest.fixture(scope="package")
def mailbox() -> Iterator[Mailbox]:
    """Takes the mails of both processes, those of all tests."""
    with Mailbox() as made:
        yield made


@pytest.fixture(scope="package")
def cluster(mariadb: MariaDB, redis_server: Redis, tap: Tap, mailbox: Mailbox) -> Iterator[Cluster]:
    """Two processes that share a database and a bus, each at its own address."""
    if not (ROOT / "frontend" / "dist" / "index.html").is_file():
        pytest.fail("The frontend is not built: run .venv/bin/python frontend/build.py", pytrace=False)
    mariadb.drop_database("e2e")
    made = Cluster(mariadb.create_database("e2e"), redis_server.url, tap.base_url, mailbox.url())
    yield made
    made.stop()


# Not for the whole session: while Playwright runs, no other test of this process could start an event loop.
@pytest.fixture(scope="package")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium_path, args=LAUNCH_ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def people(request: pytest.FixtureRequest, browser: Browser, cluster: Cluster) -> Iterator[People]:
    """Makes people, each with a browser context; fails the test when a window complained in its console."""
    made = People(browser, cluster)
    yield made
    if request.node.stash.get(FAILED, False):
        folder = Path(tempfile.mkdtemp(prefix="tongyou-e2e-"))
        made.screenshots(folder)
        print(f"screenshots: {folder}")
    complaints = made.complaints()
    made.close()
    cluster.start()
    assert not complaints, "\n".join(["the console is not clean:", *complaints])
