"""Rooms without network and database: in-memory transports, a log in lists, any number of nodes.

Owns the stand-ins that the tests of `realtime` share. `World` is the truth (trips and their logs),
a `Node` is one server process, a `Client` one tab. Never used by the product.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from domain.commands import (
    Actor,
    Applied,
    ApplyOperation,
    OpenRoom,
    ReadEvents,
    ReadHeads,
    RoomHead,
    RoomState,
)
from domain.entities import AccessRole
from domain.errors import Forbidden, Gone, NotFound, Unauthenticated
from domain.events import Change, Committed, Event, Suggested, TalkChange, encode_event, redact
from domain.operations import DeleteTrip, RemoveMember, SetMemberRole, SetTripVisibility, kind_of
from domain.services.rooms import apply_operation, open_room, read_events, read_heads
from domain.services.talk import mark_read
from domain.talk import Marked, MarkRead
from realtime.admission import HubLimits
from realtime.broker_memory import MemoryBroker, MemoryBus
from realtime.close_codes import CloseCode
from realtime.connection import Transport
from realtime.hub import Hub, Times
from realtime.presence import PresenceStore, PresenceTimes
from realtime.presence_memory import MemoryPresenceStore
from realtime.publisher import Publisher
from realtime.session import Session
from tests.realtime.awaited import AwaitedRun

ROOM = "trip1"
NEVER = 3600.0
SECRET = "only-for-members"
"""In everything that `Node.say` makes and that spectators must not get."""
QUIET = Times(
    hold=0.01,
    poll=NEVER,
    poll_down=NEVER,
    heartbeat=NEVER,
    sign_ins=NEVER,
    linger=NEVER,
    read_mark=0.0,
    presence=PresenceTimes(tick=0.005, refresh=NEVER, leave=0.0),
)
"""Nothing happens by itself: tests call the checks."""


async def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    """Let the loop run until `condition` holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - conditions of many objects, none of which has an event
            await asyncio.sleep(0.002)


async def turns(count: int = 20) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


def split_frames(data: bytes) -> list[tuple[int, bytes]]:
    """(opcode, payload) of unmasked frames."""
    frames = []
    while data:
        size, start = data[1], 2
        if size == 126:
            (size,), start = struct.unpack("!H", data[2:4]), 4
        elif size == 127:
            (size,), start = struct.unpack("!Q", data[2:10]), 10
        frames.append((data[0] & 0x0F, data[start : start + size]))
        data = data[start + size :]
    return frames


class FakeTransport:
    """A client's network. `stalled`: it does not read, everything stays buffered."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.stalled = False
        self.waiting = 0
        self.finished: tuple[int, str] | None = None
        self.aborted = False
        self.on_end: Callable[[], None] = lambda: None
        self.reading = True

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    @property
    def buffered(self) -> int:
        return self.waiting

    def write(self, data: bytes) -> None:
        assert self.finished is None and not self.aborted, "written after the end"
        self.written.append(data)
        if self.stalled:
            self.waiting += len(data)

    def finish(self, code: int, reason: str) -> None:
        assert self.finished is None and not self.aborted
        self.finished = (code, reason)
        asyncio.get_running_loop().call_soon(self.on_end)

    def abort(self) -> None:
        self.aborted = True
        asyncio.get_running_loop().call_soon(self.on_end)

    def read_all(self) -> None:
        """The client reads again."""
        self.stalled, self.waiting = False, 0


class Trip:
    """One trip of the truth."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.events: list[Event] = []
        self.bodies: list[bytes] = []
        self.roles: dict[str, AccessRole] = {}
        self.removed: set[str] = set()
        self.marks: dict[str, int] = {}
        self.public = False
        self.deleted = False
        self.floor = 0
        """Events up to here have been trimmed from the log."""

    @property
    def seq(self) -> int:
        return len(self.bodies)

    def role_of(self, user_id: str | None) -> AccessRole:
        if user_id in self.roles:
            return self.roles[user_id]
        if self.public:
            return "spectator"
        if user_id is None:
            raise Unauthenticated("sign in")
        raise Forbidden("removed") if user_id in self.removed else NotFound("no such trip")

    def commit(
        self,
        op_id: str,
        actor: str,
        kind: str,
        changes: list[Change],
        talk: list[TalkChange] | None = None,
        suggested: Suggested | None = None,
    ) -> Committed:
        event = Event(self.seq + 1, op_id, actor, "2026-01-01T00:00:00.000Z", kind, changes)
        event.talk, event.suggested = talk or [], suggested
        body = encode_event(event)
        self.events.append(event)
        self.bodies.append(body)
        return Committed(event, body)

    def after(self, seq: int, limit: int) -> list[bytes]:
        return self.bodies[max(seq, self.floor) :][:limit]


class World:
    """The truth, the bus and the presence store that nodes share."""

    def __init__(self) -> None:
        self.trips: dict[str, Trip] = {ROOM: Trip()}
        self.bus = MemoryBus()
        self.store: PresenceStore = MemoryPresenceStore()
        self.nodes: list[Node] = []
        self.valid: set[str] | None = None
        self.clients: list[Client] = []

    @property
    def trip(self) -> Trip:
        return self.trips[ROOM]

    async def node(self, times: Times = QUIET, limits: HubLimits | None = None) -> Node:
        made = Node(self, times, limits)
        await made.hub.start()
        self.nodes.append(made)
        return made

    async def aclose(self) -> None:
        for node in self.nodes:
            await node.hub.aclose()

    async def still_signed_in(self, auth_ids: set[str]) -> set[str]:
        return auth_ids if self.valid is None else auth_ids & self.valid


class Node:
    """One server process. `gates` hold a service back until they are set; `lost` publications
    reach nobody, as when the process dies between commit and publish."""

    def __init__(self, world: World, times: Times, limits: HubLimits | None) -> None:
        self.world = world
        self.calls: list[str] = []
        self.gates: dict[Any, asyncio.Event] = {}
        self.errors: dict[Any, Exception] = {}
        self.lost = False
        self.broker = MemoryBroker(world.bus)
        self.run = AwaitedRun(self._run)
        self.hub = Hub(
            self.run,
            self.broker,
            world.store,
            world.still_signed_in,
            times=times,
            limits=limits,
        )
        self.publisher = Publisher(self.hub, self.broker)

    async def _run(self, service: Any, command: Any) -> Any:
        self.calls.append(service.__name__)
        if service in self.errors:
            raise self.errors[service]
        answer: Any = None
        if service is open_room:
            answer = self._open(command)
        elif service is apply_operation:
            answer = self._apply
        elif service is read_events:
            answer = self._read
        elif service is read_heads:
            answer = self._heads
        elif service is mark_read:
            answer = self._mark
        # The answer to `open_room` is made before the gate: a transaction that read early.
        if service in self.gates:
            await self.gates[service].wait()
        else:
            await asyncio.sleep(0)
        return answer(command) if callable(answer) else answer

    def _open(self, command: OpenRoom) -> RoomState:
        trip = self.world.trips.get(command.trip_id)
        if trip is None:
            raise NotFound("no such trip")
        role = trip.role_of(command.actor.user_id)
        if trip.deleted:
            raise Gone("deleted")
        since = command.since
        if command.epoch == trip.epoch and since is not None and since <= trip.seq:
            events = trip.after(since, 500)
            if role == "spectator":
                events = [redact(body) for body in events]
            return RoomState(command.trip_id, trip.epoch, trip.seq, role, True, 1, events=events)
        snapshot = b'{"trip":{"id":"trip1","title":"%d"},"days":[],"stops":[],"members":[]}' % trip.seq
        return RoomState(command.trip_id, trip.epoch, trip.seq, role, False, 1, snapshot=snapshot)

    def _apply(self, command: ApplyOperation) -> Applied:
        trip = self.world.trips[command.trip_id]
        user_id = command.actor.user_id
        assert user_id is not None
        for event in trip.events:
            if event.op_id == command.op_id:
                return Applied(command.op_id, event.seq, repeated=True)
        if trip.role_of(user_id) not in ("owner", "editor"):
            raise Forbidden("may not edit")
        self.commit([(command.op_id, user_id, kind_of(command.op), _changes(trip, command.op))])
        return Applied(command.op_id, trip.seq)

    def commit(self, rows: list[tuple[Any, ...]]) -> list[Committed]:
        """One transaction with these (op_id, actor, kind, changes, talk?, suggested?), published
        unless `lost`."""
        done = [self.world.trip.commit(*row) for row in rows]
        if not self.lost:
            self.publisher.publish(ROOM, self.world.trip.epoch, done)
        return done

    def edit(self, count: int = 1) -> list[Committed]:
        """One transaction of `count` harmless events."""
        seq = self.world.trip.seq
        change = Change("trip", ROOM, {"title": "x"})
        return self.commit([(f"op-{seq + n}", "ann", "trip.set_fields", [change]) for n in range(count)])

    def say(self, text: str = SECRET) -> list[Committed]:
        """One transaction: a message, and an accepted piece of a proposal."""
        seq = self.world.trip.seq
        message = TalkChange("message", f"m{seq}", {"text": text, "author": "ann"}, new=True)
        piece = Change("trip", ROOM, {"title": "accepted"})
        return self.commit(
            [
                (f"talk-{seq}", "ann", "message.post", [], [message]),
                (f"piece-{seq}", "bob", "trip.set_fields", [piece], None, Suggested(f"p-{SECRET}", "ann")),
            ]
        )

    def member(self, user_id: str, **fields: Any) -> None:
        """A committed change of one member."""
        self.commit([(f"op-{self.world.trip.seq}", "ann", "m", [Change("member", user_id, fields)])])

    def _mark(self, command: MarkRead) -> Marked:
        trip, user_id = self.world.trips[command.trip_id], command.actor.user_id
        assert user_id is not None and trip.role_of(user_id) != "spectator"
        before = trip.marks.get(user_id, 0)
        trip.marks[user_id] = max(before, command.seq)
        return Marked(trip.marks[user_id], command.seq > before)

    def _read(self, command: ReadEvents) -> list[bytes]:
        return self.world.trips[command.trip_id].after(command.after, command.limit)

    def _heads(self, command: ReadHeads) -> list[RoomHead]:
        trips = self.world.trips
        return [
            RoomHead(i, trips[i].epoch, trips[i].seq, trips[i].deleted)
            for i in command.trip_ids
            if i in trips
        ]

    def client(
        self, user_id: str | None = "ann", tab: str = "", role: AccessRole | None = "editor"
    ) -> Client:
        """A tab of somebody who has `role` in the trip (None: leave roles alone)."""
        if user_id is not None and role is not None:
            self.world.trip.roles.setdefault(user_id, role)
        return Client(self, user_id, tab or f"tab{len(self.world.clients)}")


def _changes(trip: Trip, op: Any) -> list[Change]:
    if isinstance(op, RemoveMember):
        trip.roles.pop(op.id, None)
        trip.removed.add(op.id)
        return [Change("member", op.id, {"deleted": True})]
    if isinstance(op, SetMemberRole):
        trip.roles[op.id] = op.role
        return [Change("member", op.id, {"role": op.role})]
    if isinstance(op, DeleteTrip):
        trip.deleted = True
        return [Change("trip", ROOM, {"deleted": True})]
    if isinstance(op, SetTripVisibility):
        trip.public = op.visibility == "public"
        return [Change("trip", ROOM, {"visibility": op.visibility})]
    return [Change("trip", ROOM, {"title": "x"})]


def admitted(hub: Hub, transport: Transport, actor: Actor) -> Session:
    """The session of a connection for which there is a place."""
    arrival = hub.arrive()
    hub.claim(arrival, actor.user_id, "127.0.0.1")
    session = hub.session(transport, actor, "127.0.0.1", arrival)
    assert session is not None, arrival.refused
    return session


def refusal(hub: Hub, user_id: str | None, address: str = "127.0.0.1") -> CloseCode | None:
    """Why one more connection of this person could not come now."""
    arrival = hub.arrive()
    hub.claim(arrival, user_id, address)
    hub.gone(arrival)
    return arrival.refused


class Client:
    """One tab: its session in a node, and what it received."""

    def __init__(self, node: Node, user_id: str | None, tab: str) -> None:
        self.node = node
        self.tab = tab
        self.transport = FakeTransport()
        auth_id = None if user_id is None else f"auth-{user_id}"
        actor = Actor(user_id, (user_id or "").title(), auth_id=auth_id)
        self.session: Session = admitted(node.hub, self.transport, actor)
        self.transport.on_end = self.session.left
        node.world.clients.append(self)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [
            msgspec.json.decode(payload)
            for data in self.transport.written
            for _, payload in split_frames(data)
        ]

    def of(self, t: str) -> list[dict[str, Any]]:
        """The messages with this tag."""
        return [message for message in self.messages if message["t"] == t]

    @property
    def received(self) -> bytes:
        """Every byte."""
        return b"".join(self.transport.written)

    @property
    def seqs(self) -> list[int]:
        """Seq of every live event, in order of arrival."""
        return [event["seq"] for message in self.of("events") for event in message["events"]]

    @property
    def code(self) -> int | None:
        """The close code that the server sent."""
        return None if self.transport.finished is None else self.transport.finished[0]

    async def send(self, message: dict[str, Any] | str | bytes) -> None:
        raw = msgspec.json.encode(message).decode() if isinstance(message, dict) else message
        self.session.receive(raw)
        while self.session.waits:  # noqa: ASYNC110 (it ends within a few turns)
            await asyncio.sleep(0)

    async def join(self, room: str = ROOM, **more: Any) -> Client:
        await self.send({"t": "join", "v": 1, "room": room, "client": self.tab, **more})
        return self

    async def submit(self, op: dict[str, Any], op_id: str) -> None:
        await self.send({"t": "submit", "op_id": op_id, "base": 0, "op": op})

    def people(self) -> set[str]:
        """Sessions shown, from `joined` and the differences since."""
        shown: set[str] = set()
        for message in self.messages:
            if message["t"] == "joined":
                shown = {person["session"] for person in message["people"]}
            elif message["t"] == "people":
                shown |= {person["session"] for person in message.get("put", [])}
                shown -= set(message.get("gone", []))
        return shown


RENAME: dict[str, Any] = {"kind": "trip.set_fields", "fields": {"title": "大理"}}
