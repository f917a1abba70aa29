"""Who is here and where, over all processes: ephemeral, expiring, differences only.

Owns the contract of the store, the tick that conflates what clients hear (10 Hz), what other
processes hear (through the broker) and what the store keeps (so that a process that starts later
knows, and a killed process's people vanish). Works without store and broker, and heals when they
return. Called by `realtime.hub` and `realtime.session`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from domain.entities import AccessRole
from realtime import protocol
from realtime.broker import Broker
from realtime.envelope import FORMAT, Diff, Envelope, room_channel, seal
from realtime.protocol import MoveCursor, Person, Pointer, SetPresence
from realtime.room_presence import RoomPresence, Stored, without_talk
from realtime.tasks import Tasks

log = logging.getLogger(__name__)

SAVE_AT_ONCE = 500


class PresenceStore(Protocol):
    """Entries by room and session that vanish by themselves when they are not written again."""

    async def write(self, puts: list[tuple[str, str, bytes]], removes: list[tuple[str, str]]) -> bool:
        """Keep `(room, session, body)` for one expiry; remove `(room, session)`. False: it could
        not be done, and nothing is known about the outcome. Never raises."""

    async def read(self, rooms: list[str]) -> dict[str, dict[str, bytes]] | None:
        """Bodies by room and session, the expired ones left out. None: not known. Never raises."""

    async def aclose(self) -> None:
        """Disconnect."""


@dataclass(frozen=True)
class PresenceTimes:
    """Seconds. `ttl` is also the store's expiry."""

    tick: float = 0.1
    refresh: float = 20.0
    ttl: float = 60.0
    leave: float = 10.0


class Shown(Protocol):
    """The hub's side: hand encoded messages to the sessions of a room in this process."""

    def show_people(self, trip_id: str, payload: bytes, shown: bytes, named: set[str]) -> None:
        """`shown` is what spectators get instead of `payload`."""

    def show_volatile(self, trip_id: str, payload: bytes) -> None: ...


class Presence:
    """The presence of every room that is open in this process."""

    def __init__(
        self,
        node: str,
        store: PresenceStore,
        broker: Broker,
        shown: Shown,
        tasks: Tasks,
        times: PresenceTimes,
    ) -> None:
        self._node = node
        self._store = store
        self._broker = broker
        self._shown = shown
        self._tasks = tasks
        self._times = times
        self._rooms: dict[str, RoomPresence] = {}
        self._known: set[str] = set()
        self._busy: set[str] = set()
        self._ticking = False
        self._ticked = 0.0
        self._unsaved: dict[tuple[str, str], bytes | None] = {}
        self._saving = False

    # --- rooms ------------------------------------------------------------------------------

    def open(self, trip_id: str) -> None:
        """A room is open here from now on; people elsewhere are looked up in the background."""
        if trip_id not in self._rooms:
            self._rooms[trip_id] = RoomPresence(self._node, self._times.ttl, self._times.leave)
            self._tasks.spawn(f"presence of {trip_id}", self._load([trip_id]))

    def close(self, trip_id: str) -> None:
        """Nobody of this process is in the room, or is about to be announced as gone."""
        self._rooms.pop(trip_id, None)
        self._known.discard(trip_id)

    def is_known(self, trip_id: str) -> bool:
        """The first look for people elsewhere has ended, well or not."""
        return trip_id in self._known

    def is_empty(self, trip_id: str) -> bool:
        """This process answers for nobody in the room."""
        room = self._rooms.get(trip_id)
        return room is None or not (room.local() or room.busy)

    # --- sessions ---------------------------------------------------------------------------

    def enter(self, trip_id: str, person: Person, connection: Hashable = None) -> None:
        """`connection` is what `leave` is told when it has ended."""
        came = time.time_ns() // 1_000_000
        self._change(trip_id, lambda room: room.enter(person, came, connection))

    def leave(self, trip_id: str, sid: str, connection: Hashable = None) -> None:
        self._change(trip_id, lambda room: room.leave(sid, self._now(), connection))

    def update(self, trip_id: str, sid: str, said: SetPresence) -> None:
        self._change(trip_id, lambda room: room.update(sid, said.looking, said.editing, said.typing))

    def point(self, trip_id: str, sid: str, at: MoveCursor) -> None:
        pointer = Pointer(sid, at.surface, at.x, at.y, at.anchor)
        self._change(trip_id, lambda room: room.point(pointer, ours=True))

    def restyle(
        self,
        trip_id: str,
        user_id: str,
        role: AccessRole | None = None,
        name: str | None = None,
        color: int | None = None,
    ) -> None:
        self._change(trip_id, lambda room: room.restyle(user_id, role, name, color))

    def drop_user(self, trip_id: str, user_id: str) -> None:
        self._change(trip_id, lambda room: room.drop_user(user_id, self._now()))

    def people(self, trip_id: str, talk: bool = True) -> list[Person]:
        """Everybody in the room, as far as known here; without `talk` as spectators see them."""
        room = self._rooms.get(trip_id)
        people = [] if room is None else room.people()
        return people if talk else [without_talk(person) for person in people]

    def message_about(self, trip_id: str, sids: set[str], talk: bool = True) -> bytes:
        """An encoded `people` message with the present state of `sids`."""
        room = self._rooms.get(trip_id)
        put, gone = room.look_up(sids) if room is not None else ([], list(sids))
        return protocol.encode(protocol.Presence(put if talk else [without_talk(p) for p in put], gone))

    # --- other processes --------------------------------------------------------------------

    def receive(self, trip_id: str, envelope: Envelope, payload: bytes) -> None:
        """A message of kind `people` or `cursors`. Raises `msgspec.DecodeError`."""
        if envelope.node == self._node:
            return
        if envelope.kind == "people":
            diff = msgspec.json.decode(payload, type=Diff)
            told = (envelope.node, diff.put, diff.gone, self._now(), diff.since)
            self._change(trip_id, lambda room: room.hear(*told))
            return
        pointers = msgspec.json.decode(payload, type=list[Pointer])

        def move(room: RoomPresence) -> None:
            for pointer in pointers:
                room.point(pointer, ours=False)

        self._change(trip_id, move)

    # --- time -------------------------------------------------------------------------------

    def settle(self) -> None:
        """Announce departures that are due; called about once a second."""
        for trip_id in list(self._rooms):
            self._change(trip_id, lambda room: room.settle(self._now()))

    async def refresh(self) -> None:
        """Compare with the store, then tell it that our people are still here: in this order, for a tab
        that has come to another process meanwhile would be overwritten, unread."""
        await self._load(list(self._rooms))
        puts = [
            (trip_id, sid, msgspec.json.encode(stored))
            for trip_id, room in self._rooms.items()
            for sid, stored in room.stored().items()
        ]
        for start in range(0, len(puts), SAVE_AT_ONCE):
            if not await self._store.write(puts[start : start + SAVE_AT_ONCE], []):
                return

    async def _load(self, trip_ids: list[str]) -> None:
        for start in range(0, len(trip_ids), SAVE_AT_ONCE):
            asked = trip_ids[start : start + SAVE_AT_ONCE]
            found = await self._store.read(asked)
            self._known.update(trip_id for trip_id in asked if trip_id in self._rooms)
            if found is None:
                return
            for trip_id, bodies in found.items():
                stored = {sid: entry for sid, body in bodies.items() if (entry := _decode(body)) is not None}
                self._change(trip_id, lambda room, stored=stored: room.reconcile(stored, self._now()))  # type: ignore[misc]

    def _change(self, trip_id: str, change: Callable[[RoomPresence], None]) -> None:
        room = self._rooms.get(trip_id)
        if room is None:
            return
        change(room)
        if room.busy:
            self._busy.add(trip_id)
            self._start_tick()

    def _start_tick(self) -> None:
        if not self._ticking:
            self._ticking = True
            wait = self._ticked + self._times.tick - self._now()
            asyncio.get_running_loop().call_later(max(0.0, wait), self.tell)

    def tell(self) -> None:
        """The tick: one `people` and one `cursors` message for each room with news."""
        self._ticking = False
        self._ticked = self._now()
        busy, self._busy = self._busy, set()
        for trip_id in busy:
            room = self._rooms.get(trip_id)
            if room is not None:
                self._tell_people(trip_id, room)
                self._tell_pointers(trip_id, room)
                if room.busy:
                    self._busy.add(trip_id)
        if self._busy:
            self._start_tick()

    def _tell_people(self, trip_id: str, room: RoomPresence) -> None:
        told = room.take()
        if told.named:
            payload = shown = protocol.encode(protocol.Presence(told.put, told.gone))
            quiet = [without_talk(person) for person in told.put]
            if quiet != told.put:
                shown = protocol.encode(protocol.Presence(quiet, told.gone))
            self._shown.show_people(trip_id, payload, shown, told.named)
        if not (told.our_put or told.our_gone):
            return
        self._publish(trip_id, "people", msgspec.json.encode(Diff(told.our_put, told.our_gone, told.since)))
        for person in told.our_put:
            stored = Stored(self._node, person, told.since[person.session])
            self._unsaved[(trip_id, person.session)] = msgspec.json.encode(stored)
        for sid in told.our_gone:
            self._unsaved[(trip_id, sid)] = None
        if not self._saving:
            self._saving = True
            self._tasks.spawn("presence to the store", self._save())

    def _tell_pointers(self, trip_id: str, room: RoomPresence) -> None:
        pointers, ours = room.take_pointers()
        if pointers:
            self._shown.show_volatile(trip_id, protocol.encode(protocol.Cursors(pointers)))
        if ours:
            self._publish(trip_id, "cursors", msgspec.json.encode(ours))

    def _publish(self, trip_id: str, kind: str, payload: bytes) -> None:
        envelope = Envelope(FORMAT, "people" if kind == "people" else "cursors", self._node)
        self._broker.publish(room_channel(trip_id), seal(envelope, payload))

    async def _save(self) -> None:
        try:
            while self._unsaved:
                keys = list(self._unsaved)[:SAVE_AT_ONCE]
                taken = [(key, self._unsaved.pop(key)) for key in keys]
                puts = [(room, sid, body) for (room, sid), body in taken if body is not None]
                removes = [key for key, body in taken if body is None]
                if not await self._store.write(puts, removes):
                    self._unsaved.clear()  # the next refresh writes all; departures expire
        finally:
            self._saving = False

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _decode(body: bytes) -> Stored | None:
    try:
        return msgspec.json.decode(body, type=Stored)
    except msgspec.DecodeError:
        log.warning("the presence store holds an entry of another format")
        return None
