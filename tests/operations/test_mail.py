"""`tongyou mail test` and the line of `tongyou check` about mail, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import server
from operations import Installation, commands
from operations.checks import findings
from operations.mail import REASONS, explain
from settings import Settings
from storage.schema import upgrade
from tests.operations.test_commands import installation
from tests.services.process import HOST, free_port
from tests.services.smtp import Mailbox


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as made:
        yield made


def with_mail(folder: Path, url: str) -> Installation:
    settings = {
        "MAIL_URL": url,
        "MAIL_FROM": "同游 <mail@trips.example>",
        "SITE_URL": "https://trips.example",
    }
    made = installation(folder, mail=server._mail_door(Settings.read(settings)))
    upgrade(made.database_url)
    return made


def run(made: Installation, *arguments: str) -> int:
    return commands.main(arguments, lambda: made, made.folder)


def test_a_test_arrives(mailbox: Mailbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = with_mail(tmp_path, mailbox.url())
    assert run(made, "mail", "test", "ops@example.net") == 0
    assert f"{HOST}:{mailbox.port}, no TLS has taken a mail to ops@example.net" in capsys.readouterr().out
    (taken,) = mailbox.received
    assert taken.sender == "mail@trips.example" and taken.recipients == ["ops@example.net"]
    assert taken.message["From"] == "同游 <mail@trips.example>"
    assert "https://trips.example" in taken.part("plain")
    (act,) = [json.loads(line) for line in (tmp_path / "operators.log").read_text("utf-8").splitlines()]
    assert (act["command"], act["to"], act["outcome"]) == ("mail test", "ops@example.net", "done")


def test_what_does_not_succeed_says_why(
    mailbox: Mailbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = with_mail(tmp_path, mailbox.url())
    mailbox.answer("550 5.7.1 not allowed for ops@example.net")
    assert run(made, "mail", "test", "ops@example.net") == 1
    said = capsys.readouterr().err
    assert "refuses: code 550" in said and "MAIL_FROM" in said and said.count("\n") == 1
    assert run(made, "mail", "test", "nobody") == 1
    assert "not an e-mail address" in capsys.readouterr().err
    away = with_mail(tmp_path, f"smtp://{HOST}:{free_port()}")
    assert run(away, "mail", "test", "ops@example.net") == 1
    assert "does not answer" in capsys.readouterr().err
    assert run(installation(tmp_path), "mail", "test", "ops@example.net") == 1
    assert "MAIL_URL is not set" in capsys.readouterr().err


def test_check_speaks_to_the_server(mailbox: Mailbox, tmp_path: Path) -> None:
    def line(made: Installation) -> tuple[str, str]:
        (found,) = [each for each in findings(made) if each.what == "mail"]
        return found.level, found.said + found.hint

    assert line(installation(tmp_path))[0] == "ok"
    level, said = line(with_mail(tmp_path, mailbox.url()))
    assert level == "ok" and said == f"{HOST}:{mailbox.port}, no TLS, from 同游 <mail@trips.example>"
    level, said = line(with_mail(tmp_path, mailbox.url(login="robot:some-password")))
    assert level == "FAIL" and "refuses the login" in said and "some-password" not in said
    level, said = line(with_mail(tmp_path, mailbox.url(options="?starttls=require")))
    assert level == "FAIL" and "TLS" in said
    level, said = line(with_mail(tmp_path, f"smtp://{HOST}:{free_port()}"))
    assert level == "FAIL" and "does not answer" in said
    assert mailbox.received == []


def test_every_reason_has_words() -> None:
    for code in (*REASONS, "smtp_554", "anything"):
        said, hint = explain(code)
        assert said and hint
