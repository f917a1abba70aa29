"""What this process writes down about answers: checkpoints and leases, the ends of lapsed ones, and
the index of public trips from which answers draw.

Owns the pace of these jobs and what happens when the database is away. Called by
`realtime.assistant.runner`.
"""

from __future__ import annotations

import asyncio
import logging
import random

from domain.answers import (
    LEASE_SECONDS,
    Checkpoint,
    FinishAnswer,
    FinishTurn,
    LapsedRuns,
    Outcome,
    SaveCheckpoints,
)
from domain.answers import Run as StoredRun
from domain.errors import DomainError, Unavailable
from domain.ports import Run
from domain.search import IndexTrips
from domain.services.answers import finish_answer, lapsed_runs, save_checkpoints
from domain.services.conversations import finish_turn
from domain.services.search import index_trips
from domain.talk import Fault
from realtime.assistant.lives import AssistantTimes, Live, Lives

log = logging.getLogger(__name__)

LOST = Fault("ai_lost", "the server that wrote this answer stopped working")
CHARACTERS_A_COMMAND = 1_000_000
"""So that one statement stays far below what databases accept."""
INDEX_AT_ONCE = 20


class Keeper:
    """See the module."""

    def __init__(self, run: Run, lives: Lives, times: AssistantTimes) -> None:
        self._run = run
        self._lives = lives
        self._times = times
        self._saved: dict[str, tuple[float, str, int, int]] = {}
        self._calm_at = asyncio.get_running_loop().time() + times.settle

    # --- checkpoints ------------------------------------------------------------------------

    async def keep_saving(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._times.checkpoint)
            await self.save()

    async def save(self) -> None:
        """Write where every answer stands, prolong the leases, and end those that are to end."""
        lives = self._lives
        self._saved = {answer_id: saved for answer_id, saved in self._saved.items() if answer_id in lives}
        for group in _in_groups([_checkpoint(live) for live in lives.all() if self._is_due(live)]):
            try:
                doomed = await self._run(save_checkpoints, SaveCheckpoints(group, self._lives.clock()))
            except Unavailable as error:
                log.warning("answers are not kept for the moment: %s", error.message)
                self._wait_for_others()
                return
            for each in group:
                self._saved[each.id] = (_now(), each.status, len(each.text), len(each.reasoning))
            for answer_id in doomed:
                lives.stopped(answer_id)

    def _is_due(self, live: Live) -> bool:
        """Something new, or a lease that wants to be prolonged."""
        growing = live.growing
        saved = self._saved.get(growing.answer)
        stands = (growing.status, growing.text.length, growing.reasoning.length)
        return saved is None or saved[1:] != stands or _now() - saved[0] > LEASE_SECONDS / 4

    # --- the sweep --------------------------------------------------------------------------

    async def keep_sweeping(self) -> None:
        """For ever. The jitter keeps processes from sweeping together."""
        while True:
            await asyncio.sleep(self._times.sweep * random.uniform(0.7, 1.0))
            await self.sweep()

    async def sweep(self) -> None:
        """Finish answers whose process does not live any more, with what is known of their text."""
        try:
            lapsed = await self._run(lapsed_runs, LapsedRuns(self._lives.clock()))
            if _now() < self._calm_at:
                return
            for each in lapsed:
                if each.id not in self._lives:
                    await self._give_up(each)
        except Unavailable as error:
            log.warning("lapsed answers wait: %s", error.message)
            self._wait_for_others()

    def _wait_for_others(self) -> None:
        """Nobody could prolong a lease: after an outage everybody gets the time to do so first."""
        self._calm_at = _now() + self._times.settle

    async def _give_up(self, lapsed: StoredRun) -> None:
        heard = self._lives.relay.copy(lapsed.id)
        texts = (lapsed.text, lapsed.reasoning)
        if heard is not None:
            # Readers here may have seen more than the last checkpoint holds.
            texts = (
                max(heard.text.text, texts[0], key=len),
                max(heard.reasoning.text, texts[1], key=len),
            )
        outcome = Outcome("interrupted", *texts, model=lapsed.model, fault=LOST)
        at = self._lives.clock()
        try:
            if lapsed.trip_id is not None:
                command = FinishAnswer(lapsed.trip_id, lapsed.id, outcome, at)
                first = await self._run(finish_answer, command)
            else:
                first = await self._run(finish_turn, FinishTurn(lapsed.id, outcome, at))
        except Unavailable:
            raise
        except DomainError as error:
            log.warning("answer %s cannot be finished: %s", lapsed.id, error.message)
            return
        except Exception:
            log.exception("answer %s cannot be finished", lapsed.id)  # the others are
            return
        if first:
            log.warning("answer %s was lost with process %s", lapsed.id, lapsed.node)

    # --- the index --------------------------------------------------------------------------

    async def keep_indexing(self) -> None:
        """For ever. One query when nothing has changed."""
        while True:
            await asyncio.sleep(self._times.index * random.uniform(0.6, 1.0))
            try:
                while await self._run(index_trips, IndexTrips(INDEX_AT_ONCE)) >= INDEX_AT_ONCE:
                    pass
            except DomainError as error:
                log.warning("the index of public trips waits: %s", error.message)


def _checkpoint(live: Live) -> Checkpoint:
    growing = live.growing
    return Checkpoint(growing.answer, growing.status, growing.text.text, growing.reasoning.text)


def _in_groups(checkpoints: list[Checkpoint]) -> list[list[Checkpoint]]:
    groups: list[list[Checkpoint]] = []
    room = 0
    for each in checkpoints:
        size = len(each.text) + len(each.reasoning)
        if not groups or size > room:
            groups.append([])
            room = CHARACTERS_A_COMMAND
        groups[-1].append(each)
        room -= size
    return groups


def _now() -> float:
    return asyncio.get_running_loop().time()
