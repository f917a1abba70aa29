"""The contract of a unit of work as the runner sees it; services see `domain.ports.UnitOfWork`.

Implemented by `storage.unit_of_work` (SQL) and `storage.unit_of_work_memory`; one suite,
`tests/contracts/test_unit_of_work.py`, runs on all of them.
"""

from __future__ import annotations

from collections.abc import Collection
from types import TracebackType
from typing import Protocol, Self

from domain.accounts import AccountRepositories
from domain.answers import Answers
from domain.jobs import Jobs
from domain.mail import Mails
from domain.photos import Photos
from domain.ports import Trips
from domain.search import SearchIndex
from domain.talk import Talk
from storage.trips_buffer import Recorded


class Unit(Protocol):
    """A `domain.ports.UnitOfWork` as the runner sees it."""

    @property
    def trips(self) -> Trips: ...

    @property
    def accounts(self) -> AccountRepositories: ...

    @property
    def talk(self) -> Talk: ...

    @property
    def answers(self) -> Answers: ...

    @property
    def search(self) -> SearchIndex: ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def mails(self) -> Mails: ...

    @property
    def photos(self) -> Photos: ...

    @property
    def recorded(self) -> list[Recorded]:
        """What was recorded so far; kept after a commit, also after one that failed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def expect(self, trip_id: str, op_ids: Collection[str]) -> None:
        """Operation ids that are going to be asked for, to be looked up together."""

    def mark(self) -> None:
        """A command begins: `drop` comes back to here."""

    def drop(self, broken: bool) -> None:
        """Undo what the command wrote. `broken`: it failed half-way through a change."""

    def commit(self) -> None: ...


class UnitFactory(Protocol):
    """Makes units of work; `writing` False promises that nothing is going to be written."""

    def __call__(self, writing: bool) -> Unit: ...
