"""What operators' commands are given: the services, with a word to the processes that serve.

Called by `server.py`; builds nothing that a command does not use.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager

from handlers.passwords import Argon2Hasher
from handlers.sessions import SessionCache
from operations import Domain
from realtime.clock import utc_now
from realtime.hub import Hub
from realtime.publisher import Publisher
from settings import Settings
from storage.engine import make_engine
from storage.revisions import check
from storage.runner import Runner
from storage.unit_of_work import SqlUnits
from wiring.bus import make_bus

log = logging.getLogger("tongyou")


@asynccontextmanager
async def open_domain(settings: Settings) -> AsyncIterator[Domain]:
    """The services for an operator's command, and the word to the processes that serve."""
    async with AsyncExitStack() as stack:
        engine = make_engine(settings.database_url, 1)
        stack.callback(engine.dispose)
        await asyncio.to_thread(check, engine)
        executor = ThreadPoolExecutor(1, "sql")
        stack.callback(executor.shutdown)
        run = Runner(SqlUnits(engine), executor, lambda *committed: publisher.publish(*committed))
        broker, presence, _ = make_bus(settings)
        stack.push_async_callback(presence.aclose)
        # Never started: it has no rooms and hears nothing, it only has a word for the others.
        hub = Hub(run, broker, presence, SessionCache(run, utc_now).still_valid)
        publisher = Publisher(hub, broker)
        yield Domain(run, hub.revoke, Argon2Hasher(executor).hash, utc_now)
        await run.drain(5)
        await broker.aclose()
        if broker.dropped:
            log.warning("Redis does not answer: open pages follow within 15 seconds")
