"""The broker over Redis Pub/Sub.

Owns one link, one outlet, and who waits for a subscription. `broker_redis_cluster` has many of both and the
rest from here. Chosen by the composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Collection

from redis.exceptions import MovedError

from realtime.broker import OnGap, OnMessage
from realtime.link_redis import FIRST_PAUSE, LONGEST_PAUSE, LOST, Link, Outlet, client
from realtime.tasks import Tasks

log = logging.getLogger(__name__)

SUBSCRIBE_WAIT = 1.0
GAP_PAUSE = 0.2
"""Many reasons to look at the database at once are one."""


class RedisBroker:
    """See `realtime.broker.Broker`.

    `beacon`: seconds between signs of life to ourselves; `missed` of them without an echo mean
    that the connection is dead. `timeout` bounds connecting and publishing.
    """

    sharded = False

    def __init__(
        self, url: str, prefix: str = "tongyou:", beacon: float = 2.0, missed: int = 3, timeout: float = 2.0
    ) -> None:
        self._prefix = prefix
        self._beacon = beacon
        self._missed = missed
        self._node = uuid.uuid4().hex
        self._all_channel = f"{prefix}gap"
        self._wanted: set[str] = {self._all_channel}
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._tasks = Tasks(FIRST_PAUSE, LONGEST_PAUSE)
        self._on_message: OnMessage | None = None
        self._on_gap: OnGap | None = None
        self._gap_pause: asyncio.TimerHandle | None = None
        self._gap_waits = False
        self._unsent = 0
        self._make(url, timeout)

    def _make(self, url: str, timeout: float) -> None:
        self._publishing = client(url, timeout, max_connections=1)
        self._subscribing = client(url, timeout)
        beacon = f"{self._prefix}beacon:{self._node}"
        self._link = Link(self._subscribing, beacon, self, self._beacon, self._missed, self.sharded)
        self._link.wanted |= self._wanted
        self._outlet = Outlet(self._publishing, self, self._beacon, self.sharded)

    # --- contract ---------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return self._link.up

    @property
    def dropped(self) -> int:
        return self._unsent + sum(outlet.dropped for outlet in self._outlets())

    def listen(self, on_message: OnMessage, on_gap: OnGap) -> None:
        self._on_message, self._on_gap = on_message, on_gap

    async def start(self) -> None:
        self._tasks.supervise("redis subscriber", lambda: self._link.run(self._tasks))
        self._tasks.supervise("redis publisher", self._outlet.run)
        self._tasks.supervise("redis beacon", self._send_beacons)

    async def aclose(self) -> None:
        outlets = self._outlets()
        async with contextlib.AsyncExitStack() as stack:
            for outlet in outlets:
                await stack.enter_async_context(outlet.executing)
            await self._tasks.aclose()
        if self._gap_pause is not None:
            self._gap_pause.cancel()
        for link in self._links():
            link.set_down()
        for outlet in outlets:
            with contextlib.suppress(*LOST):
                await outlet.flush()
        await self._disconnect()

    async def _disconnect(self) -> None:
        await self._publishing.aclose()
        await self._subscribing.aclose()

    def publish(self, channel: str, data: bytes) -> None:
        self.send_on(self._prefix + channel, data, 0)

    async def subscribe(self, channel: str) -> None:
        name = self._prefix + channel
        self._want(name)
        link = self._link_of(name)
        if link is None or not link.up or name in link.active:
            return
        waiting = self._waiting.get(name)
        if waiting is None:
            waiting = self._waiting[name] = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SUBSCRIBE_WAIT):
                await asyncio.shield(waiting)

    def unsubscribe(self, channel: str) -> None:
        name = self._prefix + channel
        self._wanted.discard(name)
        for link in self._links():
            if name in link.wanted:
                link.wanted.discard(name)
                link.change()

    # --- one server; a cluster has several -----------------------------------------------------

    def _links(self) -> Collection[Link]:
        return (self._link,)

    def _outlets(self) -> Collection[Outlet]:
        return (self._outlet,)

    def _link_of(self, name: str) -> Link | None:
        return self._link

    def _outlet_of(self, name: str) -> Outlet | None:
        return self._outlet

    def _want(self, name: str) -> None:
        self._wanted.add(name)
        link = self._link_of(name)
        if link is not None and name not in link.wanted:
            link.wanted.add(name)
            link.change()

    async def _send_beacons(self) -> None:
        while True:
            for link in self._links():
                self.send_on(link.beacon, b"", 0)
            await asyncio.sleep(self._beacon)

    # --- for links and outlets -----------------------------------------------------------------

    def receive(self, name: str, data: bytes) -> None:
        if name == self._all_channel:
            self._gap()
        elif self._on_message is not None:
            try:
                self._on_message(name.removeprefix(self._prefix), data)
            except Exception:
                log.exception("a message on %s was not understood", name)

    def confirmed(self, name: str) -> None:
        waiting = self._waiting.pop(name, None)
        if waiting is None:
            self._gap()  # it was away, and nobody is about to look at the database anyway
        elif not waiting.done():
            waiting.set_result(None)

    def restored(self) -> None:
        if self._on_gap is not None:
            self._on_gap()

    def lost(self, link: Link) -> None:
        for name in link.wanted & self._waiting.keys():
            waiting = self._waiting.pop(name)
            if not waiting.done():
                waiting.set_result(None)

    def moved(self, error: MovedError | None) -> None:
        """There is no other server."""

    def send_on(self, name: str, data: bytes, hops: int) -> None:
        outlet = self._outlet_of(name)
        if outlet is None:
            self._unsent += 1
        else:
            outlet.put(name, data, hops)

    def recovered(self) -> None:
        self.send_on(self._all_channel, b"", 0)

    def _gap(self) -> None:
        if self._on_gap is None:
            return
        if self._gap_pause is not None:
            self._gap_waits = True
            return
        self._gap_pause = asyncio.get_running_loop().call_later(GAP_PAUSE, self._end_gap_pause)
        self._on_gap()

    def _end_gap_pause(self) -> None:
        self._gap_pause, waits, self._gap_waits = None, self._gap_waits, False
        if waits:
            self._gap()
