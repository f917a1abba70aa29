"""The presence store of one process, shared by several nodes in a test.

Owns nothing durable. Chosen by the composition root.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class MemoryPresenceStore:
    """See `realtime.presence.PresenceStore`."""

    def __init__(self, ttl: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._clock = clock
        self._rooms: dict[str, dict[str, tuple[float, bytes]]] = {}

    async def write(self, puts: list[tuple[str, str, bytes]], removes: list[tuple[str, str]]) -> bool:
        for room, sid, body in puts:
            self._rooms.setdefault(room, {})[sid] = (self._clock() + self._ttl, body)
        for room, sid in removes:
            entries = self._rooms.get(room, {})
            entries.pop(sid, None)
            if not entries:
                self._rooms.pop(room, None)
        return True

    async def read(self, rooms: list[str]) -> dict[str, dict[str, bytes]] | None:
        return {room: self._fresh(room) for room in rooms}

    def _fresh(self, room: str) -> dict[str, bytes]:
        now = self._clock()
        entries = {sid: entry for sid, entry in self._rooms.get(room, {}).items() if entry[0] > now}
        if entries:
            self._rooms[room] = entries
        else:
            self._rooms.pop(room, None)
        return {sid: body for sid, (_, body) in entries.items()}

    async def aclose(self) -> None:
        self._rooms.clear()
