"""The ledger counts exactly what went wrong: fed with a perfect room, then with one that loses and doubles.

The room here is a list; readers come, go away and come back with `since`, as docs/PROTOCOL.md R3 has it.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.ledger import Ledger, Reader


@dataclass
class Member:
    """A reader, with what its server still has to tell it."""

    reader: Reader
    here: bool = False
    queue: list[int] = field(default_factory=list)


class Theatre:
    """One room with members who come and go, and a ledger that watches. `spoil` changes what they hear."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.ledger = Ledger()
        self.log: list[str] = []
        self.now = 0.0
        self.members = [Member(self.ledger.reader(f"m{n}", "r")) for n in range(4)]
        self.planted: Counter[str] = Counter()

    def step(self) -> None:
        self.now += 1
        member = self.dice.choice(self.members)
        chance = self.dice.random()
        if not member.here:
            self.come(member)
        elif chance < 0.1:
            self.leave(member)
        elif chance < 0.7:
            self.submit(member)
        else:
            self.deliver(member)

    def come(self, member: Member) -> None:
        has, recovered = member.reader.seq, member.reader.seq is not None
        self.ledger.joined(member.reader, len(self.log), recovered, self.now)
        member.here = True
        for seq in range((has or 0) + 1, len(self.log) + 1) if recovered else ():
            self.tell(member, seq)

    def leave(self, member: Member) -> None:
        member.here = False
        member.queue.clear()
        self.ledger.left(member.reader)

    def submit(self, member: Member) -> None:
        op_id = f"op{len(self.log)}"
        self.ledger.submitted(op_id, "r", member.reader, self.now)
        self.log.append(op_id)
        for other in self.members:
            if other.here:
                other.queue.append(len(self.log))
        self.deliver(member)

    def deliver(self, member: Member) -> None:
        seqs, member.queue = self.spoil(member, member.queue), []
        for seq in seqs:
            self.tell(member, seq)

    def tell(self, member: Member, seq: int) -> None:
        op_id = self.log[seq - 1]
        self.ledger.arrived(member.reader, seq, op_id, self.now)
        if self.ledger.operations[op_id].by is member.reader:
            self.ledger.answered(op_id, seq, self.now)

    def spoil(self, member: Member, seqs: list[int]) -> list[int]:
        return seqs

    def end(self) -> Ledger:
        """Everybody comes back and hears everything."""
        for member in self.members:
            if not member.here:
                self.come(member)
            self.deliver(member)
        self.ledger.finish()
        return self.ledger


class Spoiler(Theatre):
    """Never spoils what the sender itself is told, or the last thing somebody is told, so that each fault
    planted shows as exactly one of its kind."""

    def __init__(self, seed: int, kind: str) -> None:
        super().__init__(seed)
        self.kind = kind

    def spoil(self, member: Member, seqs: list[int]) -> list[int]:
        told: list[int] = []
        for n, seq in enumerate(seqs):
            mine = self.ledger.operations[self.log[seq - 1]].by is member.reader
            if mine or n + 1 == len(seqs) or self.dice.random() > 0.3:
                told.append(seq)
                continue
            self.planted[self.kind] += 1
            if self.kind == "doubled":
                told += [seq, seq]
        return told


@given(st.integers(0, 2**32), st.integers(1, 150))
def test_a_perfect_room_has_no_fault_however_people_come_and_go(seed: int, steps: int) -> None:
    theatre = Theatre(seed)
    for _ in range(steps):
        theatre.step()
    ledger = theatre.end()
    assert not ledger.faults and not ledger.examples


@given(st.integers(0, 2**32), st.integers(20, 150))
def test_every_lost_message_is_counted_once(seed: int, steps: int) -> None:
    theatre = Spoiler(seed, "lost")
    for _ in range(steps):
        theatre.step()
    ledger = theatre.end()
    assert (ledger.lost, ledger.duplicates, ledger.disordered) == (theatre.planted["lost"], 0, 0)


@given(st.integers(0, 2**32), st.integers(20, 150))
def test_every_doubled_message_is_counted_once(seed: int, steps: int) -> None:
    theatre = Spoiler(seed, "doubled")
    for _ in range(steps):
        theatre.step()
    ledger = theatre.end()
    assert (ledger.lost, ledger.duplicates, ledger.disordered) == (0, theatre.planted["doubled"], 0)


def two() -> tuple[Ledger, Reader, Reader]:
    """A writer and a reader who joined an empty room at 0 s."""
    ledger = Ledger()
    writer, reader = ledger.reader("writer", "r"), ledger.reader("reader", "r")
    for each in (writer, reader):
        ledger.joined(each, 0, False, 0)
    return ledger, writer, reader


def faults(ledger: Ledger) -> dict[str, int]:
    ledger.finish()
    return dict(ledger.faults)


def test_the_lost_end_of_a_stream_shows_when_the_run_is_over() -> None:
    ledger, writer, _ = two()
    ledger.submitted("a", "r", writer, 1)
    ledger.arrived(writer, 1, "a", 2)
    ledger.answered("a", 1, 2)
    assert not ledger.faults
    assert faults(ledger) == {"missing at the end": 1}


def test_an_operation_that_nobody_answers_is_lost() -> None:
    ledger, writer, _ = two()
    ledger.submitted("a", "r", writer, 1)
    assert faults(ledger) == {"unanswered": 1}


def test_a_refused_operation_is_not() -> None:
    ledger, writer, _ = two()
    ledger.submitted("a", "r", writer, 1)
    ledger.refused("a")
    assert faults(ledger) == {}


def test_a_gap_that_is_filled_late_is_disorder_and_no_loss() -> None:
    ledger, _, reader = two()
    for seq in (1, 3, 2):
        ledger.arrived(reader, seq, f"op{seq}", 1)
    ledger.closed(reader)
    assert (ledger.lost, ledger.disordered) == (0, 1)


def test_a_gap_stays_when_its_reader_closes_the_tab_for_good() -> None:
    ledger, _, reader = two()
    ledger.arrived(reader, 2, "b", 1)
    ledger.closed(reader)
    assert dict(ledger.faults) == {"gap": 1}


def test_a_reader_that_is_behind_a_head_has_lost_something() -> None:
    ledger, _, reader = two()
    assert ledger.told_head(reader, 0) and not ledger.told_head(reader, 1)
    assert ledger.faults == {"behind the head": 1}


def test_one_operation_under_two_numbers_was_applied_twice() -> None:
    ledger, writer, reader = two()
    ledger.submitted("a", "r", writer, 1)
    ledger.arrived(reader, 1, "a", 2)
    ledger.arrived(reader, 2, "a", 3)
    assert ledger.faults == {"operation twice": 1}


def test_two_operations_under_one_number_are_a_fork() -> None:
    ledger, writer, reader = two()
    ledger.arrived(writer, 1, "a", 1)
    ledger.arrived(reader, 1, "b", 1)
    assert ledger.disordered == 1


def test_a_snapshot_stands_for_what_it_holds_and_never_goes_back() -> None:
    ledger, writer, reader = two()
    ledger.arrived(writer, 1, "a", 1)
    ledger.left(reader)
    ledger.joined(reader, 1, False, 2)
    assert ledger.is_current(reader) and not ledger.faults
    ledger.joined(reader, 0, False, 3)
    assert ledger.disordered == 1


def test_latency_counts_from_submit_to_seen_for_those_who_were_looking() -> None:
    ledger, writer, reader = two()
    ledger.submitted("a", "r", writer, 5)
    assert ledger.arrived(writer, 1, "a", 6) is None, "one's own"
    assert ledger.answered("a", 1, 6) == 1
    assert ledger.answered("a", 1, 7) is None, "answered before"
    assert ledger.arrived(reader, 1, "a", 7.5) == 2.5


@pytest.mark.parametrize(("on_purpose", "seen"), [(True, None), (False, 4.0)])
def test_who_was_away_on_purpose_catches_up_and_who_was_thrown_out_waited(
    on_purpose: bool, seen: float | None
) -> None:
    ledger, writer, reader = two()
    if on_purpose:
        ledger.left(reader)
    ledger.submitted("a", "r", writer, 5)
    ledger.joined(reader, 1, True, 8)
    assert ledger.arrived(reader, 1, "a", 9) == seen
    assert ledger.caught_up == (seen is None)


def test_what_a_spectator_may_not_see_still_counts_as_arrived() -> None:
    ledger, writer, reader = two()
    ledger.submitted("a", "r", writer, 1)
    ledger.arrived(writer, 1, "a", 2)
    ledger.answered("a", 1, 2)
    assert ledger.arrived(reader, 1, "", 2) is None
    assert faults(ledger) == {}
