"""The services of talk, answers and private conversations on one trip, as one process has them.

Owns the shortest way to ask, to end an answer and to look. Used by the contract suites that ask for `desk`.
"""

from __future__ import annotations

from typing import Any

from domain.answers import Asked, AskInTrip, AskLimits, AskPrivately, FinishAnswer, Outcome, ReadRun, RunState
from domain.commands import Actor
from domain.operations import JoinTrip
from domain.services import answers, conversations, rooms
from domain.services.talk import read_messages
from domain.talk import Message, ReadMessages
from storage.unit import UnitFactory
from tests.storage.support import AT, Store, make_trip, new_op

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
