"""How often the streams of this process are looked at: the pause that keeps the loop free.

Owns one number. A model writes 20 to 100 chunks a second, each of which would wake this process; words
are shown every 40 ms anyway, so a stream is left alone for so long after each look, and what came
meanwhile is read as one. With hundreds of streams even that is too much for one core: the pause grows
while the loop is late or the process busy, and shrinks when it is not, so that many streams cost some
smoothness and never the answers to other requests. Never drops a word. Measures in `keep`, supervised by
`realtime.assistant.runner`; asked by `realtime.assistant.openai_client`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

SHORTEST = 0.04
LONGEST = 0.5
LOOK = 0.25
"""Seconds between two measurements."""
LATE = 0.03
"""Seconds by which the loop is late when the pause grows."""
AIM = 0.62
"""How much of one core the process may use; Python's lock makes one core all there is. What streams cost
falls as the pause grows, so the pause is changed in proportion."""
GROWTH, STEPS = 1.25, (0.5, 1.5)
"""How much it grows at least when the loop is late; how much it changes at most."""


class Pace:
    """`seconds` is the pause now, a little different each time, so that streams that began together
    are not looked at together. `cpu` is the CPU time of the process."""

    def __init__(
        self, cpu: Callable[[], float] = time.process_time, rng: Callable[[], float] = random.random
    ) -> None:
        self.pause = SHORTEST
        self._cpu = cpu
        self._rng = rng

    def seconds(self) -> float:
        """Until a stream is to be looked at again."""
        return self.pause * (0.85 + 0.3 * self._rng())

    async def keep(self) -> None:
        """Measure for ever."""
        now = asyncio.get_running_loop().time
        while True:
            began, spent = now(), self._cpu()
            await asyncio.sleep(LOOK)
            took = now() - began
            self.measured(took - LOOK, (self._cpu() - spent) / took)

    def measured(self, late: float, busy: float) -> None:
        """The loop came back so many seconds late, and so much of a core was used."""
        least, most = STEPS
        change = max(least, min(busy / AIM, most))
        if late > LATE:
            change = max(change, GROWTH)
        self.pause = max(SHORTEST, min(self.pause * change, LONGEST))
