"""What the domain needs from the outside: protocols that `storage` implements.

Three units of work stand behind them (memory, SQLite, MySQL/MariaDB) and pass one contract
suite. Services see only these names; transactions, threads and SQL stay behind them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from domain.commands import RoomHead
from domain.events import Event
from domain.trip import TripAggregate

if TYPE_CHECKING:
    from domain.accounts import AccountRepositories
    from domain.answers import Answers
    from domain.jobs import Jobs
    from domain.mail import Mails
    from domain.photos import Photos
    from domain.search import SearchIndex
    from domain.talk import Talk

C = TypeVar("C")
R = TypeVar("R")


@dataclass(slots=True)
class Outcome(Generic[R]):
    """What has become of a command: its `result`, or the `error` that it raised."""

    result: R | None = None
    error: BaseException | None = None

    def get(self) -> R:
        """The result. Raises the error."""
        if self.error is None:
            return cast(R, self.result)
        try:
            raise self.error
        finally:
            del self  # it is in the error's traceback, and the error in it: a cycle


class Trips(Protocol):
    """Trips and their log, inside one unit of work."""

    def lock(self, trip_id: str) -> TripAggregate:
        """Lock the trip's row until the end of the unit of work and return the current state.

        The aggregate may come from the process's cache when its seq matches the row's; it is
        brought up to date from the log otherwise. Raises `NotFound`.
        """

    def read(self, trip_id: str) -> TripAggregate:
        """The current state without a write lock, for reading only. Raises `NotFound`."""

    def create(self, trip: TripAggregate) -> None:
        """Store a trip that does not exist yet, at seq 0, before its first `record`."""

    def record(self, trip: TripAggregate, event: Event) -> None:
        """Write `event` (already absorbed by `trip`) to the log, and the rows that it changed, those
        of talk (`event.talk`) included."""

    def seq_of(self, trip_id: str, op_id: str) -> int | None:
        """The seq under which `op_id` was applied, including in this unit of work."""

    def event(self, trip_id: str, seq: int) -> Event | None:
        """One event of the log, including those of this unit of work."""

    def events_after(self, trip_id: str, after: int, limit: int) -> list[bytes]:
        """Encoded events with seq > after, ascending."""

    def history(self, trip_id: str, before: int | None, limit: int, record: str | None) -> list[bytes]:
        """Encoded events with seq < before, descending; see `ReadHistory`."""

    def heads(self, trip_ids: Sequence[str]) -> list[RoomHead]:
        """Heads of the trips that exist among `trip_ids`, in one query."""


class UnitOfWork(Protocol):
    """One transaction. Leaving `with` without `commit` rolls back. One that only reads sees one moment of the
    trip in all it asks; one that writes sees behind its lock what is newest."""

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


class Run(Protocol):
    """`await run(service, command)`: the only way in which anything is read or changed.

    Runs the service in an executor thread inside a unit of work, commits, publishes the recorded
    events, and returns its result. Raises the service's `DomainError`, or `Unavailable`.
    Cancelling the caller never separates a commit from its publication.
    """

    def __call__(self, service: Callable[[C, UnitOfWork], R], command: C) -> Awaitable[R]: ...

    def submit(
        self, service: Callable[[C, UnitOfWork], R], command: C, answer: Callable[[Outcome[R]], None]
    ) -> None:
        """The same without a coroutine, for whoever has thousands under way: `answer` is called once,
        on the loop, in a copy of the context of this call; perhaps before this returns."""
