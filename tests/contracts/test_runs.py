"""The port of answers under way and of conversations: one suite for memory, SQLite and MariaDB."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from domain.answers import Checkpoint, Conversation, Run, Turn
from domain.operations import DeleteTrip, RestoreTrip
from domain.talk import Fault, Source, SourceRecord, Usage
from storage.unit import Unit, UnitFactory
from tests.storage.support import AT, Store, do, make_trip
from tests.storage.talk import TEXT, a_run

LATER = "2026-05-01T08:00:30.000Z"


def _add(units: UnitFactory, *runs: Run) -> None:
    with units(True) as unit:
        for run in runs:
            unit.answers.add_run(run)
        unit.commit()


def _talk_to(units: UnitFactory, conversation_id: str, user_id: str = "ann", at: str = AT) -> None:
    with units(True) as unit:
        unit.answers.add_conversation(Conversation(conversation_id, user_id, "行李 🧳", at, at))
        unit.commit()


def _run(units: UnitFactory, run_id: str) -> Run | None:
    with units(False) as unit:
        return unit.answers.run(run_id)


def _replace(run: Run, **fields: object) -> Run:
    return msgspec.structs.replace(run, **fields)


# --- the life of a run --------------------------------------------------------------------


def test_runs_come_back_as_they_were_added(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    _talk_to(units, "c1")
    about = ("a1", "ann", "node-丽江:8000", AT, LATER, trip_id, None, "streaming")
    full = Run(*about, TEXT, TEXT * 2, True, LATER, TEXT, 3, 4)
    plain = a_run("a2", conversation_id="c1")
    _add(units, full, plain)
    with store.process()(False) as unit:
        assert unit.answers.run("a1") == full and unit.answers.run("a2") == plain
        for nobody in ("A1", "a1 ", "a9", "", "大理"):
            assert unit.answers.run(nobody) is None


def test_what_is_under_way_is_counted(store: Store) -> None:
    units = store.process()
    first, second = make_trip(units), make_trip(units)
    _talk_to(units, "c1")
    _add(
        units,
        a_run("a1", trip_id=first),
        a_run("a2", trip_id=first, status="streaming", user_id="bob"),
        a_run("a3", trip_id=second),
        a_run("a4", conversation_id="c1"),
        a_run("a5", trip_id=first, status="done", finished_at=AT),
    )

    def counts(unit: Unit) -> list[int]:
        answers = unit.answers
        by_user = [answers.active(user_id=user) for user in ("ann", "bob", "carl")]
        return [*by_user, *(answers.active(trip_id=trip) for trip in (first, second, "none"))]

    with units(False) as unit:
        assert counts(unit) == [3, 1, 0, 2, 1, 0]
        assert unit.answers.active(user_id="ann", trip_id=first) == 1
    with units(True) as unit:
        unit.answers.finish("a1", "failed", AT, "", None)
        assert counts(unit) == [2, 1, 0, 1, 1, 0]
        unit.answers.add_run(a_run("a6", trip_id=second, user_id="bob"))
        assert counts(unit) == [2, 2, 0, 1, 2, 0]


def test_checkpoints_move_what_is_not_finished(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    open_, done = a_run("a1", trip_id=trip_id), a_run("a2", trip_id=trip_id)
    _add(units, open_, done, a_run("a3", trip_id=trip_id))
    with units(True) as unit:
        assert unit.answers.finish("a2", "done", AT, "m", None)
        unit.answers.save(
            [
                Checkpoint("a2", "streaming", "too late", "too late"),
                Checkpoint("a1", "streaming", TEXT, TEXT * 3),
                Checkpoint("gone", "streaming", "nobody's", ""),
            ],
            LATER,
        )
        unit.commit()
    assert _run(units, "a1") == _replace(
        open_, status="streaming", text=TEXT, reasoning=TEXT * 3, lease_until=LATER
    )
    assert _run(units, "a2") == _replace(done, status="done", finished_at=AT, model="m")
    assert _run(units, "a3") == a_run("a3", trip_id=trip_id) and _run(units, "gone") is None
    with units(True) as unit:
        unit.answers.save([], LATER)
        unit.answers.save([Checkpoint("a1", "queued", "", "")], AT)
        unit.commit()
    assert _run(units, "a1") == _replace(open_, lease_until=AT)


def test_very_much_text_is_saved_whole(store: Store) -> None:
    """More than a server takes in one packet."""
    units = store.process()
    trip_id = make_trip(units)
    _add(units, *(a_run(f"a{n}", trip_id=trip_id) for n in range(40)))
    saved = [Checkpoint(f"a{n}", "streaming", f"{n}𠮷" * 30_000, f"想{n}" * 30_000) for n in range(40)]
    with units(True) as unit:
        unit.answers.save(saved, LATER)
        unit.commit()
    with units(False) as unit:
        for each in saved:
            found = unit.answers.run(each.id)
            assert found is not None and (found.text, found.reasoning) == (each.text, each.reasoning)


def test_what_is_to_end(store: Store) -> None:
    units = store.process()
    trip_id, other = make_trip(units), make_trip(units)
    _talk_to(units, "c1")
    runs = [a_run(f"a{n}", trip_id=trip_id) for n in range(4)]
    _add(units, *runs, a_run("b", trip_id=other), a_run("c", conversation_id="c1"))
    everything = ["a0", "a1", "a2", "a3", "b", "c"]

    def doomed() -> set[str]:
        with units(False) as unit:
            return unit.answers.doomed([*everything, "gone", "大理", "a0 "])

    nobody = {"gone", "大理", "a0 "}
    assert doomed() == nobody
    with units(True) as unit:
        assert unit.answers.ask_to_stop("a0") and unit.answers.ask_to_stop("a0")
        assert not unit.answers.ask_to_stop("gone") and not unit.answers.ask_to_stop("大理")
        assert unit.answers.finish("a1", "stopped", AT, "", None)
        assert not unit.answers.ask_to_stop("a1")
        assert unit.answers.doomed(everything) == {"a0", "a1"}
        unit.commit()
    assert doomed() == nobody | {"a0", "a1"}
    do(units, other, DeleteTrip())
    assert doomed() == nobody | {"a0", "a1", "b"}
    do(units, other, RestoreTrip())
    assert doomed() == nobody | {"a0", "a1"}
    with units(True) as unit:
        unit.answers.delete_conversation("c1")
        unit.commit()
    assert doomed() == nobody | {"a0", "a1", "c"}
    with units(False) as unit:
        assert unit.answers.doomed([]) == set()
        assert len(unit.answers.doomed([f"x{n}" for n in range(1200)] + ["a2"])) == 1200


def test_finishing_drops_the_checkpoint_and_keeps_the_counts(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    run = a_run("a1", trip_id=trip_id, text="half", reasoning="why", model="asked for")
    _add(units, run, _replace(run, id="a2"))
    with units(True) as unit:
        assert unit.answers.finish("a1", "interrupted", LATER, "", None)
        assert not unit.answers.finish("a1", "done", LATER, "other", Usage(1, 2))
        assert unit.answers.finish("a2", "done", LATER, "模型 🐋", Usage(10, 20))
        assert not unit.answers.finish("gone", "done", LATER, "", None)
        assert not unit.answers.finish("大理", "done", LATER, "", None)
        unit.commit()
    ended = _replace(run, status="interrupted", finished_at=LATER, text="", reasoning="")
    assert _run(units, "a1") == ended
    assert _run(units, "a2") == _replace(
        ended, id="a2", status="done", model="模型 🐋", prompt_tokens=10, completion_tokens=20
    )


def test_a_run_is_finished_once_whoever_comes_first(store: Store) -> None:
    processes = [store.process(), store.process()]
    trip_id = make_trip(processes[0])
    _add(processes[0], *(a_run(f"a{n}", trip_id=trip_id) for n in range(10)))
    start = threading.Barrier(2)

    def finish(number: int) -> list[bool]:
        start.wait(10)
        won: list[bool] = []
        for n in range(10):
            with processes[number](True) as unit:
                won.append(unit.answers.finish(f"a{n}", "done", AT, f"by {number}", None))
                unit.commit()
        return won

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(finish, range(2))
    assert [a + b for a, b in zip(first, second, strict=True)] == [1] * 10
    for n, won in enumerate(first):
        run = _run(processes[1], f"a{n}")
        assert run is not None and run.model == ("by 0" if won else "by 1")


def test_runs_whose_process_died_are_found(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)

    def at(second: int) -> str:
        return f"2026-05-01T08:00:{second:02}.000Z"

    _add(
        units,
        *(a_run(f"a{n}", trip_id=trip_id, lease_until=at(40 - n), text=f"{n}") for n in range(4)),
        a_run("s", trip_id=trip_id, lease_until=at(20), status="streaming"),
        a_run("done", trip_id=trip_id, lease_until=at(10), status="done", finished_at=AT),
    )
    with units(False) as unit:
        assert [run.id for run in unit.answers.lapsed(at(39), 9)] == ["s", "a3", "a2"]
        assert [run.id for run in unit.answers.lapsed(at(59), 2)] == ["s", "a3"]
        assert unit.answers.lapsed(at(20), 9) == []
        assert unit.answers.lapsed(at(59), 9)[1].text == "3"
    with units(True) as unit:
        unit.answers.save([Checkpoint("s", "streaming", "alive", "")], at(50))
        unit.commit()
    with units(False) as unit:
        assert [run.id for run in unit.answers.lapsed(at(45), 9)] == ["a3", "a2", "a1", "a0"]


# --- conversations ------------------------------------------------------------------------


def test_conversations_are_listed_and_touched(store: Store) -> None:
    units = store.process()
    for n in range(3):
        _talk_to(units, f"c{n}", at=f"2026-05-01T08:00:0{n}.000Z")
    _talk_to(units, "bobs", "bob")
    with units(True) as unit:
        unit.answers.touch_conversation("c0", LATER)
        unit.answers.touch_conversation("gone", LATER)
        unit.commit()
    with units(False) as unit:
        assert [c.id for c in unit.answers.conversations_of("ann", 9)] == ["c0", "c2", "c1"]
        assert [c.id for c in unit.answers.conversations_of("ann", 2)] == ["c0", "c2"]
        assert unit.answers.conversations_of("carl", 9) == []
        assert unit.answers.conversation("c0") == Conversation("c0", "ann", "行李 🧳", AT, LATER)
        for nobody in ("gone", "C0", "c0 ", "大理"):
            assert unit.answers.conversation(nobody) is None


def test_turns_come_back_in_order_and_are_replaced(store: Store) -> None:
    units = store.process()
    _talk_to(units, "c1")
    _talk_to(units, "c2")
    question = Turn("q1", "c1", 0, "user", AT, TEXT)
    answer = Turn("a1", "c1", 1, "assistant", AT, status="queued", model="m")
    with units(True) as unit:
        unit.answers.add_turn(answer)
        unit.answers.add_turn(question)
        unit.answers.add_turn(Turn("q2", "c2", 0, "user", AT, "other"))
        unit.commit()
    with units(False) as unit:
        assert unit.answers.turns("c1") == [question, answer]
        assert unit.answers.turn("a1") == answer and unit.answers.turn("A1") is None
    done = Turn(
        "a1",
        "c1",
        1,
        "assistant",
        LATER,
        TEXT * 100,
        "failed",
        "模型",
        TEXT,
        Fault("ai_rate_limited", TEXT, 2.5),
        Usage(3, 4),
        [Source("t1", TEXT, "…", [SourceRecord("day", "d1", "第一天")])],
    )
    with units(True) as unit:
        unit.answers.update_turn(done)
        unit.answers.update_turn(_as(done, "gone"))
        unit.commit()
    with units(False) as unit:
        assert unit.answers.turns("c1") == [question, done]
        assert unit.answers.turn("gone") is None


def _as(turn: Turn, turn_id: str) -> Turn:
    return msgspec.structs.replace(turn, id=turn_id)


def test_a_deleted_conversation_takes_its_turns_and_runs_along(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    for n in (1, 2):
        _talk_to(units, f"c{n}")
        with units(True) as unit:
            unit.answers.add_turn(Turn(f"q{n}", f"c{n}", 0, "user", AT, "?"))
            unit.commit()
        _add(units, a_run(f"a{n}", conversation_id=f"c{n}"))
    _add(units, a_run("a3", trip_id=trip_id))
    with units(True) as unit:
        unit.answers.delete_conversation("c1")
        unit.answers.delete_conversation("gone")
        unit.commit()
    with units(False) as unit:
        assert [c.id for c in unit.answers.conversations_of("ann", 9)] == ["c2"]
        assert unit.answers.turns("c1") == [] and unit.answers.turn("q1") is None
        assert unit.answers.run("a1") is None
        assert unit.answers.run("a2") is not None and unit.answers.run("a3") is not None
        assert len(unit.answers.turns("c2")) == 1


# --- transactions -------------------------------------------------------------------------


def test_what_a_dropped_command_wrote_at_once_is_taken_back(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    _talk_to(units, "c1")
    _add(units, a_run("a1", trip_id=trip_id), a_run("a2", trip_id=trip_id))
    with units(True) as unit:
        unit.mark()
        unit.answers.add_run(a_run("kept", trip_id=trip_id))
        unit.answers.ask_to_stop("a2")
        unit.mark()
        unit.answers.add_run(a_run("dropped", trip_id=trip_id))
        assert unit.answers.finish("a1", "failed", AT, "", None)
        unit.answers.delete_conversation("c1")
        unit.answers.save([Checkpoint("a2", "streaming", "x", "")], LATER)
        unit.drop(broken=False)
        assert unit.answers.run("dropped") is None
        unit.mark()
        assert unit.answers.finish("a1", "done", AT, "", None)
        unit.commit()
    with units(False) as unit:
        answers = unit.answers
        assert answers.run("kept") is not None and answers.run("dropped") is None
        assert answers.conversation("c1") is not None
        assert answers.run("a1") == a_run("a1", trip_id=trip_id, status="done", finished_at=AT)
        assert answers.run("a2") == a_run("a2", trip_id=trip_id, stop=True)


def test_nothing_is_written_without_commit(store: Store) -> None:
    units = store.process()
    trip_id = make_trip(units)
    _add(units, a_run("a1", trip_id=trip_id))
    with units(True) as unit:
        unit.answers.finish("a1", "done", AT, "", None)
        unit.answers.add_run(a_run("a2", trip_id=trip_id))
    assert _run(units, "a1") == a_run("a1", trip_id=trip_id) and _run(units, "a2") is None


def test_units_that_only_read_do_not_write(store: Store) -> None:
    units = store.process()
    with units(False) as unit:
        with pytest.raises(RuntimeError, match="only reads"):
            unit.answers.add_run(a_run("a1", trip_id="t"))
        with pytest.raises(RuntimeError, match="only reads"):
            unit.answers.save([Checkpoint("a1", "streaming", "", "")], AT)
