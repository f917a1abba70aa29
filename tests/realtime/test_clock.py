"""The clock writes moments as `timestamp` does."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from domain.accounts import timestamp
from realtime.clock import utc_now


def test_the_present_is_written_like_any_other_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [
        0,
        999_999,
        1_000_000,
        1_777_622_400_000_000_000,
        1_777_622_400_999_999_999,
        1_777_622_401_000_000_000,
    ]
    for moment in [*moments, moments[3]]:
        monkeypatch.setattr(time, "time_ns", lambda moment=moment: moment)
        assert utc_now() == timestamp(datetime.fromtimestamp(moment // 1_000_000 / 1000, UTC))
