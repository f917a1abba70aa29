"""The services of answers and conversations, on memory, SQLite and MariaDB. Rules R9.x."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
import pytest

from domain import operations as ops
from domain.accounts import later
from domain.answers import (
    Asked,
    AskInTrip,
    AskLimits,
    AskPrivately,
    Checkpoint,
    DeleteConversation,
    FinishAnswer,
    FinishTurn,
    LapsedRuns,
    ListConversations,
    Outcome,
    Propose,
    ReadContext,
    ReadConversation,
    ReadRun,
    RunState,
    SaveCheckpoints,
    StopAnswer,
)
from domain.commands import Actor, ReadHistory
from domain.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound, Throttled, Unauthenticated
from domain.events import decode_event
from domain.operations import JoinTrip, StopFields
from domain.services import answers, conversations, rooms
from domain.services.talk import mark_read, read_messages, read_proposals, read_threads
from domain.talk import ASSISTANT, Fault, MarkRead, Message, ReadMessages, ReadProposals, ReadThreads, Usage
from storage import faults
from storage.unit import UnitFactory
from tests.storage.support import AT, Store, command, do, make_trip, new_op

R = TypeVar("R")
LIMITS = AskLimits(of_user=2, of_trip=3)


class Desk:
    """One process's services on a trip with owner `ann`, editor `bob` and viewer `vic`."""

    def __init__(self, store: Store) -> None:
        self.units: UnitFactory = store.process()
        self.trip = make_trip(self.units)
        with self.units(True) as unit:
            trip = unit.trips.lock(self.trip)
            rooms.join_trip(unit, trip, JoinTrip(name="Vic", role="viewer"), "vic", new_op(), AT)
            unit.commit()

    def run(self, service: Any, command: Any) -> Any:
        with self.units(not getattr(command, "reads_only", False)) as unit:
            result = service(command, unit)
            unit.commit()
        return result

    def ask(
        self, by: str | None = "ann", text: str = "去哪儿？", op_id: str | None = None, **more: Any
    ) -> Asked:
        op_id = op_id or new_op()
        command = AskInTrip(
            self.trip, Actor(by), op_id, f"q-{op_id}", f"a-{op_id}", text, "node-1", AT, LIMITS, **more
        )
        asked: Asked = self.run(answers.ask_in_trip, command)
        return asked

    def finish(self, answer_id: str, status: Any = "done", text: str = "去沙溪。", **more: Any) -> bool:
        outcome = Outcome(status, text, **more)
        done: bool = self.run(answers.finish_answer, FinishAnswer(self.trip, answer_id, outcome, AT))
        return done

    def state(self, answer_id: str, by: str | None = "ann") -> RunState:
        found: RunState = self.run(answers.read_run, ReadRun(Actor(by), answer_id, self.trip))
        return found

    def messages(self, by: str | None = "ann", **more: Any) -> list[Message]:
        page = self.run(read_messages, ReadMessages(self.trip, Actor(by), **more))
        return list(page.messages)

    def private(self, by: str = "ann", text: str = "what to pack?", talk: str = "c1", **more: Any) -> Asked:
        op_id = more.pop("op_id", None) or new_op()
        command = AskPrivately(
            Actor(by), talk, f"q-{op_id}", f"a-{op_id}", text, "node-1", AT, LIMITS, **more
        )
        asked: Asked = self.run(conversations.ask_privately, command)
        return asked


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


# --- in a trip ----------------------------------------------------------------------------


def test_question_and_answer_are_messages_that_finish_once(desk: Desk) -> None:
    asked = desk.ask("vic")
    answer, question = desk.messages()
    assert (question.id, question.author, question.text) == (asked.question_id, "vic", "去哪儿？")
    assert question.mentions == [ASSISTANT]
    assert (answer.id, answer.author, answer.reply_to) == (asked.answer_id, ASSISTANT, question.id)
    assert answer.answer is not None and answer.answer.status == "queued"
    assert not desk.state(asked.answer_id).final
    usage = Usage(10, 20)
    assert desk.finish(asked.answer_id, usage=usage, reasoning="想一想", model="m1")
    assert not desk.finish(asked.answer_id, "failed", "other")
    done = desk.state(asked.answer_id)
    assert (done.status, done.text, done.reasoning, done.usage) == ("done", "去沙溪。", "想一想", usage)
    assert desk.messages()[0].text == "去沙溪。"


def test_asked_again_with_the_same_id_is_asked_once(desk: Desk) -> None:
    first = desk.ask(op_id="op-asked-once")
    again = desk.ask(op_id="op-asked-once")
    assert (again.answer_id, again.question_id, again.repeated) == (first.answer_id, first.question_id, True)
    assert len(desk.messages()) == 2
    with pytest.raises(Conflict):
        desk.ask("bob", op_id="op-asked-once")


def test_who_may_ask_read_and_stop(desk: Desk) -> None:
    asked = desk.ask("vic")
    with pytest.raises(NotFound):
        desk.ask("stranger")
    with pytest.raises(Unauthenticated):
        desk.ask(None)
    with pytest.raises(NotFound):
        desk.state(asked.answer_id, "stranger")
    do(desk.units, desk.trip, ops.SetTripVisibility("public"))
    for by in (None, "stranger"):
        with pytest.raises((Forbidden, Unauthenticated)):
            desk.ask(by)
        with pytest.raises((Forbidden, Unauthenticated)):
            desk.state(asked.answer_id, by)
        with pytest.raises((Forbidden, Unauthenticated)):
            desk.run(answers.stop_answer, StopAnswer(Actor(by), asked.answer_id, desk.trip))
    other = desk.ask("bob")
    with pytest.raises(Forbidden):
        desk.run(answers.stop_answer, StopAnswer(Actor("vic"), other.answer_id, desk.trip))
    for by, answer in (("vic", asked), ("ann", other)):
        desk.run(answers.stop_answer, StopAnswer(Actor(by), answer.answer_id, desk.trip))
    saved = [Checkpoint(each.answer_id, "streaming", "x", "") for each in (asked, other)]
    assert desk.run(answers.save_checkpoints, SaveCheckpoints(saved, AT)) == {
        asked.answer_id,
        other.answer_id,
    }


def test_an_answer_of_one_trip_is_not_read_through_another(desk: Desk) -> None:
    asked = desk.ask()
    mine = make_trip(desk.units)
    with pytest.raises(NotFound):
        desk.run(answers.read_run, ReadRun(Actor("ann"), asked.answer_id, mine))
    with pytest.raises(NotFound):
        desk.run(answers.read_run, ReadRun(Actor("ann"), asked.answer_id))
    private = desk.private()
    with pytest.raises(NotFound):
        desk.run(answers.read_run, ReadRun(Actor("ann"), private.answer_id, desk.trip))
    with pytest.raises(NotFound):
        desk.run(answers.read_run, ReadRun(Actor("bob"), private.answer_id))


def test_limits_count_what_is_under_way(desk: Desk) -> None:
    first = desk.ask("ann")
    desk.ask("ann")
    with pytest.raises(Throttled) as caught:
        desk.ask("ann")
    assert caught.value.code == "ai_busy"
    desk.ask("bob")
    with pytest.raises(Throttled):
        desk.ask("bob")  # the trip's
    desk.finish(first.answer_id)
    desk.ask("ann")


def test_a_failed_answer_is_asked_again_with_the_same_question(desk: Desk) -> None:
    asked = desk.ask()
    with pytest.raises(Conflict):
        desk.ask(retry_of=asked.answer_id)
    desk.finish(asked.answer_id, "failed", "half", fault=Fault("ai_cut", "cut"))
    again = desk.ask(retry_of=asked.answer_id, text="")
    assert again.question_id == asked.question_id and again.answer_id != asked.answer_id
    assert [m.id for m in desk.messages()] == [again.answer_id, asked.answer_id, asked.question_id]
    with pytest.raises(Invalid):
        desk.ask("bob", retry_of=asked.question_id)


def test_a_killed_process_leaves_a_checkpoint_that_another_finds(desk: Desk) -> None:
    asked = desk.ask()
    saved = [Checkpoint(asked.answer_id, "streaming", "half an ans🏔", "why")]
    assert desk.run(answers.save_checkpoints, SaveCheckpoints(saved, AT)) == set()
    assert (desk.state(asked.answer_id).text, desk.state(asked.answer_id).status) == (
        "half an ans🏔",
        "streaming",
    )
    assert desk.run(answers.lapsed_runs, LapsedRuns(later(AT, seconds=10))) == []
    [lapsed] = desk.run(answers.lapsed_runs, LapsedRuns(later(AT, seconds=16)))
    assert (lapsed.id, lapsed.text, lapsed.trip_id) == (asked.answer_id, "half an ans🏔", desk.trip)
    assert desk.finish(asked.answer_id, "interrupted", lapsed.text)
    assert desk.run(answers.lapsed_runs, LapsedRuns(later(AT, seconds=16))) == []
    # The process that was thought dead wakes up: too late, and it learns so.
    late = SaveCheckpoints([Checkpoint(asked.answer_id, "streaming", "half an answer", "")], AT)
    assert desk.run(answers.save_checkpoints, late) == {asked.answer_id}
    assert desk.state(asked.answer_id).text == "half an ans🏔"


def test_a_deleted_trip_ends_its_answers(desk: Desk) -> None:
    asked = desk.ask()
    do(desk.units, desk.trip, ops.DeleteTrip())
    saved = SaveCheckpoints([Checkpoint(asked.answer_id, "streaming", "x", "")], AT)
    assert desk.run(answers.save_checkpoints, saved) == {asked.answer_id}
    assert desk.finish(asked.answer_id, "stopped", "x")
    do(desk.units, desk.trip, ops.RestoreTrip())
    assert desk.messages()[0].answer is not None


def test_an_answer_under_way_is_not_deleted(desk: Desk) -> None:
    asked = desk.ask("bob")
    with pytest.raises(Conflict):
        do(desk.units, desk.trip, ops.DeleteMessage(asked.answer_id), by="bob")
    desk.finish(asked.answer_id, reasoning="secret thoughts")
    do(desk.units, desk.trip, ops.DeleteMessage(asked.answer_id), by="bob")
    gone = desk.messages()[0]
    assert gone.deleted and gone.text == "" and gone.answer is not None and gone.answer.reasoning == ""


def test_the_context_is_what_the_asker_may_see_before_the_question(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.AddStop("s1", StopFields(name="Dali")))
    for n in range(3):
        do(desk.units, desk.trip, ops.PostMessage(f"m{n}", f"word {n}"))
    do(desk.units, desk.trip, ops.DeleteMessage("m1"))
    asked = desk.ask("vic")
    do(desk.units, desk.trip, ops.PostMessage("later", "after the question"))
    told = desk.run(answers.read_context, ReadContext(desk.trip, Actor("vic"), asked.question_id))
    assert [message.id for message in told.messages] == ["m0", "m2"]
    assert (told.role, told.question.text, [s.name for s in told.snapshot.stops]) == (
        "viewer",
        "去哪儿？",
        ["Dali"],
    )
    told.snapshot.stops[0].name = "changed by the reader"
    again = desk.run(answers.read_context, ReadContext(desk.trip, Actor("vic"), asked.question_id))
    assert again.snapshot.stops[0].name == "Dali"
    with pytest.raises(NotFound):
        desk.run(answers.read_context, ReadContext(desk.trip, Actor("stranger"), asked.question_id))


def test_the_assistant_proposes_what_can_be_applied(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.AddStop("s1", StopFields(name="Dali")))
    asked = desk.ask("vic")
    wanted: list[ops.Proposable] = [
        ops.RemoveStop("nothing"),
        ops.SetStopFields("s1", StopFields(name="Dali Old Town")),
    ]
    command = Propose(desk.trip, Actor("vic"), "p1", asked.answer_id, wanted, 2**40, "", AT)
    proposed = desk.run(answers.propose, command)
    assert (proposed.proposal_id, [r.n for r in proposed.refused]) == ("p1", [0])
    assert desk.run(answers.propose, command).proposal_id == "p1"
    [proposal] = desk.run(read_proposals, ReadProposals(desk.trip, Actor("vic")))
    assert (proposal.author, proposal.asked_by, proposal.message) == (ASSISTANT, "vic", asked.answer_id)
    none = Propose(desk.trip, Actor("vic"), "p2", asked.answer_id, wanted[:1], 2**40, "", AT)
    assert desk.run(answers.propose, none).proposal_id is None
    do(desk.units, desk.trip, ops.AcceptProposal("p1"), by="bob")
    with desk.units(False) as unit:
        trip = unit.trips.read(desk.trip)
        assert trip.stops["s1"].name == "Dali Old Town"
    assert desk.run(read_proposals, ReadProposals(desk.trip, Actor("vic"))) == []
    [decided] = desk.run(read_proposals, ReadProposals(desk.trip, Actor("vic"), ["p1", "p9"]))
    assert [piece.status for piece in decided.pieces] == ["accepted"]


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


def test_no_member_can_take_the_op_ids_that_the_server_makes(desk: Desk) -> None:
    asked = desk.ask()
    do(desk.units, desk.trip, ops.OpenProposal("p1", [ops.AddDay("d7")]))
    for n, op_id in enumerate((f"answer-{asked.answer_id}", f"answer:{asked.answer_id}", "op-accept:1")):
        do(desk.units, desk.trip, ops.PostMessage(f"m{n}", "mine"), by="vic", op_id=op_id)
    do(desk.units, desk.trip, ops.AcceptProposal("p1"), op_id="op-accept")
    assert desk.finish(asked.answer_id)
    assert desk.state(asked.answer_id).status == "done"


def test_stale_pieces_are_marked_when_they_are_read(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.AddStop("s1", StopFields(name="Dali")))
    change = ops.SetStopFields("s1", StopFields(name="Xizhou"))
    do(desk.units, desk.trip, ops.OpenProposal("p1", [change]))
    do(desk.units, desk.trip, ops.SetStopFields("s1", StopFields(name="Shaxi")), by="bob")
    [proposal] = desk.run(read_proposals, ReadProposals(desk.trip, Actor("ann")))
    assert [(p.status, p.reason) for p in proposal.pieces] == [("stale", "changed")]


# --- talk ---------------------------------------------------------------------------------


def test_pages_go_back_without_a_gap_or_a_repeat(desk: Desk) -> None:
    for n in range(7):
        do(desk.units, desk.trip, ops.PostMessage(f"m{n}", f"{n}", reply_to="m0" if n == 6 else None))
        do(desk.units, desk.trip, ops.AddDay(f"d{n}"))
    seen: list[str] = []
    before = None
    while True:
        page = desk.run(read_messages, ReadMessages(desk.trip, Actor("vic"), before=before, limit=3))
        seen += [message.id for message in page.messages]
        if before is None:
            assert [message.id for message in page.quoted] == ["m0"]
        before = page.next_before
        if before is None:
            break
    assert seen == [f"m{n}" for n in range(6, -1, -1)]


def test_read_marks_and_what_is_unread(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.PostMessage("m1", "one"))
    do(desk.units, desk.trip, ops.PostMessage("m2", "two"), by="bob")

    def unread(by: str) -> int:
        return int(desk.run(read_messages, ReadMessages(desk.trip, Actor(by))).unread)

    assert (unread("ann"), unread("bob"), unread("vic")) == (1, 1, 2)
    newest = desk.messages()[0].seq
    assert desk.run(mark_read, MarkRead(desk.trip, Actor("vic"), newest)).moved
    assert not desk.run(mark_read, MarkRead(desk.trip, Actor("vic"), newest - 1)).moved
    far = desk.run(mark_read, MarkRead(desk.trip, Actor("ann"), 2**50))
    assert far.seq == newest
    page = desk.run(read_messages, ReadMessages(desk.trip, Actor("vic")))
    assert page.unread == 0 and page.reads["vic"] == newest
    with pytest.raises(NotFound):
        desk.run(mark_read, MarkRead(desk.trip, Actor("stranger"), 1))


def test_comments_are_found_where_they_belong(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.AddStop("s1", StopFields(name="Dali")))
    about = ops.About("stop", "s1", "notes")
    do(desk.units, desk.trip, ops.PostMessage("c1", "?", channel="comment", about=about))
    do(desk.units, desk.trip, ops.PostMessage("c2", "!", channel="comment", reply_to="c1"))
    do(
        desk.units,
        desk.trip,
        ops.PostMessage("c3", "whole trip", channel="comment", about=ops.About("trip", desk.trip)),
    )
    on_stop = desk.messages(channel="comment", about=ops.About("stop", "s1"))
    assert [message.id for message in on_stop] == ["c2", "c1"]
    counts = {
        (c.t, c.id): (c.open, c.total) for c in desk.run(read_threads, ReadThreads(desk.trip, Actor("vic")))
    }
    assert counts == {("stop", "s1"): (1, 2), ("trip", desk.trip): (1, 1)}
    do(desk.units, desk.trip, ops.ResolveComment("c1"))
    counts = {
        (c.t, c.id): (c.open, c.total) for c in desk.run(read_threads, ReadThreads(desk.trip, Actor("vic")))
    }
    assert counts["stop", "s1"] == (0, 2)
    assert desk.messages() == []


def test_a_deleted_message_leaves_no_words_in_the_log(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.PostMessage("m1", "the key is under the mat", mentions=["bob"]))
    do(desk.units, desk.trip, ops.EditMessage("m1", "the key is under the pot"))
    do(desk.units, desk.trip, ops.PostMessage("m2", "thanks", reply_to="m1"), by="bob")
    asked = desk.ask(text="where is the key?")
    desk.finish(asked.answer_id, text="the key is lost", reasoning="which key")

    def log() -> bytes:
        with desk.units(False) as unit:
            return b"\n".join(unit.trips.events_after(desk.trip, 0, 1000))

    assert log().count(b"the key is") == 3
    do(desk.units, desk.trip, ops.DeleteMessage("m1"))
    assert b"under the" not in log() and b"thanks" in log() and b"the key is lost" in log()
    do(desk.units, desk.trip, ops.DeleteMessage(asked.answer_id))
    assert b"is lost" not in log() and b"which key" not in log()
    with desk.units(False) as unit:
        assert [decode_event(body).seq for body in unit.trips.events_after(desk.trip, 0, 1000)] == list(
            range(1, unit.trips.read(desk.trip).seq + 1)
        )


def test_a_message_said_and_deleted_in_one_group_leaves_no_words_either(desk: Desk) -> None:
    with desk.units(True) as unit:
        rooms.apply_operation(command(desk.trip, ops.PostMessage("m1", "the key is under the mat")), unit)
        rooms.apply_operation(command(desk.trip, ops.DeleteMessage("m1")), unit)
        unit.commit()
    with desk.units(False) as unit:
        assert b"under the" not in b"".join(unit.trips.events_after(desk.trip, 0, 1000))


def test_comments_stand_in_the_history_of_what_they_are_about(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.AddStop("s1", StopFields(name="Dali")))
    about = ops.About("stop", "s1", "notes")
    do(desk.units, desk.trip, ops.PostMessage("c1", "secret?", channel="comment", about=about))
    do(desk.units, desk.trip, ops.PostMessage("m1", "about it", about=ops.About("stop", "s1")))
    page = desk.run(rooms.read_history, ReadHistory(desk.trip, Actor("vic"), record="stop:s1"))
    kinds = [decode_event(body).kind for body in page.events]
    assert kinds == ["message.post", "stop.add"]
    assert b"secret?" not in b"".join(page.events)


# --- private ------------------------------------------------------------------------------


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


def test_runs_encode(desk: Desk) -> None:
    """What is shown of a run is JSON without loss."""
    asked = desk.ask()
    desk.finish(asked.answer_id, "failed", "half", fault=Fault("ai_rate_limited", "slow down", 2.5))
    state = desk.state(asked.answer_id)
    assert msgspec.json.decode(msgspec.json.encode(state), type=RunState) == state
