"""Talk put into a store by events alone, without the services that decide what may be said."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.answers import Run
from domain.events import Event, TalkChange
from domain.talk import Message, Proposal, TalkRecord
from storage.unit import Unit, UnitFactory
from tests.storage.support import AT, new_op

TEXT = "同游：大理古城 → 丽江 🏔️👨‍👩‍👧 \U00020bb7 'quote\" \\ % %s ?\n\u0000é"
"""Chinese, emoji, characters of four bytes, and everything that a statement could trip over."""


def made(record: TalkRecord) -> TalkChange:
    """The change that makes a record."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    return TalkChange(
        "message" if isinstance(record, Message) else "proposal", fields.pop("id"), fields, True
    )


def changed(record_id: str, t: Any = "message", **fields: Any) -> TalkChange:
    return TalkChange(t, record_id, fields)


def record(unit: Unit, trip_id: str, *changes: TalkChange, by: str = "ann", op_id: str | None = None) -> int:
    """One event of talk inside a unit of work; its seq. New records get it as theirs."""
    trip = unit.trips.lock(trip_id)
    seq = trip.seq + 1
    for change in changes:
        if change.new:
            change.set["seq"] = seq
    event = Event(seq, op_id or new_op(), by, AT, "message.post", [], talk=list(changes))
    trip.absorb(event)
    unit.trips.record(trip, event)
    return seq


def say(units: UnitFactory, trip_id: str, *changes: TalkChange, by: str = "ann") -> int:
    """One event of talk in a transaction of its own."""
    with units(True) as unit:
        seq = record(unit, trip_id, *changes, by=by)
        unit.commit()
    return seq


def fill(units: UnitFactory, trip_id: str, count: int, **fields: Any) -> None:
    """`count` messages ``<prefix>0``... in one transaction."""
    prefix = fields.pop("prefix", "m")
    with units(True) as unit:
        for n in range(count):
            message = Message(f"{prefix}{n}", author="ann", at=AT, text=f"{n} 句", **fields)
            record(unit, trip_id, made(message))
        unit.commit()


def a_run(run_id: str, **more: Any) -> Run:
    given: dict[str, Any] = {"trip_id": None} | more
    return Run(
        run_id,
        given.pop("user_id", "ann"),
        "node-1",
        AT,
        given.pop("lease_until", "2026-05-01T08:00:15.000Z"),
        **given,
    )


def a_message(record_id: str, author: str = "ann", text: str = "x", **more: object) -> Message:
    return Message(record_id, author=author, at=AT, text=text, **more)  # type: ignore[arg-type]


def a_proposal(proposal_id: str, **more: Any) -> Proposal:
    return Proposal(proposal_id, author="ann", at=AT, **more)
