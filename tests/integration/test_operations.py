"""The operators' commands as they are typed, beside a server that people use."""

from __future__ import annotations

import asyncio
import json
import random
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from domain.entities import Trip
from domain.events import decode_event
from domain.trip import TripAggregate
from storage.engine import make_engine
from storage.unit_of_work import SqlUnits
from tests.integration.random_edits import random_edit
from tests.integration.room_client import Api, RoomClient, snapshot_view
from tests.services.server import ROOT, ServerProcess

pytestmark = pytest.mark.timeout(400)
PASSWORD = "correct horse battery"
NEW_PASSWORD = "staple 马 battery"


@pytest.fixture
def settings(mariadb_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": mariadb_url,
        "REDIS_URL": redis_url,
        "DATA_DIR": str(tmp_path / "data"),
        "THROTTLE_FACTOR": "100",
    }


@pytest.fixture
def server(settings: dict[str, str]) -> Iterator[ServerProcess]:
    made = ServerProcess(settings)
    made.migrate()
    with made:
        yield made


def tongyou(settings: Mapping[str, str], *arguments: str, given: str = "") -> tuple[int, str]:
    """Run one command; (exit status, what it printed)."""
    environment = ServerProcess(settings)
    try:
        done = subprocess.run(
            [sys.executable, str(ROOT / "server.py"), *arguments],
            env=environment.environment(), cwd=ROOT, input=given, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        environment.remove()
    return done.returncode, done.stdout + done.stderr


async def run(settings: Mapping[str, str], *arguments: str, given: str = "") -> tuple[int, str]:
    return await asyncio.to_thread(tongyou, settings, *arguments, given=given)


async def register(url: str, username: str) -> Api:
    api = Api(url)
    await api.ok("GET", "/api/me")
    body = {"name": username.title(), "username": username, "password": PASSWORD, "locale": "en"}
    api.user_id = (await api.ok("POST", "/api/auth/register", body))["user"]["id"]
    return api


async def sign_in(url: str, username: str, password: str) -> int:
    api = Api(url)
    await api.ok("GET", "/api/me")
    return (await api.call("POST", "/api/auth/login", {"login": username, "password": password}))[0]


@contextmanager
def words(url: str, channel: str) -> Iterator[Callable[[], list[bytes]]]:
    """What the commands inside say to the processes. Without it those would follow, too, but later."""
    client = redis.Redis.from_url(url)
    listening = client.pubsub(ignore_subscribe_messages=True)
    listening.subscribe(f"tongyou:{channel}")
    listening.get_message(timeout=5)

    def heard() -> list[bytes]:
        found = []
        while (message := listening.get_message(timeout=0.2)) is not None:
            found.append(message["data"])
        return found

    yield heard
    listening.close()
    client.close()


def journal(settings: Mapping[str, str]) -> list[tuple[str, str]]:
    path = Path(settings["DATA_DIR"]) / "operators.log"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert all(entry["operator"] and entry["time"] for entry in entries)
    return [(entry["command"], entry["outcome"]) for entry in entries]


async def test_people(server: ServerProcess, settings: dict[str, str]) -> None:
    ann = await register(server.url, "ann")
    trip = (await ann.ok("POST", "/api/trips", {"title": "大理"}))["trip"]["id"]
    page = await RoomClient(ann, trip).start()
    code, said = await run(settings, "user", "show", "ann")
    assert code == 0 and "1 session(s)" in said and trip in said
    with words(settings["REDIS_URL"], "control") as heard:
        code, said = await run(settings, "user", "lock", "ann")
        assert code == 0, said
        assert any(b'"revoke"' in word and ann.user_id.encode() in word for word in heard())
    await page.until(lambda: 4401 in page.close_codes)
    assert await sign_in(server.url, "ann", PASSWORD) == 401
    assert (await run(settings, "user", "unlock", "ann"))[0] == 0
    assert await sign_in(server.url, "ann", PASSWORD) == 200
    code, said = await run(settings, "user", "password", "ann", given=NEW_PASSWORD + "\n")
    assert code == 0 and "1 session(s) ended" in said
    assert await sign_in(server.url, "ann", PASSWORD) == 401
    assert await sign_in(server.url, "ann", NEW_PASSWORD) == 200
    code, said = await run(settings, "sessions", "revoke", ann.user_id)
    assert code == 0 and "1 session(s) ended" in said
    code, said = await run(settings, "user", "lock", "没有人")
    assert code == 1 and "there is no user" in said
    assert journal(settings) == [
        ("user show", "done"),
        ("user lock", "done"),
        ("user unlock", "done"),
        ("user password", "done"),
        ("sessions revoke", "done"),
    ]
    log = (Path(settings["DATA_DIR"]) / "operators.log").read_text("utf-8")
    assert NEW_PASSWORD not in log and PASSWORD not in log
    await page.stop()


async def test_everybody_is_signed_out_at_once(server: ServerProcess, settings: dict[str, str]) -> None:
    people = [await register(server.url, f"all{n}") for n in range(3)]
    guest = Api(server.url)
    await guest.ok("GET", "/api/me")
    await guest.ok("POST", "/api/auth/guest", {"name": "Gil"})
    trip = (await people[0].ok("POST", "/api/trips", {"title": "大理"}))["trip"]["id"]
    page = await RoomClient(people[0], trip).start()
    code, said = await run(settings, "sessions", "revoke", "--all", "--keep-guests")
    assert code == 0 and "Everybody is signed out." in said, said
    await page.until(lambda: 4401 in page.close_codes)
    assert (await guest.ok("GET", "/api/me"))["user"] is not None
    assert "0 session(s)" in (await run(settings, "sessions", "list", "all2"))[1]
    assert "1 session(s) ended" in (await run(settings, "sessions", "revoke", "--all"))[1]
    for wrong in (("--keep-guests", "all0"), ("--all", "all0"), ()):
        assert (await run(settings, "sessions", "revoke", *wrong))[0] != 0
    assert ("sessions revoke --all", "done") in journal(settings)


async def test_trips(server: ServerProcess, settings: dict[str, str]) -> None:
    ann, bob = await register(server.url, "ann"), await register(server.url, "bob")
    trip = (await ann.ok("POST", "/api/trips", {"title": "大理"}))["trip"]["id"]
    page = await RoomClient(ann, trip).start()

    def role(user_id: str) -> object:
        return page.records.get(("member", user_id), {}).get("role")

    with words(settings["REDIS_URL"], f"room:{trip}") as heard:
        code, said = await run(settings, "trip", "transfer", trip, "bob")
        assert code == 0, said
        assert any(b"member.set_role" in word for word in heard())
    await page.until(lambda: role(bob.user_id) == "owner" and role(ann.user_id) == "editor")
    assert (await bob.ok("GET", f"/api/trips/{trip}"))["snapshot"]["trip"]["title"] == "大理"
    code, said = await run(settings, "trip", "delete", trip)
    assert code == 0 and "deleted" in said
    await page.until(lambda: 4410 in page.close_codes)
    assert (await run(settings, "trip", "restore", trip))[0] == 0
    assert (await ann.ok("GET", f"/api/trips/{trip}"))["snapshot"]["trip"]["title"] == "大理"
    code, said = await run(settings, "trip", "show", trip)
    assert code == 0 and ann.user_id in said and bob.user_id in said
    for nowhere in ("nothing", "没有"):
        assert (await run(settings, "trip", "delete", nowhere))[0] == 1
    assert journal(settings) == [
        ("trip transfer", "done"),
        ("trip delete", "done"),
        ("trip restore", "done"),
        ("trip show", "done"),
        ("trip delete", "failed"),
    ]
    await page.stop()


def state_and_log(url: str, trip_id: str) -> tuple[bytes, bytes, int, str]:
    """(the state as stored, as the log tells it, seq, epoch)."""
    engine = make_engine(url, 1)
    try:
        with SqlUnits(engine)(False) as unit:
            trip = unit.trips.read(trip_id)
            told = TripAggregate(Trip(id=trip_id, title=""), trip.epoch)
            for body in unit.trips.events_after(trip_id, 0, 100_000):
                told.absorb(decode_event(body))
            return trip.snapshot(), told.snapshot(), trip.seq, trip.epoch
    finally:
        engine.dispose()


@pytest.mark.parametrize("kind", ["mariadb", "sqlite"])
async def test_a_backup_while_people_edit(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """From each kind of database into the other; the server of the second one serves on."""
    first, second = f"sqlite:///{tmp_path / 'a.db'}", f"sqlite:///{tmp_path / 'b.db'}"
    if kind == "mariadb":
        first = request.getfixturevalue("mariadb_url")
    else:
        second = request.getfixturevalue("mariadb_url")
    settings = {"DATABASE_URL": first, "DATA_DIR": str(tmp_path / "data"), "THROTTLE_FACTOR": "100"}
    file = tmp_path / "backup.zip"
    server = ServerProcess(settings)
    server.migrate()
    with server:
        ann = await register(server.url, "ann")
        titles = ("大理", "丽江", "Lhasa")
        trips = [(await ann.ok("POST", "/api/trips", {"title": each}))["trip"]["id"] for each in titles]
        clients = [await RoomClient(ann, trip).start() for trip in trips]
        rng, n = random.Random(7), 0
        backup = None
        while n < 300 or (backup is not None and not backup.done()):
            n += 1
            client = clients[n % len(clients)]
            client.submit(random_edit(rng, client, n))
            await client.until_pending_below(8)
            if n == 150:
                backup = asyncio.create_task(run(settings, "backup", str(file), "--verify"))
        assert backup is not None
        code, said = await backup
        assert code == 0 and "verified" in said, said
        for client in clients:
            await client.settle()
        heads = [client.seq for client in clients]
        for client in clients:
            await client.stop()
    elsewhere = settings | {"DATABASE_URL": second, "DATA_DIR": str(tmp_path / "data2")}
    code, said = await run(elsewhere, "restore", str(file))
    assert code == 0, said
    code, said = await run(elsewhere, "restore", str(file))
    assert code == 1 and "not empty" in said
    moments = []
    for trip, head in zip(trips, heads, strict=True):
        stored, told, seq, epoch = state_and_log(second, trip)
        assert stored == told and 1 <= seq <= head
        assert epoch != state_and_log(first, trip)[3]
        moments.append(seq)
    assert sum(moments) < sum(heads), "the backup was taken while people went on"
    with ServerProcess(elsewhere) as restored:
        again = ann.elsewhere(restored.url)  # still signed in
        for trip, seq in zip(trips, moments, strict=True):
            assert (await snapshot_view(again, trip))[0] == seq
        page = await RoomClient(again, trips[0]).start()
        page.submit({"kind": "stop.add", "id": "after", "fields": {"name": "After"}})
        await page.settle()
        assert page.seq == moments[0] + 1
        await page.stop()


def test_check_says_what_is_wrong(settings: dict[str, str], tmp_path: Path) -> None:
    code, said = tongyou(settings, "check")
    assert code == 1 and "FAIL  schema" in said and "python server.py migrate" in said
    assert tongyou(settings, "migrate")[0] == 0
    code, said = tongyou(settings, "check")
    assert code == 0, said
    assert "MariaDB" in said and "Redis" in said and "FAIL" not in said
    away = {
        "DATABASE_URL": "mysql+pymysql://u:secret-word@127.0.0.1:9/x",
        "REDIS_URL": "redis://127.0.0.1:9/0",
    }
    code, said = tongyou(settings | away, "check")
    assert code == 1 and "FAIL  database" in said and "FAIL  redis" in said
    assert "secret-word" not in said
    assert tongyou(settings | {"DB_POOL_SIZE": "none"}, "check")[0] == 2


def test_version_needs_nothing(tmp_path: Path) -> None:
    code, said = tongyou({"DATABASE_URL": "nonsense", "DB_POOL_SIZE": "none"}, "version")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == ["Tongyou", "revision", "schema", "Python"]
