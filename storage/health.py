"""Whether the database answers, and with which schema: what a readiness check asks.

Owns one look at a time, through the executor of all transactions: when its threads hang, so does the
look, and that is the answer. Whoever asks meanwhile, or within a second, gets the same look, so
probes cannot load the database. Never raises. Called by the composition root's checks.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from dataclasses import dataclass

from sqlalchemy import Engine, text

from storage.revisions import MIGRATE, current, head, revisions

FRESH_SECONDS = 1.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Look:
    """`fault`: why there was no answer. `revision` None: no tables."""

    fault: str | None
    revision: str | None = None


class DatabaseHealth:
    """See the module. Made on the loop; reads this version's migrations once."""

    def __init__(self, engine: Engine, executor: Executor) -> None:
        self._engine = engine
        self._executor = executor
        self._head = head()
        self._known = revisions()
        self._look: asyncio.Future[Look] | None = None
        self._asked = 0.0
        self._failing = False

    async def check(self) -> str | None:
        """None, or one line: the database does not answer, or lacks what this version needs."""
        look = await self._latest()
        if look.fault is not None:
            return "the database does not answer"
        if look.revision != self._head and (look.revision is None or look.revision in self._known):
            return f"the schema is older than this version's; run: {MIGRATE}"
        return None

    async def check_schema(self) -> str | None:
        """None, or one line: a newer version has migrated the database. Not a reason to stop: while a
        new version is rolled out, the old processes are the ones that serve."""
        look = await self._latest()
        if look.fault is None and look.revision is not None and look.revision not in self._known:
            return "a newer version has migrated the database: restart this process with it"
        return None

    async def _latest(self) -> Look:
        loop = asyncio.get_running_loop()
        look = self._look
        if look is None or (look.done() and loop.time() - self._asked >= FRESH_SECONDS):
            self._asked = loop.time()
            look = self._look = asyncio.ensure_future(loop.run_in_executor(self._executor, self._read))
        # Shielded: a check that gives up must not take the look away from the others.
        return await asyncio.shield(look)

    def _read(self) -> Look:
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SELECT 1"))
                found = current(connection)
                connection.rollback()
        except Exception as error:
            if not self._failing:
                log.warning("the database does not answer: %s", error)
            self._failing = True
            return Look(type(error).__name__)
        self._failing = False
        return Look(None, found)
