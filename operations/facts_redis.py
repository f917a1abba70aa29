"""What Redis says about itself. Called by `operations.checks`."""

from __future__ import annotations

import time
from dataclasses import dataclass

import redis
from redis.exceptions import RedisError

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class RedisFacts:
    """`clock_ahead`: seconds by which its clock is ahead of this machine's. `fault`: why it was silent."""

    version: str = ""
    clock_ahead: float = 0.0
    fault: str = ""


def redis_facts(url: str) -> RedisFacts:
    """Connect and ask. Never raises."""
    client = redis.Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
    try:
        asked = time.time()
        seconds, micros = client.time()
        ahead = seconds + micros / 1_000_000 - (asked + time.time()) / 2
        info = client.info("server")
        return RedisFacts(str(info.get("redis_version", "?")), ahead)
    except (RedisError, OSError) as error:
        return RedisFacts(fault=str(error) or type(error).__name__)
    finally:
        client.close()
