"""The judgement of a stress run: a good end is good, and every kind of broken promise is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos import checks, defects
from tests.chaos.checks import Truth
from tests.chaos.crowd import Person
from tests.chaos.model import words
from tests.chaos.schedule import Fault, make_schedule
from tests.integration.room_client import Api


def event(seq: int, op_id: str, title: str) -> tuple[int, str, dict[str, object]]:
    change = {"t": "trip", "id": "t", "set": {"title": title}}
    return seq, op_id, {"seq": seq, "op_id": op_id, "changes": [change]}


@pytest.fixture
def person() -> Person:
    made = Person(1, Api("http://nobody"), "t", [])
    for op_id, seq in (("a", 2), ("b", 3)):
        made.sent[op_id] = {}
        made.acked[op_id] = seq
    made.seq, made.epoch, made.records = 3, "e", {("trip", "t"): {"id": "t", "title": "B"}}
    return made


@pytest.fixture
def truth() -> Truth:
    log = [event(1, "start", "A"), event(2, "a", "A"), event(3, "b", "B")]
    return Truth(3, "e", log, {"trip:t": {"id": "t", "title": "B"}})


def complaints(truth: Truth, person: Person) -> list[str]:
    sound = checks.log_is_sound(truth, [person], 1)
    return [*sound, *checks.everybody_agrees(truth, [person])]


def test_a_good_end_is_good(truth: Truth, person: Person) -> None:
    assert complaints(truth, person) == []


def test_every_kind_of_broken_promise_is_seen(truth: Truth, person: Person) -> None:
    a, b, c = truth.log
    wrong = {
        "a gap": replace(truth, log=[a, c]),
        "twice": replace(truth, seq=4, log=[a, b, c, event(4, "a", "B")]),
        "lost": replace(truth, seq=2, log=[a, b]),
        "of nobody": replace(truth, log=[a, b, event(3, "x", "B")]),
        "tables differ": replace(truth, view={"trip:t": {"id": "t", "title": "C"}}),
        "another epoch": replace(truth, epoch="f"),
    }
    for name, truth_now in wrong.items():
        assert complaints(truth_now, person), name
    person.rejected["b"] = {}
    assert any("rejected" in line for line in complaints(truth, person))
    del person.rejected["b"]
    person.sent["c"] = person.pending["c"] = {}
    assert any("no answer" in line for line in complaints(truth, person))


def talk(seq: int, kind: str, message: str, **fields: object) -> tuple[int, str, dict[str, object]]:
    change = {"t": "message", "id": message, "set": fields}
    return seq, f"op{seq}", {"seq": seq, "kind": kind, "talk": [change]}


def test_every_kind_of_wrong_answer_is_seen(truth: Truth, person: Person) -> None:
    asked = talk(4, "message.post", "q", text="哪里? #q1#")
    opened = talk(5, "answer.open", "a", answer={"question": "q", "status": "queued"})
    said = words("q1")

    def complaints(*log: tuple[int, str, dict[str, object]]) -> list[str]:
        answers = checks.read_answers(replace(truth, log=list(log)))
        return list(checks.answers_are_sound(answers, [person]))

    def finish(status: str, text: str) -> tuple[int, str, dict[str, object]]:
        return talk(6, "answer.finish", "a", text=text, answer={"question": "q", "status": status})

    person.asked = {"q1": "a"}
    person.pieces = [("a", 0, said[:9]), ("a", 5, said[5:40])]
    assert complaints(asked, opened, finish("done", said)) == []
    assert complaints(asked, opened, finish("interrupted", said[:50])) == []
    assert complaints(asked, opened, finish("done", said[:50])), "cut"
    assert complaints(asked, opened, finish("interrupted", said[1:50])), "not from the beginning"
    assert complaints(asked, opened), "never ended"
    assert complaints(asked, opened, finish("done", said), finish("done", said)), "ended twice"
    assert complaints(asked), "acknowledged, and not there"
    again = talk(7, "answer.open", "b", answer={"question": "q", "status": "queued"})
    ended = talk(8, "answer.finish", "b", text=said, answer={"question": "q", "status": "done"})
    assert complaints(asked, opened, finish("done", said), again, ended) == ["question q1 has 2 answers"]
    person.pieces.append(("a", 6, said[5:40]))
    assert complaints(asked, opened, finish("done", said)), "a piece at the wrong place"


def test_close_codes_need_a_reason(person: Person) -> None:
    quiet = replace(make_schedule(1, 1), faults=())
    person.close_codes = [None, 1012]
    assert len(list(checks.close_codes(quiet, [person]))) == 1
    drained = replace(quiet, faults=(Fault(0, 1, "drain", 0, 0),))
    assert not list(checks.close_codes(drained, [person]))
    person.close_codes = [4400]
    assert list(checks.close_codes(drained, [person]))
    person.close_codes = [4403, None]
    person.closings = [{"code": 4403, "resume": False}, {"code": 1012, "resume": True}]
    assert any("came back" in line for line in checks.close_codes(drained, [person]))


def test_lines_of_a_log() -> None:
    assert not list(checks.bad_lines({"server 0": "WARNING the Redis subscription is lost"}))
    assert list(checks.bad_lines({"server 0": "ERROR x\nTraceback (most recent call last):\n"}))


def test_defects_are_known_by_name() -> None:
    assert "publish-before-commit" in defects.DEFECTS
    with pytest.raises(KeyError):
        defects.build_in("unknown")
