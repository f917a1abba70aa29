"""What brokers over Redis are made of: a `Link` hears one server, an `Outlet` speaks to it.

A link owns one subscribing connection and the knowledge that redis-py heals silently: every lost or
suspected connection is replaced by a new one, and `restored` tells so. A beacon, which the broker
publishes on a channel of the link's own, finds half-open connections that no timeout sees. An outlet
owns a bounded queue that is published in pipelines; nobody waits for it. Neither knows what a channel
is for. Used by `broker_redis` and `broker_redis_cluster` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, Protocol

import redis.asyncio as redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MovedError, RedisError

from realtime.tasks import Tasks

log = logging.getLogger(__name__)

LOST = (RedisError, OSError, RuntimeError)
"""What a lost connection raises. RuntimeError: on uvloop, a write to a connection that has just been reset,
which redis-py does not translate."""
MAX_QUEUED = 10_000
MAX_QUEUED_BYTES = 16 * 1024 * 1024
PIPELINE = 500
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
HOPS = 3
"""How often a message is sent on to where the cluster says it belongs."""


def client(url: str, timeout: float, **more: Any) -> redis.Redis:
    """A client that gives up after `timeout` seconds and repeats nothing by itself."""
    settings: dict[str, Any] = {
        "protocol": 2,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
    }
    return redis.Redis.from_url(url, **(settings | more))


class Listener(Protocol):
    """Who made the link or the outlet."""

    def receive(self, name: str, data: bytes) -> None:
        """A message."""

    def confirmed(self, name: str) -> None:
        """A single subscription became active."""

    def restored(self) -> None:
        """The link is up again, with everything wanted; messages before may be missing."""

    def lost(self, link: Link) -> None:
        """The link is down, or no longer wants anything."""

    def moved(self, error: MovedError | None) -> None:
        """This server is no longer the one for some channel (cluster only)."""

    def send_on(self, name: str, data: bytes, hops: int) -> None:
        """Publish this where it belongs now (cluster only)."""

    def recovered(self) -> None:
        """An outlet that lost messages publishes again."""


class Link:
    """See the module. `wanted` may be changed at any time: tell so by `change`. `sharded`: SSUBSCRIBE."""

    def __init__(
        self, source: redis.Redis, beacon: str, listener: Listener, seconds: float, missed: int, sharded: bool
    ) -> None:
        self.beacon = beacon
        self.wanted: set[str] = {beacon}
        self.active: set[str] = set()
        self.up = False
        self._redis = source
        self._listener = listener
        self._seconds = seconds
        self._silence = seconds * missed
        self._sharded = sharded
        self._changes = asyncio.Event()
        self._heard = 0.0

    def change(self) -> None:
        """`wanted` was changed."""
        self._changes.set()

    async def run(self, tasks: Tasks) -> None:
        """For ever: connect, subscribe to what is wanted, read."""
        pause = FIRST_PAUSE
        failing = False
        while True:
            pubsub = self._redis.pubsub()
            try:
                await self._subscribe_all(pubsub)
                if failing:
                    log.info("Redis is back")
                failing, pause = False, FIRST_PAUSE
                await self._read_and_change(pubsub, tasks)
            except LOST as error:
                if not failing:
                    log.warning("the Redis subscription is lost: %s", error)
                failing = True
            finally:
                self.set_down()
                with contextlib.suppress(*LOST):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            self._listener.moved(None)  # a server that is away may have been replaced
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE)

    def set_down(self) -> None:
        self.up = False
        self.active = set()
        self._listener.lost(self)

    # --- one connection ---------------------------------------------------------------------

    def _asked(self, pubsub: PubSub) -> dict[bytes, Any]:
        """What redis-py believes to be subscribed to."""
        found: dict[bytes, Any] = pubsub.shard_channels if self._sharded else pubsub.channels
        return found

    async def _subscribe(self, pubsub: PubSub, names: Collection[str]) -> None:
        if not self._sharded:
            await pubsub.subscribe(*names)
            return
        for name in names:  # channels of one command must be of one slot
            await pubsub.ssubscribe(name)

    async def _unsubscribe(self, pubsub: PubSub, names: Collection[str]) -> None:
        if not self._sharded:
            await pubsub.unsubscribe(*names)
        else:
            for name in names:
                await pubsub.sunsubscribe(name)
        # Forgotten now, not when Redis confirms: it may be wanted again before that.
        self._forget(pubsub, names)

    def _forget(self, pubsub: PubSub, names: Iterable[str]) -> None:
        asked = self._asked(pubsub)
        for name in names:
            asked.pop(name.encode(), None)

    async def _next(self, pubsub: PubSub, within: float) -> dict[str, Any] | None:
        """The next message; None when none came, or the cluster sent us elsewhere."""
        try:
            message: dict[str, Any] | None = await pubsub.get_message(timeout=within)
            return message
        except MovedError as error:
            # It does not say which channel, so all that are not confirmed are asked for again.
            self._forget(pubsub, [n for raw in self._asked(pubsub) if (n := raw.decode()) not in self.active])
            self._listener.moved(error)
            return None

    async def _subscribe_all(self, pubsub: PubSub) -> None:
        self.active = set()
        await self._subscribe(pubsub, list(self.wanted))
        deadline = self._now() + self._silence
        while not self.wanted <= self.active:
            if self._now() > deadline:
                raise ConnectionError("subscriptions are not confirmed")
            message = await self._next(pubsub, self._seconds)
            if message is not None:
                self._handle(pubsub, message)
            missing = self.wanted - self.active - {raw.decode() for raw in self._asked(pubsub)}
            if missing:
                await self._subscribe(pubsub, missing)
        self._heard = self._now()
        self.up = True
        self.change()  # what is no longer wanted
        self._listener.restored()

    async def _read_and_change(self, pubsub: PubSub, tasks: Tasks) -> None:
        """Until one of them fails: read messages, and keep the subscriptions as wanted."""
        changing = tasks.spawn("redis subscriptions", self._change(pubsub))
        if changing is None:
            return
        try:
            while not changing.done():
                message = await self._next(pubsub, self._seconds / 2)
                if message is not None:
                    self._handle(pubsub, message)
                if self._now() - self._heard > self._silence:
                    raise ConnectionError("the beacon is not heard: half-open connection")
        finally:
            changing.cancel()
            await asyncio.wait([changing])

    async def _change(self, pubsub: PubSub) -> None:
        while True:
            await self._changes.wait()
            self._changes.clear()
            # One command for all changes that gathered during this turn of the loop.
            await asyncio.sleep(0)
            have = {raw.decode() for raw in self._asked(pubsub)}
            try:
                if more := self.wanted - have:
                    await self._subscribe(pubsub, more)
                if fewer := have - self.wanted:
                    self.active -= fewer
                    await self._unsubscribe(pubsub, fewer)
            except LOST:
                return  # the reader sees the same connection fail

    def _handle(self, pubsub: PubSub, message: dict[str, Any]) -> None:
        kind = _KINDS.get(message["type"], message["type"])
        name = message["channel"].decode()
        if kind == "message":
            self._heard = self._now()
            if name != self.beacon:
                self._listener.receive(name, message["data"])
        elif kind == "subscribe":
            self.active.add(name)
            if self.up:
                self._listener.confirmed(name)
        elif kind == "unsubscribe" and name in self.wanted:
            self.active.discard(name)
            if self._sharded:  # nobody asked for it: the slot of the channel has another owner now
                self._forget(pubsub, [name])
                self._listener.moved(None)
            self.change()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


_KINDS = {"ssubscribe": "subscribe", "smessage": "message", "sunsubscribe": "unsubscribe"}


class Outlet:
    """See the module."""

    def __init__(self, target: redis.Redis, listener: Listener, pause: float, sharded: bool) -> None:
        self.dropped = 0
        self._redis = target
        self._listener = listener
        self._pause = pause
        self._command = "SPUBLISH" if sharded else "PUBLISH"
        self._queue: deque[tuple[str, bytes, int]] = deque()
        self._queued_bytes = 0
        self._queued = asyncio.Event()
        self._lost = False
        self._executing = asyncio.Lock()

    def put(self, name: str, data: bytes, hops: int = 0) -> None:
        """Queue a message; dropped when the queue is full, or it was sent on too often."""
        full = len(self._queue) >= MAX_QUEUED or self._queued_bytes + len(data) > MAX_QUEUED_BYTES
        if full or hops > HOPS:
            self._lose(1)
            return
        self._queue.append((name, data, hops))
        self._queued_bytes += len(data)
        self._queued.set()

    async def run(self) -> None:
        """For ever: publish what is queued."""
        failing = False
        while True:
            await self._queued.wait()
            self._queued.clear()
            try:
                await self.flush()
                failing = False
            except LOST as error:
                if not failing:
                    log.warning("publishing to Redis fails: %s", error)
                failing = True
                self._drop_queue()
                self._listener.moved(None)
                await asyncio.sleep(self._pause * random.uniform(0.2, 0.4))

    async def flush(self) -> None:
        """Publish all that is queued. Raises `LOST`; what was under way is lost."""
        while self._queue:
            pipe = self._redis.pipeline(transaction=False)
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), PIPELINE))]
            for name, data, _ in batch:
                self._queued_bytes -= len(data)
                pipe.execute_command(self._command, name, data)
            lost = self._lost
            try:
                async with self._executing:
                    answers = await pipe.execute(raise_on_error=False)
            except BaseException:
                self._lose(len(batch))
                raise
            self._lost = False
            self._look_at(answers, batch)
            if lost and not self._lost:
                self._listener.recovered()

    @property
    def executing(self) -> asyncio.Lock:
        """Held while a command is under way, which must not be cut: its answer would stay unread."""
        return self._executing

    def _look_at(self, answers: list[Any], batch: list[tuple[str, bytes, int]]) -> None:
        for answer, (name, data, hops) in zip(answers, batch, strict=True):
            if isinstance(answer, MovedError):
                self._listener.moved(answer)
                self._listener.send_on(name, data, hops + 1)
            elif isinstance(answer, Exception):
                self._lose(1)
                self._listener.moved(None)

    def _lose(self, count: int) -> None:
        self.dropped += count
        self._lost = True

    def _drop_queue(self) -> None:
        # Old news helps nobody: the others read the log, and are told so by `recovered`.
        self._lose(len(self._queue))
        self._queue.clear()
        self._queued_bytes = 0
