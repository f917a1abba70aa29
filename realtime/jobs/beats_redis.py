"""A worker's sign of life in Redis, so that operators can ask whether anybody listens.

Owns one sorted set: the names of workers, each with the time at which it is forgotten. Nothing depends on it
but the answer to that question (`operations.facts_redis`): jobs are safe in the database. Never raises.
Chosen by the composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Callable

from realtime.link_redis import LOST, client

KEY = "tongyou:workers"
BEAT_SECONDS = 10.0
KEPT_SECONDS = 30.0
TIMEOUT_SECONDS = 5.0
log = logging.getLogger(__name__)


class RedisBeats:
    """See the module. Made and used on one loop."""

    def __init__(self, url: str, key: str = KEY, beat: float = BEAT_SECONDS) -> None:
        self._redis = client(url, TIMEOUT_SECONDS, max_connections=1)
        self._key = key
        self._beat = beat
        self._name = secrets.token_hex(6)

    async def keep_beating(self, listens: Callable[[], bool]) -> None:
        """For `Tasks.supervise`: a sign while the worker listens, soon after it began."""
        failing = False
        while True:
            if listens():
                try:
                    await self._say()
                    failing = False
                except LOST as error:
                    if not failing:
                        log.warning("no sign of life could be given: %s", error)
                    failing = True
                await asyncio.sleep(self._beat * random.uniform(0.8, 1.0))
            else:
                await asyncio.sleep(self._beat / 10)

    async def _say(self) -> None:
        now = time.time()
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zremrangebyscore(self._key, "-inf", now)
            pipe.zadd(self._key, {self._name: now + KEPT_SECONDS})
            pipe.expire(self._key, int(2 * KEPT_SECONDS))
            await pipe.execute()

    async def aclose(self) -> None:
        """Nobody listens here any more. Call it when `keep_beating` has ended."""
        with contextlib.suppress(*LOST):
            await self._redis.zrem(self._key, self._name)
        await self._redis.aclose()
