"""A histogram's arithmetic: every value in one bucket, bounds included, nothing lost."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from domain.distribution import Distribution


def test_a_bound_is_inside_its_bucket() -> None:
    some = Distribution((1, 2, 4))
    for value in (0, 1, 1.5, 2, 4, 4.01, 100):
        some.observe(value)
    assert list(some.cumulative()) == [(1, 2), (2, 4), (4, 5), (inf, 7)]
    assert len(some) == 7 and some.total == 112.51


@given(st.lists(st.floats(0, 100)), st.sets(st.floats(0, 50), min_size=1))
def test_it_counts_like_counting(values: list[float], bounds: set[float]) -> None:
    some = Distribution(sorted(bounds))
    for value in values:
        some.observe(value)
    expected = [(bound, sum(value <= bound for value in values)) for bound in (*sorted(bounds), inf)]
    assert list(some.cumulative()) == expected
