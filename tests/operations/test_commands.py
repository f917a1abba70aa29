"""The parser, its help, and how commands end; without a server and mostly without a database."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.accounts import User
from domain.errors import DomainError, NotFound
from operations import Domain, Failed, Installation, commands, facts_redis, journal, people
from operations.checks import CLOCK_SECONDS, findings
from operations.processes import PROGRAM, WORKERS, supervised
from realtime.jobs import beats_redis
from storage.facts import DatabaseFacts
from storage.schema import upgrade
from storage.unit_of_work_memory import MemoryStore, MemoryUnits
from tests.storage.support import AT

ROOT = Path(__file__).resolve().parents[2]


def installation(folder: Path, **changes: Any) -> Installation:
    """One with an embedded database; people are in memory."""
    units = MemoryUnits(MemoryStore(), None)
    with units(True) as unit:
        user = User(
            "u1", "Ann", AT, username="ann", username_key="ann", password_hash="$hash", email="a@example.net"
        )
        unit.accounts.add_user(user)
        unit.commit()

    async def run(service: Any, command: Any) -> Any:
        with units(not getattr(command, "reads_only", False)) as unit:
            done = service(command, unit)
            unit.commit()
        return done

    async def hashed(password: str) -> str:
        return f"$hash of {len(password)}"

    async def revoke(**_: Any) -> None:
        pass

    @asynccontextmanager
    async def domain() -> AsyncIterator[Domain]:
        yield Domain(run, revoke, hashed, lambda: AT)

    dist = folder / "dist"
    dist.mkdir(exist_ok=True)
    (dist / "index.html").touch()
    given: dict[str, Any] = {
        "root": folder, "folder": folder, "dist": dist, "redis_url": "", "bell_url": "", "processes": 1,
        "workers": 0, "metrics_port": 0,
        "metrics_host": "127.0.0.1", "database_url": f"sqlite:///{folder / 'tongyou.db'}", "db_pool_size": 8,
        "max_connections": 100, "serve": lambda: None, "work": lambda: 0, "domain": domain,
    }  # fmt: skip
    return Installation(**(given | changes))


def run(folder: Path, *arguments: str) -> int:
    return commands.main(arguments, lambda: installation(folder), folder)


def wrong(made: Installation) -> dict[str, str]:
    """What is not well: the finding, and what to do."""
    return {each.what: each.hint or each.said for each in findings(made) if each.level != "ok"}


def every_command() -> list[list[str]]:
    found: list[list[str]] = []

    def walk(parser: Any, path: list[str]) -> None:
        inner = [action for action in parser._actions if hasattr(action, "choices") and action.choices]
        subparsers = [each for each in inner if isinstance(each.choices, dict)]
        if path and not subparsers:
            found.append(path)
        for action in subparsers:
            for name, sub in action.choices.items():
                walk(sub, [*path, name])

    walk(commands.parser(), [])
    return found


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_command_has_help_and_a_recipe(path: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.parser().parse_args([*path, "--help"])
    assert ended.value.code == 0 and " ".join(path) in capsys.readouterr().out
    if path != ["serve"]:
        recipes = (ROOT / "docs" / "OPERATIONS.md").read_text("utf-8")
        assert f"tongyou {' '.join(path)}" in recipes


def test_each_command_is_in_the_module_that_the_table_names() -> None:
    everything = {path[0] for path in every_command()}
    assert everything == set(commands.MODULES) | {"serve", "worker", "migrate"}
    for command in everything:
        alone = commands.parser(command).format_help()
        assert command in alone and ("rolling-restart" in alone) == (command == "rolling-restart")


@pytest.mark.parametrize(
    ("words", "not_needed"),
    [
        ("version", {"sqlalchemy", "tornado", "redis", "openai"}),
        ("user find nobody", {"alembic", "tornado", "redis", "openai", "celery", "jinja2", "PIL"}),
        ("trip show nothing", {"alembic", "tornado", "redis", "openai", "celery", "jinja2", "PIL"}),
        ("check", {"tornado", "openai", "celery", "jinja2", "PIL"}),
    ],
)
def test_a_command_imports_what_it_needs(words: str, not_needed: set[str], tmp_path: Path) -> None:
    """Each of them would take longer to import than most commands take."""
    upgrade(f"sqlite:///{tmp_path / 'tongyou.db'}")
    code = "import sys, server; server.main(sys.argv[1:]); print('@@', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)},
    )  # fmt: skip
    imported = set(done.stdout.rpartition("@@ ")[2].split())
    assert "operations.commands" in imported, done.stderr
    assert imported & not_needed == set()


def test_without_a_command_it_serves(tmp_path: Path) -> None:
    served = []
    made = installation(tmp_path, serve=lambda: served.append(True))
    assert commands.main([], lambda: made, tmp_path) == 0 and served


@pytest.mark.parametrize("error", [Failed("mend this"), NotFound("mend this")])
def test_what_fails_ends_with_one_line(
    error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert isinstance(error, (Failed, DomainError))
    assert commands.main(["serve"], lambda: installation(tmp_path, serve=fail), tmp_path) == 1
    assert capsys.readouterr().err == "tongyou: mend this\n"


def test_a_password_comes_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, status in (("long enough\n", 0), ("short\n", 1), ("x" * 201, 1), ("", 1)):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert run(tmp_path, "user", "password", "ann") == status
    acts = [json.loads(line) for line in (tmp_path / "operators.log").read_text("utf-8").splitlines()]
    assert [(act["command"], act["user"], act["outcome"]) for act in acts] == [
        ("user password", "u1", "done")
    ]
    assert "long enough" not in str(acts)


def test_a_password_is_asked_for_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answers, status in ((["password 1"] * 2, 0), (["password 1", "password 2"], 1)):
        typed = iter(answers)
        monkeypatch.setattr(people.getpass, "getpass", lambda _, typed=typed: next(typed))
        assert run(tmp_path, "user", "password", "ann") == status


def test_people_are_found_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "user", "find", "an") == 0
    assert run(tmp_path, "user", "show", "ANN") == 0
    assert run(tmp_path, "sessions", "list", "u1") == 0
    said = capsys.readouterr().out
    assert said.count("u1") == 3 and "1 found" in said and "0 session(s)" in said
    assert said.count("a@example.net  (nobody has confirmed this address)") == 2


def test_check_names_what_to_mend(tmp_path: Path) -> None:
    made = installation(tmp_path)
    assert list(wrong(made)) == ["schema"]
    upgrade(made.database_url)
    assert wrong(made) == {}
    assert list(wrong(replace(made, folder=tmp_path / "nowhere"))) == ["folder"]
    (made.dist / "index.html").unlink()
    assert wrong(made) == {"web app": "make spa"}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"version": (10, 5, 9)}, "database"),
        ({"charset": "latin1"}, "database"),
        ({"durable": False}, "database"),
        ({"connections": 30}, "database"),
        ({"clock_ahead": CLOCK_SECONDS + 1}, "clock"),
        ({"clock_ahead": -CLOCK_SECONDS - 1}, "clock"),
        ({}, None),
    ],
)
def test_check_judges_a_database(
    change: dict[str, Any], what: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {
        "product": "MariaDB", "version": (10, 11, 1), "shown_version": "10.11.1", "charset": "utf8mb4",
        "time_zone": "SYSTEM", "clock_ahead": 0.2, "durable": True, "connections": 151,
    }  # fmt: skip
    made = installation(tmp_path, processes=3)
    upgrade(made.database_url)
    monkeypatch.setattr("operations.checks.database_facts", lambda _: DatabaseFacts(**(facts | change)))
    assert list(wrong(made)) == ([] if what is None else [what])


@pytest.mark.parametrize(
    ("wanted", "found", "level", "said"),
    [
        (0, 0, "ok", "none"),
        (0, 2, "ok", "2 listen"),
        (2, 3, "ok", "3 listen"),
        (2, 1, "warn", "1 of 2 worker(s) listen"),
        (2, 0, "warn", "0 of 2 worker(s) listen; photos, mails and exports wait"),
        (2, None, "FAIL", "their Redis does not answer"),
    ],
)
def test_check_says_whether_workers_listen(
    wanted: int, found: int | None, level: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = installation(tmp_path, workers=wanted, bell_url="redis://127.0.0.1:1/0")
    monkeypatch.setattr("operations.checks.listening_workers", lambda url: found)
    (finding,) = [each for each in findings(made) if each.what == "workers"]
    assert finding.level == level and finding.said.startswith(said)
    assert bool(finding.hint) == (level != "ok")


def test_check_misses_the_workers_that_make_serve_has_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = installation(tmp_path, workers=0, bell_url="redis://127.0.0.1:1/0")
    monkeypatch.setattr("operations.checks.supervised", lambda root: {tmp_path: Counter({WORKERS: 1})}[root])
    monkeypatch.setattr("operations.checks.listening_workers", lambda url: 0)
    assert "supervisorctl" in wrong(made)["workers"]


@pytest.mark.parametrize(
    ("given", "running", "said", "fails"),
    [
        ({}, 0, "1 process(es), data", False),
        ({"redis_url": "redis://127.0.0.1:1/0"}, 0, "one a core where PROCESSES is not set", False),
        ({"processes": 4, "redis_url": "redis://127.0.0.1:1/0"}, 0, "4 process(es), data", False),
        # 32 x 8 = 256 connections, and the database allows 151.
        ({"redis_url": "redis://127.0.0.1:1/0"}, 32, "32 process(es) of the running `make serve`", True),
    ],
)
def test_check_goes_by_the_processes_that_make_serve_has_chosen(
    given: dict[str, Any],
    running: int,
    said: str,
    fails: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = DatabaseFacts("MariaDB", (10, 11, 1), "10.11.1", "utf8mb4", "SYSTEM", 0.2, True, 151)
    monkeypatch.setattr("operations.checks.database_facts", lambda _: facts)
    monkeypatch.setattr("operations.checks.supervised", lambda _: Counter({PROGRAM: running}))
    found = list(findings(installation(tmp_path, **given)))
    assert said in next(each.said for each in found if each.what == "settings")
    assert any("DB_POOL_SIZE" in each.said for each in found if each.level == "FAIL") == fails


def test_a_socket_without_supervisord_is_no_process(tmp_path: Path) -> None:
    assert not supervised(tmp_path)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "supervisor.sock").touch()
    assert not supervised(tmp_path)


def test_check_and_workers_speak_of_the_same_key() -> None:
    assert facts_redis.WORKERS_KEY == beats_redis.KEY


def test_check_says_what_redis_does_not_understand(tmp_path: Path) -> None:
    url = "redis://127.0.0.1:1/0?socket_timeout=soon"
    found = {each.what: each.said for each in findings(installation(tmp_path, redis_url=url, bell_url=url))}
    assert "socket_timeout" in found["redis"] and "workers" not in found


@pytest.mark.parametrize("url", ["", "redis+cluster://127.0.0.1:1", "rediss+cluster://127.0.0.1:1"])
def test_check_does_not_speak_of_workers_that_cannot_be(tmp_path: Path, url: str) -> None:
    assert "workers" not in {each.what for each in findings(installation(tmp_path, bell_url=url))}


def test_what_cannot_be_written_down_is_not_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "operators.log").symlink_to(elsewhere)
    done: list[str] = []
    with pytest.raises(Failed, match="cannot be written"), journal.act(installation(tmp_path), "some act"):
        done.append("done")
    assert not done and not elsewhere.exists()
    assert run(tmp_path, "user", "show", "ann") == 1
    assert "operators.log" in capsys.readouterr().err
