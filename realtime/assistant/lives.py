"""The answers that are made in this process: one supervised task each, from the queue to the end.

Owns their state (`Live`), who is told of each piece (the room, readers elsewhere), how they end, and
that a finished answer is stored however long the database takes. Never takes questions: that is
`realtime.assistant.runner`. Also called by `realtime.assistant.relay` (what other processes want) and
`realtime.assistant.keeping`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import get_args

from structlog.contextvars import bind_contextvars

from domain.answers import FinishAnswer, FinishTurn, Outcome, ReadRun
from domain.errors import DomainError
from domain.ports import Run
from domain.services.answers import finish_answer, read_run
from domain.services.conversations import finish_turn
from domain.talk import Fault
from realtime.assistant.answering import Draft, Ending, Job, Maker, persist
from realtime.assistant.queueing import Queue, Ticket
from realtime.assistant.reading import ended
from realtime.assistant.relay import LEASE, Relay, Want
from realtime.assistant.streams import Growing
from realtime.hub import Hub
from realtime.protocol import AnswerEnded, encode
from realtime.tasks import Tasks

log = logging.getLogger(__name__)

REMEMBERED = 1_000
"""Finished answers of which late readers elsewhere are told at once that they are over."""
LONG = 4_000
"""Characters with which the pause between two showings of a whole answer doubles."""
RESTART = Fault("ai_restart", "the server restarted in the middle of this answer")
BROKEN = Fault("internal", "something went wrong here")


@dataclass(frozen=True)
class AssistantTimes:
    """Seconds. `grace`: how long an answer goes on that nobody reads; `settle`: after the database
    was away, others get so long to say that they live; `poll` and `recheck`: between looks at the
    stored answer, of readers of answers made elsewhere and here."""

    coalesce: float = 0.04
    checkpoint: float = 2.0
    sweep: float = 5.0
    settle: float = 8.0
    grace: float = 10.0
    attend: float = 1.0
    watch: float = 0.2
    poll: float = 3.0
    recheck: float = 5.0
    index: float = 5.0


@dataclass(eq=False)
class Live:
    """One answer that is made here. `ending`: how it is to end, once somebody said so; `remote`:
    until when other processes count as reading; `attended`: when somebody last did."""

    job: Job
    growing: Growing
    draft: Draft
    ticket: Ticket
    attended: float
    ending: tuple[Ending, Fault | None] | None = None
    making: asyncio.Future[Outcome] | None = None
    task: asyncio.Task[None] | None = None
    remote: dict[str, float] = field(default_factory=dict)
    shown: float = 0.0
    timer: asyncio.TimerHandle | None = None


class Lives:
    """See the module. `maker` None: nothing is made, the assistant is off."""

    def __init__(
        self,
        hub: Hub,
        run: Run,
        maker: Maker | None,
        queue: Queue,
        times: AssistantTimes,
        clock: Callable[[], str],
    ) -> None:
        self.clock = clock
        self.queue = queue
        self._by_id: dict[str, Live] = {}
        self._hub = hub
        self._run = run
        self._maker = maker
        self._times = times
        self._tasks = Tasks()
        self._finished: OrderedDict[str, bytes] = OrderedDict()
        self.outcomes: Counter[str] = Counter(dict.fromkeys(get_args(Ending), 0))
        """Answers made here by how they ended; failures by their code as well, for operators."""
        self._relay = Relay(hub.node, hub.channels, self)
        hub.on_watch = self._on_watch

    @property
    def relay(self) -> Relay:
        """The way to the other processes."""
        return self._relay

    def __contains__(self, answer_id: str) -> bool:
        return answer_id in self._by_id

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, answer_id: str) -> Live | None:
        return self._by_id.get(answer_id)

    def all(self) -> list[Live]:
        return list(self._by_id.values())

    async def aclose(self) -> None:
        """Drop whatever is still being made."""
        await self._tasks.aclose()

    # --- one answer -------------------------------------------------------------------------

    def begin(self, job: Job, model: str) -> Live | None:
        """Queue an answer; None when it is made here already."""
        if job.answer_id in self._by_id:
            return None
        growing = Growing(job.answer_id, self._times.coalesce)

        def place(position: int) -> None:
            growing.turn("queued", position)

        ticket = Ticket(job.actor.user_id or "", job.trip_id, place)
        live = self._by_id[job.answer_id] = Live(job, growing, Draft(model), ticket, _now())
        growing.on_piece = lambda at, reasoning_at: self._tell(live, at, reasoning_at)
        self.queue.enter(ticket)
        live.task = self._tasks.spawn(f"answer {job.answer_id}", self._serve(live))
        return live

    async def _serve(self, live: Live) -> None:
        bind_contextvars(answer_id=live.job.answer_id)  # in this task's own context
        try:
            async with self._in_room(live.job.trip_id):
                outcome = await self._outcome(live)
                self.queue.leave(live.ticket)
                await self._finish(live, outcome)
        finally:
            self.queue.leave(live.ticket)
            if live.timer is not None:
                live.timer.cancel()
            del self._by_id[live.job.answer_id]

    @asynccontextmanager
    async def _in_room(self, trip_id: str | None) -> AsyncIterator[None]:
        """Who is in the room, on any process, can be known while an answer is made."""
        if trip_id is None:
            yield
            return
        await self._hub.hold(trip_id)
        try:
            yield
        finally:
            self._hub.release(trip_id)

    async def _outcome(self, live: Live) -> Outcome:
        if live.ending is not None:
            return live.draft.outcome(live.growing, *live.ending)
        # Apart from our own task: whoever ends the answer ends its making, and never its finish.
        live.making = making = asyncio.ensure_future(self._make(live))
        try:
            await asyncio.wait({making})
        finally:
            if not making.done():
                making.cancel()
                await asyncio.wait({making})
        live.growing.close()
        if making.cancelled():
            return live.draft.outcome(live.growing, *(live.ending or ("interrupted", RESTART)))
        if (error := making.exception()) is not None:
            log.error("answer %s failed", live.job.answer_id, exc_info=error)
            return live.draft.outcome(live.growing, "failed", BROKEN)
        return making.result()

    async def _make(self, live: Live) -> Outcome:
        assert self._maker is not None
        await live.ticket.admitted.wait()
        live.growing.turn("streaming")
        return await self._maker.make(live.job, live.growing, live.draft)

    async def _finish(self, live: Live, outcome: Outcome) -> None:
        """Store how it ended, however long the database takes; then tell the readers."""
        job, at = live.job, self.clock()
        first = False
        try:
            if job.trip_id is not None:
                command = FinishAnswer(job.trip_id, job.answer_id, outcome, at, live.draft.proposal)
                first = await persist(self._run, finish_answer, command)
            else:
                first = await persist(self._run, finish_turn, FinishTurn(job.answer_id, outcome, at))
        except DomainError as error:
            log.warning("answer %s has no place to be kept: %s", job.answer_id, error.message)
        except Exception:
            # Its lease lapses, and whoever sweeps then keeps the checkpoint.
            log.exception("the end of answer %s cannot be stored", job.answer_id)
            outcome = live.draft.outcome(live.growing, "failed", BROKEN)
        self._count(outcome)
        known = live.draft.ended(job.answer_id, outcome)
        live.growing.end(known if first else await self._stored(job) or known)
        last = encode(live.growing.piece(live.growing.text.length, live.growing.reasoning.length))
        self._relay.tell(job.answer_id, last)
        self._finished[job.answer_id] = last
        while len(self._finished) > REMEMBERED:
            self._finished.popitem(last=False)

    def _count(self, outcome: Outcome) -> None:
        code = outcome.fault.code if outcome.fault is not None and outcome.status == "failed" else ""
        self.outcomes[f"{outcome.status} {code}".strip()] += 1

    async def _stored(self, job: Job) -> AnswerEnded | None:
        """How an answer ended that somebody else has finished."""
        try:
            state = await self._run(read_run, ReadRun(job.actor, job.answer_id, job.trip_id))
        except DomainError:
            return None
        return ended(state) if state.final else None

    def end(self, live: Live, status: Ending, fault: Fault | None = None) -> None:
        """End the making of an answer; the upstream request is closed. The first word counts."""
        if live.ending is None:
            live.ending = (status, fault)
            if live.making is not None:
                live.making.cancel()

    def _tell(self, live: Live, at: int, reasoning_at: int) -> None:
        trip_id = live.job.trip_id
        if trip_id is None and not live.remote:
            return
        payload = encode(live.growing.piece(at, reasoning_at))
        if trip_id is not None:
            self._hub.broadcast(trip_id, payload, members_only=True)
        if live.remote:
            self._relay.tell(live.job.answer_id, payload)

    # --- readers ----------------------------------------------------------------------------

    def attend(self) -> None:
        """End the answers that nobody has read for a while."""
        now = _now()
        for live in self.all():
            live.remote = {node: until for node, until in live.remote.items() if until > now}
            if self._is_read(live):
                live.attended = now
            elif now - live.attended >= self._times.grace and live.ending is None:
                log.info("nobody reads answer %s", live.job.answer_id)
                self.end(live, "stopped")

    def _is_read(self, live: Live) -> bool:
        # Without the bus nobody knows who reads elsewhere.
        if live.growing.readers or live.remote or not self._hub.bus_up:
            return True
        return live.job.trip_id is not None and self._hub.watched(live.job.trip_id)

    def _on_watch(self, trip_id: str, answer_id: str) -> None:
        if answer_id in self._by_id:
            self.watched(trip_id, answer_id)
        else:
            self._relay.watch(trip_id, answer_id)

    def _show_all(self, live: Live) -> None:
        """Show the room all of it: one message heals everybody who missed something."""
        live.timer, live.shown = None, _now()
        assert live.job.trip_id is not None
        self._hub.broadcast(live.job.trip_id, encode(live.growing.whole()), members_only=True)

    # --- what other processes want (`realtime.assistant.relay.Source`) ----------------------

    def wanted(self, want: Want) -> None:
        live = self._by_id.get(want.answer)
        if live is None:
            if want.answer in self._finished and not want.gone:
                self._relay.tell(want.answer, self._finished[want.answer])
        elif want.gone:
            live.remote.pop(want.node, None)
        elif want.once:
            live.attended = _now()
        else:
            live.remote[want.node] = _now() + LEASE
            self._relay.tell(want.answer, encode(live.growing.piece(want.at, want.reasoning_at)))

    def stopped(self, answer_id: str) -> None:
        live = self._by_id.get(answer_id)
        if live is not None:
            self.end(live, "stopped")

    def watched(self, trip_id: str, answer_id: str) -> None:
        live = self._by_id.get(answer_id)
        if live is None or live.job.trip_id != trip_id or live.timer is not None:
            return
        # What is long is shown to everybody less often, however much somebody asks.
        pause = self._times.watch * (1 + live.growing.text.length / LONG)
        wait = live.shown + pause - _now()
        live.timer = asyncio.get_running_loop().call_later(max(0.0, wait), self._show_all, live)


def _now() -> float:
    return asyncio.get_running_loop().time()
