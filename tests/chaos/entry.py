"""The server process of the stress suite: `server.py` as it is, and two windows for tests.

Presence is refreshed, and forgotten, ten times sooner than usual, so that a run sees it happen.

On SIGUSR1 it writes its running tasks, by name, to the file that CHAOS_TASKS names: what `/metrics` cannot
tell. CHAOS_BREAK names a defect to build in (see `tests.chaos.defects`), to see that the suite finds it.
Started by `tests.chaos.cluster`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import server
from realtime import hub
from realtime.presence import PresenceTimes
from realtime.presence_redis import RedisPresenceStore
from tests.chaos import defects
from tests.chaos.cluster import PRESENCE_TTL
from wiring import bus_redis


def write_tasks(*_: Any) -> None:
    """Called between two steps of the loop. The file appears whole, or not."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        tasks = set()  # the loop does not run yet, or not any more
    names = Counter(_name(task) for task in tasks)
    target = Path(os.environ["CHAOS_TASKS"])
    part = target.with_suffix(".part")
    part.write_text(json.dumps(names), "utf-8")
    part.replace(target)


def _name(task: asyncio.Task[Any]) -> str:
    """A name without what is different each time."""
    name = task.get_name()
    if re.fullmatch(r"Task-\d+", name):
        return str(getattr(task.get_coro(), "__qualname__", name))
    return " ".join("ID" if re.search(r"\d", word) else word for word in name.split())


def hurry() -> None:
    """What is promised within 10 and 60 seconds (R4.2) happens within 1 and `PRESENCE_TTL`."""
    times = PresenceTimes(refresh=2.0, ttl=PRESENCE_TTL, leave=1.0)
    vars(hub)["Times"] = partial(hub.Times, presence=times)
    vars(bus_redis)["RedisPresenceStore"] = partial(RedisPresenceStore, ttl=PRESENCE_TTL)


if __name__ == "__main__":
    hurry()
    signal.signal(signal.SIGUSR1, write_tasks)
    defects.build_in(os.environ.get("CHAOS_BREAK", ""))
    sys.exit(server.main())
