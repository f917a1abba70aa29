"""One client in one room: frame -> command -> run -> reply.

Owns the state of one connection's talk: join first, then operations (several in flight), presence,
heartbeats; its frame budget; and what the client is told when its rights change. Never decides
about trips: the services do. Called by the socket handler (`receive`, `left`), by `realtime.room`
and `realtime.hub`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from structlog.contextvars import bind_contextvars

from domain.commands import Actor, Applied, ApplyOperation, OpenRoom, RoomState
from domain.entities import AccessRole
from domain.errors import DomainError, Forbidden, Gone, NotFound, Unauthenticated
from domain.operations import decode_operation
from domain.ports import Outcome
from domain.services.rooms import open_room
from realtime import close_codes, protocol
from realtime.authority import Authority
from realtime.close_codes import CloseCode
from realtime.connection import Connection, frame_text
from realtime.read_marks import ReadMarks
from realtime.room import Room

if TYPE_CHECKING:
    from realtime.hub import Hub

PING_INTERVAL_MS = 25_000
JOIN_COST = 10.0
"""A join reads the database and may be answered with a snapshot: it counts as ten frames."""
IN_FLIGHT = 64
JOIN_ATTEMPTS = 4
BUSY_RETRY_MS = 1000
RATE_RETRY_MS = 2000

log = logging.getLogger(__name__)

_REFUSALS: dict[type[DomainError], CloseCode] = {
    Forbidden: close_codes.FORBIDDEN,
    NotFound: close_codes.NOT_FOUND,
    Gone: close_codes.GONE,
    Unauthenticated: close_codes.UNAUTHENTICATED,
}


_Small = protocol.SetPresence | protocol.MoveCursor | protocol.Ping | protocol.Read | protocol.Watch
"""Messages that are answered at once, or not at all."""


class _Version(msgspec.Struct):
    """What every version of `join` will have."""

    t: str
    v: int


class Session:
    """See the module. `actor` was authenticated by the edge; what they may do here is decided by
    `open_room` and by each operation's transaction."""

    def __init__(self, hub: Hub, connection: Connection, actor: Actor) -> None:
        self.connection = connection
        self.actor = actor
        self.room: Room | None = None
        self.trip_id: str | None = None
        """The room that it joined or tried to, also when it has left."""
        self.role: AccessRole = "spectator"
        self.sid = ""
        self.client = ""
        self.address = ""
        self.place = ""
        """What it counts as, for `realtime.admission`."""
        self.missed: set[str] = set()
        """Sessions whose presence changed while this client read too slowly to be told."""
        self._hub = hub
        self._in_flight = 0
        self._joining = False
        self._later: deque[str | bytes] = deque()
        """Frames that were read already while this one had to wait."""
        self._context: Context | None = None
        self._rate = hub.limits.frames_per_second
        self._tokens = 2 * self._rate
        self._counted = hub.loop_time()
        self._attached = False
        self._shown = False
        self._marks = ReadMarks(hub, self)

    @property
    def joined(self) -> bool:
        """Its join has been answered, and it has not left."""
        return self._attached

    @property
    def is_member(self) -> bool:
        """Sees talk. Spectators do not."""
        return self.role != "spectator"

    # --- frames -----------------------------------------------------------------------------

    def receive(self, frame: str | bytes) -> None:
        """Handle one frame, after those before it. Never raises; nothing is lost while it must wait."""
        if self.waits:
            self._later.append(frame)
        else:
            self._take(frame)

    @property
    def waits(self) -> bool:
        """No frame is handled now: a join is under way, or too many operations are. Reading pauses,
        so the wait is the sender's alone."""
        return self._joining or self._in_flight >= IN_FLIGHT

    def _wait(self) -> None:
        if self.waits:
            self.connection.listen(False)

    def _go_on(self) -> None:
        """What made it wait is over, perhaps."""
        while self._later and not self.waits:
            self._take(self._later.popleft())
        if not self.waits:
            self.connection.listen(True)

    def _take(self, frame: str | bytes) -> None:
        if not self.connection.open:
            return
        try:
            self._handle(frame)
        except Exception:
            self._failed()

    def _failed(self) -> None:
        log.exception("a frame of user %s failed", self.actor.user_id)
        self.refuse(close_codes.BUSY, "internal", "something went wrong here", BUSY_RETRY_MS)

    def _handle(self, frame: str | bytes) -> None:
        if not self._spend(1.0):
            return
        if len(frame) > protocol.MAX_FRAME_BYTES or (
            isinstance(frame, str)
            and len(frame) * 4 > protocol.MAX_FRAME_BYTES
            and len(frame.encode()) > protocol.MAX_FRAME_BYTES
        ):
            limit = protocol.MAX_FRAME_BYTES
            self.refuse(close_codes.TOO_BIG, "too_big", f"a frame holds at most {limit} bytes")
            return
        try:
            message = protocol.decode(frame)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            self._refuse_frame(frame, str(error))
            return
        if isinstance(message, protocol.Join):
            if self._spend(JOIN_COST - 1):
                self._join(message)
        elif self.room is None or not self._attached:
            self.bad_frame("the first message is `join`")
        elif isinstance(message, protocol.Submit):
            self._submit(self.room, message)
        else:
            self._react(self.room, message)

    def _react(self, room: Room, message: _Small) -> None:
        if isinstance(message, protocol.Ping):
            room.flush()  # `seq` must not overtake the events that it counts
            self.reply(protocol.Pong(room.head))
        elif not self.is_member:
            return  # spectators have no presence and no part in the talk
        elif isinstance(message, protocol.Read):
            self._marks.read(room, min(message.seq, room.reach(self)))
        elif isinstance(message, protocol.Watch):
            if self._hub.on_watch is not None:
                self._hub.on_watch(room.id, message.answer)
        elif isinstance(message, protocol.SetPresence):
            self._hub.presence.update(room.id, self.sid, message)
        else:
            self._hub.presence.point(room.id, self.sid, message)

    def _spend(self, tokens: float) -> bool:
        now, rate = self._hub.loop_time(), self._rate
        left = self._tokens + (now - self._counted) * rate - tokens
        self._counted = now
        if left > 2 * rate - tokens:
            left = 2 * rate - tokens
        self._tokens = left
        if left < 0:
            self.refuse(close_codes.RATE, "rate", "too many frames", RATE_RETRY_MS)
        return left >= 0

    def _refuse_frame(self, frame: str | bytes, why: str) -> None:
        if self.room is None:
            try:
                hello = msgspec.json.decode(frame, type=_Version)
            except (msgspec.DecodeError, RecursionError, UnicodeError):
                pass
            else:
                if hello.t == "join" and hello.v != protocol.VERSION:
                    self._upgrade()
                    return
        self.bad_frame(why)

    def count_frame(self) -> None:
        """A frame that is no message still is one of the budget."""
        self._spend(1.0)

    def bad_frame(self, why: str) -> None:
        """The peer does not speak the protocol."""
        self.refuse(close_codes.BAD_FRAME, "bad_frame", why[:200])

    def refuse(self, code: CloseCode, error: str, message: str, retry_after_ms: int = 0) -> None:
        """Say what was wrong, and close."""
        self._detach()
        self.connection.close(code, retry_after_ms, protocol.Error(error, message))

    def close(self, code: CloseCode, retry_after_ms: int = 0) -> None:
        """Close without blaming the client."""
        self._detach()
        self.connection.close(code, retry_after_ms)

    def reply(self, message: protocol.ServerMessage) -> None:
        """A private message."""
        self.connection.send(frame_text(protocol.encode(message)))

    # --- joining ----------------------------------------------------------------------------

    def _upgrade(self) -> None:
        self.refuse(close_codes.UPGRADE, "version", f"this server speaks version {protocol.VERSION}")

    def _join(self, message: protocol.Join) -> None:
        if message.v != protocol.VERSION:
            self._upgrade()
            return
        if self._hub.draining:
            self.close(close_codes.RESTART, self._hub.retry_after_ms())
            return
        if self.room is not None and (message.room, message.client) != (self.room.id, self.client):
            self.bad_frame("a socket serves one room")
            return
        bind_contextvars(trip_id=message.room)  # for every frame from now on: the context is the connection's
        self.trip_id = message.room
        self.client = message.client
        self.sid = f"{self.actor.user_id or ''}.{message.client}"
        if self.room is not None:
            self.room.pause(self)
            self._attached = False
        self._context = copy_context()
        self.room = room = self._hub.enter(self, message.room)
        self._joining = True
        self._wait()
        self._hub.spawn("join", self._come_in(room, message))

    async def _come_in(self, room: Room, message: protocol.Join) -> None:
        try:
            await self._hub.subscribed(room)
            await self._enter(room, message)
        except Exception:
            self._failed()
        finally:
            self._joining = False
            self._go_on()

    async def _enter(self, room: Room, message: protocol.Join) -> None:
        try:
            await self._open(room, message)
        except DomainError as error:
            code = next((row for kind, row in _REFUSALS.items() if isinstance(error, kind)), None)
            if code is None:
                self.refuse(close_codes.BUSY, error.code, error.message, BUSY_RETRY_MS)
            else:
                self.refuse(code, error.code, error.message)

    async def _open(self, room: Room, message: protocol.Join) -> None:
        command = OpenRoom(room.id, self.actor, message.since, message.epoch)
        for _ in range(JOIN_ATTEMPTS):
            state = await self._hub.run(open_room, command)
            if not self.connection.open or self.room is not room:
                return
            if self._hub.draining:
                self.close(close_codes.RESTART, self._hub.retry_after_ms())
                return
            self.role = state.role
            self._appear(room, state.color)
            if room.attach(self, state, frame_text(self._joined(room, state))):
                self._attached = self.room is not None
                self.missed.clear()
                self._hub.stats.count_join(message.since is not None, state.recovered)
                return
        self.refuse(close_codes.BUSY, "busy", "the room moves too fast, come back", BUSY_RETRY_MS)

    def _appear(self, room: Room, color: int) -> None:
        if self.actor.user_id is None:
            return
        if self.role == "spectator":
            if self._shown:  # a member until they joined again
                self._shown = False
                self._hub.presence.drop_user(room.id, self.actor.user_id)
            return
        if self._shown:
            self._hub.presence.restyle(room.id, self.actor.user_id, role=self.role, color=color)
            return
        self._shown = True
        person = protocol.Person(self.sid, self.actor.user_id, self.actor.name, color, self.role)
        self._hub.presence.enter(room.id, person, self)

    def _joined(self, room: Room, state: RoomState) -> bytes:
        joined = protocol.Joined(
            v=protocol.VERSION,
            room=state.trip_id,
            epoch=state.epoch,
            seq=state.seq,
            recovered=state.recovered,
            session=self.sid,
            user=self.actor.user_id or "",
            role=state.role,
            color=state.color,
            people=self._hub.presence.people(room.id, talk=self.is_member),
            ping_interval_ms=PING_INTERVAL_MS,
        )
        return protocol.encode_joined(joined, state.snapshot, state.events)

    # --- operations -------------------------------------------------------------------------

    def _submit(self, room: Room, message: protocol.Submit) -> None:
        if self._hub.draining:
            self._refuse_submit(message.op_id, "unavailable", "this server restarts", retryable=True)
            return
        if self.actor.user_id is None:
            self._refuse_submit(message.op_id, "forbidden", "sign in and join the trip to change it")
            return
        try:
            op = decode_operation(message.op)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            self._refuse_submit(message.op_id, "invalid", str(error)[:300])
            return
        command = ApplyOperation(room.id, message.op_id, self.actor, op, message.base, self._hub.clock())
        self._in_flight += 1
        self._wait()
        self._hub.submit(command, partial(self._applied, message.op_id))

    def _applied(self, op_id: str, outcome: Outcome[Applied]) -> None:
        """An operation has ended. What it changed came before, to everybody, its author included."""
        try:
            self._answer(op_id, outcome)
        finally:
            self._in_flight -= 1
            if self._in_flight == IN_FLIGHT - 1:
                # Not here: the frames that waited are none of this operation's.
                asyncio.get_running_loop().call_soon(self._go_on, context=self._context)

    def _answer(self, op_id: str, outcome: Outcome[Applied]) -> None:
        # Not raised: a traceback that leads to what holds its error is garbage for the collector.
        error = outcome.error
        if isinstance(error, DomainError):
            self._reject(op_id, error.code, error.message, error.retryable, error.details)
        elif error is not None:
            log.error("operation %s failed", op_id, exc_info=error)
            self._reject(op_id, "internal", "something went wrong here")
        elif (applied := outcome.get()).repeated:
            if self.room is not None:
                self.room.flush()  # the answer must not overtake the event that it speaks of
            self.reply(protocol.Ack(op_id, applied.seq))

    def _reject(
        self,
        op_id: str,
        code: str,
        message: str,
        retryable: bool = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        if self.room is not None:
            self.room.flush()  # first what was committed before it was decided
        self.reply(protocol.Rejected(op_id, code, message, retryable, details or {}))

    def _refuse_submit(self, op_id: str, code: str, message: str, retryable: bool = False) -> None:
        """An operation that is rejected here: no transaction ever hears of it."""
        self._hub.stats.refused_submits[code] += 1
        self._reject(op_id, code, message, retryable)

    # --- authority --------------------------------------------------------------------------

    def obey(self, said: Authority) -> None:
        """Committed events have changed who may be here, or how people look."""
        room, user_id = self.room, self.actor.user_id
        if room is None:
            return
        if said.deleted:
            self.close(close_codes.GONE)
            return
        if user_id is not None and user_id in said.members:
            role = said.members[user_id]
            if role is None:
                self.refuse(close_codes.FORBIDDEN, "removed", "you are no longer a member of this trip")
                self._hub.presence.drop_user(room.id, user_id)
                return
            self._take_role(room, role, said.colors.get(user_id, 0))
        if said.private and self.role == "spectator":
            self.refuse(close_codes.FORBIDDEN, "private", "this trip is private now")
            return
        if user_id is not None and (user_id in said.names or user_id in said.colors):
            self._hub.presence.restyle(
                room.id, user_id, name=said.names.get(user_id), color=said.colors.get(user_id)
            )

    def _take_role(self, room: Room, role: AccessRole, color: int) -> None:
        if role == self.role:
            return
        if not self.is_member:
            # Spectators were not told who writes in the talk; the next `people` message brings it.
            self.missed |= {person.session for person in self._hub.presence.people(room.id)}
        self.role = role
        self.reply(protocol.RoleChanged(role))
        assert self.actor.user_id is not None
        self._appear(room, color)
        self._hub.presence.restyle(room.id, self.actor.user_id, role=role)

    # --- presence ---------------------------------------------------------------------------

    def send_people(self, data: bytes, named: set[str]) -> bool:
        """A framed `people` message about the sessions `named`; whoever misses one is told later."""
        if self.missed:
            self.missed |= named
            return self.heal_people()
        if self.connection.send(data, ephemeral=True):
            return True
        self.missed |= named
        return False

    def heal_people(self) -> bool:
        """Tell what was missed, if the client reads again."""
        if self.missed and self.room is not None:
            payload = self._hub.presence.message_about(self.room.id, self.missed, self.is_member)
            if not self.connection.send(frame_text(payload), ephemeral=True):
                return False
            self.missed = set()
        return True

    # --- the end ----------------------------------------------------------------------------

    def left(self) -> None:
        """The transport has ended, for whatever reason."""
        self.connection.lost()
        self._detach()
        self._hub.forget(self)

    def _detach(self) -> None:
        room, self.room = self.room, None
        self._attached = False
        if room is not None:
            self._hub.leave(self, room, shown=self._shown)
            self._shown = False
