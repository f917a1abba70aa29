"""Settings from the environment: each is documented, secrets are not shown, contradictions are named."""

from __future__ import annotations

import io
import logging
import re
import traceback
from dataclasses import fields
from pathlib import Path
from urllib.parse import unquote

import pytest

from domain.accounts import Limits
from handlers import logs
from settings import Settings, SettingsError
from wiring.mail import make_post

ROOT = Path(__file__).resolve().parents[1]


def test_every_setting_has_a_row_in_the_readme_and_every_row_a_setting() -> None:
    table = (ROOT / "README.md").read_text("utf-8").split("## Settings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {each.name.upper() for each in fields(Settings)}


def test_the_key_is_never_shown() -> None:
    settings = Settings.read({"AI_API_KEY": "sk-secret"})
    assert settings.ai_api_key == "sk-secret" and "secret" not in repr(settings)


def test_the_assistant_is_off_and_points_at_deepseek_by_default() -> None:
    settings = Settings.read({})
    assert (settings.ai_api_key, settings.ai_model) == ("", "deepseek-chat")
    assert settings.ai_base_url == "https://api.deepseek.com"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AI_BASE_URL", "api.deepseek.com"),
        ("ALLOWED_ORIGINS", "https://app.example, app.example"),
        ("ALLOWED_ORIGINS", "https://app.example/path"),
        ("ALLOWED_ORIGINS", "*"),
        ("AI_FIRST_TOKEN_SECONDS", "0"),
        ("AI_TOTAL_SECONDS", "soon"),
        ("AI_MAX_TOKENS", "10"),
        ("AI_STREAMS", "0"),
        ("AI_STREAMS_PER_TRIP", "-1"),
        ("SITE_URL", "trips.example"),
        ("SITE_URL", "https://trips.example/path"),
        ("SITE_URL", "https://trips.example?x=1"),
        ("REDIS_URL", "redis://:TOP/SECRET@127.0.0.1:6379"),
        ("REDIS_URL", "redis://:123/SECRET@127.0.0.1:6379"),
        ("REDIS_URL", "redis://:TOP#SECRET@127.0.0.1:6379"),
        ("REDIS_URL", "redis://:SECRET@127.0.0.1:port/0"),
        ("REDIS_URL", "redis+cluster://:SECRET@10.0.0.1:6379,10.0.0.2:port"),
        ("JOBS_REDIS_URL", "redis://[::1:6379/0?password=SECRET"),
        ("DATABASE_URL", "mysql+pymysql://u:SECRET@127.0.0.1:port/db"),
        ("MAIL_URL", "mx.example:587"),
        ("MAIL_URL", "smtp://robot:pw@10.0.0.5?starttls=off"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as raised:
        Settings.read({name: value})
    shown = "".join(traceback.format_exception(raised.value))
    assert "SECRET" not in shown and "TOP" not in shown


MAIL = {
    "MAIL_URL": "smtp://robot:s%40cret-word@mx.example",
    "MAIL_FROM": "同游 <mail@trips.example>",
    "SITE_URL": "https://Trips.example/",
}


def test_mail_is_off_until_all_of_it_is_set() -> None:
    assert Settings.read({}).mail is None
    server = Settings.read(MAIL).mail
    assert server is not None and (server.host, server.port, server.tls) == ("mx.example", 587, "starttls")
    for missing in ("MAIL_FROM", "SITE_URL"):
        with pytest.raises(SettingsError, match=missing):
            Settings.read(MAIL | {missing: ""})
    with pytest.raises(SettingsError, match="MAIL_FROM"):
        Settings.read(MAIL | {"MAIL_FROM": "Tongyou"})


def test_how_many_mails_a_mailbox_gets_is_a_limit_like_the_others() -> None:
    post = make_post(Settings.read(MAIL | {"THROTTLE_FACTOR": "3"}))
    assert post is not None
    assert post.limits.link_mails_recipient.count == 3 * Limits().link_mails_recipient.count


def test_the_password_of_mail_is_never_shown() -> None:
    settings = Settings.read(MAIL)
    assert "cret" not in repr(settings) and "cret" not in repr(settings.mail)
    assert {"s%40cret-word", "s@cret-word"} <= set(settings.secrets)
    by_address = Settings.read(MAIL | {"MAIL_URL": "smtp://me@example.com:s%40cret-word@mx.example"})
    assert {"s%40cret-word", "s@cret-word"} <= set(by_address.secrets)
    with pytest.raises(SettingsError) as raised:
        Settings.read(MAIL | {"MAIL_URL": "smtp://robot:s%40cret-word@mx.example?starttls=maybe"})
    assert "cret" not in str(raised.value)


def test_origins_are_a_list() -> None:
    settings = Settings.read({"ALLOWED_ORIGINS": "https://App.example , http://[::1]:8080"})
    assert settings.origins == {"https://app.example", "http://[::1]:8080"}
    assert Settings.read({}).origins == frozenset()


def test_a_redis_cluster_is_named_by_its_nodes_and_its_password_is_a_secret() -> None:
    url = "redis+cluster://app:p%40ss@10.0.0.1:6379,10.0.0.2:6380"
    secrets = Settings.read({"REDIS_URL": url, "PROCESSES": "2"}).secrets
    assert "p@ss" in secrets and "p%40ss" in secrets
    with pytest.raises(SettingsError, match="REDIS_URL"):
        Settings.read({"REDIS_URL": "cluster://10.0.0.1:6379"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "redis://user:s%40cret-word@127.0.0.1:6379/0"),
        ("REDIS_URL", "redis://127.0.0.1:6379/0?password=s%40cret-word"),
        ("REDIS_URL", "unix:///run/redis.sock?db=1&password=s%40cret-word"),
        ("REDIS_URL", "redis+cluster://10.0.0.1:1,10.0.0.2:1?username=app&password=s%40cret-word"),
        ("JOBS_REDIS_URL", "rediss://127.0.0.1?password=s%40cret-word&ssl_password=s%40cret-word"),
        ("DATABASE_URL", "mysql+pymysql://app:s%40cret-word@127.0.0.1/db?charset=utf8mb4"),
        ("DATABASE_URL", "mysql+pymysql://127.0.0.1/db?user=app&password=s%40cret-word"),
        ("DATABASE_URL", "mysql+pymysql://127.0.0.1/db?user=app&passwd=s%40cret-word"),
        ("DATABASE_URL", "mysql+pymysql://app@corp:s%40cret-word@127.0.0.1/db"),
        ("DATABASE_URL", "mysql+pymysql://app:s%40cret?word@127.0.0.1/db"),
        ("REDIS_URL", "redis://me@corp:s%40cret-word@127.0.0.1:6379/0"),
        ("AI_BASE_URL", "https://app:s%40cret-word@ai.example/v1"),
        ("AI_BASE_URL", "https://app:s%40cret-word@ai.example/v1/@cf/meta"),
        ("AI_BASE_URL", "https://ai.example/v1?api-key=s%40cret-word"),
        ("AI_BASE_URL", "https://ai.example/v1?subscription-key=s%40cret-word"),
        ("AI_BASE_URL", "https://ai.example/v1?key=s%40cret-word"),
    ],
)
def test_a_password_in_a_url_is_masked_wherever_it_stands(name: str, value: str) -> None:
    settings = Settings.read({name: value})
    assert "cret" not in repr(settings)
    stream = io.StringIO()
    lines = logs.Lines(stream, settings.secrets)
    for said in (value, unquote(value), repr(value)):
        lines.emit(logging.LogRecord("any", logging.WARNING, "any", 1, "lost: %s", (said,), None))
    assert stream.getvalue().count(logs.MASK) >= 3 and not re.search(r"cret.word", stream.getvalue())


def test_what_is_no_password_is_not_masked() -> None:
    url = "mysql+pymysql://app@127.0.0.1/tongyou?ssl_key=/etc/mysql/client-key.pem&charset=utf8mb4"
    assert Settings.read({"DATABASE_URL": url}).secrets == [""]
    assert Settings.read({"DATA_DIR": "/srv/a:b@c"}).secrets == [""]
