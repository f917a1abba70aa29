"""Broker and presence over one Redis or a cluster. Chosen by `wiring.bus`."""

from __future__ import annotations

from realtime.broker_redis import RedisBroker
from realtime.broker_redis_cluster import RedisClusterBroker
from realtime.presence_redis import RedisPresenceStore
from realtime.presence_redis_cluster import RedisClusterPresenceStore
from settings import CLUSTER_URLS


def make_redis_bus(url: str) -> tuple[RedisBroker, RedisPresenceStore]:
    """The two, not connected yet."""
    if url.startswith(CLUSTER_URLS):
        return RedisClusterBroker(url), RedisClusterPresenceStore(url)
    return RedisBroker(url), RedisPresenceStore(url)
