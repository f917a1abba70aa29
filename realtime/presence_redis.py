"""The presence store in Redis: a hash for each room, each field with its own expiry.

Owns the keys `<prefix>people:<room>`. A field holds `<expiry in ms>|<body>` by Redis's own clock, so
the clocks of machines do not matter; reading sweeps what has expired, and the whole key expires
when nobody writes. Never raises: presence goes on locally while Redis is away. Chosen by the
composition root.
"""

from __future__ import annotations

import logging
from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from realtime.link_redis import LOST

CONNECTIONS = 4
PATIENCE = 10.0
"""Seconds that a call waits for one of them: when a crowd returns, hundreds of rooms ask at once."""
Command = tuple[Any, ...]
log = logging.getLogger(__name__)

_PUT = """
local t = redis.call('TIME')
local expiry = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[1])
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], expiry .. '|' .. ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""

_READ = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local fresh = {}
for i = 1, #all, 2 do
  local cut = string.find(all[i + 1], '|', 1, true)
  if cut and tonumber(string.sub(all[i + 1], 1, cut - 1)) > now then
    fresh[#fresh + 1] = all[i]
    fresh[#fresh + 1] = string.sub(all[i + 1], cut + 1)
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return fresh
"""


class RedisPresenceStore:
    """See `realtime.presence.PresenceStore`. `timeout` bounds every call once it has its connection, in
    seconds."""

    def __init__(self, url: str, prefix: str = "tongyou:", ttl: float = 60.0, timeout: float = 1.0) -> None:
        self._prefix = prefix
        self._ttl_ms = str(int(ttl * 1000))
        self._failing = False
        self._make(url, timeout)

    def _make(self, url: str, timeout: float) -> None:
        self._redis = patient_client(url, timeout)

    async def write(self, puts: list[tuple[str, str, bytes]], removes: list[tuple[str, str]]) -> bool:
        if not puts and not removes:
            return True
        by_room: dict[str, list[str | bytes]] = {}
        for room, sid, body in puts:
            by_room.setdefault(room, []).extend((sid, body))
        commands: list[Command] = [("HDEL", self._key(room), sid) for room, sid in removes]
        for room, arguments in by_room.items():
            commands.append(("EVAL", _PUT, 1, self._key(room), self._ttl_ms, *arguments))
        answers = await self._run([*(room for room, _ in removes), *by_room], commands)
        return self._note(answers)

    async def read(self, rooms: list[str]) -> dict[str, dict[str, bytes]] | None:
        if not rooms:
            return {}
        answers = await self._run(rooms, [("EVAL", _READ, 1, self._key(room)) for room in rooms])
        self._note(answers)
        known = [(room, flat) for room, flat in zip(rooms, answers, strict=True) if isinstance(flat, list)]
        if not known:
            return None
        return {
            room: {sid.decode(): body for sid, body in zip(flat[::2], flat[1::2], strict=True)}
            for room, flat in known
        }

    async def ping(self) -> bool:
        """Redis answers."""
        try:
            return bool(await self._redis.ping())
        except LOST:
            return False

    async def aclose(self) -> None:
        await self._redis.aclose()

    def _key(self, room: str) -> str:
        return f"{self._prefix}people:{room}"

    async def _run(self, rooms: list[str], commands: list[Command]) -> list[Any]:
        """The answer to each command, each about one room; an exception where there is none."""
        return await pipelined(self._redis, commands)

    def _note(self, answers: list[Any]) -> bool:
        """Log the first failure of a series; whether all went well."""
        error = next((each for each in answers if isinstance(each, Exception)), None)
        if error is not None and not self._failing:
            log.warning("presence is local only: %s", error)
        self._failing = error is not None
        return error is None


def patient_client(url: str, timeout: float) -> redis.Redis:
    """A client with few connections, for which calls wait."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        protocol=2,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        max_connections=CONNECTIONS,
        timeout=PATIENCE,
    )
    return redis.Redis.from_pool(pool)


async def pipelined(target: redis.Redis, commands: list[Command]) -> list[Any]:
    """The answers of one server, in one round trip. Never raises `LOST`: it is answered."""
    pipe = target.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    try:
        answers: list[Any] = await pipe.execute(raise_on_error=False)
    except LOST as error:
        return [error] * len(commands)
    return answers
