"""What must be true at the end of a run, whatever happened in it.

Owns the comparison of clients, log, tables and processes; each check gives complaints as lines. Reads the
database directly, through no server. Called by `tests.chaos.story`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from domain.trip import TripAggregate
from storage.engine import make_engine
from storage.unit_of_work import SqlUnits
from tests.chaos.cluster import DATABASE, POOL, ChaosServer, Cluster
from tests.chaos.crowd import Person
from tests.chaos.model import name_in, words
from tests.chaos.schedule import Schedule
from tests.integration.replica import Record, Records, Replica, live

REDIS_SOCKETS = 6
"""One that subscribes, one that publishes, four of presence."""
EMPTY = 50.0
"""Seconds for a process to forget those who left: a ping is sent after 25, lost after 10, closed after 5."""
ALWAYS = {None, 4003}
"""None: no close frame came. 4003: a process, or its database, had too much to do."""


@dataclass(frozen=True)
class Truth:
    """The database. `log`: (seq, op_id, event) in order; `view`: live records, as `Replica.view`."""

    seq: int
    epoch: str
    log: list[tuple[int, str, Record]]
    view: dict[str, Any]


def read_truth(cluster: Cluster) -> Truth:
    """Straight from the tables, without any server or cache."""
    trip = cluster.trip
    rows = cluster.mariadb.execute(
        f"SELECT seq, op_id, body FROM operations WHERE trip_id = '{trip}' ORDER BY seq", DATABASE
    )
    log = [(int(seq), str(op_id), json.loads(body)) for seq, op_id, body in rows]
    engine = make_engine(cluster.mariadb.url_of(DATABASE), 1)
    try:
        with SqlUnits(engine)(writing=False) as unit:
            aggregate = unit.trips.read(trip)
            return Truth(aggregate.seq, aggregate.epoch, log, _view(aggregate))
    finally:
        engine.dispose()


def _view(aggregate: TripAggregate) -> dict[str, Any]:
    snapshot: Record = json.loads(aggregate.snapshot())
    records: Records = {("trip", aggregate.id): snapshot["trip"]}
    for t, key in (("day", "days"), ("stop", "stops"), ("member", "members")):
        records |= {(t, record["id"]): record for record in snapshot[key]}
    return live(records)


def log_is_sound(truth: Truth, people: list[Person], base: int) -> Iterator[str]:
    """R1.1 to R1.4: no gap, each operation once, everything acknowledged, nothing rejected."""
    seqs = [seq for seq, _, _ in truth.log]
    if seqs != list(range(1, truth.seq + 1)):
        yield f"the log is not 1 to {truth.seq}: {seqs}"
    if any(event["seq"] != seq for seq, _, event in truth.log):
        yield "an event in the log has another seq than its row"
    for op_id, count in Counter(op_id for _, op_id, _ in truth.log).items():
        if count > 1:
            yield f"{op_id} was applied {count} times"
    where = {op_id: seq for seq, op_id, event in truth.log if seq > base and not _of_an_answer(op_id, event)}
    sent = {op_id for person in people for op_id in person.sent}
    for op_id in where.keys() - sent:
        yield f"{op_id} is in the log at {where[op_id]}, and nobody sent it"
    for person in people:
        for op_id, seq in person.acked.items():
            if where.get(op_id) != seq:
                yield f"person {person.number} has an answer for {op_id} at {seq}, the log {where.get(op_id)}"
        for op_id in person.rejected.keys() & where.keys():
            # Rejections are not remembered: one that was sent again was judged anew (R1.4).
            if not person.was_resent(op_id):
                yield f"{op_id} was rejected, and is in the log: {person.traces.get(op_id)}"
        unanswered = person.sent.keys() - person.acked.keys() - person.rejected.keys()
        if unanswered and not person.sent_away:
            yield f"person {person.number} has no answer for {sorted(unanswered)}"
        if unanswered != person.pending.keys():
            yield f"person {person.number} waits for {sorted(person.pending)}, not {sorted(unanswered)}"


def _of_an_answer(op_id: str, event: Record) -> bool:
    """A question, an answer that begins, or the end of one; `answers_are_sound` looks at those."""
    return op_id.startswith("ask-") or (op_id.startswith("answer/") and event["actor"] == "assistant")


# --- answers (section 9) --------------------------------------------------------------------


@dataclass
class Answer:
    """One answer as the log has it. `name`: what the question called itself; `ends`: how often it ended."""

    name: str
    opens: int = 0
    ends: int = 0
    status: str = ""
    text: str = ""


def read_answers(truth: Truth) -> dict[str, Answer]:
    """All answers by id."""
    found: dict[str, Answer] = {}
    said: dict[str, str] = {}
    for _, _, event in truth.log:
        for change in event.get("talk", ()):
            if event["kind"] == "message.post":
                said[change["id"]] = change["set"]["text"]
            elif event["kind"] == "answer.open":
                question = said.get(change["set"]["answer"]["question"], "")
                answer = found.setdefault(change["id"], Answer(name_in(question)))
                answer.opens += 1
            elif event["kind"] == "answer.finish":
                answer = found.setdefault(change["id"], Answer(""))
                answer.ends += 1
                answer.status, answer.text = change["set"]["answer"]["status"], change["set"]["text"]
    return found


def answers_left(cluster: Cluster) -> list[str]:
    """Answers that have not ended, and listeners of the model."""
    left = [
        f"answer {row[0]}"
        for row in cluster.mariadb.execute("SELECT id FROM runs WHERE finished_at IS NULL", DATABASE)
    ]
    return left + ["the model is listened to"] * cluster.model.listeners


def answers_are_sound(answers: dict[str, Answer], people: list[Person]) -> Iterator[str]:
    """R9.1 to R9.5: asked once, ended once, and at no time a word that the model did not say there."""
    for answer_id, answer in answers.items():
        if (answer.opens, answer.ends) != (1, 1):
            yield f"answer {answer_id} began {answer.opens} times and ended {answer.ends} times"
        whole = words(answer.name)
        if answer.text != whole if answer.status == "done" else not whole.startswith(answer.text):
            yield f"answer {answer_id} ({answer.status}) to {answer.name} says {answer.text!r}"
    named = Counter(answer.name for answer in answers.values())
    for name in (name for name, count in named.items() if count > 1):
        yield f"question {name} has {named[name]} answers"
    for person in people:
        for name, answer_id in person.asked.items():
            if answer_id and (answer_id not in answers or answers[answer_id].name != name):
                yield f"person {person.number} was told of answer {answer_id} to {name}, the log was not"
        for answer_id, at, text in person.pieces:
            if answer_id not in answers or words(answers[answer_id].name)[at : at + len(text)] != text:
                yield f"person {person.number} was shown {text!r} at {at} of answer {answer_id}"
                break


class Reader(Replica):
    """Reads the log from the beginning, as no client does."""

    def _send(self, message: Record) -> None:
        raise AssertionError("a reader says nothing")

    drop = _send  # type: ignore[assignment]


def everybody_agrees(truth: Truth, people: list[Person]) -> Iterator[str]:
    """R1.2, R3.2 to R3.4: log = tables = every client; and what clients noticed by themselves."""
    reader = Reader("log")
    for _, _, event in truth.log:
        reader.seq = event["seq"] - 1  # gaps are somebody else's complaint
        reader._apply(event)
    yield from _differences("the log, played from the beginning,", reader.view(), truth.view)
    for person in people:
        for violation in person.violations:
            yield f"person {person.number}: {violation}"
        if person.sent_away:
            continue
        if (person.seq, person.epoch) != (truth.seq, truth.epoch):
            yield f"person {person.number} is at {person.seq} of {person.epoch}, the database at {truth.seq}"
        else:
            yield from _differences(f"person {person.number}", person.view(), truth.view)


def _differences(who: str, view: dict[str, Any], truth: dict[str, Any]) -> Iterator[str]:
    for key in sorted(view.keys() | truth.keys()):
        if view.get(key) != truth.get(key):
            yield f"{who} has {key} {view.get(key)}, the tables {truth.get(key)}"
            return


def close_codes(schedule: Schedule, people: Iterable[Person]) -> Iterator[str]:
    """Section 6: each code only where there was its reason, and said beforehand (R6.2)."""
    allowed = set(ALWAYS)
    kinds = schedule.kinds()
    if "drain" in kinds:
        allowed.add(1012)
    if kinds & {"client deaf", "client slow"}:
        allowed.add(4000)
    for person in people:
        mine = allowed | {closing["code"] for closing in person.closings if not closing["resume"]}
        for code in set(person.close_codes) - mine:
            yield f"person {person.number} was closed with {code}, of {person.close_codes}"
        for closing in person.closings:
            if closing["resume"] and closing["code"] not in allowed:
                yield f"person {person.number} was told {closing}"
        if any(not closing["resume"] for closing in person.closings[:-1]):
            yield f"person {person.number} came back although it was not to: {person.closings}"


# --- leaks ----------------------------------------------------------------------------------

NOTHING_LEFT = (
    "answers_streaming",
    "answers_waiting",
    "commands_queued",
    "connections",
    "executor_busy",
    "executor_queue",
    "lanes",
    "pool_in_use",
)


async def tasks_at_rest(cluster: Cluster) -> list[dict[str, int]]:
    """The tasks of each process that serves nobody and hears the others; how it should be again."""
    async with asyncio.timeout(EMPTY):
        return [await asyncio.to_thread(_tasks_at_rest, server) for server in cluster.servers]


def _tasks_at_rest(server: ChaosServer) -> dict[str, int]:
    while not server.metrics()["tongyou_bus_up"]:
        time.sleep(0.05)
    return server.tasks()


async def leaks(cluster: Cluster, before: list[dict[str, int]], say: Callable[[str], None]) -> list[str]:
    """After everybody left: no connection, task or pooled connection that was not there before."""
    loop = asyncio.get_running_loop()
    end = loop.time() + EMPTY
    told = ""
    while True:
        found = await asyncio.to_thread(_look, cluster, before)
        if not found or loop.time() > end:
            return found
        if found[0] != told:
            told = found[0]
            say(f"still there: {told}")
        await asyncio.sleep(0.25)


def _look(cluster: Cluster, before: list[dict[str, int]]) -> list[str]:
    found: list[str] = []
    for number, server in enumerate(cluster.servers):
        found += [f"process {number}: {line}" for line in _look_at(server, before[number], cluster, number)]
    rows = cluster.mariadb.execute("SELECT COUNT(*) FROM information_schema.innodb_trx")
    if rows[0][0]:
        found.append(f"{rows[0][0]} transactions are open in the database")
    rows = cluster.mariadb.execute(
        f"SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{DATABASE}'"
    )
    if rows[0][0] > POOL * len(cluster.servers):
        found.append(f"{rows[0][0]} connections to the database")
    return found


def _look_at(server: ChaosServer, before: dict[str, int], cluster: Cluster, number: int) -> Iterator[str]:
    # Before the scrape, which is a task, too.
    more = Counter(server.tasks())
    more.subtract(before)
    if left := {name: count for name, count in more.items() if count > 0}:
        yield f"tasks are left: {left}"
    metrics = server.metrics()
    for name in NOTHING_LEFT:
        if value := sum(v for key, v in metrics.items() if key.split("{")[0] == f"tongyou_{name}"):
            yield f"tongyou_{name} is {value:g}"
    sockets = psutil.Process(server.pid).net_connections("tcp")
    sockets = [s for s in sockets if s.laddr.port != server.metrics_port]
    people = [s for s in sockets if s.laddr.port == server.port and s.raddr]
    if people:
        yield f"sockets are left: {people}"
    # Pools keep what they have, also what the other side has closed meanwhile, until it is asked for.
    for name, link, most in (("the database", cluster.db_links, POOL), ("Redis", cluster.bus, REDIS_SOCKETS)):
        found = [s for s in sockets if s.raddr and s.raddr.port == link[number].port]
        if len(found) > most:
            yield f"{len(found)} sockets to {name}"


SUSPICIOUS = ("Traceback", "never retrieved", "was destroyed", "never awaited")


def bad_lines(logs: dict[str, str]) -> Iterator[str]:
    """A process under faults logs warnings and errors of one line, never a surprise of its own."""
    for name, text in logs.items():
        bad = [line for line in text.splitlines() if any(word in line for word in SUSPICIOUS)]
        for line in bad[:3]:
            yield f"{name} logged: " + line.replace("\\n", "\n")
