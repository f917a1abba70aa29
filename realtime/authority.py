"""Who may be here: what committed events say about members, visibility and deletion.

Owns the reading of that from events; acts on nothing itself. `realtime.room` asks for it and its
sessions obey it. Called by `realtime.publisher`, too, which marks the batches worth looking into.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from domain.entities import AccessRole
from domain.events import Event


@dataclass
class Authority:
    """The outcome of one or more events, the latest word on each point.

    `members`: role by user id, or None for somebody who was removed. `names` and `colors` are how
    members look now. `deleted` and `private` are None where nothing was said.
    """

    members: dict[str, AccessRole | None] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    colors: dict[str, int] = field(default_factory=dict)
    deleted: bool | None = None
    private: bool | None = None


class _Change(msgspec.Struct):
    t: str
    id: str
    set: dict[str, Any]


class _Event(msgspec.Struct):
    seq: int
    changes: list[_Change]


_decoder = msgspec.json.Decoder(_Event)


class _Numbered(msgspec.Struct):
    seq: int


_number = msgspec.json.Decoder(_Numbered)


def seq_of(body: bytes) -> int:
    """The seq of an encoded event, without decoding the rest."""
    return _number.decode(body).seq


def touches_authority(event: Event) -> bool:
    """The event says something about who may be here, or what they are called."""
    for change in event.changes:
        t = change.t
        if t == "member" or (t == "trip" and ("deleted" in change.set or "visibility" in change.set)):
            return True
    return False


def read_authority(bodies: list[bytes]) -> Authority:
    """What encoded events, in order, say."""
    said = Authority()
    for body in bodies:
        for change in _decoder.decode(body).changes:
            if change.t == "member":
                _read_member(said, change)
            elif change.t == "trip":
                if "deleted" in change.set:
                    said.deleted = bool(change.set["deleted"])
                if "visibility" in change.set:
                    said.private = change.set["visibility"] == "private"
    return said


def _read_member(said: Authority, change: _Change) -> None:
    if change.set.get("deleted"):
        said.members[change.id] = None
        return
    if "role" in change.set:
        said.members[change.id] = change.set["role"]
    if "name" in change.set:
        said.names[change.id] = change.set["name"]
    if "color" in change.set:
        said.colors[change.id] = change.set["color"]
