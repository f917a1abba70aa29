"""The `Talk` port's records, with their writes held back until the commit: shared by all units of work.

Owns what a unit of work knows about talk records: those stored, and on top of them the changes of
the events that it has recorded and not written (`storage.trips_buffer` has them, so that dropping
a rejected command's events drops what it said). Implementations add the primitives at the end,
lists, and read marks; none of them decides anything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from domain.events import TalkChange, TalkType
from domain.talk import Message, Proposal, TalkRecord, assign
from storage.trips_buffer import TripsBuffer, is_id

_Stored = dict[str, Any]
"""Rows, however stored, by record id; None where there is none."""


class TalkBuffer(ABC):
    """The part of `domain.talk.Talk` inside one unit of work that reads and writes single records."""

    def __init__(self, trips: TripsBuffer) -> None:
        self._trips = trips
        self._known: dict[tuple[str, TalkType], _Stored] = {}

    def message(self, trip_id: str, message_id: str) -> Message | None:
        found = self._current(trip_id, "message", message_id)
        return found if isinstance(found, Message) else None

    def proposal(self, trip_id: str, proposal_id: str) -> Proposal | None:
        found = self._current(trip_id, "proposal", proposal_id)
        return found if isinstance(found, Proposal) else None

    def _current(self, trip_id: str, t: TalkType, record_id: str) -> TalkRecord | None:
        if not (is_id(trip_id) and is_id(record_id)):
            return None
        fresh = [each for each in self._trips.talk_of(trip_id) if (each.t, each.id) == (t, record_id)]
        stored = None if fresh and fresh[0].new else self._stored(trip_id, t, [record_id])[record_id]
        return _brought_up(None if stored is None else self._decode(t, stored), fresh)

    def _stored(self, trip_id: str, t: TalkType, ids: Collection[str]) -> _Stored:
        """Only what the trip's lock protects is kept: nobody else can change it meanwhile."""
        if not self._trips.locked(trip_id):
            return dict.fromkeys(ids) | self._load(trip_id, t, ids)
        known = self._known.setdefault((trip_id, t), {})
        missing = [each for each in ids if each not in known]
        if missing:
            known.update(dict.fromkeys(missing) | self._load(trip_id, t, missing))
        return known

    def written(self) -> Iterator[tuple[str, TalkType, list[TalkRecord]]]:
        """Every talk record that the recorded events touch, once each, as it is to be stored."""
        for trip_id, changes in self._trips.talked():
            grouped: dict[TalkType, dict[str, list[TalkChange]]] = defaultdict(lambda: defaultdict(list))
            for change in changes:
                grouped[change.t][change.id].append(change)
            for t, by_id in grouped.items():
                old = [record_id for record_id, each in by_id.items() if not each[0].new]
                stored = self._stored(trip_id, t, old) if old else {}
                records = [
                    _brought_up(self._decode(t, stored[record_id]) if stored.get(record_id) else None, each)
                    for record_id, each in by_id.items()
                ]
                yield trip_id, t, [record for record in records if record is not None]

    # --- what an implementation adds --------------------------------------------------------

    @abstractmethod
    def _load(self, trip_id: str, t: TalkType, ids: Collection[str]) -> _Stored:
        """The stored ones of `ids`, as `_decode` takes them."""

    @abstractmethod
    def _decode(self, t: TalkType, stored: Any) -> TalkRecord:
        """A record of its own for every call: callers change what they get."""


def _brought_up(record: TalkRecord | None, changes: Iterable[TalkChange]) -> TalkRecord | None:
    for change in changes:
        record = assign(None if change.new else record, change)
    return record
