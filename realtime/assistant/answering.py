"""One answer, from what was asked to how it ended.

Owns the order: what the asker may see, public trips that fit, the prompt, the model's words, rounds
of tools, the proposal. Writes into a `Growing` as words come; never finishes an answer durably
(`realtime.assistant.runner` does) and never decides about a trip. Cancelling `Maker.make` ends the
upstream request.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from domain.accounts import Locale, new_id
from domain.answers import (
    MAX_ANSWER,
    MAX_REASONING,
    Outcome,
    Propose,
    ReadContext,
    ReadConversation,
    TripContext,
)
from domain.assistant import select
from domain.commands import Actor
from domain.errors import DomainError, Unavailable
from domain.operations import kind_of
from domain.ports import Run
from domain.ports import UnitOfWork as Uow
from domain.search import FindTrips
from domain.services.answers import propose, read_context
from domain.services.conversations import read_conversation
from domain.services.search import find_trips
from domain.talk import Fault, Source, Usage
from realtime.assistant.completions import (
    ChatMessage,
    ChatRequest,
    Completions,
    Finished,
    Reasoning,
    Text,
    Timeouts,
    ToolCall,
    ToolCalls,
    UpstreamError,
    pieces,
)
from realtime.assistant.prompts import private_messages, trip_messages
from realtime.assistant.streams import Growing
from realtime.assistant.tools import Kit, specs
from realtime.protocol import AnswerEnded

log = logging.getLogger(__name__)

MAX_TOKENS = 2**31 - 1
LONGEST_PAUSE = 5.0
READ_ATTEMPTS = 5
"""Before the first word; later there is something to keep, so `persist` goes on."""

C = TypeVar("C")
R = TypeVar("R")
Ending = Literal["done", "stopped", "interrupted", "failed"]

_LEFT_OUT: dict[Locale, str] = {
    "zh": "\n\n（行程刚才有变动，{n} 项改动已不适用，没有列入建议：{kinds}）",
    "en": "\n\n(The trip changed meanwhile: {n} of the changes no longer fit and were left out: {kinds})",
}


@dataclass(frozen=True)
class Job:
    """What was asked: by whom, where, and in which language the rules are told."""

    answer_id: str
    question_id: str
    actor: Actor
    locale: Locale
    at: str
    trip_id: str | None = None
    conversation_id: str | None = None


@dataclass
class Draft:
    """What belongs to an answer beside its words, as far as it has come."""

    model: str
    sources: list[Source] = field(default_factory=list)
    usage: Usage | None = None
    proposal: str | None = None

    def outcome(self, growing: Growing, status: Ending, fault: Fault | None = None) -> Outcome:
        """How it ended."""
        return Outcome(
            status=status,
            text=growing.text.text,
            reasoning=growing.reasoning.text,
            model=self.model,
            fault=fault,
            usage=self.usage,
            sources=self.sources,
        )

    def ended(self, answer_id: str, outcome: Outcome) -> AnswerEnded:
        """The same for those who read along."""
        return AnswerEnded(
            answer=answer_id,
            status=outcome.status,
            text=outcome.text,
            reasoning=outcome.reasoning,
            model=outcome.model,
            fault=outcome.fault,
            usage=outcome.usage,
            sources=outcome.sources,
            proposal=self.proposal,
        )


@dataclass(frozen=True)
class Budgets:
    """Of one answer: tokens of the answer and of what is told, rounds with tools, sources."""

    max_tokens: int = 4_096
    context_tokens: int = 16_000
    rounds: int = 4
    sources: int = 4


class TooLong(Exception):
    """The answer does not end."""


@dataclass
class _Round:
    """What one request to the model brought."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)


async def persist(run: Run, service: Callable[[C, Uow], R], command: C, attempts: int | None = None) -> R:
    """Like `run`, again and again while the database does not answer. For commands that may be sent
    twice. `attempts` None: until it answers, or we are cancelled."""
    tried = 0
    while True:
        try:
            return await run(service, command)
        except Unavailable as error:
            tried += 1
            if attempts is not None and tried >= attempts:
                raise
            log.warning("%s waits for the database: %s", getattr(service, "__name__", "it"), error.message)
        await asyncio.sleep(min(LONGEST_PAUSE, 0.1 * 2 ** min(tried, 8)) * random.uniform(0.5, 1.0))


async def unbroken(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end even when we are cancelled meanwhile; the cancellation comes after it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("cut off, and it failed: %s", error)
        raise


class Maker:
    """Makes answers; see the module."""

    def __init__(
        self,
        run: Run,
        completions: Completions,
        budgets: Budgets,
        timeouts: Timeouts,
        clock: Callable[[], str],
    ) -> None:
        self._run = run
        self._completions = completions
        self._budgets = budgets
        self._timeouts = timeouts
        self._clock = clock

    async def make(self, job: Job, growing: Growing, draft: Draft) -> Outcome:
        """The whole answer; faults of the upstream and of the question are outcomes, too."""
        try:
            await self._answer(job, growing, draft)
        except UpstreamError as error:
            log.warning("answer %s: %s", job.answer_id, error)
            fault = Fault(error.code, error.message, error.retry_after)
        except TooLong:
            fault = Fault("ai_too_long", "the answer became too long and was cut")
        except DomainError as error:
            # The asker lost access meanwhile, say, or the database stayed away.
            fault = Fault(error.code, error.message)
        else:
            growing.close()
            return draft.outcome(growing, "done")
        growing.close()
        return draft.outcome(growing, "failed", fault)

    async def _answer(self, job: Job, growing: Growing, draft: Draft) -> None:
        if job.trip_id is None:
            messages = await self._private_prompt(job, draft)
            await self._rounds(messages, None, growing, draft)
        else:
            context = await self._context(job, job.trip_id)
            messages = await self._trip_prompt(job, context, draft)
            kit = Kit(context)
            await self._rounds(messages, kit, growing, draft)
            if kit.ops:
                await unbroken(self._propose(job, job.trip_id, kit, context.seq, growing, draft))
        growing.flush()
        if not growing.text.text.strip() and draft.proposal is None:
            raise UpstreamError("ai_malformed", "the model answered nothing")

    # --- the prompt -------------------------------------------------------------------------

    async def _context(self, job: Job, trip_id: str) -> TripContext:
        command = ReadContext(trip_id, job.actor, job.question_id)
        return await persist(self._run, read_context, command, READ_ATTEMPTS)

    async def _trip_prompt(self, job: Job, context: TripContext, draft: Draft) -> list[ChatMessage]:
        draft.sources = await self._find(context.question.text, job.trip_id)

        def write() -> list[ChatMessage]:
            selection = select(context, draft.sources, self._budgets.context_tokens)
            return trip_messages(context, selection, job.locale, job.at)

        # In a thread: with a large trip this takes many milliseconds.
        return await asyncio.to_thread(write)

    async def _private_prompt(self, job: Job, draft: Draft) -> list[ChatMessage]:
        assert job.conversation_id is not None
        command = ReadConversation(job.actor, job.conversation_id)
        turns = (await persist(self._run, read_conversation, command, READ_ATTEMPTS)).turns
        question = next(turn for turn in turns if turn.id == job.question_id)
        draft.sources = await self._find(question.text, None)
        return private_messages(
            turns, question.id, draft.sources, job.locale, job.at, self._budgets.context_tokens
        )

    async def _find(self, text: str, except_trip: str | None) -> list[Source]:
        try:
            found = await self._run(find_trips, FindTrips(text, self._budgets.sources, except_trip))
        except DomainError as error:
            log.warning("an answer goes without other trips: %s", error.message)
            return []
        return found.sources

    # --- the model --------------------------------------------------------------------------

    async def _rounds(
        self, messages: list[ChatMessage], kit: Kit | None, growing: Growing, draft: Draft
    ) -> None:
        """Ask; carry out what the model asks for; until it has nothing more to ask for."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeouts.total
        thinks = False
        for _ in range(self._budgets.rounds if kit is not None else 1):
            request = ChatRequest(
                messages=messages,
                tools=list(specs()) if kit is not None else [],
                max_tokens=self._budgets.max_tokens,
            )
            left = max(0.0, end - loop.time())
            limits = Timeouts(self._timeouts.first, self._timeouts.silence, left)
            done = await self._round(request, limits, growing, draft)
            thinks = thinks or bool(done.reasoning)
            if kit is None or not done.calls:
                return
            answers = await asyncio.to_thread(kit.take, done.calls)
            said = ChatMessage(
                "assistant",
                "".join(done.text),
                tool_calls=done.calls,
                # A model that thinks wants its thoughts back, even where there were none this time.
                reasoning="".join(done.reasoning) if thinks else None,
            )
            messages = [*messages, said, *answers]

    async def _round(self, request: ChatRequest, limits: Timeouts, growing: Growing, draft: Draft) -> _Round:
        done = _Round()
        async with pieces(self._completions, request, limits) as answer:
            async for piece in answer:
                if isinstance(piece, Text):
                    _say(growing, done.text, piece.text)
                elif isinstance(piece, Reasoning):
                    _think(growing, done.reasoning, piece.text)
                elif isinstance(piece, ToolCalls):
                    done.calls = piece.calls
                else:
                    _close_round(piece, draft)
        return done

    async def _propose(
        self, job: Job, trip_id: str, kit: Kit, base: int, growing: Growing, draft: Draft
    ) -> None:
        command = Propose(
            trip_id, job.actor, new_id(), job.answer_id, kit.ops, base, note="", at=self._clock()
        )
        proposed = await persist(self._run, propose, command, READ_ATTEMPTS)
        draft.proposal = proposed.proposal_id
        if proposed.refused:
            # Somebody changed the trip while the model wrote: the readers are told, not deceived.
            kinds = ", ".join(sorted({kind_of(kit.ops[refused.n]) for refused in proposed.refused}))
            growing.write(_LEFT_OUT[job.locale].format(n=len(proposed.refused), kinds=kinds))


def _say(growing: Growing, said: list[str], text: str) -> None:
    if not said and growing.written:
        growing.write("\n\n")  # after what it had said before it used its tools
    said.append(text)
    room = max(0, MAX_ANSWER - growing.written)
    growing.write(text[:room])
    if len(text) > room:
        raise TooLong


def _think(growing: Growing, thought: list[str], text: str) -> None:
    if not thought and growing.thought:
        growing.write(reasoning="\n\n")
    thought.append(text)
    # Thoughts are shown, not needed: what is too long is not kept.
    growing.write(reasoning=text[: max(0, MAX_REASONING - growing.thought)])


def _counted(tokens: int) -> int:
    """What a provider says, as far as it can be true and stored."""
    return max(0, min(tokens, MAX_TOKENS))


def _close_round(finished: Finished, draft: Draft) -> None:
    if finished.usage is not None:
        before = draft.usage or Usage()
        draft.usage = Usage(
            _counted(before.prompt_tokens + finished.usage.prompt_tokens),
            _counted(before.completion_tokens + finished.usage.completion_tokens),
        )
    if finished.reason == "length":
        raise TooLong
    if finished.reason == "content_filter":
        raise UpstreamError("ai_bad_request", "the provider's filter ended the answer", retryable=False)
