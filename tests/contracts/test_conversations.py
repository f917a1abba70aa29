"""The services of private conversations, on memory, SQLite and MariaDB. Rules R9.x."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from domain.accounts import later
from domain.answers import DeleteConversation, FinishTurn, ListConversations, Outcome, ReadConversation
from domain.commands import Actor
from domain.errors import Conflict, Invalid, LimitReached, NotFound, Throttled
from domain.services import conversations
from storage import faults
from tests.contracts.desk import Desk
from tests.storage.support import AT


def test_a_conversation_is_listed_reopened_and_deleted(desk: Desk) -> None:
    asked = desk.private(text="  what\nto pack?  ")
    with pytest.raises(Conflict):
        desk.private(text="and?")
    assert desk.run(
        conversations.finish_turn,
        FinishTurn(asked.answer_id, Outcome("done", "a coat"), later(AT, seconds=3)),
    )
    assert not desk.run(conversations.finish_turn, FinishTurn(asked.answer_id, Outcome("failed", ""), AT))
    desk.private(text="and?")
    view = desk.run(conversations.read_conversation, ReadConversation(Actor("ann"), "c1"))
    assert view.conversation.title == "what to pack?"
    assert [(turn.role, turn.text) for turn in view.turns] == [
        ("user", "what\nto pack?"),
        ("assistant", "a coat"),
        ("user", "and?"),
        ("assistant", ""),
    ]
    assert [c.id for c in desk.run(conversations.list_conversations, ListConversations(Actor("ann")))] == [
        "c1"
    ]
    under_way = desk.run(conversations.delete_conversation, DeleteConversation(Actor("ann"), "c1"))
    assert under_way == [view.turns[-1].id]
    assert desk.run(conversations.list_conversations, ListConversations(Actor("ann"))) == []
    late = Outcome("done", "too late")
    assert not desk.run(conversations.finish_turn, FinishTurn(under_way[0], late, AT))


def test_a_conversation_is_nobody_elses(desk: Desk) -> None:
    desk.private()
    for service, asked in (
        (conversations.read_conversation, ReadConversation(Actor("bob"), "c1")),
        (conversations.delete_conversation, DeleteConversation(Actor("bob"), "c1")),
    ):
        with pytest.raises(NotFound):
            desk.run(service, asked)
    with pytest.raises(NotFound):
        desk.private("bob")
    assert desk.run(conversations.list_conversations, ListConversations(Actor("bob"))) == []


def test_private_questions_are_asked_once_and_again_when_they_failed(desk: Desk) -> None:
    first = desk.private(op_id="op-private-1")
    assert desk.private(op_id="op-private-1").repeated
    desk.run(conversations.finish_turn, FinishTurn(first.answer_id, Outcome("interrupted", "a"), AT))
    again = desk.private(text="", retry_of=first.answer_id)
    assert again.question_id == first.question_id
    turns = desk.run(conversations.read_conversation, ReadConversation(Actor("ann"), "c1")).turns
    assert [turn.role for turn in turns] == ["user", "assistant", "assistant"]
    with pytest.raises(Invalid):
        desk.private(talk="c2", text="  ")


def test_conversations_and_turns_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.services.conversations.MAX_CONVERSATIONS", 1)
    monkeypatch.setattr("domain.services.conversations.MAX_TURNS", 2)
    first = desk.private()
    desk.run(conversations.finish_turn, FinishTurn(first.answer_id, Outcome("done", "x"), AT))
    with pytest.raises(LimitReached):
        desk.private(text="more")
    with pytest.raises(LimitReached):
        desk.private(talk="c2")


@pytest.mark.parametrize("begun", [False, True])
def test_private_questions_at_the_same_moment_come_one_after_the_other(desk: Desk, begun: bool) -> None:
    """From two processes: once with one key, and once with four, in a new and in a known conversation."""

    def ask(talk: str, op_id: str) -> str:
        while True:
            try:
                return desk.private(talk=talk, op_id=op_id).answer_id
            except (Conflict, Throttled) as error:
                return error.code
            except Exception as error:
                if faults.fault_of(error) is not faults.Fault.CONTENTION:  # the runner tries again
                    raise

    for n in range(5):
        for what, keys in (("same", ["same"] * 4), ("four", ["a", "b", "c", "d"])):
            talk = f"{what}{n}"
            if begun:
                first = desk.private(talk=talk).answer_id
                desk.run(conversations.finish_turn, FinishTurn(first, Outcome("done", "x"), AT))
            with ThreadPoolExecutor(4) as pool:
                got = list(pool.map(lambda key, talk=talk: ask(talk, f"{talk}{key}"), keys))  # type: ignore[misc]
            answer_ids = {each for each in got if each.startswith("a-")}
            assert len(answer_ids) == 1, got
            assert what == "four" or len(set(got)) == 1, got
            view = desk.run(conversations.read_conversation, ReadConversation(Actor("ann"), talk))
            assert [turn.n for turn in view.turns] == list(range(4 if begun else 2))
            desk.run(conversations.finish_turn, FinishTurn(*answer_ids, Outcome("done", "x"), AT))
