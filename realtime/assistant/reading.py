"""One reader of one answer, wherever it is made: its pieces, each once and in order, then its end.

Owns the looks at the stored answer: they say how it ended, whether the reader may still read, and
help on when no other way brings news. Made by `realtime.assistant.runner`, used by the handler of
server-sent events.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from domain.answers import RunState
from domain.errors import Unavailable
from realtime.assistant.streams import Growing, Reader
from realtime.protocol import AnswerEnded, Stream

Look = Callable[[], Awaitable[RunState | None]]
"""Reads the stored answer for this reader; None: there is nothing to learn from it. Raises `DomainError`
when they may not read it (any more)."""


def ended(state: RunState) -> AnswerEnded:
    """The stored answer as clients get it."""
    return AnswerEnded(
        answer=state.id,
        status=state.status,
        text=state.text,
        reasoning=state.reasoning,
        model=state.model,
        fault=state.fault,
        usage=state.usage,
        sources=state.sources,
        proposal=state.proposal,
    )


class Following:
    """See the module. `every`: seconds between looks; `left` is called once, when it is over."""

    def __init__(
        self,
        growing: Growing,
        place: tuple[int, int],
        look: Look,
        every: float,
        left: Callable[[Following], None],
    ) -> None:
        self.closed = False
        self._growing = growing
        self._reader = Reader(growing, *place)
        self._look = look
        self._every = every
        self._left = left
        self._asked_for_end = False
        self._look_at = 0.0
        self._plan()

    @property
    def place(self) -> tuple[int, int]:
        """Characters of text and reasoning that have been handed out."""
        return self._reader.text_at, self._reader.reasoning_at

    @property
    def ends(self) -> bool:
        """All that is left to read is here."""
        return self._growing.ended is not None

    async def next(self, within: float) -> Stream | AnswerEnded | None:
        """The next piece, or the end after all of them; None when `within` seconds bring nothing,
        or it was closed. Raises `DomainError` when the reader may not read (any more)."""
        until = _now() + within
        while True:
            if _now() >= self._look_at:  # also where there is always more to read
                await self._ask()
            found = await self._reader.next(max(0.0, min(until, self._look_at) - _now()))
            if self.closed:
                return None
            if found is not None:
                return found
            if self._growing.over and not self._asked_for_end:
                self._asked_for_end = True
                await self._ask()
            elif _now() >= until:
                return None

    async def _ask(self) -> None:
        try:
            state = await self._look()
        except Unavailable:
            return
        finally:
            self._plan()
        if state is None:
            return
        self._growing.catch_up(state.status, state.text, state.reasoning)
        if state.final:
            self._growing.end(ended(state))

    def _plan(self) -> None:
        self._look_at = _now() + self._every * random.uniform(0.8, 1.0)

    def close(self) -> None:
        """Read no more; `next` returns at once."""
        if not self.closed:
            self.closed = True
            self._reader.leave()
            self._left(self)


def _now() -> float:
    return asyncio.get_running_loop().time()
