"""An operation with its circumstances: who, when, knowing what. Built by `domain.services.rooms`."""

from __future__ import annotations

import msgspec

from domain.operations import AnyOperation


class Intent(msgspec.Struct, frozen=True):
    """`seq` is the number that the event will have; `base` the last event its author had seen.

    `at` is UTC, ISO 8601 with milliseconds.
    """

    op: AnyOperation
    op_id: str
    actor: str
    base: int
    seq: int
    at: str
