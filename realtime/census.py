"""Who is connected to this process now, counted when somebody asks: for metrics.

Walks over the sessions once, a few milliseconds for ten thousand of them. Called by `handlers.metrics`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from domain.entities import AccessRole
from realtime.session import Session


@dataclass
class Census:
    """`roles`: sessions in rooms by what their person may do; `members`: people of rooms, each
    counted once a room however many tabs they have; `outbox`, `fullest`: unsent bytes, of all
    connections and of the one with most."""

    roles: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(get_args(AccessRole), 0)))
    members: int = 0
    outbox: int = 0
    fullest: int = 0


def census(sessions: Iterable[Session]) -> Census:
    """Count them."""
    found = Census()
    people: set[tuple[str, str]] = set()
    for session in sessions:
        waiting = session.connection.buffered
        found.outbox += waiting
        found.fullest = max(found.fullest, waiting)
        if session.room is None or not session.joined:
            continue
        found.roles[session.role] += 1
        if session.is_member and session.actor.user_id is not None:
            people.add((session.room.id, session.actor.user_id))
    found.members = len(people)
    return found
