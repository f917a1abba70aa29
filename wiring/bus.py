"""Broker and presence: in memory, or over the Redis of the settings. Used by all other parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime.broker import Broker
from realtime.broker_memory import MemoryBroker
from realtime.presence import PresenceStore
from realtime.presence_memory import MemoryPresenceStore
from settings import Settings

if TYPE_CHECKING:
    from handlers.deps import Check


def make_bus(settings: Settings) -> tuple[Broker, PresenceStore, Check | None]:
    """The two, and a health check where there is Redis."""
    if not settings.redis_url:
        return MemoryBroker(), MemoryPresenceStore(), None
    from wiring.bus_redis import make_redis_bus

    broker, presence = make_redis_bus(settings.redis_url)

    async def check_bus() -> str | None:
        if broker.up and await presence.ping():
            return None
        return "Redis does not answer: rooms go on, other processes are heard with delay"

    return broker, presence, check_bus
