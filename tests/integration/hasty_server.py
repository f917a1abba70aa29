"""A server process as `server.py` is, but one that looks after jobs ten times as often.

A test that lets time pass then waits for the next look, not for five seconds. Started by
`tests.integration.test_jobs`, also for the tests of mails.
"""

from __future__ import annotations

from functools import partial

import server
from realtime.jobs.rounds import LOOK_SECONDS, Rounds
from wiring import process

if __name__ == "__main__":
    process.Rounds = partial(Rounds, seconds=LOOK_SECONDS / 10)  # type: ignore[misc, assignment]
    server.cli()
