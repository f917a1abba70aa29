"""The services of answers in a trip, on memory, SQLite and MariaDB. Rules R9.x."""

from __future__ import annotations

import msgspec
import pytest

from domain import operations as ops
from domain.accounts import later
from domain.answers import (
    Checkpoint,
    LapsedRuns,
    Propose,
    ReadContext,
    ReadRun,
    RunState,
    SaveCheckpoints,
    StopAnswer,
)
from domain.commands import Actor
from domain.errors import Conflict, Forbidden, Invalid, NotFound, Throttled, Unauthenticated
from domain.operations import StopFields
from domain.services import answers
from domain.services.talk import read_proposals
from domain.talk import ASSISTANT, Fault, ReadProposals, Usage
from tests.contracts.desk import Desk
from tests.storage.support import AT, do, make_trip


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


def test_runs_encode(desk: Desk) -> None:
    """What is shown of a run is JSON without loss."""
    asked = desk.ask()
    desk.finish(asked.answer_id, "failed", "half", fault=Fault("ai_rate_limited", "slow down", 2.5))
    state = desk.state(asked.answer_id)
    assert msgspec.json.decode(msgspec.json.encode(state), type=RunState) == state


# --- how answers end ------------------------------------------------------------------------


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


def test_no_member_can_take_the_op_ids_that_the_server_makes(desk: Desk) -> None:
    asked = desk.ask()
    do(desk.units, desk.trip, ops.OpenProposal("p1", [ops.AddDay("d7")]))
    for n, op_id in enumerate((f"answer-{asked.answer_id}", f"answer:{asked.answer_id}", "op-accept:1")):
        do(desk.units, desk.trip, ops.PostMessage(f"m{n}", "mine"), by="vic", op_id=op_id)
    do(desk.units, desk.trip, ops.AcceptProposal("p1"), op_id="op-accept")
    assert desk.finish(asked.answer_id)
    assert desk.state(asked.answer_id).status == "done"


# --- what the assistant proposes --------------------------------------------------------------


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


def test_stale_pieces_are_marked_when_they_are_read(desk: Desk) -> None:
    do(desk.units, desk.trip, ops.AddStop("s1", StopFields(name="Dali")))
    change = ops.SetStopFields("s1", StopFields(name="Xizhou"))
    do(desk.units, desk.trip, ops.OpenProposal("p1", [change]))
    do(desk.units, desk.trip, ops.SetStopFields("s1", StopFields(name="Shaxi")), by="bob")
    [proposal] = desk.run(read_proposals, ReadProposals(desk.trip, Actor("ann")))
    assert [(p.status, p.reason) for p in proposal.pieces] == [("stale", "changed")]
