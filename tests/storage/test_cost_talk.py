"""What talk, answers and the search index cost the database: the same in a short history and a long one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from domain.answers import Checkpoint, Conversation, Turn
from domain.operations import About, DeleteMessage, PostMessage, ReactToMessage
from domain.search import Posting
from domain.services.rooms import apply_operation
from storage.engine import make_engine
from storage.schema import upgrade
from storage.unit import Unit
from storage.unit_of_work import SqlUnits
from tests.storage.support import AT, command, do, make_trip
from tests.storage.talk import a_proposal, a_run, fill, made, record
from tests.storage.test_cost import watched


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.integration)])
def units(request: pytest.FixtureRequest) -> Iterator[SqlUnits]:
    url = request.getfixturevalue("tmp_sqlite_url" if request.param == "sqlite" else "mariadb_url")
    upgrade(url)
    engine = make_engine(url, 2)
    yield SqlUnits(engine)
    engine.dispose()


def test_saying_something_costs_the_same_in_a_long_history(units: SqlUnits) -> None:
    costs = []
    for size in (3, 600):
        trip_id = make_trip(units)
        fill(units, trip_id, size)
        with watched(units.engine) as seen:
            do(units, trip_id, PostMessage("new", "大理见", reply_to="m1"))
            do(units, trip_id, ReactToMessage("m2", "👍"), by="bob")
            do(units, trip_id, DeleteMessage("m2"))
        costs.append(seen)
    assert costs[0] == costs[1]
    written = [statement.split()[:3] for statement, _ in costs[0] if not statement.startswith("SELECT")]
    # Trip, log, its index and the message, three times; and what the deletion forgets of two events.
    assert len([words for words in written if words[0] in ("INSERT", "UPDATE")]) == 3 * 4 + 2


def test_a_group_writes_each_message_once_and_all_together(units: SqlUnits) -> None:
    trip_id = make_trip(units)
    fill(units, trip_id, 3)
    with watched(units.engine) as seen, units(True) as unit:
        unit.expect(trip_id, [])
        for n in range(30):
            unit.mark()
            op = PostMessage(f"n{n}", "x") if n % 2 else ReactToMessage(f"m{n % 3}", f"{chr(0x1F600 + n)}")
            apply_operation(command(trip_id, op), unit)
        unit.commit()
    written = [(statement, values) for statement, values in seen if re.match("INSERT|UPDATE|SAVE", statement)]
    assert [statement.split("(")[0].strip() for statement, _ in written if "INSERT" in statement] == [
        "INSERT INTO operations",
        "INSERT INTO log_records",
        "INSERT INTO messages",
    ]
    assert len(written) == 4 and written[-1][1] == (15 + 3) * 18
    reads = [statement for statement, _ in seen if "FROM messages" in statement]
    assert len(reads) == 15 + 3  # each record once


def test_reading_costs_what_is_read(units: SqlUnits) -> None:
    counts = []
    for size in (10, 400):
        trip_id = make_trip(units)
        fill(units, trip_id, size)
        with watched(units.engine) as seen, units(False) as unit:
            unit.talk.messages(trip_id, "chat", None, 5)
            unit.talk.messages_by_id(trip_id, ["m1", "m2"])
            unit.talk.unread(trip_id, "bob")
            unit.talk.marks(trip_id)
        counts.append([values for statement, values in seen if "SELECT" in statement])
    assert counts[0] == counts[1] and len(counts[0]) == 5


def test_five_hundred_streams_save_in_one_statement(units: SqlUnits) -> None:
    trip_id = make_trip(units)
    with units(True) as unit:
        for n in range(500):
            unit.answers.add_run(a_run(f"a{n:03}", trip_id=trip_id))
        unit.commit()
    saved = [Checkpoint(f"a{n:03}", "streaming", f"{n} 大理 " * 100, "") for n in range(500)]
    with watched(units.engine) as seen, units(True) as unit:
        unit.answers.save(saved, AT)
        assert unit.answers.doomed([each.id for each in saved]) == set()
        unit.commit()
    assert len([statement for statement, _ in seen if "BEGIN" not in statement]) == 2
    with units(False) as unit:
        found = unit.answers.run("a499")
    assert found is not None and found.text == saved[499].text


def test_indexing_again_what_has_not_changed_writes_nothing_but_the_seq(units: SqlUnits) -> None:
    trip_id = make_trip(units)
    postings = [Posting(f"g{n}", trip_id, "stop", f"s{n % 9}", 1) for n in range(300)]
    for seq, changes in (
        (3, postings),
        (4, postings),
        (5, [*postings[1:], Posting("x", trip_id, "day", "d", 1)]),
    ):
        with watched(units.engine) as seen, units(True) as unit:
            unit.search.replace(trip_id, seq, changes)
            unit.commit()
        found = [re.match(r"(?:INSERT INTO|DELETE FROM) (\w+)", statement) for statement, _ in seen]
        assert [each[1] for each in found if each is not None] == {
            3: ["search_grams", "search_trips"],
            4: ["search_trips"],
            5: ["search_grams", "search_grams", "search_trips"],
        }[seq]  # fmt: skip


# --- plans --------------------------------------------------------------------------------


def _populate(units: SqlUnits) -> str:
    """Enough of everything that an index is worth it, around one trip that is asked about."""
    trip_ids = [make_trip(units) for _ in range(6)]
    for trip_id in trip_ids:
        fill(units, trip_id, 150)
        fill(units, trip_id, 40, channel="comment", about=About("stop", "s1"), prefix="c")
        fill(units, trip_id, 40, channel="comment", about=About("stop", "s2"), prefix="e")
        with units(True) as unit:
            for n in range(30):
                record(unit, trip_id, made(a_proposal(f"p{n}", open=n > 25)))
            for n in range(20):
                unit.talk.mark(trip_id, f"user{n}", 100)
            unit.answers.add_conversation(Conversation(f"conv-{trip_id}", "ann", "?", AT, AT))
            for n in range(40):
                about = Conversation(f"conv{n}-{trip_id}", f"user{n}", "?", AT, AT)
                unit.answers.add_conversation(about)
            for n in range(40):
                done = n > 2
                status = "done" if done else "streaming"
                finished = AT if done else None
                run = {"user_id": f"user{n % 20}", "status": status, "finished_at": finished}
                unit.answers.add_run(a_run(f"r{n}-{trip_id}", trip_id=trip_id, **run))
                unit.answers.add_turn(Turn(f"t{n}-{trip_id}", f"conv-{trip_id}", n, "user", AT))
            unit.search.replace(
                trip_id, 1, [Posting(f"g{n}", trip_id, "stop", f"s{n % 9}", 1) for n in range(200)]
            )
            unit.commit()
    return trip_ids[2]


def _asked(units: SqlUnits, trip_id: str) -> list[tuple[str, Any]]:
    """Every hot query as it is sent, with its parameters."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if re.match("SELECT|UPDATE|DELETE", statement):
            asked.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    def ask(unit: Unit) -> None:
        talk, answers, search = unit.talk, unit.answers, unit.search
        stop = About("stop", "s1")
        calls: list[Callable[[], object]] = [
            lambda: talk.message(trip_id, "m1"),
            lambda: talk.proposal(trip_id, "p1"),
            lambda: talk.messages(trip_id, "chat", None, 20),
            lambda: talk.messages(trip_id, "chat", 90, 20),
            lambda: talk.messages(trip_id, "comment", 240, 20, stop),
            lambda: talk.messages_by_id(trip_id, ["m1", "m2"]),
            lambda: talk.threads(trip_id),
            lambda: talk.open_proposals(trip_id, 20),
            lambda: talk.proposals_by_id(trip_id, ["p1"]),
            lambda: talk.marks(trip_id),
            lambda: talk.unread(trip_id, "user1"),
            lambda: talk.mark(trip_id, "user1", 120),
            lambda: talk.mark(trip_id, "user1", 110),
            lambda: answers.active(user_id="user1"),
            lambda: answers.active(trip_id=trip_id),
            lambda: answers.lapsed("2026-05-01T08:00:16.000Z", 20),
            lambda: answers.doomed([f"r1-{trip_id}", "none"]),
            lambda: answers.save([Checkpoint(f"r1-{trip_id}", "streaming", "x", "")], AT),
            lambda: answers.ask_to_stop(f"r1-{trip_id}"),
            lambda: answers.conversations_of("ann", 20),
            lambda: answers.turns(f"conv-{trip_id}"),
            lambda: answers.delete_conversation(f"conv-{trip_id}"),
            lambda: search.postings(["g1", "g2"], 20),
            lambda: search.remove(trip_id),
        ]
        for call in calls:
            call()

    event.listen(units.engine, "before_cursor_execute", note)
    with units(True) as unit:
        ask(unit)  # and roll back
    event.remove(units.engine, "before_cursor_execute", note)
    assert len(asked) >= 25
    return asked


def test_hot_queries_use_their_indexes(units: SqlUnits) -> None:
    trip_id = _populate(units)
    explain = _plan_of_sqlite if units.engine.dialect.name == "sqlite" else _plan_of_mariadb
    with units.engine.begin() as connection:
        if units.engine.dialect.name != "sqlite":
            connection.execute(
                text("ANALYZE TABLE messages, proposals, read_marks, runs, conversations, turns")
            )
            connection.execute(text("ANALYZE TABLE trips, search_grams"))
        for statement, parameters in _asked(units, trip_id):
            explain(connection, statement, parameters)


_PAGE = "ORDER BY messages.seq DESC"
"""In these queries an index in another order would mean reading the whole history."""


def _plan_of_sqlite(connection: Connection, statement: str, parameters: Any) -> None:
    for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
        assert not re.match(r"SCAN (?!\(|anon|CONSTANT)", row[3]), (statement, row[3])
        if _PAGE in statement:
            assert re.search("ix_messages_(page|about)", row[3]), (statement, row[3])


# What MariaDB may go through without an index: what a query made itself, or was given.
_MADE = re.compile(r"<.*>|given|None")


def _plan_of_mariadb(connection: Connection, statement: str, parameters: Any) -> None:
    for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings():
        if _MADE.fullmatch(str(row["table"])):
            continue
        assert row["key"] is not None and row["type"] != "ALL", (statement, dict(row))
        if _PAGE in statement:
            assert row["key"] in ("ix_messages_page", "ix_messages_about"), (statement, dict(row))
            assert "filesort" not in str(row["Extra"]), (statement, dict(row))
