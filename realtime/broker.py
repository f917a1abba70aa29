"""Publish and subscribe between processes: the contract.

Two implementations: `broker_memory` (default, one process or several nodes in a test) and
`broker_redis`. Delivery is at most once and may be late, repeated or out of order: whatever must
not be lost is numbered by its room and read from the database when a number is missing. A broker
is the doorbell, never the truth. Called by `realtime.hub`, `realtime.presence`, `realtime.publisher`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

OnMessage = Callable[[str, bytes], None]
"""`(channel, data)`: synchronous and cheap; an exception in it is logged, never spread."""
OnGap = Callable[[], None]
"""Messages may have been lost on any channel: look at the database."""


class Broker(Protocol):
    """One process's door to the others."""

    @property
    def up(self) -> bool:
        """Messages of other processes are arriving, as far as can be known."""

    @property
    def dropped(self) -> int:
        """Messages that were not published, because the bus was down or the queue full."""

    def listen(self, on_message: OnMessage, on_gap: OnGap) -> None:
        """Set the callbacks, once, before `start`."""

    async def start(self) -> None:
        """Begin connecting; returns at once, also when the bus is down."""

    async def aclose(self) -> None:
        """Send what is queued if that is quick, and disconnect."""

    def publish(self, channel: str, data: bytes) -> None:
        """Queue a message. Never blocks or raises; dropped while the bus is down. The publisher
        gets its own copy too when it is subscribed."""

    async def subscribe(self, channel: str) -> None:
        """Returns when the subscription is active, or when the bus is found to be down: then it
        becomes active by itself later, and `on_gap` says so."""

    def unsubscribe(self, channel: str) -> None:
        """Stop receiving a channel; messages under way may still arrive."""
