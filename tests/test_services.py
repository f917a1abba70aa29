"""The private servers of the tests keep what the other tests rely on."""

import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.services import find
from tests.services.mariadb import MariaDB
from tests.services.process import PORT_RANGE, Service, ServiceError, free_port, logs_since, marks
from tests.services.redis import Redis

TEXT = "同游：大理 → 丽江 🏔️"


def _roundtrip(url: str, statements: list[str]) -> list[str]:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), {"text": TEXT})
            return list(connection.execute(sa.text("SELECT t FROM note")).scalars())
    finally:
        engine.dispose()


@pytest.mark.integration
def test_mariadb_keeps_chinese_text_through_a_crash_on_the_same_port() -> None:
    with MariaDB() as server:
        port, url = server.port, server.create_database("crash")
        written = _roundtrip(
            url, ["CREATE TABLE note (t VARCHAR(50) PRIMARY KEY)", "INSERT INTO note VALUES (:text)"]
        )
        server.kill()
        assert not server.running
        server.start()
        assert server.port == port
        assert _roundtrip(url, []) == written == [TEXT]
        server.restart()
        assert _roundtrip(url, []) == [TEXT]
    assert not server.folder.exists()


@pytest.mark.integration
def test_mariadb_is_set_up_like_production(mariadb: MariaDB) -> None:
    rows = mariadb.execute(
        "SELECT @@character_set_server, @@tx_isolation, @@innodb_flush_log_at_trx_commit, @@max_connections"
    )
    assert rows == (("utf8mb4", "READ-COMMITTED", 1, 500),)


@pytest.mark.integration
def test_each_mariadb_url_is_an_empty_database(mariadb_url: str) -> None:
    assert _roundtrip(mariadb_url, ["CREATE TABLE note (t TEXT)"]) == []


@pytest.mark.integration
def test_redis_comes_back_on_the_same_port() -> None:
    with Redis() as server:
        port = server.port
        assert server.send("SET city 大理") == "+OK"
        server.restart()
        assert server.port == port
        assert server.send("GET city") == "$-1"
        server.kill()
        with pytest.raises(OSError):
            server.send("PING")
        server.start()
        assert server.send("PING") == "+PONG"


@pytest.mark.integration
def test_a_frozen_redis_can_still_be_stopped() -> None:
    with Redis() as server:
        server.sigstop()
        assert server.running
        assert server.stop() == 0


@pytest.mark.integration
def test_redis_url_is_empty(redis_url: str, redis_server: Redis) -> None:
    assert redis_url == redis_server.url
    assert redis_server.send("DBSIZE") == ":0"


def test_free_ports_are_outside_the_range_of_outgoing_connections() -> None:
    assert PORT_RANGE[0] <= free_port() <= PORT_RANGE[1] < 32768


def test_a_server_that_ends_at_once_says_why() -> None:
    class Broken(Service):
        name = "broken"

        def command(self) -> list[str]:
            return ["sh", "-c", "echo no such luck; exit 3"]

        def is_ready(self) -> bool:
            return False

    server = Broken()
    with pytest.raises(ServiceError, match="no such luck"):
        server.start()
    server.remove()


def test_missing_programs_are_named_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "find_command", lambda names: None)
    monkeypatch.setattr(find, "can_install", lambda: False)
    with pytest.raises(find.MissingProgram) as caught:
        find.ensure("mariadbd", "redis-server")
    message = str(caught.value)
    assert "mariadbd, redis-server" in message
    assert "sudo apt-get install -y --no-install-recommends mariadb-server redis-server" in message


def test_servers_are_found_outside_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mariadbd"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(find, "EXTRA_FOLDERS", (str(tmp_path),))
    assert find.find_command(["mariadbd"]) == str(program)


def test_apt_waits_for_a_held_lock() -> None:
    answers = [(100, "E: Could not get lock /var/lib/dpkg/lock-frontend."), (0, "")]

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        status, errors = answers.pop(0)
        return subprocess.CompletedProcess(command, status, "", errors)

    find.apt(["update"], run=run, pause=0)
    assert not answers


def test_apt_failures_are_shown() -> None:
    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(command, 100, "", "E: Unable to locate package nope")

    with pytest.raises(find.MissingProgram, match="Unable to locate package nope"):
        find.apt(["install", "nope"], run=run, pause=0)


@pytest.mark.integration
def test_a_test_that_fails_shows_what_its_servers_said_meanwhile() -> None:
    with Redis() as server:
        before = marks()
        server.kill()
        server.start()
        said = dict(logs_since(before))[f"redis on {server.port}"]
        assert "Ready to accept connections" in said
        # Neither what it said before, nor more than was asked for.
        assert said.count("Server initialized") == 1
        assert len(dict(logs_since(before, 2))[f"redis on {server.port}"].splitlines()) == 2
        assert f"redis on {server.port}" not in dict(logs_since(marks()))
    assert server.log_path not in marks()
