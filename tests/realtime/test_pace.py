"""How often streams are looked at: less while the process is busy, and as often as before afterwards."""

import random

import pytest

from realtime.assistant.pace import BUSY, IDLE, LATE, LONGEST, SHORTEST, Pace


@pytest.mark.parametrize(("late", "busy"), [(LATE + 0.01, 0.1), (0.0, BUSY + 0.01), (1.0, 1.0)])
def test_the_pause_grows_while_the_loop_is_late_or_the_process_busy(late: float, busy: float) -> None:
    pace = Pace()
    for _ in range(3):
        before = pace.pause
        pace.measured(late, busy)
        assert pace.pause > before
    for _ in range(30):
        pace.measured(late, busy)
    assert pace.pause == LONGEST


def test_the_pause_shrinks_when_there_is_nothing_to_do() -> None:
    pace = Pace()
    for _ in range(40):
        pace.measured(1.0, 1.0)
    for _ in range(40):
        pace.measured(0.0, IDLE - 0.01)
    assert pace.pause == SHORTEST


def test_between_busy_and_idle_it_stays() -> None:
    pace = Pace()
    pace.measured(1.0, 1.0)
    before = pace.pause
    pace.measured(0.0, (BUSY + IDLE) / 2)
    assert pace.pause == before


def test_streams_that_began_together_are_not_looked_at_together() -> None:
    pace = Pace(rng=random.Random(5).random)
    pauses = [pace.seconds() for _ in range(100)]
    assert len(set(pauses)) == 100
    assert max(pauses) < 1.2 * SHORTEST
    assert min(pauses) > 0.8 * SHORTEST
    assert abs(sum(pauses) / 100 - SHORTEST) < 0.1 * SHORTEST


async def test_it_measures_the_process_it_is_in() -> None:
    spent = iter([0.0, 100.0])
    pace = Pace(cpu=lambda: next(spent))
    with pytest.raises(RuntimeError):  # the third time nothing is measured any more
        await pace.keep()
    assert pace.pause > SHORTEST
