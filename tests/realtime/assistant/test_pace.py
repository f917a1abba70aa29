"""How often streams are looked at: less while the process is busy, and as often as before afterwards."""

import random

import pytest

from realtime.assistant.pace import AIM, LATE, LONGEST, SHORTEST, Pace


@pytest.mark.parametrize(("late", "busy"), [(LATE + 0.01, 0.1), (0.0, AIM + 0.1), (1.0, 1.0)])
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
    for _ in range(5):
        pace.measured(0.0, AIM / 3)
    assert pace.pause == SHORTEST


@pytest.mark.parametrize("streams", [50, 500, 800])
def test_it_settles_where_the_process_has_room_for_others(streams: int) -> None:
    """What streams cost: so many looks a second, at 120 microseconds, and as much again for their bytes."""
    pace = Pace()
    used = []
    for _ in range(60):
        looks = streams / max(pace.pause, 0.05)
        busy = min(1.0, looks * 120e-6 + streams * 20 * 25e-6)
        pace.measured(0.0, busy)
        used.append(busy)
    assert max(used[-10:]) < AIM + 0.05
    assert max(used[-10:]) - min(used[-10:]) < 0.01  # it does not swing
    assert (pace.pause == SHORTEST) == (streams == 50)


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
