"""Answers of the assistant under way, and private conversations with it outside of a trip.

Owns the entities, the commands of `domain.services.answers` and `.conversations`, and the port
`Answers`. A *run* is one answer in the making: which process works on it, how long that process's
lease lasts, and the text so far (a checkpoint, at most a few seconds old). Whoever finishes a run
first wins; everybody else finds it finished. The finished text of an answer in a trip is its
message (`domain.talk`), that of a conversation its turn. Times are as in `domain.accounts`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar, Literal, Protocol

import msgspec

from domain.commands import Actor, RoomCommand
from domain.entities import AccessRole, Snapshot
from domain.operations import Proposable
from domain.talk import AnswerStatus, Fault, Message, Source, Usage

MAX_QUESTION = 4_000
MAX_ANSWER = 60_000
"""Characters of an answer that are kept; a longer one is cut and marked."""
MAX_REASONING = 60_000
MAX_TURNS = 200
"""Turns of one private conversation."""
MAX_CONVERSATIONS = 200
"""Conversations that a person keeps; the list shows at most so many."""
LEASE_SECONDS = 15
FINAL: frozenset[AnswerStatus] = frozenset(("done", "stopped", "interrupted", "failed"))


class AskLimits(msgspec.Struct, frozen=True):
    """Answers under way at once, waiting ones included, over all processes."""

    of_user: int = 5
    of_trip: int = 10


# --- entities -----------------------------------------------------------------------------


class Run(msgspec.Struct, frozen=True):
    """One answer in the making. `id` is also the id of its message or turn. Exactly one of
    `trip_id` and `conversation_id` is set. `stop`: somebody asked to end it."""

    id: str
    user_id: str
    node: str
    started_at: str
    lease_until: str
    trip_id: str | None = None
    conversation_id: str | None = None
    status: AnswerStatus = "queued"
    text: str = ""
    reasoning: str = ""
    stop: bool = False
    finished_at: str | None = None
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Checkpoint(msgspec.Struct, frozen=True):
    """Where a run stands; also prolongs its lease."""

    id: str
    status: AnswerStatus
    text: str
    reasoning: str


class Conversation(msgspec.Struct, frozen=True):
    """A private talk of one user with the assistant. `title` is the start of the first question."""

    id: str
    user_id: str
    title: str
    created_at: str
    updated_at: str


class Turn(msgspec.Struct, frozen=True, omit_defaults=True):
    """One question or answer of a conversation; `n` orders them, from 0."""

    id: str
    conversation_id: str
    n: int
    role: Literal["user", "assistant"]
    at: str
    text: str = ""
    status: AnswerStatus = "done"
    model: str = ""
    reasoning: str = ""
    fault: Fault | None = None
    usage: Usage | None = None
    sources: list[Source] = []


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended."""

    status: Literal["done", "stopped", "interrupted", "failed"]
    text: str
    reasoning: str = ""
    model: str = ""
    fault: Fault | None = None
    usage: Usage | None = None
    sources: list[Source] = []


# --- commands -----------------------------------------------------------------------------


class AskInTrip(RoomCommand, frozen=True):
    """Post `text` as the actor's message and open an answer to it, together.

    `retry_of` (an answer of this trip that did not end well): no new message, a new answer to the
    same question. Asked again with the same `op_id`, the same answer is returned.
    """

    actor: Actor
    op_id: str
    question_id: str
    answer_id: str
    text: str
    node: str
    at: str
    limits: AskLimits
    model: str = ""
    reply_to: str | None = None
    retry_of: str | None = None


class Asked(msgspec.Struct, frozen=True):
    """`repeated`: this was asked before, and somebody works on it, or has finished."""

    answer_id: str
    question_id: str
    repeated: bool = False


class ReadContext(RoomCommand, frozen=True):
    """What the assistant may know for one answer: what its asker may see, at one seq."""

    reads_only: ClassVar[bool] = True
    actor: Actor
    question_id: str
    messages: int = 30


class TripContext(msgspec.Struct, frozen=True):
    """`messages` are the chat before the question, oldest first; answers not done are left out."""

    seq: int
    role: AccessRole
    snapshot: Snapshot
    question: Message
    messages: list[Message]


class Propose(RoomCommand, frozen=True):
    """Open a proposal of the assistant, on behalf of `actor`, under the answer `answer_id`.

    Operations that cannot be applied are left out and named in `Proposed.refused`.
    """

    actor: Actor
    proposal_id: str
    answer_id: str
    ops: list[Proposable]
    base: int
    note: str
    at: str


class Refused(msgspec.Struct, frozen=True):
    """Operation number `n` cannot be applied: the error's `code` and `message`."""

    n: int
    code: str
    message: str


class Proposed(msgspec.Struct, frozen=True):
    """`proposal_id` None: nothing was left to propose."""

    proposal_id: str | None
    refused: list[Refused]


class FinishAnswer(RoomCommand, frozen=True):
    """End an answer in a trip, once: a second finish changes nothing. Works in a deleted trip."""

    answer_id: str
    outcome: Outcome
    at: str
    proposal_id: str | None = None


class StopAnswer(msgspec.Struct, frozen=True):
    """Ask for the end of an answer: any editor of its trip, its asker, or the conversation's user."""

    actor: Actor
    answer_id: str
    trip_id: str | None = None


class SaveCheckpoints(msgspec.Struct, frozen=True):
    """Write where this process's runs stand and prolong their leases."""

    checkpoints: list[Checkpoint]
    at: str


class ReadRun(msgspec.Struct, frozen=True):
    """One answer, under way or finished, for a reader. `trip_id` or `conversation_id` must be the
    run's; the actor must be allowed to read there."""

    reads_only: ClassVar[bool] = True
    actor: Actor
    answer_id: str
    trip_id: str | None = None


class RunState(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer as far as it is durable. For a run that is not `final`, text and reasoning are
    those of the last checkpoint."""

    id: str
    status: AnswerStatus
    final: bool
    text: str
    reasoning: str
    user_id: str
    node: str = ""
    trip_id: str | None = None
    conversation_id: str | None = None
    model: str = ""
    fault: Fault | None = None
    usage: Usage | None = None
    sources: list[Source] = []
    proposal: str | None = None


class LapsedRuns(msgspec.Struct, frozen=True):
    """Runs whose process has not prolonged its lease: it was killed."""

    reads_only: ClassVar[bool] = True
    at: str
    limit: int = 50


class AskPrivately(msgspec.Struct, frozen=True):
    """Add a question to a conversation (made when it does not exist) and open an answer to it.

    `retry_of` and repetition (same `answer_id`) as in `AskInTrip`.
    """

    actor: Actor
    conversation_id: str
    question_id: str
    answer_id: str
    text: str
    node: str
    at: str
    limits: AskLimits
    model: str = ""
    retry_of: str | None = None


class FinishTurn(msgspec.Struct, frozen=True):
    """End an answer in a conversation, once. Does nothing when the conversation was deleted."""

    answer_id: str
    outcome: Outcome
    at: str


class ListConversations(msgspec.Struct, frozen=True):
    reads_only: ClassVar[bool] = True
    actor: Actor


class ReadConversation(msgspec.Struct, frozen=True):
    reads_only: ClassVar[bool] = True
    actor: Actor
    conversation_id: str


class ConversationView(msgspec.Struct, frozen=True):
    """A conversation with its turns, oldest first."""

    conversation: Conversation
    turns: list[Turn]


class DeleteConversation(msgspec.Struct, frozen=True):
    """For good. Answers under way are stopped."""

    actor: Actor
    conversation_id: str


# --- port ---------------------------------------------------------------------------------


class Answers(Protocol):
    """Runs and conversations inside one unit of work. Everything is written at once."""

    def add_run(self, run: Run) -> None: ...

    def run(self, answer_id: str) -> Run | None: ...

    def active(self, *, user_id: str | None = None, trip_id: str | None = None) -> int:
        """Runs that are queued or streaming, of a user or of a trip."""

    def save(self, checkpoints: Sequence[Checkpoint], lease_until: str) -> None:
        """Only of runs that are not finished. One statement for all of them."""

    def doomed(self, answer_ids: Collection[str]) -> set[str]:
        """Those of `answer_ids` that are to end: `stop` was asked for, the run is finished or gone,
        or its trip is deleted."""

    def ask_to_stop(self, answer_id: str) -> bool:
        """False when there is no such run under way."""

    def finish(self, answer_id: str, status: AnswerStatus, at: str, model: str, usage: Usage | None) -> bool:
        """End a run and drop its checkpoint; False when it had ended before, or is gone."""

    def lapsed(self, at: str, limit: int) -> list[Run]:
        """Runs under way whose lease ended before `at`."""

    def add_conversation(self, conversation: Conversation) -> None: ...

    def conversation(self, conversation_id: str) -> Conversation | None: ...

    def conversations_of(self, user_id: str, limit: int) -> list[Conversation]:
        """Last changed first."""

    def touch_conversation(self, conversation_id: str, at: str) -> None: ...

    def delete_conversation(self, conversation_id: str) -> None:
        """With its turns and runs."""

    def add_turn(self, turn: Turn) -> None: ...

    def update_turn(self, turn: Turn) -> None:
        """Replace the turn of the same id."""

    def turn(self, turn_id: str) -> Turn | None: ...

    def turns(self, conversation_id: str) -> list[Turn]:
        """Oldest first."""
