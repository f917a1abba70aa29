"""The clock of the application: UTC, ISO 8601, milliseconds.

Owns how the present moment is written, fast, for each operation gets one; `domain.accounts.timestamp` writes
any other moment in the same way. Read by the composition root, which hands it to whoever needs the time.
"""

from __future__ import annotations

import time

_kept = (-1, "")
"""A second and its text. One object, so that a thread never takes the one without the other."""


def utc_now() -> str:
    """Now, as in `2026-05-01T08:00:00.000Z`. In any thread."""
    global _kept
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    kept = _kept
    if kept[0] != second:
        kept = _kept = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    return f"{kept[1]}.{rest // 1_000_000:03d}Z"
