"""The broker over Redis Pub/Sub.

Owns one subscribing connection, one publishing client, and the knowledge that redis-py heals
silently: every lost or suspected connection is replaced by a new one, and `on_gap` tells so. A
beacon on a channel of our own finds half-open connections that no timeout sees. Publishing is
queued, bounded and pipelined, and nobody waits for it. Chosen by the composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import uuid
from collections import deque
from typing import Any

import redis.asyncio as redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from realtime.broker import OnGap, OnMessage
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
SUBSCRIBE_WAIT = 1.0


class RedisBroker:
    """See `realtime.broker.Broker`.

    `beacon`: seconds between signs of life to ourselves; `missed` of them without an echo mean
    that the connection is dead. `timeout` bounds connecting and publishing.
    """

    def __init__(
        self, url: str, prefix: str = "tongyou:", beacon: float = 2.0, missed: int = 3, timeout: float = 2.0
    ) -> None:
        self._prefix = prefix
        self._beacon = beacon
        self._silence = beacon * missed
        settings: dict[str, Any] = {
            "protocol": 2,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "socket_keepalive": True,
            "retry": Retry(NoBackoff(), 0),
        }
        self._publishing = redis.Redis.from_url(url, max_connections=1, **settings)
        self._subscribing = redis.Redis.from_url(url, **settings)
        self._beacon_channel = f"{prefix}beacon:{uuid.uuid4().hex}"
        self._all_channel = f"{prefix}gap"
        self._wanted: set[str] = {self._beacon_channel, self._all_channel}
        self._active: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._changes = asyncio.Event()
        self._heard = 0.0
        self._up = False
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued_bytes = 0
        self._queued = asyncio.Event()
        self._lost = False
        self._executing = asyncio.Lock()
        self._tasks = Tasks(FIRST_PAUSE, LONGEST_PAUSE)
        self._on_message: OnMessage | None = None
        self._on_gap: OnGap | None = None
        self.dropped = 0
        """Messages that were not published: Redis was away or the queue was full."""

    # --- contract ---------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return self._up

    def listen(self, on_message: OnMessage, on_gap: OnGap) -> None:
        self._on_message, self._on_gap = on_message, on_gap

    async def start(self) -> None:
        self._tasks.supervise("redis subscriber", self._subscriber)
        self._tasks.supervise("redis publisher", self._publisher)
        self._tasks.supervise("redis beacon", self._send_beacons)

    async def aclose(self) -> None:
        # Not while a command is under way: its connection would be left with an answer unread.
        async with self._executing:
            await self._tasks.aclose()
        self._set_down()
        with contextlib.suppress(*LOST):
            await self._flush()
        await self._publishing.aclose()
        await self._subscribing.aclose()

    def publish(self, channel: str, data: bytes) -> None:
        self._enqueue(self._prefix + channel, data)

    async def subscribe(self, channel: str) -> None:
        name = self._prefix + channel
        self._wanted.add(name)
        if not self._up or name in self._active:
            return
        waiting = self._waiting.get(name)
        if waiting is None:
            waiting = self._waiting[name] = asyncio.get_running_loop().create_future()
            self._changes.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SUBSCRIBE_WAIT):
                await asyncio.shield(waiting)

    def unsubscribe(self, channel: str) -> None:
        self._wanted.discard(self._prefix + channel)
        self._changes.set()

    # --- publishing -------------------------------------------------------------------------

    def _enqueue(self, name: str, data: bytes) -> None:
        if len(self._queue) >= MAX_QUEUED or self._queued_bytes + len(data) > MAX_QUEUED_BYTES:
            self.dropped += 1
            self._lost = True
            return
        self._queue.append((name, data))
        self._queued_bytes += len(data)
        self._queued.set()

    async def _publisher(self) -> None:
        failing = False
        while True:
            await self._queued.wait()
            self._queued.clear()
            try:
                await self._flush()
                failing = False
            except LOST as error:
                if not failing:
                    log.warning("publishing to Redis fails: %s", error)
                failing = True
                self._drop_queue()
                await asyncio.sleep(self._beacon * random.uniform(0.2, 0.4))

    async def _flush(self) -> None:
        while self._queue:
            pipe = self._publishing.pipeline(transaction=False)
            if self._lost:
                pipe.publish(self._all_channel, b"")
            size = min(len(self._queue), PIPELINE)
            for _ in range(size):
                name, data = self._queue.popleft()
                self._queued_bytes -= len(data)
                pipe.publish(name, data)
            try:
                async with self._executing:
                    await pipe.execute()
            except BaseException:
                self.dropped += size
                self._lost = True
                raise
            self._lost = False

    def _drop_queue(self) -> None:
        # Old news helps nobody: the others read the log. They are told so by `_all_channel`.
        self.dropped += len(self._queue)
        self._queue.clear()
        self._queued_bytes = 0

    async def _send_beacons(self) -> None:
        while True:
            self._enqueue(self._beacon_channel, b"")
            await asyncio.sleep(self._beacon)

    # --- subscribing ------------------------------------------------------------------------

    async def _subscriber(self) -> None:
        pause = FIRST_PAUSE
        failing = False
        while True:
            pubsub = self._subscribing.pubsub()
            try:
                await self._subscribe_all(pubsub)
                if failing:
                    log.info("Redis is back")
                failing, pause = False, FIRST_PAUSE
                await self._read_and_change(pubsub)
            except LOST as error:
                if not failing:
                    log.warning("the Redis subscription is lost: %s", error)
                failing = True
            finally:
                self._set_down()
                with contextlib.suppress(*LOST):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _subscribe_all(self, pubsub: PubSub) -> None:
        self._active = set()
        await pubsub.subscribe(*self._wanted)
        confirmed: set[str] = set()
        deadline = self._now() + self._silence
        while not self._wanted <= confirmed:
            if self._now() > deadline:
                raise ConnectionError("subscriptions are not confirmed")
            message = await pubsub.get_message(timeout=self._beacon)
            if message is None:
                continue
            if message["type"] == "subscribe":
                confirmed.add(message["channel"].decode())
            elif message["type"] == "message":
                self._receive(message["channel"].decode(), message["data"])
            missing = self._wanted - confirmed - {channel.decode() for channel in pubsub.channels}
            if missing:
                await pubsub.subscribe(*missing)
        self._active = confirmed
        self._heard = self._now()
        self._up = True
        self._gap()

    async def _read_and_change(self, pubsub: PubSub) -> None:
        """Until one of them fails: read messages, and keep the subscriptions as wanted."""
        changing = self._tasks.spawn("redis subscriptions", self._change(pubsub))
        if changing is None:
            return
        try:
            while not changing.done():
                message = await pubsub.get_message(timeout=self._beacon / 2)
                if message is not None:
                    self._handle(message)
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
            have = {channel.decode() for channel in pubsub.channels}
            try:
                if more := self._wanted - have:
                    await pubsub.subscribe(*more)
                if fewer := have - self._wanted:
                    self._active -= fewer
                    await pubsub.unsubscribe(*fewer)
                    # Forgotten now, not when Redis confirms: it may be wanted again before that.
                    for name in fewer:
                        pubsub.channels.pop(name.encode(), None)
            except LOST:
                return  # the reader sees the same connection fail

    def _handle(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        name = message["channel"].decode()
        if kind == "message":
            self._receive(name, message["data"])
        elif kind == "subscribe":
            if name in self._active and name not in self._waiting:
                self._gap()  # redis-py has reconnected by itself
            self._active.add(name)
            waiting = self._waiting.pop(name, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        elif kind == "unsubscribe" and name in self._wanted:
            self._active.discard(name)
            self._changes.set()

    def _receive(self, name: str, data: bytes) -> None:
        self._heard = self._now()
        if name == self._all_channel:
            self._gap()
        elif name != self._beacon_channel and self._on_message is not None:
            try:
                self._on_message(name.removeprefix(self._prefix), data)
            except Exception:
                log.exception("a message on %s was not understood", name)

    def _set_down(self) -> None:
        self._up = False
        self._active = set()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_result(None)

    def _gap(self) -> None:
        if self._on_gap is not None:
            self._on_gap()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
