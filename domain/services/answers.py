"""Answers of the assistant in a trip: opened, fed with context, checkpointed, stopped, finished.

Owns what is durable about an answer under way, and who may ask, read and stop. Never talks to a
model: `realtime.assistant` does, and calls this through `run(service, command)`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.accounts import later
from domain.answers import (
    FINAL,
    LEASE_SECONDS,
    Asked,
    AskInTrip,
    AskLimits,
    FinishAnswer,
    LapsedRuns,
    Propose,
    Proposed,
    ReadContext,
    ReadRun,
    Refused,
    Run,
    RunState,
    SaveCheckpoints,
    StopAnswer,
    TripContext,
)
from domain.entities import Snapshot
from domain.errors import Conflict, Forbidden, Invalid, NotFound, Throttled, Unauthenticated
from domain.events import Event, TalkChange
from domain.intent import Intent
from domain.operations import AddDay, PostMessage
from domain.ports import UnitOfWork
from domain.proposals import build
from domain.services import rooms
from domain.talk import ASSISTANT, Answer, Message, Proposal
from domain.talk_decisions import check_room_for_proposal, live_message, new_record
from domain.trip import TripAggregate

BUSY_SECONDS = 5


def ask_in_trip(command: AskInTrip, uow: UnitOfWork) -> Asked:
    """Post the question and open the answer, together; the same `op_id` again finds them.

    Raises `NotFound`, `Forbidden`, `Gone`, `Invalid`, and `Throttled` (code `ai_busy`).
    """
    trip = uow.trips.lock(command.trip_id)
    user_id = command.actor.user_id
    rooms.member_access(trip, user_id)
    if user_id is None:
        raise Unauthenticated("sign in first")
    seen = rooms.repeat_of(uow, trip, command.op_id, user_id)
    if seen is not None:
        return _asked_before(uow, trip, seen)
    check_limits(uow, command.limits, user_id, trip.id)
    question_id = command.question_id
    if command.retry_of is not None:
        question_id = _question_of(uow, trip, command.retry_of)
    else:
        said = PostMessage(id=question_id, text=command.text, mentions=[ASSISTANT], reply_to=command.reply_to)
        rooms.apply(uow, trip, said, user_id, f"{command.op_id}/q", trip.seq, command.at)
    _open(uow, trip, command, user_id, question_id)
    return Asked(command.answer_id, question_id)


def check_limits(uow: UnitOfWork, limits: AskLimits, user_id: str, trip_id: str | None = None) -> None:
    """Raise `Throttled` when too many answers are under way already."""
    if uow.answers.active(user_id=user_id) >= limits.of_user:
        raise _busy(f"{limits.of_user} answers to you are under way, wait for one")
    if trip_id is not None and uow.answers.active(trip_id=trip_id) >= limits.of_trip:
        raise _busy(f"{limits.of_trip} answers are under way in this trip, wait for one")


def _busy(message: str) -> Throttled:
    return Throttled(message, code="ai_busy", retry_after=BUSY_SECONDS)


def _asked_before(uow: UnitOfWork, trip: TripAggregate, seq: int) -> Asked:
    event = uow.trips.event(trip.id, seq)
    for change in event.talk if event is not None else ():
        answer = change.set.get("answer")
        if change.new and answer:
            return Asked(change.id, answer.get("question", ""), repeated=True)
    raise Conflict("this op_id was used for something else", code="op_id_taken")


def _question_of(uow: UnitOfWork, trip: TripAggregate, answer_id: str) -> str:
    """The question of an answer that is asked again."""
    message = live_message(trip, uow.talk, answer_id)
    if message.answer is None:
        raise Invalid("this message is not an answer", field="retry_of")
    if message.answer.status not in FINAL:
        raise Conflict("this answer is under way", code="answering")
    return live_message(trip, uow.talk, message.answer.question).id


def _open(uow: UnitOfWork, trip: TripAggregate, command: AskInTrip, user_id: str, question_id: str) -> None:
    answer = Answer(question=question_id, asked_by=user_id, status="queued", model=command.model)
    message = Message(
        id=command.answer_id,
        seq=trip.seq + 1,
        author=ASSISTANT,
        at=command.at,
        reply_to=question_id,
        answer=answer,
    )
    _record(uow, trip, command.op_id, user_id, command.at, "answer.open", [new_record(message)])
    uow.answers.add_run(
        Run(
            id=command.answer_id,
            user_id=user_id,
            node=command.node,
            started_at=command.at,
            lease_until=later(command.at, seconds=LEASE_SECONDS),
            trip_id=trip.id,
            model=command.model,
        )
    )


def _record(
    uow: UnitOfWork,
    trip: TripAggregate,
    op_id: str,
    actor: str,
    at: str,
    kind: str,
    talk: list[TalkChange],
) -> None:
    event = Event(trip.seq + 1, op_id, actor, at, kind, [], talk=talk)
    trip.absorb(event)
    uow.trips.record(trip, event)


def read_context(command: ReadContext, uow: UnitOfWork) -> TripContext:
    """What the asker may see, at one seq. Raises when they may not (any more)."""
    trip = uow.trips.read(command.trip_id)
    role = rooms.member_access(trip, command.actor.user_id)
    question = live_message(trip, uow.talk, command.question_id)
    before = uow.talk.messages(trip.id, "chat", question.seq, command.messages)
    told = [m for m in reversed(before) if not m.deleted and (m.answer is None or m.answer.status == "done")]
    # The aggregate goes back to the cache: the snapshot is a copy.
    snapshot = msgspec.json.decode(trip.snapshot(), type=Snapshot)
    return TripContext(trip.seq, role, snapshot, question, told)


def propose(command: Propose, uow: UnitOfWork) -> Proposed:
    """Open the assistant's proposal with those operations that can be applied."""
    trip = uow.trips.lock(command.trip_id)
    user_id = command.actor.user_id
    rooms.member_access(trip, user_id)
    check_room_for_proposal(trip, uow.talk)
    intent = Intent(
        # Only a carrier: `build` puts each operation in its place.
        op=AddDay(id="none"),
        op_id=f"proposal/{command.proposal_id}",
        actor=ASSISTANT,
        base=command.base,
        seq=trip.seq + 1,
        at=command.at,
    )
    if rooms.repeat_of(uow, trip, intent.op_id, ASSISTANT) is not None:
        return Proposed(command.proposal_id, [])
    pieces, refusals = build(trip, command.ops, intent)
    refused = [Refused(number, error.code, error.message) for number, error in refusals]
    if not pieces:
        return Proposed(None, refused)
    proposal = Proposal(
        id=command.proposal_id,
        seq=intent.seq,
        author=ASSISTANT,
        asked_by=user_id,
        message=command.answer_id,
        at=command.at,
        base=min(command.base, trip.seq),
        note=command.note,
        pieces=pieces,
    )
    talk = [new_record(proposal)]
    _record(uow, trip, intent.op_id, ASSISTANT, command.at, "proposal.open", talk)
    return Proposed(command.proposal_id, refused)


def finish_answer(command: FinishAnswer, uow: UnitOfWork) -> bool:
    """End an answer once; False when it had ended before. Also in a trip deleted meanwhile."""
    trip = uow.trips.lock(command.trip_id)
    outcome = command.outcome
    if not uow.answers.finish(command.answer_id, outcome.status, command.at, outcome.model, outcome.usage):
        return False
    message = uow.talk.message(trip.id, command.answer_id)
    if message is None or message.answer is None:
        return False
    answer = Answer(
        question=message.answer.question,
        asked_by=message.answer.asked_by,
        status=outcome.status,
        model=outcome.model or message.answer.model,
        reasoning=outcome.reasoning,
        fault=outcome.fault,
        usage=outcome.usage,
        sources=outcome.sources,
        proposal=command.proposal_id,
    )
    changed: dict[str, Any] = {"text": outcome.text, "answer": msgspec.to_builtins(answer)}
    talk = [TalkChange("message", message.id, changed)]
    # No client can send an op_id with a slash, and so be there first.
    _record(uow, trip, f"answer/{command.answer_id}", ASSISTANT, command.at, "answer.finish", talk)
    return True


def stop_answer(command: StopAnswer, uow: UnitOfWork) -> RunState:
    """Ask for the end of an answer; its process sees to it. An ended answer stays as it is."""
    run = _run_for(uow, command.answer_id, command.trip_id, command.actor.user_id)
    if run.trip_id is not None and run.user_id != command.actor.user_id:
        trip = uow.trips.read(run.trip_id)
        if trip.role_of(command.actor.user_id) not in ("owner", "editor"):
            raise Forbidden("editors, and whoever asked, may stop an answer")
    uow.answers.ask_to_stop(run.id)
    return state_of(uow, run)


def read_run(command: ReadRun, uow: UnitOfWork) -> RunState:
    """An answer as far as it is durable. Raises as for reading its trip or conversation."""
    return state_of(uow, _run_for(uow, command.answer_id, command.trip_id, command.actor.user_id))


def _run_for(uow: UnitOfWork, answer_id: str, trip_id: str | None, user_id: str | None) -> Run:
    if trip_id is not None:
        rooms.read_as_member(uow, trip_id, user_id)
    elif user_id is None:
        raise Unauthenticated("sign in first")
    run = uow.answers.run(answer_id)
    if run is None or run.trip_id != trip_id or (trip_id is None and run.user_id != user_id):
        raise NotFound("there is no such answer")
    return run


def state_of(uow: UnitOfWork, run: Run) -> RunState:
    """The durable state of a run, from its message or turn when it has ended."""
    state = RunState(
        id=run.id,
        status=run.status,
        final=run.status in FINAL,
        text=run.text,
        reasoning=run.reasoning,
        user_id=run.user_id,
        node=run.node,
        trip_id=run.trip_id,
        conversation_id=run.conversation_id,
        model=run.model,
    )
    if not state.final:
        return state
    if run.trip_id is not None:
        message = uow.talk.message(run.trip_id, run.id)
        answer = message.answer if message is not None else None
        if message is None or answer is None:
            return state
        return msgspec.structs.replace(
            state,
            text=message.text,
            reasoning=answer.reasoning,
            fault=answer.fault,
            usage=answer.usage,
            sources=answer.sources,
            proposal=answer.proposal,
        )
    turn = uow.answers.turn(run.id)
    if turn is None:
        return state
    return msgspec.structs.replace(
        state,
        text=turn.text,
        reasoning=turn.reasoning,
        fault=turn.fault,
        usage=turn.usage,
        sources=turn.sources,
    )


def save_checkpoints(command: SaveCheckpoints, uow: UnitOfWork) -> set[str]:
    """Write where runs stand and prolong their leases; the ids of those that are to end."""
    uow.answers.save(command.checkpoints, later(command.at, seconds=LEASE_SECONDS))
    return uow.answers.doomed([each.id for each in command.checkpoints])


def lapsed_runs(command: LapsedRuns, uow: UnitOfWork) -> list[Run]:
    """Runs whose process was killed. For processes, not for users: checks no right."""
    return uow.answers.lapsed(command.at, command.limit)
