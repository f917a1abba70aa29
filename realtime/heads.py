"""Keeping the rooms of this process level with the log: reading what is missing, comparing heads.

Owns the reads of the database that make a lost message only late. The rooms say that they are
behind, or in doubt; what was read goes back to them, and they decide. Called by `realtime.hub`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from domain.commands import ReadEvents, ReadHeads
from domain.errors import DomainError
from domain.ports import Run
from domain.services.rooms import read_events, read_heads
from realtime.broker import Broker
from realtime.room import Room
from realtime.tasks import Tasks

if TYPE_CHECKING:
    from realtime.hub import Times

log = logging.getLogger(__name__)

CATCH_UP = 500
ROOMS_A_QUERY = 500


class Heads:
    """See the module. `rooms` is the hub's own mapping."""

    def __init__(
        self, run: Run, rooms: Mapping[str, Room], broker: Broker, tasks: Tasks, times: Times
    ) -> None:
        self._run = run
        self._rooms = rooms
        self._broker = broker
        self._tasks = tasks
        self._times = times

    def behind(self, room: Room) -> None:
        """Read the log up to the room's `target`, unless the events arrive in time."""
        if not room.catching_up:
            room.catching_up = True
            self._tasks.spawn(f"catch up {room.id}", self._catch_up(room))

    async def _catch_up(self, room: Room) -> None:
        """One reader for all who wait; a batch that arrives in time makes it needless."""
        try:
            await asyncio.sleep(self._times.hold)
            while room.head < room.target and self._rooms.get(room.id) is room:
                epoch, after = room.epoch, room.head
                bodies = await self._run(read_events, ReadEvents(room.id, after, CATCH_UP))
                room.absorb_log(epoch, after, bodies)
                if not bodies or room.epoch != epoch:
                    break
        except DomainError as error:
            log.warning("room %s stays behind until the next check: %s", room.id, error.message)
        finally:
            room.catching_up = False
            room.target = room.head

    def doubt(self, room: Room) -> None:
        """Compare one room with the database, now."""
        self._tasks.spawn(f"check {room.id}", self._compare([room.id]))

    async def keep_polling(self) -> None:
        """For ever; more often while the bus is down."""
        while True:
            await asyncio.sleep(self._times.poll if self._broker.up else self._times.poll_down)
            await self.poll()

    async def poll(self) -> None:
        """Compare every room in use with the database."""
        rooms = self._rooms.items()
        ids = [trip_id for trip_id, room in rooms if room.epoch and (room.sessions or room.holds)]
        for start in range(0, len(ids), ROOMS_A_QUERY):
            await self._compare(ids[start : start + ROOMS_A_QUERY])

    async def _compare(self, trip_ids: list[str]) -> None:
        try:
            heads = await self._run(read_heads, ReadHeads(trip_ids))
        except DomainError as error:
            log.warning("rooms could not be compared with the database: %s", error.message)
            return
        for head in heads:
            room = self._rooms.get(head.trip_id)
            if room is None or not room.epoch:
                continue
            if head.epoch != room.epoch:
                room.resync()
            elif head.seq > room.head:
                room.note_head(head.epoch, head.seq)
            elif head.deleted and head.seq == room.head:
                room.deleted()
