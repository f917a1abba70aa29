"""Rooms and their local sessions in this process: opening, catching up, live authority, drain.

Owns the rooms, and the background checks that make a lost message only late: heads of open rooms
against the database, sessions against their sign-ins, presence against its store. Called by the
socket handler (`arrive`, `claim`, `settle`, `session`), `realtime.publisher` (`deliver`),
handlers (`revoke`), the assistant (`hold`, `watched`, `on_watch`, `channels`) and the composition
root (`start`, `drain`, `aclose`).
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec

from domain.commands import Actor, Applied, ApplyOperation
from domain.errors import DomainError
from domain.ports import Outcome, Run
from domain.services.rooms import apply_operation
from realtime import close_codes
from realtime.admission import Admission, Arrival, HubLimits
from realtime.broker import Broker
from realtime.channels import Channels
from realtime.clock import utc_now
from realtime.connection import Connection, Transport
from realtime.drain import drain
from realtime.envelope import CONTROL_CHANNEL, FORMAT, Envelope, Revoke, room_channel, seal, unseal
from realtime.heads import Heads
from realtime.presence import Presence, PresenceStore, PresenceTimes
from realtime.room import Batch, Room, Stats
from realtime.session import Session
from realtime.tasks import Tasks

log = logging.getLogger(__name__)

RESTART_SPREAD_MS = 2000


@dataclass(frozen=True)
class Times:
    """Seconds. `hold`: how long an early batch waits for the missing one before the log is read;
    `read_mark`: pause between two read marks of one session."""

    hold: float = 0.15
    poll: float = 5.0
    poll_down: float = 1.0
    heartbeat: float = 20.0
    read_mark: float = 1.0
    sign_ins: float = 15.0
    linger: float = 15.0
    presence: PresenceTimes = field(default_factory=PresenceTimes)


StillSignedIn = Callable[[set[str]], Awaitable[set[str]]]
"""Which of these `auth_id`s are still valid; asked about every 15 seconds."""


class Hub:
    """See the module. One in a process."""

    def __init__(
        self,
        run: Run,
        broker: Broker,
        presence_store: PresenceStore,
        still_signed_in: StillSignedIn,
        *,
        times: Times | None = None,
        limits: HubLimits | None = None,
        clock: Callable[[], str] = utc_now,
    ) -> None:
        self.run = run
        self.clock = clock
        self.node = secrets.token_hex(6)
        self.times = times or Times()
        self.limits = limits or HubLimits()
        self.stats = Stats()
        self.loop_time = asyncio.get_running_loop().time
        self.draining = False
        self.sessions: set[Session] = set()
        self.emptied = asyncio.Event()
        self.submits = 0
        """Operations under way."""
        self.answered = asyncio.Event()
        """Set while draining, when the last of them has been answered."""
        self._broker = broker
        self._store = presence_store
        self._still_signed_in = still_signed_in
        self._tasks = Tasks()
        self._rooms: dict[str, Room] = {}
        self._admission = Admission(self.limits, self.stats.refused)
        self._heads = Heads(run, self._rooms, broker, self._tasks, self.times)
        self.channels = Channels(self.node, broker)
        self.on_watch: Callable[[str, str], None] | None = None
        """`(trip_id, answer_id)`: a member here lacks text of a growing answer."""
        self.presence = Presence(self.node, presence_store, broker, self, self._tasks, self.times.presence)

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect to the others and start the checks. Works, alone, while the bus is down."""
        self._broker.listen(self._receive, self._gap)
        await self._broker.start()
        await self._broker.subscribe(CONTROL_CHANNEL)
        self._tasks.supervise("heads", self._heads.keep_polling)
        self._tasks.supervise("heartbeats", lambda: self._every(self.times.heartbeat, self.heartbeat))
        self._tasks.supervise("sign-ins", lambda: self._every(self.times.sign_ins, self.check_sign_ins))
        refresh = self.times.presence.refresh
        self._tasks.supervise("presence", lambda: self._every(refresh, self.presence.refresh))
        self._tasks.supervise("sweep", lambda: self._every(min(1.0, self.times.linger), self.sweep))

    async def drain(self, deadline: float) -> None:
        """See `realtime.drain`. At most `deadline` seconds."""
        await drain(self, deadline)

    async def aclose(self) -> None:
        """Stop the checks and disconnect from broker and store."""
        await self._tasks.aclose()
        await self._broker.aclose()
        await self._store.aclose()

    @property
    def bus_up(self) -> bool:
        """Other processes are heard, as far as can be known."""
        return self._broker.up

    def counts(self) -> dict[str, int]:
        """Gauges for operators; counters are in `stats`."""
        return {
            "sessions": len(self.sessions),
            "rooms": len(self._rooms),
            "submits_in_flight": self.submits,
            "tasks": len(self._tasks),
            "bus_up": int(self.bus_up),
            "bus_dropped": self._broker.dropped,
        }

    # --- connections ------------------------------------------------------------------------

    @property
    def arriving(self) -> int:
        """Connections whose handshake is under way."""
        return self._admission.arriving

    def arrive(self) -> Arrival:
        """A handshake begins: it counts from now on, until it is a session or `gone`."""
        return self._admission.arrive(self.draining)

    def claim(self, arrival: Arrival, user_id: str | None, address: str) -> None:
        """Who it is that comes; see `Arrival.refused`."""
        self._admission.claim(arrival, user_id, address)

    def gone(self, arrival: Arrival) -> None:
        """The connection has ended, or its handshake came to nothing. Again is fine, also of a session."""
        self._admission.end(arrival)

    def session(self, transport: Transport, actor: Actor, address: str, arrival: Arrival) -> Session | None:
        """The session of a connection whose handshake is done, ended by `Session.left`; None: it must be
        closed with `Arrival.refused`."""
        if self.draining and arrival.refused is None:
            self._admission.refuse(arrival, close_codes.RESTART)
        if arrival.refused is not None:
            return None
        session = Session(self, Connection(transport), actor)
        session.address = address
        session.place = self._admission.become_session(arrival)
        self.sessions.add(session)
        self.stats.opened += 1
        self.emptied.clear()
        return session

    def forget(self, session: Session) -> None:
        """The session has ended."""
        if session not in self.sessions:
            return
        self.sessions.discard(session)
        if not self.sessions:
            self.emptied.set()
        closed = session.connection.closed
        self.stats.closed[0 if closed is None else closed.code] += 1
        self.stats.cut += session.connection.cut
        self._admission.give_back(session.place)

    def retry_after_ms(self) -> int:
        """When somebody who is sent away by a restart should come back."""
        return random.randrange(RESTART_SPREAD_MS)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run something in the background; it ends with the hub."""
        self._tasks.spawn(name, work)

    def submit(self, command: ApplyOperation, answer: Callable[[Outcome[Applied]], None]) -> None:
        """Have one operation applied; drain waits for its answer."""
        self.submits += 1

        def answered(outcome: Outcome[Applied]) -> None:
            self.submits -= 1
            if self.draining and not self.submits:
                self.answered.set()
            answer(outcome)

        self.run.submit(apply_operation, command, answered)

    # --- rooms ------------------------------------------------------------------------------

    def enter(self, session: Session, trip_id: str) -> Room:
        """The room, which from now on gathers what the session may need; see `subscribed`."""
        room = self._open(trip_id)
        room.enter(session)
        return room

    def _open(self, trip_id: str) -> Room:
        room = self._rooms.get(trip_id)
        if room is None:
            room = self._rooms[trip_id] = Room(trip_id, self.stats, self._heads.behind, self._heads.doubt)
            self.presence.open(trip_id)
        return room

    async def subscribed(self, room: Room) -> None:
        """Returns when other processes are heard, or the bus is down: then the log may be read."""
        await self._broker.subscribe(room_channel(room.id))

    def leave(self, session: Session, room: Room, shown: bool) -> None:
        """A session is not in the room any more. While draining nobody is announced as gone:
        they are about to come back elsewhere."""
        room.leave(session)
        if shown and not self.draining:
            self.presence.leave(room.id, session.sid, session)

    async def hold(self, trip_id: str) -> None:
        """Keep the room and its presence open here, with or without sessions, until `release` has
        been called as often. Returns as `subscribed` does; held from the call on."""
        room = self._open(trip_id)
        room.holds += 1
        try:
            await self.subscribed(room)
        except BaseException:
            self.release(trip_id)
            raise

    def release(self, trip_id: str) -> None:
        """The counterpart of `hold`; the room may be swept after the usual while."""
        room = self._rooms[trip_id]
        assert room.holds > 0, "released more often than held"
        room.holds -= 1
        room.empty_since = asyncio.get_running_loop().time()

    def watched(self, trip_id: str) -> bool:
        """Some member is in the room, on whichever process; needs the room open here, see `hold`.
        Departures show up late, and nobody is taken for absent before presence was looked up."""
        room = self._rooms.get(trip_id)
        if room is None:
            return False
        here = any(session.is_member for session in room.sessions)
        return here or bool(self.presence.people(trip_id)) or not self.presence.is_known(trip_id)

    def deliver(self, trip_id: str, batch: Batch) -> None:
        """Events that this process has committed."""
        room = self._rooms.get(trip_id)
        if room is not None:
            room.deliver(batch)

    def broadcast(self, trip_id: str, payload: bytes, members_only: bool = False) -> None:
        """An encoded message for everybody (or all members) in the room on every process, which may
        get lost."""
        self.show_volatile(trip_id, payload, members_only)
        envelope = Envelope(FORMAT, "talk" if members_only else "volatile", self.node)
        self._broker.publish(room_channel(trip_id), seal(envelope, payload))

    def show_people(self, trip_id: str, payload: bytes, shown: bytes, named: set[str]) -> None:
        room = self._rooms.get(trip_id)
        if room is not None:
            room.send_people(payload, shown, named)

    def show_volatile(self, trip_id: str, payload: bytes, members_only: bool = False) -> None:
        room = self._rooms.get(trip_id)
        if room is not None:
            room.send_volatile(payload, members_only)

    # --- the broker -------------------------------------------------------------------------

    def _receive(self, channel: str, data: bytes) -> None:
        envelope, payload = unseal(data)
        if self.channels.receive(channel, envelope, payload):
            return
        if channel == CONTROL_CHANNEL:
            if envelope.kind == "revoke" and envelope.node != self.node:
                self._revoke_here(msgspec.json.decode(payload, type=Revoke))
            return
        room = self._rooms.get(channel.removeprefix("room:"))
        if room is None or envelope.node == self.node:
            return
        if envelope.kind == "events":
            if room.epoch != envelope.epoch or envelope.last > room.head:
                bodies = [bytes(raw) for raw in _events.decode(payload).events]
                authority, talk = envelope.authority, envelope.talk
                room.deliver(Batch(envelope.epoch, envelope.first, bodies, authority, payload, talk))
        elif envelope.kind in ("volatile", "talk"):
            room.send_volatile(payload, members_only=envelope.kind == "talk")
        else:
            self.presence.receive(room.id, envelope, payload)

    def _gap(self) -> None:
        """Messages may have been lost: look at the database and at the presence store at once."""
        self._tasks.spawn("heads after a gap", self.poll_heads())
        self._tasks.spawn("presence after a gap", self.presence.refresh())

    # --- checks -----------------------------------------------------------------------------

    async def _every(self, seconds: float, check: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds * random.uniform(0.9, 1.0))
            await check()

    async def poll_heads(self) -> None:
        """Compare every room in use with the database."""
        await self._heads.poll()

    async def heartbeat(self) -> None:
        """Tell quiet rooms where they stand; a browser sees no WebSocket pings."""
        now = asyncio.get_running_loop().time()
        for count, room in enumerate(list(self._rooms.values())):
            if now - room.sent_at >= self.times.heartbeat / 2:
                room.send_head()
            if count % 100 == 99:
                await asyncio.sleep(0)

    async def check_sign_ins(self) -> None:
        """Close sessions whose sign-in has ended, also when no message said so."""
        asked = {s.actor.auth_id for s in self.sessions if s.actor.auth_id is not None}
        if not asked:
            return
        try:
            valid = await self._still_signed_in(asked)
        except DomainError as error:
            log.warning("sign-ins could not be checked: %s", error.message)
            return
        self._revoke_here(Revoke(auth_ids=sorted(asked - valid)))

    async def sweep(self) -> None:
        """Announce departures; close rooms that have been empty for a while."""
        self.presence.settle()
        now = asyncio.get_running_loop().time()
        for trip_id, room in list(self._rooms.items()):
            if room.sessions or room.holds or now - room.empty_since < self.times.linger:
                continue
            if self.presence.is_empty(trip_id):
                del self._rooms[trip_id]
                self.presence.close(trip_id)
                self._broker.unsubscribe(room_channel(trip_id))

    # --- revocation -------------------------------------------------------------------------

    async def revoke(self, *, auth_ids: Collection[str] = (), user_id: str | None = None) -> None:
        """End the sockets of these sign-ins, or all of a user, at once on every process."""
        ended = Revoke(sorted(auth_ids), user_id)
        self._revoke_here(ended)
        payload = msgspec.json.encode(ended)
        self._broker.publish(CONTROL_CHANNEL, seal(Envelope(FORMAT, "revoke", self.node), payload))

    def _revoke_here(self, ended: Revoke) -> None:
        auth_ids = set(ended.auth_ids)
        for session in list(self.sessions):
            actor = session.actor
            if actor.auth_id in auth_ids or (ended.user_id is not None and actor.user_id == ended.user_id):
                session.refuse(close_codes.UNAUTHENTICATED, "signed_out", "you were signed out")


class _Events(msgspec.Struct):
    events: list[msgspec.Raw]


_events = msgspec.json.Decoder(_Events)
