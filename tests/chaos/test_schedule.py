"""The schedule of a stress run: nothing but its seed decides it, and all kinds of faults come up."""

from __future__ import annotations

import random

from tests.chaos.schedule import ALL_KINDS, CLIENTS, SERVERS, Fault, make_schedule


def test_a_seed_always_gives_the_same_schedule() -> None:
    assert make_schedule(7, 20) == make_schedule(7, 20)
    assert make_schedule(7, 20) != make_schedule(8, 20)
    random.seed(1)
    again = make_schedule(7, 20)
    random.seed(2)
    assert again == make_schedule(7, 20)


def test_every_kind_of_fault_happens_and_two_never_meet_on_one_thing() -> None:
    seen: set[str] = set()
    for seed in range(60):
        schedule = make_schedule(seed, 20)
        seen |= schedule.kinds()
        assert {step.client for step in schedule.steps} == set(range(CLIENTS))
        ends: dict[tuple[str, int], float] = {}
        for fault in schedule.faults:
            thing = _thing(fault)
            assert fault.at >= ends.get(thing, 0.0), schedule
            ends[thing] = fault.at + fault.seconds
            assert fault.target < max(SERVERS, CLIENTS)
    assert seen == {kind for kinds in ALL_KINDS for kind in kinds}


def _thing(fault: Fault) -> tuple[str, int]:
    first = fault.kind.split()[0]
    kind = "process" if fault.kind in ("kill", "freeze", "drain") else first
    return ("db link" if fault.kind in ("db half-open", "db reset", "db late") else kind), fault.target
