"""Processes with an assistant each, over one in-memory store, one bus, and a model that is told what to say.

Owns the stand-ins that the tests of the assistant share. `Node` is a server process; its model's
requests wait in `calls` until the test speaks for them. Never used by the product.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.accounts import new_id, timestamp
from domain.answers import Asked
from domain.commands import Actor, ApplyOperation, OpenRoom, RoomCommand
from domain.entities import Role
from domain.errors import Unavailable
from domain.events import Committed, decode_event
from domain.membership import StartTrip
from domain.operations import CreateTrip, JoinTrip, Operation
from domain.ports import UnitOfWork
from domain.services import rooms
from domain.services.rooms import apply_operation, open_room
from domain.services.talk import read_messages
from domain.services.trips import start_trip
from domain.talk import Message, ReadMessages
from realtime.assistant.completions import (
    ChatRequest,
    Finished,
    Piece,
    Reasoning,
    Text,
    Timeouts,
    ToolCall,
    ToolCalls,
    UpstreamError,
    Usage,
)
from realtime.assistant.lives import AssistantTimes
from realtime.assistant.reading import Following
from realtime.assistant.runner import Assistant
from realtime.broker_memory import MemoryBroker, MemoryBus
from realtime.hub import Hub
from realtime.presence_memory import MemoryPresenceStore
from realtime.protocol import AnswerEnded, Stream
from realtime.publisher import Publisher
from storage.runner import Runner
from storage.unit_of_work_memory import MemoryStore, MemoryUnits
from tests.realtime.awaited import AwaitedRun
from tests.realtime.world import QUIET, Client, until

NEVER = 3600.0
STILL = AssistantTimes(
    coalesce=0.0, checkpoint=NEVER, sweep=NEVER, settle=0.0, grace=0.0, attend=NEVER, watch=0.0, poll=NEVER,
    recheck=NEVER, index=NEVER,
)  # fmt: skip
"""Nothing happens by itself: tests call the jobs."""
ANN = Actor("ann", "Ann", auth_id="auth-ann")
BOB = Actor("bob", "Bob", auth_id="auth-bob")
EVE = Actor("eve", "Eve", auth_id="auth-eve")


class Call:
    """One request to the model. `closed`: the upstream saw the connection close."""

    def __init__(self, request: ChatRequest) -> None:
        self.request = request
        self.closed = False
        self._pieces: asyncio.Queue[Piece | UpstreamError] = asyncio.Queue()

    def say(self, text: str) -> None:
        self._pieces.put_nowait(Text(text))

    def think(self, text: str) -> None:
        self._pieces.put_nowait(Reasoning(text))

    def finish(self, reason: str = "stop", usage: tuple[int, int] | None = (10, 5)) -> None:
        counted = None if usage is None else Usage(*usage, sum(usage))
        self._pieces.put_nowait(Finished(reason, counted))

    def use(self, *tools: tuple[str, str]) -> None:
        """Ask for tools, each a name and arguments, and end the round."""
        calls = [ToolCall(f"c{n}", name, arguments) for n, (name, arguments) in enumerate(tools)]
        self._pieces.put_nowait(ToolCalls(calls))
        self.finish("tool_calls")

    def fail(self, error: UpstreamError) -> None:
        self._pieces.put_nowait(error)

    def __aiter__(self) -> Call:
        return self

    async def __anext__(self) -> Piece:
        found = await self._pieces.get()
        if isinstance(found, UpstreamError):
            raise found
        return found


class FakeModel:
    """`realtime.assistant.completions.Completions` in the hands of a test."""

    model = "fake-1"

    def __init__(self) -> None:
        self.calls: list[Call] = []

    @asynccontextmanager
    async def stream(self, request: ChatRequest) -> AsyncIterator[Call]:
        call = Call(request)
        self.calls.append(call)
        try:
            yield call
        finally:
            call.closed = True

    async def prepare(self) -> None:
        pass

    async def aclose(self) -> None:
        pass

    async def asked(self, number: int = 0) -> Call:
        """The request of this number, once it has come."""
        await until(lambda: len(self.calls) > number)
        return self.calls[number]


class _Join(RoomCommand, frozen=True):
    user_id: str
    role: Role
    at: str


def _join(command: _Join, uow: UnitOfWork) -> None:
    trip = uow.trips.lock(command.trip_id)
    op = JoinTrip(command.user_id.title(), command.role)
    rooms.join_trip(uow, trip, op, command.user_id, f"join-{command.user_id}", command.at)


class Processes:
    """What the processes share: the store, the bus, presence, and the time of day."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.bus = MemoryBus()
        self.presence = MemoryPresenceStore()
        self.skipped = timedelta()
        self.nodes: list[Node] = []
        self.clients: list[Client] = []
        self.trip_id = ""

    def clock(self) -> str:
        return timestamp(datetime.now(UTC) + self.skipped)

    def skip(self, seconds: float) -> None:
        """Time passes: leases lapse."""
        self.skipped += timedelta(seconds=seconds)

    async def node(self, times: AssistantTimes = STILL, **more: Any) -> Node:
        made = Node(self, times, more)
        await made.hub.start()
        self.nodes.append(made)
        return made

    async def trip(self, **roles: Role) -> str:
        """A trip of Ann's with these members."""
        run = self.nodes[0].run
        op = CreateTrip(
            title="云南 Yunnan", owner_name="Ann", start_date="2026-05-01", end_date="2026-05-02",
            time_zone="Asia/Shanghai",
        )  # fmt: skip
        self.trip_id = new_id()
        await run(start_trip, StartTrip(self.trip_id, ANN, "e1", "start-000", op, self.clock()))
        for user_id, role in roles.items():
            await run(_join, _Join(self.trip_id, user_id, role, self.clock()))
        return self.trip_id

    async def do(self, op: Operation, actor: Actor = ANN) -> None:
        """An ordinary operation."""
        command = ApplyOperation(self.trip_id, f"op-{new_id()}", actor, op, 10_000, self.clock())
        await self.nodes[0].run(apply_operation, command)

    async def message(self, answer_id: str) -> Message:
        """The message of an answer, as it is stored."""
        page = await self.nodes[0].run(read_messages, ReadMessages(self.trip_id, ANN, limit=100))
        return next(message for message in page.messages if message.id == answer_id)

    async def aclose(self) -> None:
        for node in self.nodes:
            await node.aclose()


class Node:
    """One process. `down`: the database does not answer it; `refused`: what it wanted meanwhile."""

    def __init__(self, world: Processes, times: AssistantTimes, more: dict[str, Any]) -> None:
        self.world = world
        self.down = False
        self.refused: list[str] = []
        self.broken: set[str] = set()
        """Answers of which the database refuses to store the end."""
        self.executor = ThreadPoolExecutor(2)
        self.broker = MemoryBroker(world.bus)
        self.runner = Runner(MemoryUnits(world.store), self.executor, self._publish)
        self.run = AwaitedRun(self._run)
        self.hub = Hub(self.run, self.broker, world.presence, self._valid, times=QUIET, clock=world.clock)
        self.publisher = Publisher(self.hub, self.broker)
        self.model = FakeModel()
        given: dict[str, Any] = {"times": times, "timeouts": Timeouts(10, 10, 60)}
        self.assistant = Assistant(self.hub, self.run, self.model, **(given | more))

    async def _run(self, service: Any, command: Any) -> Any:
        if self.down:
            self.refused.append(service.__name__)
            raise Unavailable("the database does not answer")
        if service.__name__.startswith("finish_") and command.answer_id in self.broken:
            raise ValueError("out of range")
        return await self.runner(service, command)

    def _publish(self, trip_id: str, epoch: str, committed: list[Committed]) -> None:
        self.publisher.publish(trip_id, epoch, committed)

    async def _valid(self, auth_ids: set[str]) -> set[str]:
        return auth_ids

    # --- people -----------------------------------------------------------------------------

    async def ask(self, text: str = "What is missing?", actor: Actor = ANN, **more: Any) -> Asked:
        """Ask in the trip."""
        given: dict[str, Any] = {"op_id": f"ask-{new_id()}", "locale": "en", **more}
        return await self.assistant.ask_in_trip(actor, self.world.trip_id, text=text, **given)

    async def ask_privately(self, text: str = "Where to?", actor: Actor = ANN, **more: Any) -> Asked:
        given: dict[str, Any] = {"conversation_id": "conv1", "answer_id": new_id(), "locale": "en", **more}
        return await self.assistant.ask_privately(actor, text=text, **given)

    async def enter(self, user_id: str, tab: str = "") -> Client:
        """Somebody's tab in the room, here."""
        client = Client(self, user_id, tab or f"tab{len(self.world.clients)}")  # type: ignore[arg-type]
        await client.join(self.world.trip_id)
        assert client.of("joined"), client.messages
        return client

    async def follow(
        self, asked: Asked, actor: Actor = ANN, place: tuple[int, int] = (0, 0), private: bool = False
    ) -> Reading:
        trip_id = None if private else self.world.trip_id
        _, following = await self.assistant.follow(actor, asked.answer_id, trip_id, place)
        return Reading(following)

    # --- the end ----------------------------------------------------------------------------

    async def kill(self) -> None:
        """The process dies: nothing more is written, said or heard."""
        self.down = True
        await self.broker.aclose()
        self.world.bus.brokers.discard(self.broker)
        await self.assistant.aclose()

    async def aclose(self) -> None:
        await self.assistant.aclose()
        await self.hub.aclose()
        await self.runner.drain(10)
        self.executor.shutdown()


class Reading:
    """What one reader gets, checked on the way: no character twice, none left out."""

    def __init__(self, following: Following) -> None:
        self.following = following
        self.start = following.place
        self.text = ""
        self.reasoning = ""
        self.states: list[tuple[str, int]] = []
        self.ended: AnswerEnded | None = None

    async def one(self, within: float = 5.0) -> Stream | AnswerEnded | None:
        found = await self.following.next(within)
        if isinstance(found, Stream):
            assert found.at == self.start[0] + len(self.text)
            assert found.reasoning_at == self.start[1] + len(self.reasoning)
            self.text += found.text
            self.reasoning += found.reasoning
            self.states.append((found.status, found.position))
        elif isinstance(found, AnswerEnded):
            self.ended = found
        return found

    async def until(self, condition: Callable[[Reading], object]) -> Reading:
        """Read on until this holds."""
        async with asyncio.timeout(10):
            while not condition(self):
                assert await self.one() is not None, "nothing more came"
        return self

    async def all(self) -> AnswerEnded:
        """Everything to the end."""
        await self.until(lambda reading: reading.ended)
        self.following.close()
        assert self.ended is not None
        return self.ended


def events_of(client: Client, kind: str) -> list[dict[str, Any]]:
    """The events of a kind that a tab got."""
    return [e for message in client.of("events") for e in message["events"] if e["kind"] == kind]


async def kinds(world: Processes) -> list[str]:
    """The kinds of all events of the trip, in order."""
    state = await world.nodes[0].run(open_room, OpenRoom(world.trip_id, ANN, since=0, epoch="e1"))
    return [decode_event(body).kind for body in state.events or ()]


async def gone(node: Node) -> None:
    """Every answer of the process has ended."""
    await until(lambda: not len(node.assistant.lives))
