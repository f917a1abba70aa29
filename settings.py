"""What the operator may decide: the settings of one process, with their defaults, limits and messages.

Owns names and checks. Never reads the environment (`server.py` alone does, and hands it in as a mapping) and
never chooses or builds anything. Beside `server.py` and not in a package, because it belongs to the whole
program. Called by the composition root and the tests.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

from domain.accounts import Limit, Limits
from handlers import logs
from realtime.jobs.mail_server import MailServer, read_mail_url, read_sender

ROOT = Path(__file__).resolve().parent
CLUSTER_URLS = ("redis+cluster://", "rediss+cluster://")
_LOGIN = re.compile(r"[a-z+]+://[^:/@?]*:(?P<password>[^?]*)@")
"""Of any URL, also one whose signs should have been written as `%2F` and the like."""
_SQL_LOGIN = re.compile(r"(mysql|mariadb)[a-z+]*://[^:/]*:(?P<password>[^@]*)@")
"""As SQLAlchemy reads it."""
_SECRET = re.compile(r"pass|secret|token|^((api|subscription)[_-]?)?key$")
"""Options of a URL that stand for a password."""
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


class SettingsError(Exception):
    """A setting is wrong or contradicts another; the message is one line for the operator."""


@dataclass(frozen=True)
class Settings:
    """Everything that the environment decides; the README's table has a row for each field."""

    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: str = "var"
    database_url: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    processes: int = 1
    workers: int = 0
    jobs_redis_url: str = field(default="", repr=False)
    db_pool_size: int = 8
    max_connections: int = 10_000
    max_connections_per_user: int = 20
    frames_per_second: int = 50
    trusted_proxies: str = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
    allowed_origins: str = ""
    site_url: str = ""
    mail_url: str = field(default="", repr=False)
    mail_from: str = ""
    tile_url: str = ""
    tile_attribution: str = ""
    ai_api_key: str = field(default="", repr=False)
    ai_base_url: str = field(default="https://api.deepseek.com", repr=False)
    ai_model: str = "deepseek-chat"
    ai_first_token_seconds: int = 30
    ai_silence_seconds: int = 30
    ai_total_seconds: int = 300
    ai_max_tokens: int = 4096
    ai_context_tokens: int = 16_000
    ai_streams: int = 500
    ai_streams_per_user: int = 2
    ai_streams_per_trip: int = 2
    drain_seconds: int = 20
    reads_per_minute: int = 1200
    writes_per_minute: int = 300
    throttle_factor: int = 1
    log_level: str = "INFO"
    log_format: str = "auto"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    tongyou_process: int = 0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Settings from variables named like the fields, in capitals. Raises `SettingsError`."""
        values: dict[str, Any] = {}
        for each in fields(cls):
            name = each.name.upper()
            text = environment.get(name, "").strip()
            if not text:
                continue
            values[each.name] = _number(name, text) if isinstance(each.default, int) else text
        settings = cls(**values)
        if not settings.database_url:
            path = (ROOT / settings.data_dir / "tongyou.db").resolve()
            values["database_url"] = f"sqlite:///{path}"
            settings = cls(**values)
        settings._check()
        settings._check_mail()
        return settings

    @property
    def folder(self) -> Path:
        """Where this installation keeps its own files."""
        return (ROOT / self.data_dir).resolve()

    @property
    def worker_process(self) -> int:
        """The number of a worker process: they are the processes 100 and above."""
        return self.tongyou_process if self.tongyou_process >= 100 else 100 + self.tongyou_process

    @property
    def bell_url(self) -> str:
        """The Redis of Celery."""
        return self.jobs_redis_url or self.redis_url

    @property
    def mail(self) -> MailServer | None:
        """The server that takes our mail; None: no mail is sent."""
        return read_mail_url(self.mail_url) if self.mail_url else None

    @property
    def origins(self) -> frozenset[str]:
        """Sites, besides our own host, whose pages may open a room's socket."""
        return frozenset(each for text in self.allowed_origins.lower().split(",") if (each := text.strip()))

    @property
    def limits(self) -> Limits:
        """Of sign-ins and requests. Behind one address there may be a school: it has ten times as many
        requests as a person."""
        reads, writes = self.reads_per_minute, self.writes_per_minute
        limits = Limits(
            reads_user=Limit(reads, 60),
            reads_address=Limit(10 * reads, 60),
            writes_user=Limit(writes, 60),
            writes_address=Limit(10 * writes, 60),
        )
        return limits.times(self.throttle_factor)

    @property
    def secrets(self) -> list[str]:
        """What must not be seen in a log, whatever library speaks."""
        urls = (self.database_url, self.redis_url, self.jobs_redis_url, self.mail_url, self.ai_base_url)
        return [self.ai_api_key, *(each for url in urls for each in _secrets_of(url))]

    def _check(self) -> None:
        limits = {
            "port": (0, 65535),
            "metrics_port": (0, 65535),
            "tongyou_process": (0, 255),
            "processes": (1, 256),
            "workers": (0, 100),
            "db_pool_size": (1, 256),
            "drain_seconds": (1, 300),
        }
        limits |= {"max_connections": (1, 1_000_000), "max_connections_per_user": (1, 1_000_000)}
        limits |= {"frames_per_second": (1, 1_000_000), "throttle_factor": (1, 1_000_000)}
        limits |= {"reads_per_minute": (10, 1_000_000), "writes_per_minute": (10, 1_000_000)}
        limits |= {f"ai_{name}_seconds": (1, 3_600) for name in ("first_token", "silence", "total")}
        limits |= {f"ai_{name}": (256, 10_000_000) for name in ("max_tokens", "context_tokens")}
        limits |= {f"ai_streams{name}": (1, 100_000) for name in ("", "_per_user", "_per_trip")}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise SettingsError(f"{name.upper()} must be from {low} to {high}")
        if self.processes > 1 and not self.redis_url:
            raise SettingsError(
                "PROCESSES is more than 1, but REDIS_URL is not set: processes need Redis to hear each other"
            )
        if not self.database_url.startswith(("sqlite:///", "mysql+pymysql://", "mariadb+pymysql://")):
            raise SettingsError("DATABASE_URL must start with sqlite:/// or mysql+pymysql://")
        if not self.database_url.startswith("sqlite:"):
            _check_database(self.database_url)
        if self.redis_url and not self.redis_url.startswith(
            (*CLUSTER_URLS, "redis://", "rediss://", "unix://")
        ):
            raise SettingsError("REDIS_URL must start with redis://, rediss://, redis+cluster:// or unix://")
        _check_redis("REDIS_URL", self.redis_url)
        _check_redis("JOBS_REDIS_URL", self.jobs_redis_url)
        if self.workers and not self.bell_url.startswith(("redis://", "rediss://", "unix://")):
            raise SettingsError(
                "WORKERS is more than 0, but there is no single Redis server to reach them: set REDIS_URL, "
                "or JOBS_REDIS_URL where REDIS_URL is a cluster"
            )
        if not self.ai_base_url.startswith(("http://", "https://")):
            raise SettingsError("AI_BASE_URL must start with http:// or https://")
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise SettingsError(
                    f"ALLOWED_ORIGINS: {origin!r} is no origin, which is like https://app.example (no path)"
                )
        if self.log_format not in logs.FORMATS:
            raise SettingsError(f"LOG_FORMAT {self.log_format!r} is not one of {', '.join(logs.FORMATS)}")
        if self.log_level.upper() not in logging.getLevelNamesMapping():
            raise SettingsError(f"LOG_LEVEL {self.log_level!r} is not one of DEBUG, INFO, WARNING, ERROR")

    def _check_mail(self) -> None:
        if self.site_url and not _ORIGIN.fullmatch(self.site_url.lower().rstrip("/")):
            raise SettingsError(
                "SITE_URL is the address of this site as people type it, like https://trips.example"
            )
        if not self.mail_url:
            return
        try:
            read_mail_url(self.mail_url)
        except ValueError as error:
            raise SettingsError(f"MAIL_URL {error}") from None
        try:
            read_sender(self.mail_from)
        except ValueError as error:
            raise SettingsError(f"MAIL_FROM {error}") from None
        if not self.site_url:
            raise SettingsError(
                "MAIL_URL is set, but SITE_URL is not: links in mails need this site's address"
            )


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{name} must be a whole number, not {text!r}") from None


# What is wrong with a URL is said without its words: a part of a password may stand anywhere in it.
_ESCAPE = "signs such as @, / and # in its password are written as %40, %2F, %23"


def _check_database(url: str) -> None:
    from sqlalchemy import make_url  # takes a while, and not every command needs it
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(url)
    except (ArgumentError, ValueError):
        raise SettingsError(
            f"DATABASE_URL is like mysql+pymysql://user:password@host/db; {_ESCAPE}"
        ) from None


def _check_redis(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        for host in parts.netloc.rpartition("@")[2].split(","):
            _ = urlsplit(f"//{host.strip()}").port  # raises, where it is none
        fits = parts.scheme == "unix" or "@" not in parts.path + parts.fragment
    except ValueError:
        fits = False
    if not fits:
        raise SettingsError(f"{name} is no address like redis://user:password@host:6379/0; {_ESCAPE}")


def _passwords(url: str) -> Iterator[str]:
    """As the libraries that get the URL find it: also where a user name has an `@`, or a path has one."""
    with contextlib.suppress(ValueError):
        yield urlsplit(url).password or ""
    if login := _SQL_LOGIN.match(url):
        yield login["password"]


def _secrets_of(url: str) -> Iterator[str]:
    """Passwords in a URL, in each spelling: as it stands there, and as libraries read it."""
    login = _LOGIN.match(url)
    found = [*([login["password"]] if login else []), *_passwords(url)]
    for option in url.partition("?")[2].split("&"):
        name, _, value = option.partition("=")
        if _SECRET.search(name.lower()):
            found.append(value)
    for each in found:
        yield from dict.fromkeys(filter(None, (each, unquote(each), unquote_plus(each))))
