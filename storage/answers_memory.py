"""`Answers` in memory: the same answers as SQL, for tests and benchmarks.

Owns the runs, conversations and turns of the in-memory store. Made by the in-memory unit of work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import msgspec

from domain.answers import Checkpoint, Conversation, Run, Turn
from domain.talk import AnswerStatus, Usage
from storage.drafts import Draft

TripDeleted = Callable[[str], bool]
"""Whether a trip is deleted (or not there), as committed."""


@dataclass
class AnswersState:
    """Tables as dicts by primary key."""

    runs: dict[str, Run] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    turns: dict[str, Turn] = field(default_factory=dict)

    def copy(self) -> AnswersState:
        return AnswersState(dict(self.runs), dict(self.conversations), dict(self.turns))


class MemoryAnswers:
    """One unit of work's view of answers and conversations."""

    def __init__(self, draft: Draft[AnswersState], trip_deleted: TripDeleted) -> None:
        self._draft = draft
        self._trip_deleted = trip_deleted

    # --- runs -------------------------------------------------------------------------------

    def add_run(self, run: Run) -> None:
        self._draft.write().runs[run.id] = run

    def run(self, answer_id: str) -> Run | None:
        return self._draft.seen.runs.get(answer_id)

    def active(self, *, user_id: str | None = None, trip_id: str | None = None) -> int:
        return sum(
            run.finished_at is None
            and (user_id is None or run.user_id == user_id)
            and (trip_id is None or run.trip_id == trip_id)
            for run in self._draft.seen.runs.values()
        )

    def save(self, checkpoints: Sequence[Checkpoint], lease_until: str) -> None:
        runs = self._draft.write().runs
        for each in checkpoints:
            run = runs.get(each.id)
            if run is not None and run.finished_at is None:
                runs[each.id] = msgspec.structs.replace(
                    run,
                    status=each.status,
                    text=each.text,
                    reasoning=each.reasoning,
                    lease_until=lease_until,
                )

    def doomed(self, answer_ids: Collection[str]) -> set[str]:
        return {each for each in answer_ids if not self._wanted(each)}

    def _wanted(self, answer_id: str) -> bool:
        run = self.run(answer_id)
        if run is None or run.finished_at is not None or run.stop:
            return False
        return run.trip_id is None or not self._trip_deleted(run.trip_id)

    def ask_to_stop(self, answer_id: str) -> bool:
        runs = self._draft.write().runs
        run = runs.get(answer_id)
        if run is None or run.finished_at is not None:
            return False
        runs[answer_id] = msgspec.structs.replace(run, stop=True)
        return True

    def finish(self, answer_id: str, status: AnswerStatus, at: str, model: str, usage: Usage | None) -> bool:
        runs = self._draft.write().runs
        run = runs.get(answer_id)
        if run is None or run.finished_at is not None:
            return False
        counted = usage or Usage(run.prompt_tokens, run.completion_tokens)
        runs[answer_id] = msgspec.structs.replace(
            run,
            status=status,
            finished_at=at,
            text="",
            reasoning="",
            model=model or run.model,
            prompt_tokens=counted.prompt_tokens,
            completion_tokens=counted.completion_tokens,
        )
        return True

    def lapsed(self, at: str, limit: int) -> list[Run]:
        runs = self._draft.seen.runs.values()
        found = [run for run in runs if run.finished_at is None and run.lease_until < at]
        return sorted(found, key=lambda run: (run.lease_until, run.id))[:limit]

    # --- conversations ----------------------------------------------------------------------

    def add_conversation(self, conversation: Conversation) -> None:
        self._draft.write().conversations[conversation.id] = conversation

    def conversation(self, conversation_id: str) -> Conversation | None:
        return self._draft.seen.conversations.get(conversation_id)

    def conversations_of(self, user_id: str, limit: int) -> list[Conversation]:
        mine = [each for each in self._draft.seen.conversations.values() if each.user_id == user_id]
        return sorted(mine, key=lambda each: (each.updated_at, each.id), reverse=True)[:limit]

    def touch_conversation(self, conversation_id: str, at: str) -> None:
        found = self._draft.write().conversations
        if conversation_id in found:
            found[conversation_id] = msgspec.structs.replace(found[conversation_id], updated_at=at)

    def delete_conversation(self, conversation_id: str) -> None:
        state = self._draft.write()
        state.conversations.pop(conversation_id, None)
        state.runs = {k: v for k, v in state.runs.items() if v.conversation_id != conversation_id}
        state.turns = {k: v for k, v in state.turns.items() if v.conversation_id != conversation_id}

    def add_turn(self, turn: Turn) -> None:
        self._draft.write().turns[turn.id] = turn

    def update_turn(self, turn: Turn) -> None:
        turns = self._draft.write().turns
        if turn.id in turns:
            turns[turn.id] = turn

    def turn(self, turn_id: str) -> Turn | None:
        return self._draft.seen.turns.get(turn_id)

    def turns(self, conversation_id: str) -> list[Turn]:
        mine = [each for each in self._draft.seen.turns.values() if each.conversation_id == conversation_id]
        return sorted(mine, key=lambda turn: (turn.n, turn.id))
