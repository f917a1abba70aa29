"""The assistant of this process: takes questions, lets answers be read and stopped, drains.

Owns the parts that make and keep answers, and their background work. Never talks to a socket or to a
model: readers follow (`follow`), answers are made by `realtime.assistant.lives`. Called by
`handlers.assistant` and the composition root.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec

from domain.accounts import Locale, new_id
from domain.answers import (
    Asked,
    AskInTrip,
    AskLimits,
    AskPrivately,
    DeleteConversation,
    ReadRun,
    RunState,
    StopAnswer,
)
from domain.commands import Actor
from domain.errors import Throttled, Unavailable
from domain.ports import Run
from domain.services.answers import ask_in_trip, read_run, stop_answer
from domain.services.conversations import ask_privately, delete_conversation
from realtime.assistant.answering import Budgets, Job, Maker
from realtime.assistant.completions import Completions, Timeouts
from realtime.assistant.keeping import Keeper
from realtime.assistant.lives import RESTART, AssistantTimes, Lives
from realtime.assistant.pace import Pace
from realtime.assistant.queueing import Bounds, Queue
from realtime.assistant.reading import Following, ended
from realtime.assistant.streams import Growing
from realtime.hub import Hub
from realtime.protocol import AnswerEnded
from realtime.tasks import Tasks

log = logging.getLogger(__name__)

BUSY_SECONDS = 10


class AssistantOff(Unavailable):
    """No model is configured: asking again does not help, the operator does."""

    code = "ai_off"
    retryable = False

    def __init__(self) -> None:
        super().__init__("the assistant is off on this site: its operator turns it on with AI_API_KEY")


class Assistant:
    """See the module. `completions` None: nobody set a key; what there is can still be read."""

    def __init__(
        self,
        hub: Hub,
        run: Run,
        completions: Completions | None,
        *,
        bounds: Bounds | None = None,
        asked: AskLimits | None = None,
        budgets: Budgets | None = None,
        timeouts: Timeouts | None = None,
        times: AssistantTimes | None = None,
        clock: Callable[[], str] | None = None,
        pace: Pace | None = None,
        readers_of_user: int = 20,
    ) -> None:
        self.times = times or AssistantTimes()
        self.draining = False
        self._node = hub.node
        self._run = run
        self._completions = completions
        self._asked = asked or AskLimits()
        self._clock = clock or hub.clock
        self._followings: set[Following] = set()
        self._readers_of_user = readers_of_user
        self._reading: Counter[str] = Counter()
        """Open streams of each person."""
        self._one_left = asyncio.Event()
        self._tasks = Tasks()
        self._pace = pace or Pace()
        maker = None
        if completions is not None:
            maker = Maker(run, completions, budgets or Budgets(), timeouts or Timeouts(), self._clock)
        self.lives = Lives(hub, run, maker, Queue(bounds or Bounds()), self.times, self._clock)
        self.keeper = Keeper(run, self.lives, self.times)
        self._relay = self.lives.relay

    # --- life -------------------------------------------------------------------------------

    @property
    def model(self) -> str:
        """The model that answers; empty: the assistant is off."""
        return "" if self._completions is None else self._completions.model

    async def start(self) -> None:
        """Start the background work."""
        self._tasks.supervise("answers: other processes", self._relay.keep_alive)
        self._tasks.supervise("answers: checkpoints", self.keeper.keep_saving)
        self._tasks.supervise("answers: sweep", self.keeper.keep_sweeping)
        self._tasks.supervise("answers: readers", self._keep_attending)
        if self._completions is not None:
            self._tasks.supervise("search index", self.keeper.keep_indexing)
            self._tasks.supervise("answers: pace", self._pace.keep)
            self._tasks.spawn("answers: the model's client", self._completions.prepare())

    async def _keep_attending(self) -> None:
        while True:
            await asyncio.sleep(self.times.attend * random.uniform(0.8, 1.0))
            self.lives.attend()

    async def drain(self, deadline: float) -> None:
        """Take no more questions; answers under way end as interrupted, with what there is, and
        readers hear it. At most `deadline` seconds."""
        self.draining = True
        end = asyncio.get_running_loop().time() + deadline
        for live in self.lives.all():
            self.lives.end(live, "interrupted", RESTART)
        tasks = {live.task for live in self.lives.all() if live.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=deadline)
        if len(self.lives):
            log.warning("%d answers are not finished at the drain", len(self.lives))
        for following in list(self._followings):
            if not following.ends:
                following.close()  # goes on at another process
        try:
            async with asyncio.timeout_at(end):
                while self._followings:
                    self._one_left.clear()
                    await self._one_left.wait()
        except TimeoutError:
            log.warning("%d readers do not take the end of their answer", len(self._followings))

    async def aclose(self) -> None:
        """Stop everything."""
        await self._tasks.aclose()
        await self.lives.aclose()
        for following in list(self._followings):
            following.close()
        if self._completions is not None:
            await self._completions.aclose()

    def counts(self) -> dict[str, int]:
        """Gauges for operators."""
        return {
            "answers_running": self.lives.queue.running,
            "answers_waiting": self.lives.queue.waiting,
            "answer_readers": len(self._followings),
            "answer_copies": len(self._relay),
        }

    # --- questions --------------------------------------------------------------------------

    async def ask_in_trip(
        self,
        actor: Actor,
        trip_id: str,
        op_id: str,
        text: str,
        locale: Locale,
        reply_to: str | None = None,
        retry_of: str | None = None,
    ) -> Asked:
        """Ask in front of everybody; the same `op_id` again finds the same answer."""
        at = self.check_open()
        command = AskInTrip(
            trip_id=trip_id,
            actor=actor,
            op_id=op_id,
            question_id=new_id(),
            answer_id=new_id(),
            text=text,
            node=self._node,
            at=at,
            limits=self._asked,
            model=self.model,
            reply_to=reply_to,
            retry_of=retry_of,
        )
        asked = await self._run(ask_in_trip, command)
        await self._begin(Job(asked.answer_id, asked.question_id, actor, locale, at, trip_id=trip_id), asked)
        return asked

    async def ask_privately(
        self,
        actor: Actor,
        conversation_id: str,
        answer_id: str,
        text: str,
        locale: Locale,
        retry_of: str | None = None,
    ) -> Asked:
        """Ask in a conversation; the same `answer_id` again finds the same answer."""
        at = self.check_open()
        command = AskPrivately(
            actor=actor,
            conversation_id=conversation_id,
            question_id=new_id(),
            answer_id=answer_id,
            text=text,
            node=self._node,
            at=at,
            limits=self._asked,
            model=self.model,
            retry_of=retry_of,
        )
        asked = await self._run(ask_privately, command)
        job = Job(asked.answer_id, asked.question_id, actor, locale, at, conversation_id=conversation_id)
        await self._begin(job, asked)
        return asked

    def check_open(self) -> str:
        """The time. Raises `Unavailable` or `Throttled` when no question can be taken now; better before
        it is counted."""
        if self._completions is None:
            raise AssistantOff
        if self.draining:
            raise Unavailable("this server restarts, try again")
        if self.lives.queue.full:
            raise Throttled(
                "too many answers wait already, try later", code="ai_busy", retry_after=BUSY_SECONDS
            )
        return self._clock()

    async def _begin(self, job: Job, asked: Asked) -> None:
        if asked.repeated:
            # One that was opened here without our hearing of it (the commit's answer was lost) is
            # begun now; any other has its maker, or has ended.
            state = await self._look(job.actor, job.answer_id, job.trip_id)
            if state.final or state.node != self._node:
                return
        live = self.lives.begin(job, self.model)
        if live is not None and self.draining:
            self.lives.end(live, "interrupted", RESTART)

    # --- readers ----------------------------------------------------------------------------

    async def read(self, actor: Actor, answer_id: str, trip_id: str | None = None) -> AnswerEnded:
        """An answer as far as it is. To look again and again counts as reading it."""
        state = await self._look(actor, answer_id, trip_id)
        live = self.lives.get(answer_id)
        if state.final or live is None:
            if not state.final:
                self._relay.look(answer_id)
            return ended(state)
        live.attended = asyncio.get_running_loop().time()
        known = msgspec.structs.replace(
            state, text=live.growing.text.text, reasoning=live.growing.reasoning.text
        )
        return msgspec.structs.replace(ended(known), status=live.growing.status)

    async def follow(
        self,
        actor: Actor,
        answer_id: str,
        trip_id: str | None = None,
        place: tuple[int, int] = (0, 0),
        allowed: Callable[[], Awaitable[None]] | None = None,
    ) -> tuple[RunState, Following]:
        """Read an answer from these offsets on, wherever it is made. `allowed` is asked at every
        look and raises when the reader's sign-in has ended. To be closed by the caller. Raises
        `Throttled` when this person has too many streams open."""
        self.check_streams(actor)
        reader = actor.user_id or ""
        self._reading[reader] += 1
        try:
            return await self._follow(actor, answer_id, trip_id, place, allowed, reader)
        except BaseException:
            self._stops(reader)
            raise

    def check_streams(self, actor: Actor) -> None:
        """Raises `Throttled` when this person has too many streams open: better before they ask."""
        if self._reading.get(actor.user_id or "", 0) >= self._readers_of_user:
            raise Throttled(
                f"at most {self._readers_of_user} streams of one person are open at once here",
                code="too_many_streams",
                retry_after=BUSY_SECONDS,
            )

    def _stops(self, reader: str) -> None:
        self._reading[reader] -= 1
        if not self._reading[reader]:
            del self._reading[reader]

    async def _follow(
        self,
        actor: Actor,
        answer_id: str,
        trip_id: str | None,
        place: tuple[int, int],
        allowed: Callable[[], Awaitable[None]] | None,
        reader: str,
    ) -> tuple[RunState, Following]:
        async def look() -> RunState | None:
            if allowed is not None:
                await allowed()
            if live is not None and trip_id is None and live.growing.ended is None:
                # Whose conversation it is never changes, and what is made here is known here first.
                return None
            return await self._look(actor, answer_id, trip_id)

        def left(following: Following) -> None:
            self._followings.discard(following)
            self._stops(reader)
            self._one_left.set()

        def left_copy(following: Following) -> None:
            self._relay.close(answer_id)
            left(following)

        state = await self._look(actor, answer_id, trip_id)
        live = self.lives.get(answer_id)
        if live is None and not state.final and state.node == self._node:
            state = await self._look(actor, answer_id, trip_id)  # it ended while we looked
        if live is not None:
            following = Following(live.growing, place, look, self.times.recheck, left)
        elif state.final:
            growing = _copy_of(state)
            growing.end(ended(state))
            following = Following(growing, place, look, self.times.recheck, left)
        else:
            growing = await self._relay.open(answer_id, lambda: _copy_of(state))
            following = Following(growing, place, look, self.times.poll, left_copy)
        self._followings.add(following)
        return state, following

    async def _look(self, actor: Actor, answer_id: str, trip_id: str | None) -> RunState:
        return await self._run(read_run, ReadRun(actor, answer_id, trip_id))

    # --- the end, by people -----------------------------------------------------------------

    async def stop(self, actor: Actor, answer_id: str, trip_id: str | None = None) -> None:
        """End an answer, wherever it is made: stored for its process, which is also told."""
        state = await self._run(stop_answer, StopAnswer(actor, answer_id, trip_id))
        if not state.final:
            self._relay.stop(answer_id)

    async def delete_conversation(self, actor: Actor, conversation_id: str) -> None:
        """Delete a conversation, and end what is being answered in it."""
        under_way = await self._run(delete_conversation, DeleteConversation(actor, conversation_id))
        for answer_id in under_way:
            self._relay.stop(answer_id)


def _copy_of(state: RunState) -> Growing:
    growing = Growing(state.id, status=state.status)
    growing.catch_up(state.status, state.text, state.reasoning)
    return growing
