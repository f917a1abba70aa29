"""State in memory that is written at once, with what a transaction needs: for tests and benchmarks.

Owns the copy that a unit of work writes to: readers see what is committed, or what they wrote
themselves. Whoever writes first holds the state until the end, as rows would be held. Used by the
`storage.*_memory` modules.
"""

from __future__ import annotations

import threading
from typing import Generic, Protocol, Self, TypeVar

from storage.faults import Contention

LOCK_WAIT_SECONDS = 3


class Copied(Protocol):
    """State whose values are frozen, so that a copy of its dicts is a copy."""

    def copy(self) -> Self: ...


S = TypeVar("S", bound=Copied)


class Cell(Generic[S]):
    """What is committed. `lock` is held by the unit of work that writes."""

    def __init__(self, state: S) -> None:
        self.state = state
        self.lock = threading.Lock()


class Draft(Generic[S]):
    """One unit of work's view of a cell."""

    def __init__(self, cell: Cell[S], writing: bool) -> None:
        self._cell = cell
        self._writing = writing
        self._own: S | None = None
        self._marked: S | None = None
        self._fenced = False

    @property
    def seen(self) -> S:
        """For reading only."""
        return self._cell.state if self._own is None else self._own

    def write(self) -> S:
        """The copy to change. Raises `Contention` while another unit of work writes."""
        if not self._writing:
            raise RuntimeError("a command that only reads must not write")
        if self._own is None:
            if not self._cell.lock.acquire(timeout=LOCK_WAIT_SECONDS):
                raise Contention("somebody else writes here")
            self._own = self._cell.state.copy()
        if self._fenced and self._marked is None:
            self._marked = self._own.copy()
        return self._own

    def mark(self) -> None:
        """`drop` comes back to here."""
        self._fenced, self._marked = True, None

    def drop(self) -> None:
        if self._marked is not None:
            self._own, self._marked = self._marked, None

    def commit(self) -> None:
        if self._own is not None:
            self._cell.state = self._own

    def close(self) -> None:
        if self._own is not None:
            self._own = None
            self._cell.lock.release()
