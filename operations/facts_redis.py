"""What Redis says about itself. Called by `operations.checks`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import redis
from redis.exceptions import RedisError

TIMEOUT_SECONDS = 5.0
WORKERS_KEY = "tongyou:workers"
"""Where workers give signs of life (`realtime.jobs.beats_redis`)."""


@dataclass(frozen=True)
class RedisFacts:
    """`clock_ahead`: seconds by which its clock is ahead of this machine's. `fault`: why it was silent."""

    version: str = ""
    clock_ahead: float = 0.0
    fault: str = ""


def redis_facts(url: str) -> RedisFacts:
    """Connect and ask; of a cluster each node that the URL names. Never raises."""
    facts = [_facts(each) for each in node_urls(url)]
    return next((each for each in facts if each.fault), facts[0])


def node_urls(url: str) -> list[str]:
    """The URL itself, or those of the nodes of ``redis+cluster://login@host:port,host:port``."""
    parts = urlsplit(url)
    if not parts.scheme.endswith("+cluster"):
        return [url]
    login, at, hosts = parts.netloc.rpartition("@")
    scheme, options = parts.scheme.removesuffix("+cluster"), f"/0?{parts.query}" if parts.query else ""
    return [f"{scheme}://{login}{at}{host.strip()}{options}" for host in hosts.split(",")]


def listening_workers(url: str) -> int | None:
    """Workers that have given a sign of life at this Redis; None when it cannot be asked."""
    try:
        with _client(url) as client:
            return int(client.zcount(WORKERS_KEY, f"({time.time()}", "+inf"))
    except _SILENT:
        return None


def _facts(url: str) -> RedisFacts:
    try:
        with _client(url) as client:
            asked = time.time()
            seconds, micros = client.time()
            ahead = seconds + micros / 1_000_000 - (asked + time.time()) / 2
            info = client.info("server")
            return RedisFacts(str(info.get("redis_version", "?")), ahead)
    except _SILENT as error:
        return RedisFacts(fault=str(error) or type(error).__name__)


_SILENT = (RedisError, OSError, ValueError)
"""ValueError: an option of the URL that redis-py does not understand."""


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
