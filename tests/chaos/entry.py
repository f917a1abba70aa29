"""The server process of the stress suite: `server.py` as it is, and two windows for tests.

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
from pathlib import Path
from typing import Any

import server
from tests.chaos import defects


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


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, write_tasks)
    defects.build_in(os.environ.get("CHAOS_BREAK", ""))
    sys.exit(server.main())
