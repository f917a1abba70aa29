"""Private conversations with the assistant: asked, answered, listed, reopened, deleted.

A conversation belongs to one user and is nobody else's to see. Answers under way are runs, as in
a trip (`domain.services.answers`). Called through `run(service, command)`.
"""

from __future__ import annotations

import msgspec

from domain.accounts import later
from domain.answers import (
    FINAL,
    LEASE_SECONDS,
    MAX_CONVERSATIONS,
    MAX_TURNS,
    Asked,
    AskPrivately,
    Conversation,
    ConversationView,
    DeleteConversation,
    FinishTurn,
    ListConversations,
    ReadConversation,
    Run,
    Turn,
)
from domain.errors import Conflict, Invalid, LimitReached, NotFound, Unauthenticated
from domain.ports import UnitOfWork
from domain.services.answers import check_limits

TITLE = 80


def ask_privately(command: AskPrivately, uow: UnitOfWork) -> Asked:
    """Add the question and open the answer, together; the same `answer_id` again finds them.

    Raises `NotFound`, `Invalid`, `Conflict`, `LimitReached`, and `Throttled` (code `ai_busy`).
    """
    user_id = command.actor.user_id
    if user_id is None:
        raise Unauthenticated("sign in first")
    if (seen := _asked_before(uow, command, user_id)) is not None:
        return seen
    check_limits(uow, command.limits, user_id)
    text = command.text.strip()
    if not text and command.retry_of is None:
        raise Invalid("a question has some text", field="text")
    _open_conversation(uow, command, user_id, text)
    # From here on nobody else asks in it; what was asked while we waited for them is there now.
    uow.answers.touch_conversation(command.conversation_id, command.at)
    if (seen := _asked_before(uow, command, user_id)) is not None:
        return seen
    turns = uow.answers.turns(command.conversation_id)
    if len(turns) + 2 > MAX_TURNS:
        raise LimitReached(f"a conversation has at most {MAX_TURNS} turns: start another", limit=MAX_TURNS)
    if any(turn.status not in FINAL for turn in turns):
        raise Conflict("the last answer is under way", code="answering")
    question_id, n = _ask(uow, command, turns, text)
    uow.answers.add_turn(
        Turn(
            id=command.answer_id,
            conversation_id=command.conversation_id,
            n=n,
            role="assistant",
            at=command.at,
            status="queued",
            model=command.model,
        )
    )
    uow.answers.add_run(
        Run(
            id=command.answer_id,
            user_id=user_id,
            node=command.node,
            started_at=command.at,
            lease_until=later(command.at, seconds=LEASE_SECONDS),
            conversation_id=command.conversation_id,
            model=command.model,
        )
    )
    return Asked(command.answer_id, question_id)


def _asked_before(uow: UnitOfWork, command: AskPrivately, user_id: str) -> Asked | None:
    seen = uow.answers.turn(command.answer_id)
    if seen is None:
        return None
    _own(uow, seen.conversation_id, user_id)
    return Asked(seen.id, _question_before(uow, seen).id, repeated=True)


def _open_conversation(uow: UnitOfWork, command: AskPrivately, user_id: str, text: str) -> None:
    found = uow.answers.conversation(command.conversation_id)
    if found is not None:
        if found.user_id != user_id:
            raise NotFound("there is no such conversation")
        return
    if command.retry_of is not None:
        raise NotFound("there is no such conversation")
    if len(uow.answers.conversations_of(user_id, MAX_CONVERSATIONS)) >= MAX_CONVERSATIONS:
        message = f"you keep {MAX_CONVERSATIONS} conversations already: delete one first"
        raise LimitReached(message, limit=MAX_CONVERSATIONS)
    title = " ".join(text.split())[:TITLE]
    made = Conversation(command.conversation_id, user_id, title, command.at, command.at)
    uow.answers.add_conversation(made)


def _ask(uow: UnitOfWork, command: AskPrivately, turns: list[Turn], text: str) -> tuple[str, int]:
    """The id of the question (a new turn, unless it is asked again), and the answer's number."""
    n = turns[-1].n + 1 if turns else 0
    if command.retry_of is not None:
        failed = next((turn for turn in turns if turn.id == command.retry_of), None)
        if failed is None or failed.role != "assistant":
            raise NotFound("there is no such answer")
        return _question_before(uow, failed).id, n
    uow.answers.add_turn(
        Turn(
            id=command.question_id,
            conversation_id=command.conversation_id,
            n=n,
            role="user",
            at=command.at,
            text=text,
        )
    )
    return command.question_id, n + 1


def _question_before(uow: UnitOfWork, answer: Turn) -> Turn:
    turns = [turn for turn in uow.answers.turns(answer.conversation_id) if turn.n < answer.n]
    return next(turn for turn in reversed(turns) if turn.role == "user")


def finish_turn(command: FinishTurn, uow: UnitOfWork) -> bool:
    """End an answer once; False when it had ended before, or its conversation is gone."""
    outcome = command.outcome
    if not uow.answers.finish(command.answer_id, outcome.status, command.at, outcome.model, outcome.usage):
        return False
    turn = uow.answers.turn(command.answer_id)
    if turn is None:
        return False
    uow.answers.update_turn(
        msgspec.structs.replace(
            turn,
            text=outcome.text,
            status=outcome.status,
            model=outcome.model or turn.model,
            reasoning=outcome.reasoning,
            fault=outcome.fault,
            usage=outcome.usage,
            sources=outcome.sources,
        )
    )
    uow.answers.touch_conversation(turn.conversation_id, command.at)
    return True


def list_conversations(command: ListConversations, uow: UnitOfWork) -> list[Conversation]:
    """One's own, last changed first."""
    if command.actor.user_id is None:
        raise Unauthenticated("sign in first")
    return uow.answers.conversations_of(command.actor.user_id, MAX_CONVERSATIONS)


def read_conversation(command: ReadConversation, uow: UnitOfWork) -> ConversationView:
    """Raises `NotFound` for what is not one's own."""
    conversation = _own(uow, command.conversation_id, command.actor.user_id)
    return ConversationView(conversation, uow.answers.turns(conversation.id))


def delete_conversation(command: DeleteConversation, uow: UnitOfWork) -> list[str]:
    """For good; the ids of answers that were under way, which the caller ends."""
    conversation = _own(uow, command.conversation_id, command.actor.user_id)
    under_way = [turn.id for turn in uow.answers.turns(conversation.id) if turn.status not in FINAL]
    uow.answers.delete_conversation(conversation.id)
    return under_way


def _own(uow: UnitOfWork, conversation_id: str, user_id: str | None) -> Conversation:
    if user_id is None:
        raise Unauthenticated("sign in first")
    found = uow.answers.conversation(conversation_id)
    if found is None or found.user_id != user_id:
        raise NotFound("there is no such conversation")
    return found
