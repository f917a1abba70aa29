"""schemathesis reads the OpenAPI document that a real server serves, and tries to prove it wrong.

A member with a trip and a stranger send what fits the document and what just does not. Whatever is
sent: no 5xx, a status that the document names, a body of the declared type and shape, 405 with `Allow`
for methods that are not there, and a refusal of what the document forbids. Seeded: a failure names its
request, and comes again.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from handlers.application import ROUTES
from tests.integration.room_client import Api
from tests.photos import a_photo
from tests.services.aimock import Aimock
from tests.services.server import ServerProcess

pytestmark = pytest.mark.timeout(200)

SEED = 20261125
LEFT_OUT = {
    # They end the sign-in with which the rest is asked.
    "POST /api/auth/logout": "tests/handlers/test_auth.py",
    "POST /api/auth/logout-all": "tests/handlers/test_auth.py",
    # What it asks for is not in the document: the password that is true now.
    "POST /api/auth/password": "tests/handlers/test_auth.py",
}
CHECKS_LEFT_OUT = (
    # Names, zones, e-mail addresses and dates have rules beyond their patterns, and trips have limits: what
    # fits the schema may still be refused, with a status that the document names.
    "positive_data_acceptance",
    # Who may do what is in tests/handlers/test_access.py.
    "ignored_auth",
    "object_level_authorization",
)
CONFIG = """
seed = {seed}
continue-on-failure = true
headers = {{ Cookie = "{cookie}", X-XSRFToken = "{xsrf}" }}
request-timeout = 20

[warnings]
enabled = false

[generation]
max-examples = {examples}
with-security-parameters = false
database = "none"

[phases.coverage]
unexpected-methods = ["PUT", "TRACE"]

[phases.stateful]
enabled = false

[parameters]
"path.trip_id" = "{trip}"
"path.user_id" = "{user}"
"path.answer_id" = "{answer}"
"path.conversation_id" = "{talk}"
"path.invite_id" = "{invite}"
"path.token" = "{link}"

[[operations]]
include-path-regex = "^/api/ai/answers"
parameters = {{ "path.answer_id" = "{private}" }}

# Uploads are under ids of their own.
[[operations]]
include-name = [
    "GET /api/trips/{{trip_id}}/photos/{{photo_id}}",
    "GET /api/trips/{{trip_id}}/photos/{{photo_id}}/{{width}}",
]
parameters = {{ "path.photo_id" = "{photo}", "path.width" = "320" }}

# What may put a trip into the bin does it to another one: the first is still needed.
[[operations]]
include-name = "POST /api/trips/{{trip_id}}/operations"
parameters = {{ "path.trip_id" = "{changed}" }}

[[operations]]
include-name = ["DELETE /api/trips/{{trip_id}}", "POST /api/trips/{{trip_id}}/restore"]
parameters = {{ "path.trip_id" = "{bin}" }}
"""


def test_what_is_left_out_is_there() -> None:
    assert set(LEFT_OUT) <= {f"{verb} {route.path}" for route in ROUTES for verb in route.endpoints}


@pytest.fixture(scope="module")
def model() -> Iterator[Aimock]:
    with Aimock() as made:
        yield made


@pytest.fixture
def server(request: pytest.FixtureRequest, model: Aimock) -> Iterator[ServerProcess]:
    """On the embedded database, or the one that `request.param` names."""
    settings = {
        "THROTTLE_FACTOR": "100000",
        "AI_API_KEY": "none",
        "AI_BASE_URL": model.base_url,
        "AI_MODEL": "mock",
        "AI_STREAMS_PER_USER": "100",
        "AI_STREAMS_PER_TRIP": "100",
        # Nobody takes the mails; what is asked for is answered all the same.
        "MAIL_URL": "smtp://127.0.0.1:9",
        "MAIL_FROM": "mail@trips.example",
        "SITE_URL": "https://trips.example",
    }
    if request.param == "mariadb":
        settings["DATABASE_URL"] = request.getfixturevalue("mariadb_url")
    made = ServerProcess(settings)
    try:
        made.migrate()
        yield made.start()
    finally:
        made.remove()


async def account(url: str, name: str) -> Api:
    """Not a guest, who would be somebody else after `POST /api/auth/register`."""
    api = Api(url)
    await api.ok("GET", "/api/me")
    body = {"username": name, "password": "a long password", "name": name}
    api.user_id = (await api.ok("POST", "/api/auth/register", body))["user"]["id"]
    return api


async def prepare(url: str) -> tuple[Api, Api, dict[str, str]]:
    """A member, a stranger, and what of theirs a path may name."""
    member, stranger = await account(url, "ann"), await account(url, "eve")
    names = {"user": stranger.user_id}
    body = {"title": "云南", "start_date": "2026-05-01", "end_date": "2026-05-03"}
    for name in ("trip", "changed", "bin"):
        names[name] = (await member.ok("POST", "/api/trips", body))["trip"]["id"]
    trip = f"/api/trips/{names['trip']}"
    made = await member.ok("POST", f"{trip}/invites", {"role": "viewer"})
    names |= {"invite": made["invite"]["id"], "link": made["url"].removeprefix("/invite/")}
    names["photo"] = await upload(member, f"{trip}/photos/photo1")
    asked = await member.ok("POST", f"{trip}/ai/chat", {"text": "推荐"})
    private = await member.ok("POST", "/api/ai/chat", {"text": "推荐"})
    names |= {"answer": asked["answer"], "private": private["answer"], "talk": private["conversation"]}
    return member, stranger, names


async def upload(api: Api, path: str) -> str:
    """A photo that is ready; its id."""
    headers = {"Cookie": api.cookie_header, "X-XSRFToken": api.cookies["_xsrf"], "Content-Type": "image/jpeg"}
    request = HTTPRequest(api.base_url + path, "POST", headers=headers, body=a_photo())
    await AsyncHTTPClient().fetch(request)
    async with asyncio.timeout(30):
        while (found := (await api.ok("GET", path))["photo"])["status"] == "waiting":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert found["status"] == "ready"
    return str(found["id"])


def write_config(folder: Path, api: Api, names: Mapping[str, str], examples: int) -> None:
    filled = {"cookie": api.cookie_header, "xsrf": api.cookies["_xsrf"]}
    text = CONFIG.format(seed=SEED, examples=examples, **filled, **names)
    (folder / "schemathesis.toml").write_text(text, "utf-8")


def fuzz(folder: Path, url: str, phases: str) -> subprocess.CompletedProcess[str]:
    """Run it as its users do, from the folder of its configuration."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/openapi.json"]
    command += [
        "--no-color",
        "--checks=all",
        f"--exclude-checks={','.join(CHECKS_LEFT_OUT)}",
        f"--phases={phases}",
    ]
    command += [f"--exclude-name={name}" for name in LEFT_OUT]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


# (database, phases as the member, as the stranger): what costs most is done once.
RUNS = [("sqlite", "coverage,fuzzing", "fuzzing"), ("mariadb", "fuzzing", "")]


@pytest.mark.parametrize(("server", "inside", "outside"), RUNS, indirect=["server"], ids=lambda v: v)
async def test_the_document_is_true(server: ServerProcess, tmp_path: Path, inside: str, outside: str) -> None:
    member, stranger, names = await prepare(server.url)
    for api, phases in ((member, inside), (stranger, outside)):
        if not phases:
            continue
        folder = tmp_path / api.user_id
        folder.mkdir()
        write_config(folder, api, names, examples=5)
        done = await asyncio.to_thread(fuzz, folder, server.url, phases)
        assert done.returncode == 0, f"{done.stdout[-12_000:]}\n{done.stderr[-2_000:]}"
        # The sign-in has held, and so has the trip; and trips were made: it was not all refused.
        trips = (await api.ok("GET", "/api/trips"))["trips"]
        if api is member:
            await api.ok("GET", f"/api/trips/{names['trip']}")
            assert len(trips) > 3
    assert '"level": "error"' not in server.log()
