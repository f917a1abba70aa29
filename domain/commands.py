"""Commands on a room: what a caller asks `run(service, command)` to do.

A `RoomCommand` names its trip, so that the runner can queue it in that trip's lane. Commands of
accounts and invitations live beside their services' ports in `domain.accounts`. A command whose
service only reads says so with `reads_only`: it then runs without any write lock.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from domain.entities import AccessRole
from domain.operations import AnyOperation


class Actor(msgspec.Struct, frozen=True):
    """Who asks. `user_id` None is somebody not signed in (public trips only)."""

    user_id: str | None
    name: str = ""
    is_guest: bool = False
    auth_id: str | None = None
    """Identifier of the signed-in session, for revocation; never the secret itself."""


class RoomCommand(msgspec.Struct, frozen=True):
    """Base of commands that touch one trip; the runner commits a trip's commands in groups."""

    trip_id: str


class ApplyOperation(RoomCommand, frozen=True):
    """Apply `op`, made by `actor` on the state as of seq `base` (what the author had seen).

    `at` is the UTC time of arrival (ISO 8601, ms). `op_id` makes it idempotent.
    """

    op_id: str
    actor: Actor
    op: AnyOperation
    base: int
    at: str


class Applied(msgspec.Struct, frozen=True):
    """The durable outcome. `repeated`: this op_id had been applied before, as event `seq`."""

    op_id: str
    seq: int
    repeated: bool = False


class OpenRoom(RoomCommand, frozen=True):
    """Read what a joining client needs: events after `since` in `epoch`, or a snapshot."""

    reads_only: ClassVar[bool] = True
    actor: Actor
    since: int | None = None
    epoch: str | None = None


class RoomState(msgspec.Struct, frozen=True):
    """Consistent state of a room at `seq`, as seen by one actor.

    Exactly one of `events` (encoded, in order, complete after `since`; `recovered` true) and
    `snapshot` (encoded `Snapshot`) is set.
    """

    trip_id: str
    epoch: str
    seq: int
    role: AccessRole
    recovered: bool
    color: int
    events: list[bytes] | None = None
    snapshot: bytes | None = None


class ReadEvents(RoomCommand, frozen=True):
    """Events with seq > `after`, oldest first, at most `limit`: how a process closes a gap."""

    reads_only: ClassVar[bool] = True
    after: int
    limit: int = 500


class RoomHead(msgspec.Struct, frozen=True):
    """Where a trip's log stands. `deleted` trips keep their head."""

    trip_id: str
    epoch: str
    seq: int
    deleted: bool = False


class ReadHistory(RoomCommand, frozen=True):
    """One page of the timeline, newest first: events with seq < `before` (None = newest).

    `record` ("stop:<id>" and so on) narrows it to one record.
    """

    reads_only: ClassVar[bool] = True
    actor: Actor
    before: int | None = None
    limit: int = 50
    record: str | None = None


class HistoryPage(msgspec.Struct, frozen=True):
    """`events` encoded, newest first; `next_before` is None on the last page."""

    events: list[bytes]
    next_before: int | None


class ReadHeads(msgspec.Struct, frozen=True):
    """Heads of several trips at once: the check that no process was left behind."""

    reads_only: ClassVar[bool] = True
    trip_ids: list[str]
