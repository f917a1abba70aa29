"""The broker without a server: for one process, and for several nodes inside one test.

Owns nothing durable. `MemoryBus` is what the nodes share; `down()` and `restore()` play an outage.
Chosen by the composition root.
"""

from __future__ import annotations

import asyncio
import logging

from realtime.broker import OnGap, OnMessage

log = logging.getLogger(__name__)


class MemoryBus:
    """Where the memory brokers of one loop meet."""

    def __init__(self) -> None:
        self.brokers: set[MemoryBroker] = set()
        self.up = True

    def down(self) -> None:
        """From now on messages are lost."""
        self.up = False

    def restore(self) -> None:
        """Messages pass again; every broker learns that there was a gap."""
        self.up = True
        for broker in list(self.brokers):
            broker.gap()

    def publish(self, channel: str, data: bytes) -> None:
        if not self.up:
            return
        loop = asyncio.get_running_loop()
        for broker in self.brokers:
            if channel in broker.channels:
                loop.call_soon(broker.receive, channel, data)


class MemoryBroker:
    """See `realtime.broker.Broker`."""

    def __init__(self, bus: MemoryBus | None = None) -> None:
        self._bus = bus if bus is not None else MemoryBus()
        self.channels: set[str] = set()
        self.dropped = 0
        self._on_message: OnMessage | None = None
        self._on_gap: OnGap | None = None

    @property
    def up(self) -> bool:
        return self._bus.up and self in self._bus.brokers

    def listen(self, on_message: OnMessage, on_gap: OnGap) -> None:
        self._on_message, self._on_gap = on_message, on_gap

    async def start(self) -> None:
        self._bus.brokers.add(self)

    async def aclose(self) -> None:
        self._bus.brokers.discard(self)

    def publish(self, channel: str, data: bytes) -> None:
        self._bus.publish(channel, data)

    async def subscribe(self, channel: str) -> None:
        self.channels.add(channel)

    def unsubscribe(self, channel: str) -> None:
        self.channels.discard(channel)

    def receive(self, channel: str, data: bytes) -> None:
        """One message from the bus."""
        if self._on_message is None or channel not in self.channels or self not in self._bus.brokers:
            return
        try:
            self._on_message(channel, data)
        except Exception:
            log.exception("a message on %s was not understood", channel)

    def gap(self) -> None:
        """The bus was away."""
        if self._on_gap is not None:
            self._on_gap()
