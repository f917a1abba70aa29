"""What was acknowledged is compared with the database: what vanished or stands there twice is named."""

from __future__ import annotations

from loadtests.truth import Log, compare

LOG: Log = {"r": {1: "a", 2: "b", 3: "c"}}


def test_what_is_there_is_neither_lost_nor_doubled() -> None:
    assert compare({"a": ("r", 1), "c": ("r", 3)}, LOG) == ([], [])


def test_an_acknowledged_operation_that_the_log_does_not_have_is_lost() -> None:
    lost, twice = compare({"a": ("r", 2), "d": ("r", 4), "e": ("elsewhere", 1)}, LOG)
    assert [text.split(":")[0] for text in lost] == ["a", "d", "e"] and not twice


def test_a_number_that_is_missing_in_the_log_is_lost() -> None:
    lost, _ = compare({}, {"r": {1: "a", 3: "c"}})
    assert lost == ["seq 2 is not in the log of r"]


def test_an_operation_that_is_in_the_log_twice_is_a_duplicate() -> None:
    _, twice = compare({}, {"r": {1: "a", 2: "a"}})
    assert twice == ["a: 2 times in the log of r"]
