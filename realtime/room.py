"""One room in this process: its place in the log, its live sessions, and what is on its way to them.

Owns `epoch` and `head` (the last seq delivered here), the ring of recent events, batches that
arrived too early, and the frames of the current loop turn, which leave as one write per session.
Talk is for members: spectators get frames without it, made only while one of them is here.
Everything is synchronous; the reading that closes gaps is the hub's. Called by `realtime.hub` and
`realtime.session`.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from domain.commands import RoomState
from domain.distribution import Distribution
from domain.entities import AccessRole
from domain.events import redact
from realtime import protocol
from realtime.authority import Authority, read_authority, seq_of
from realtime.close_codes import GONE, RESYNC
from realtime.connection import frame_text

if TYPE_CHECKING:
    from realtime.session import Session

FAN_OUT_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
RING = 256
MAX_HELD = 256
RESYNC_SPREAD_MS = 1000


@dataclass(frozen=True)
class Batch:
    """Committed events with consecutive seq from `first` on. `payload` is their one `events`
    message, when it has been encoded. `authority`: look inside for changes of who may be here.
    `talk`: some of them may hold talk, which spectators must not get."""

    epoch: str
    first: int
    bodies: list[bytes]
    authority: bool
    payload: bytes | None = None
    talk: bool = True

    @property
    def last(self) -> int:
        return self.first + len(self.bodies) - 1

    def after(self, seq: int) -> Batch:
        """The part of it with greater seq."""
        if seq < self.first:
            return self
        bodies = self.bodies[seq + 1 - self.first :]
        return Batch(self.epoch, seq + 1, bodies, self.authority, talk=self.talk)

    def redacted(self) -> Batch:
        """As spectators may see it; itself when there is nothing to hide."""
        if not self.talk:
            return self
        bodies = [redact(body) for body in self.bodies]
        if all(shown is body for shown, body in zip(bodies, self.bodies, strict=True)):
            return self
        return Batch(self.epoch, self.first, bodies, self.authority, talk=False)

    def frame(self) -> bytes:
        """The WebSocket frame that members get; the same bytes for all."""
        return frame_text(self.payload or protocol.encode_events(self.epoch, self.bodies))

    def frame_for(self, role: AccessRole) -> bytes:
        """The frame that somebody in this role gets."""
        return self.redacted().frame() if role == "spectator" else self.frame()


@dataclass
class Stats:
    """What happened in this process, for operators: counters that only grow."""

    deliveries: int = 0
    """Batches of frames handed to one session."""
    dropped: int = 0
    """Ephemeral messages that a slow reader lost."""
    cut: int = 0
    """Slow consumers that were cut."""
    gaps: int = 0
    """Batches that came too early, or heads that were found ahead."""
    catch_ups: int = 0
    """Reads of the log that closed a gap."""
    resyncs: int = 0
    """Rooms whose sessions were sent away because the epoch or the log had changed."""
    opened: int = 0
    """Connections that were let in."""
    closed: Counter[int] = field(default_factory=Counter)
    """Connections that ended, by the code that this side closed with; 0: the peer left."""
    refused: Counter[int] = field(default_factory=Counter)
    """Connections that were not let in, by close code."""
    joins: Counter[str] = field(
        default_factory=lambda: Counter(dict.fromkeys(("first", "recovered", "snapshot"), 0))
    )
    """Answered joins: without `since`; with it, and nothing was lost; with it, but a snapshot came."""
    refused_submits: Counter[str] = field(default_factory=Counter)
    """Operations rejected before any transaction, by error code."""
    fan_out: Distribution = field(default_factory=lambda: Distribution(FAN_OUT_SECONDS))
    """Seconds that handing one turn's frames to all sessions of a room took."""

    def count_join(self, resuming: bool, recovered: bool) -> None:
        self.joins["first" if not resuming else "recovered" if recovered else "snapshot"] += 1


class Room:
    """See the module. `behind(room)` asks the hub to read the log up to `target`; `doubt(room)`
    asks it to compare the room with the database."""

    def __init__(
        self, trip_id: str, stats: Stats, behind: Callable[[Room], None], doubt: Callable[[Room], None]
    ) -> None:
        self.id = trip_id
        self.epoch = ""
        self.head = -1
        self.target = -1
        self.catching_up = False
        self.sessions: set[Session] = set()
        """Everybody in the room, including those whose join is under way."""
        self.holds = 0
        """How many need the room open though nobody may be in it; see `Hub.hold`."""
        self.empty_since = asyncio.get_running_loop().time()
        self.sent_at = -math.inf
        self._stats = stats
        self._behind = behind
        self._doubt = doubt
        self._live: set[Session] = set()
        self._ahead: dict[Session, int] = {}
        self._ring: deque[tuple[int, bytes]] = deque(maxlen=RING)
        self._held: dict[int, Batch] = {}
        self._durable: list[bytes] = []
        self._talk: dict[int, Batch] = {}
        """By place in `_durable`: batches that spectators may have to get another frame of."""
        self._people: list[tuple[bytes, bytes]] = []
        """Frames for members, and for spectators."""
        self._named: set[str] = set()
        self._volatile: list[tuple[bytes, bool]] = []
        """Frames, and whether they are for members only."""
        self._scheduled = False

    # --- sessions ---------------------------------------------------------------------------

    def enter(self, session: Session) -> None:
        """Somebody starts joining: from now on the ring gathers what they may need."""
        self.sessions.add(session)

    def leave(self, session: Session) -> None:
        self.pause(session)
        self.sessions.discard(session)
        self.empty_since = asyncio.get_running_loop().time()

    def pause(self, session: Session) -> None:
        """No live events for this session until it is attached again."""
        self._live.discard(session)
        self._ahead.pop(session, None)

    def attach(self, session: Session, state: RoomState, joined: bytes) -> bool:
        """Send `joined` (a frame made of `state`) and continue exactly at `state.seq + 1`.

        False, and nothing sent: so much happened since `state` was read that it must be read again.
        """
        self._align(state)
        if state.seq < self.head and (not self._ring or self._ring[0][0] > state.seq + 1):
            return False
        self.flush()
        session.connection.send_bulk(joined)
        if state.seq > self.head:
            self._ahead[session] = state.seq
            self.note_head(state.epoch, state.seq)
            return True
        missed = [body for seq, body in self._ring if seq > state.seq]
        self._live.add(session)
        if missed:
            said = read_authority(missed)
            # First who may see them: one who was removed meanwhile is closed, and gets nothing more.
            session.obey(Authority(said.members, private=said.private))
            batch = Batch(self.epoch, state.seq + 1, missed, True)
            session.connection.send(batch.frame_for(session.role))
            session.obey(Authority(names=said.names, colors=said.colors, deleted=said.deleted))
        return True

    def _align(self, state: RoomState) -> None:
        """The database is the truth: take its epoch, and its seq when nobody here is behind it."""
        if self.epoch and self.epoch != state.epoch:
            self.resync()
        if self.epoch != state.epoch:
            self.epoch = state.epoch
            self._jump(state.seq)
        elif state.seq > self.head and not self._live and not self._ahead:
            self._jump(state.seq)

    def _jump(self, seq: int) -> None:
        self.head = seq
        self._ring.clear()
        self._settle_held()

    def resync(self) -> None:
        """The log is not a continuation of what clients here saw: they come back for a snapshot."""
        self._stats.resyncs += 1
        self.flush()
        present = self._present()
        self.epoch, self.head, self.target = "", -1, -1
        self._ring.clear()
        self._held.clear()
        for session in present:
            session.close(RESYNC, random.randrange(RESYNC_SPREAD_MS))

    def reach(self, session: Session) -> int:
        """The last seq that this session can have seen."""
        return max(self.head, self._ahead.get(session, 0))

    # --- events -----------------------------------------------------------------------------

    def deliver(self, batch: Batch) -> None:
        """Committed events, from whatever way: in order, once, or held until the gap is closed."""
        if not batch.bodies or (self.epoch == batch.epoch and batch.last <= self.head):
            return
        if not self.epoch:
            self._hold(batch)
        elif batch.epoch != self.epoch:
            self._doubt(self)
        elif batch.first > self.head + 1:
            self._hold(batch)
            self.note_head(batch.epoch, batch.last)
        else:
            self._advance(batch.after(self.head))
            self._settle_held()

    def note_head(self, epoch: str, seq: int) -> None:
        """The log is known to reach `seq`: have it read, unless the events arrive in time."""
        if epoch == self.epoch and seq > self.head:
            self._stats.gaps += 1
            self.target = max(self.target, seq)
            self._behind(self)

    def absorb_log(self, epoch: str, after: int, bodies: list[bytes]) -> None:
        """Events read from the log after seq `after`, when the room was in `epoch`."""
        if epoch != self.epoch or not bodies:
            return
        self._stats.catch_ups += 1
        if seq_of(bodies[0]) != after + 1:
            self.resync()  # the log has been trimmed past us
            return
        self.deliver(Batch(epoch, after + 1, bodies, True))

    def _hold(self, batch: Batch) -> None:
        if len(self._held) >= MAX_HELD:
            self._held.clear()  # the log has them all
        self._held[batch.first] = batch

    def _settle_held(self) -> None:
        if not self._held:
            return
        self._held = {f: b for f, b in self._held.items() if b.epoch == self.epoch and b.last > self.head}
        while self._held:
            first = min(self._held)
            if first > self.head + 1:
                self.note_head(self._held[first].epoch, max(b.last for b in self._held.values()))
                return
            batch = self._held.pop(first)
            if batch.last > self.head:
                self._advance(batch.after(self.head))

    def _advance(self, batch: Batch) -> None:
        said = read_authority(batch.bodies) if batch.authority else None
        if said is not None:
            self._send_away(said, batch.last)
        self._ring.extend(enumerate(batch.bodies, batch.first))
        self.head = batch.last
        if batch.talk:
            self._talk[len(self._durable)] = batch
        self._durable.append(batch.frame())
        self._schedule()
        if self._ahead:
            self._join_ahead(batch)
        if said is not None:
            self._tell(said)

    def _join_ahead(self, batch: Batch) -> None:
        """Sessions that had read further than this process get the rest, and are live."""
        reached = [session for session, seq in self._ahead.items() if seq <= self.head]
        if not reached:
            return
        self.flush()
        for session in reached:
            rest = batch.after(self._ahead.pop(session))
            if rest.bodies:
                session.connection.send(rest.frame_for(session.role))
            self._live.add(session)

    # --- authority --------------------------------------------------------------------------

    def _send_away(self, said: Authority, last: int) -> None:
        """Before an event is shown: those who may no longer see it are closed first. Old news up to
        `last` say nothing about somebody who was let in on a later state."""
        if not said.members and said.private is None:
            return
        self.flush()
        for session in self._present():
            if self._ahead.get(session, -1) < last:
                session.obey(Authority(said.members, private=said.private))

    def _tell(self, said: Authority) -> None:
        """After an event was shown: deletion, and how people look now."""
        self.flush()
        looks = Authority(names=said.names, colors=said.colors)
        rest = Authority(names=said.names, colors=said.colors, deleted=said.deleted)
        for session in self._present():
            session.obey(looks if session in self._ahead else rest)

    def deleted(self) -> None:
        """The database says that the trip is deleted."""
        self.flush()
        for session in self._present():
            session.close(GONE)

    # --- the way out ------------------------------------------------------------------------

    def send_people(self, payload: bytes, shown: bytes, named: set[str]) -> None:
        """A `people` message about the sessions `named`; `shown` is the one for spectators."""
        self._people.append((frame_text(payload), frame_text(shown)))
        self._named |= named
        self._schedule()

    def send_volatile(self, payload: bytes, members_only: bool = False) -> None:
        """Any message that a slow reader may lose."""
        self._volatile.append((frame_text(payload), members_only))
        self._schedule()

    def send_head(self) -> None:
        """Heartbeat: everybody has, or is about to have, everything up to `head`."""
        if self._live:
            self._durable.append(frame_text(protocol.encode(protocol.Head(self.head))))
            self.flush()
        for session in self._present():
            session.heal_people()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Hand this turn's frames to every live session: one bytes object, one write each."""
        self._scheduled = False
        if self._durable:
            frames, self._durable = self._durable, []
            talk, self._talk = self._talk, {}
            self.sent_at = asyncio.get_running_loop().time()
            started = perf_counter()
            self._write(frames, talk)
            self._stats.fan_out.observe(perf_counter() - started)
        if self._people:
            people, self._people = self._people, []
            named, self._named = self._named, set()
            data, shown = (b"".join(frames) for frames in zip(*people, strict=True))
            for session in self._present():
                self._count(session.send_people(data if session.is_member else shown, named))
        if self._volatile:
            volatile, self._volatile = self._volatile, []
            data = shown = b"".join(frame for frame, _ in volatile)
            if any(members_only for _, members_only in volatile):
                shown = b"".join(frame for frame, members_only in volatile if not members_only)
            for session in self._present():
                if mine := data if shown is data or session.is_member else shown:
                    self._count(session.connection.send(mine, ephemeral=True))

    def _present(self) -> tuple[Session, ...]:
        return tuple(self._live | self._ahead.keys()) if self._ahead else tuple(self._live)

    def _write(self, frames: list[bytes], talk: dict[int, Batch]) -> None:
        live = tuple(self._live)
        self._stats.deliveries += len(live)
        data = shown = b"".join(frames)
        if talk and not all(session.is_member for session in live):
            for place, batch in talk.items():
                frames[place] = batch.redacted().frame()
            shown = b"".join(frames)
        for session in live:
            session.connection.send(data if shown is data or session.is_member else shown)

    def _count(self, sent: bool) -> None:
        if sent:
            self._stats.deliveries += 1
        else:
            self._stats.dropped += 1
