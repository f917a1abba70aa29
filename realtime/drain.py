"""Leaving politely: how a process ends while people are in its rooms.

Owns the order: no new joins and operations, operations under way finish, everybody gets what was
committed, then is sent to another process in batches that arrive there spread in time. Called by
`Hub.drain`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from realtime.close_codes import RESTART

if TYPE_CHECKING:
    from realtime.hub import Hub

log = logging.getLogger(__name__)

BATCHES = 20
SMALLEST_BATCH = 50
PAUSE = 0.05


async def drain(hub: Hub, deadline: float) -> None:
    """Send every session of `hub` away within `deadline` seconds; then drop those that linger."""
    loop = asyncio.get_running_loop()
    hub.draining = True
    end = loop.time() + deadline
    if hub.submits:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline / 2):
                await hub.answered.wait()
    if hub.submits:
        log.warning("%d operations are still under way at the drain", hub.submits)
    await asyncio.sleep(0)  # what was just committed is on its way to the sessions
    sessions = list(hub.sessions)
    size = max(SMALLEST_BATCH, -(-len(sessions) // BATCHES))
    for start in range(0, len(sessions), size):
        for session in sessions[start : start + size]:
            session.close(RESTART, hub.retry_after_ms())
        await asyncio.sleep(min(PAUSE, max(0.0, end - loop.time())))
    if hub.sessions:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await hub.emptied.wait()
    for session in list(hub.sessions):
        session.connection.abort()
