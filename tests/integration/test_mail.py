"""Mail by real servers and real workers: sent once, or again under the same Message-ID; never lost.

A lease is let run out by moving its end back in the database, as time would.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from realtime.jobs.doorbell_celery import MAILS, PREFIX, QUEUE, TASK
from tests.integration.room_client import Api
from tests.integration.test_jobs import Stand, person, until
from tests.services.redis import Redis
from tests.services.server import ROOT, ServerProcess
from tests.services.smtp import Mailbox, Received, make_certificate

pytestmark = pytest.mark.timeout(180)
SITE = "https://trips.example"
OLD, NEW = "a long password", "quite another one"


def mail_settings(url: str) -> dict[str, str]:
    return {"MAIL_URL": url, "MAIL_FROM": "Tongyou <mail@trips.example>", "SITE_URL": SITE}


class Worker(ServerProcess):
    """`server.py worker` with the packages of a fresh installation."""

    name = "worker"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.bare", "server", "worker"]

    def is_ready(self) -> bool:
        return "a worker listens" in self.log()


async def nobody(url: str) -> Api:
    """A browser that has just opened the page."""
    api = Api(url)
    await api.ok("GET", "/api/me")
    return api


async def register(url: str, name: str = "ann") -> Api:
    api = await nobody(url)
    body = {"username": name, "email": f"{name}@example.net", "password": OLD, "name": "Ann", "locale": "en"}
    await api.ok("POST", "/api/auth/register", body)
    return api


async def forgot(url: str, login: str = "ann") -> None:
    body = {"login": login, "locale": "en"}
    assert await (await nobody(url)).ok("POST", "/api/auth/forgot", body) == {"ok": True}


async def mails(mailbox: Mailbox, count: int) -> list[Received]:
    return await asyncio.to_thread(mailbox.wait, count)


def secret_of(mail: Received) -> str:
    found = re.search(rf"{SITE}/(?:reset#|invite/)([\w-]{{43}})\s", mail.part("plain"))
    assert found is not None
    return found[1]


async def set_password(url: str, mail: Received) -> int:
    body = {"token": secret_of(mail), "password": NEW}
    status, _ = await (await nobody(url)).call("POST", "/api/auth/reset", body)
    return int(status)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as made:
        yield made


@pytest.fixture
def stand(mariadb_url: str, redis_server: Redis, mailbox: Mailbox, tmp_path: Path) -> Iterator[Stand]:
    redis_server.start()
    redis_server.flush()
    made = Stand(mariadb_url, redis_server, tmp_path, **mail_settings(mailbox.url()))
    try:
        with made.server:
            yield made
    finally:
        made.server.remove()


@pytest.fixture
def workers(stand: Stand) -> Iterator[list[Worker]]:
    made = [Worker(stand.settings) for _ in range(2)]
    yield made
    for worker in made:
        worker.remove()


async def test_a_worker_is_killed_between_acceptance_and_record(
    stand: Stand, workers: list[Worker], mailbox: Mailbox
) -> None:
    url = stand.server.url
    ann = await register(url)
    mailbox.fall_silent()
    await asyncio.to_thread(workers[0].start)
    await forgot(url)
    (first,) = await mails(mailbox, 1)
    os.kill(workers[0].pid, signal.SIGKILL)
    mailbox.speak()
    assert stand.rows("SELECT status, attempts FROM jobs") == [("running", 1)]
    stand.let_time_pass()
    await asyncio.to_thread(workers[1].start)
    _, second = await mails(mailbox, 2)
    await until(lambda: stand.rows("SELECT status, attempts FROM jobs") == [("done", 2)])
    for header in ("Message-ID", "Date", "To", "From", "Subject"):
        assert first.message[header] == second.message[header]
    assert stand.rows("SELECT COUNT(*) FROM mails") == [(0,)], "the address went with the job"
    # Whichever copy is read: its link works, and then neither does.
    assert await set_password(url, first) == 200
    assert await set_password(url, second) == 410 and await set_password(url, first) == 410
    assert (await ann.ok("GET", "/api/me"))["user"] is None
    await mails(mailbox, 3)
    await until(lambda: stand.rows("SELECT COUNT(*) FROM jobs WHERE status = 'done'") == [(2,)])
    assert len(mailbox.received) == 3, "and one notice"


async def test_redis_forgets_the_ring_and_the_mail_is_sent_all_the_same(
    stand: Stand, workers: list[Worker], mailbox: Mailbox
) -> None:
    url = stand.server.url
    await register(url)
    await forgot(url)
    await until(lambda: stand.redis.send("LLEN tongyou:celery:mails") == ":1")
    stand.redis.flush()
    mailbox.answer("450 4.2.1 later")
    await asyncio.to_thread(workers[0].start)
    stand.let_time_pass()
    await asyncio.to_thread(mailbox.wait_for_tries, 1)
    held = "SELECT jobs.status, mails.not_before > jobs.created_at FROM jobs JOIN mails ON job_id = id"
    await until(lambda: stand.rows(held) == [("queued", 1)])
    stand.rows("UPDATE mails SET not_before = '2020-01-01T00:00:00.000Z'")
    stand.let_time_pass()
    await mails(mailbox, 1)
    await until(lambda: stand.rows("SELECT status, attempts FROM jobs") == [("done", 2)])
    log = workers[0].log()
    assert "smtp_450" in log and "ann@example.net" not in log + stand.server.log()
    assert secret_of(mailbox.received[0]) not in log + stand.server.log()


async def test_without_redis_the_server_sends_it_over_tls_with_a_login(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with Mailbox(("robot", "p@ss-word"), certificate) as mailbox:
        settings = {
            "DATABASE_URL": f"sqlite:///{tmp_path}/one.db",
            "SSL_CERT_FILE": str(certificate.file),
            "LOG_LEVEL": "DEBUG",
            **mail_settings(mailbox.url(login="robot:p%40ss-word", options="?starttls=require")),
        }
        server = ServerProcess(settings)
        server.migrate()
        with server:
            ann = await register(server.url)
            trip = (await ann.ok("POST", "/api/trips", {"title": "大理"}))["trip"]["id"]
            body = {"role": "editor", "send_to": ["bob@example.net"], "locale": "zh"}
            assert (await ann.ok("POST", f"/api/trips/{trip}/invites", body))["mails"] == 1
            (invitation,) = await mails(mailbox, 1)
            assert invitation.secure and invitation.login == "robot"
            assert invitation.message["Subject"] == "Ann 邀请你一起安排“大理”"
            bob = await Api(server.url).guest("Bob")
            await bob.ok("POST", f"/api/invites/{secret_of(invitation)}/accept")
            await forgot(server.url, "nobody@example.net")
            await forgot(server.url)
            reset = (await mails(mailbox, 2))[1]
            assert await set_password(server.url, reset) == 200
            await mails(mailbox, 3)
            said = server.log()
            for secret in (secret_of(invitation), secret_of(reset), "p@ss-word", "p%40ss-word", NEW):
                assert secret not in said
            done = await asyncio.to_thread(
                subprocess.run, [*server.command(), "check"], env=server.environment(), cwd=ROOT,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            line = next(each for each in done.stdout.splitlines() if " mail " in each)
            assert line.startswith("ok") and "as robot, STARTTLS" in line and "p@ss" not in done.stdout
        server.remove()


async def test_a_server_that_drains_gives_its_mail_back(tmp_path: Path, mailbox: Mailbox) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/one.db", **mail_settings(mailbox.url())}
    server = ServerProcess(settings)
    server.migrate()
    with server:
        await register(server.url)
        mailbox.fall_silent()
        await forgot(server.url)
        (first,) = await mails(mailbox, 1)
        assert await asyncio.to_thread(server.stop) == 0
        mailbox.speak()
        await asyncio.to_thread(server.start)
        second = (await mails(mailbox, 2))[1]
        assert first.message["Message-ID"] == second.message["Message-ID"]
    server.remove()


def test_the_server_of_the_tests_is_what_it_seems(tmp_path: Path) -> None:
    """A certificate that no client would take is no test of TLS."""
    certificate = make_certificate(tmp_path)
    known: Any = ssl.create_default_context(cafile=str(certificate.file)).get_ca_certs()
    assert any("127.0.0.1" in json.dumps(each["subjectAltName"]) for each in known)


async def test_a_mail_does_not_wait_behind_all_exports_and_photos(stand: Stand, mailbox: Mailbox) -> None:
    """One worker, which takes in turn: what it does, and what it has taken already, come first."""
    url = stand.server.url
    await register(url)
    people = [await person(url) for _ in range(3)]
    worker = await asyncio.to_thread(stand.worker)
    try:
        await stand.ask(*people[0])
        await until(lambda: stand.began() == [worker.pid])
        for api, trip in people[1:]:
            for format in ("calendar", "page", "data"):
                await stand.ask(api, trip, format)
        await forgot(url)
        await until(lambda: stand.redis.send(f"LLEN {PREFIX}{MAILS}") == ":1")
        stand.open()
        await mails(mailbox, 1)
        await until(lambda: stand.rows("SELECT COUNT(*) FROM jobs WHERE status = 'done'") == [(8,)])
        before = stand.rows(
            "SELECT COUNT(*) FROM jobs f JOIN jobs m ON m.kind = 'mail' AND f.kind = 'export'"
            " AND f.finished_at < m.finished_at"
        )
        assert before[0][0] <= 2
    finally:
        worker.remove()


async def test_a_worker_hears_what_a_server_of_the_version_before_says(
    stand: Stand, workers: list[Worker], mailbox: Mailbox
) -> None:
    """It knew one queue for all jobs. What is told while both versions run is done all the same."""
    url = stand.server.url
    await register(url)
    await forgot(url)
    await until(lambda: stand.redis.send(f"LLEN {PREFIX}{MAILS}") == ":1")
    await asyncio.to_thread(stand.server.stop)  # else it would call the job out again
    stand.redis.flush()
    ((job_id,),) = stand.rows("SELECT id FROM jobs")
    before = Celery("tongyou", broker=stand.redis.url, set_as_current=False)
    before.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        broker_transport_options={"global_keyprefix": PREFIX},
    )
    await asyncio.to_thread(before.send_task, TASK, (job_id,), ignore_result=True)
    await asyncio.to_thread(before.close)
    await asyncio.to_thread(workers[0].start)
    await mails(mailbox, 1)
    await until(lambda: stand.rows("SELECT status, attempts FROM jobs") == [("done", 1)])
