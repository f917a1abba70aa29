"""How far one session has read: many `read` frames become few writes, and a word to the members.

Owns the conflation: the highest seq wins, one write is under way at a time, with a pause after each.
A mark that could not be written is tried again while its session lasts. Never decides how far a
mark may go: the session bounds it by what it has sent. Called by `realtime.session`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from domain.errors import DomainError
from domain.services.talk import mark_read
from domain.talk import MarkRead
from realtime import protocol

if TYPE_CHECKING:
    from realtime.hub import Hub
    from realtime.room import Room
    from realtime.session import Session

log = logging.getLogger(__name__)


class ReadMarks:
    """The read mark of one session in its room."""

    def __init__(self, hub: Hub, session: Session) -> None:
        self._hub = hub
        self._session = session
        self._wanted = 0
        self._done = 0
        self._writing = False

    def read(self, room: Room, seq: int) -> None:
        """The session's person has read everything up to `seq`."""
        self._wanted = max(self._wanted, seq)
        if self._wanted > self._done and not self._writing:
            self._writing = True
            self._hub.spawn(f"read mark in {room.id}", self._write(room.id))

    async def _write(self, trip_id: str) -> None:
        try:
            while self._wanted > self._done:
                seq = self._wanted
                if await self._mark(trip_id, seq):
                    self._done = seq
                await asyncio.sleep(self._hub.times.read_mark)
        finally:
            self._writing = False

    async def _mark(self, trip_id: str, seq: int) -> bool:
        """False: it is worth trying again."""
        actor = self._session.actor
        try:
            marked = await self._hub.run(mark_read, MarkRead(trip_id, actor, seq))
        except DomainError as error:
            if error.retryable and self._session.connection.open:
                return False
            log.info("a read mark of user %s was not kept: %s", actor.user_id, error.message)
            return True
        if marked.moved and actor.user_id is not None:
            said = protocol.encode(protocol.ReadBy(actor.user_id, marked.seq))
            self._hub.broadcast(trip_id, said, members_only=True)
        return True
