"""Settings from the environment: each is documented, secrets are not shown, contradictions are named."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from settings import Settings, SettingsError

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
        ("MAIL_URL", "mx.example:587"),
        ("MAIL_URL", "smtp://robot:pw@10.0.0.5?starttls=off"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.read({name: value})


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


def test_the_password_of_mail_is_never_shown() -> None:
    settings = Settings.read(MAIL)
    assert "cret" not in repr(settings) and "cret" not in repr(settings.mail)
    assert {"s%40cret-word", "s@cret-word"} <= set(settings.secrets)
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
