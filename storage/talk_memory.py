"""`Talk` in memory: the same answers as SQL, for tests and benchmarks.

Owns what is stored of one trip's talk (`StoredTalk`, encoded records, so that nothing leaks out of
a transaction), and the read marks. Made by the in-memory unit of work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from domain.events import TalkType
from domain.operations import About, Channel
from domain.talk import TALK_TYPES, Marked, Message, Proposal, TalkRecord, ThreadCount
from storage.drafts import Draft
from storage.talk_buffer import TalkBuffer
from storage.trips_buffer import TripsBuffer
from storage.unread import MAX_UNREAD

StoredTalk = dict[tuple[TalkType, str], bytes]
Stored = Callable[[str], StoredTalk | None]
"""The committed talk of a trip, as it is at this moment."""
_AboutKey = tuple[Literal["trip", "day", "stop"], str]


@dataclass
class MarksState:
    """The seq read, by trip and user."""

    marks: dict[tuple[str, str], int] = field(default_factory=dict)

    def copy(self) -> MarksState:
        return MarksState(dict(self.marks))


class MemoryTalk(TalkBuffer):
    """One unit of work's view of talk."""

    def __init__(self, trips: TripsBuffer, stored: Stored, marks: Draft[MarksState]) -> None:
        super().__init__(trips)
        self._talk = stored
        self._marks = marks

    # --- records ----------------------------------------------------------------------------

    def _load(self, trip_id: str, t: TalkType, ids: Collection[str]) -> dict[str, Any]:
        stored = self._talk(trip_id) or {}
        return {each: stored[t, each] for each in ids if (t, each) in stored}

    def _decode(self, t: TalkType, stored: Any) -> TalkRecord:
        return msgspec.json.decode(stored, type=TALK_TYPES[t])

    def flush(self) -> None:
        for trip_id, t, records in self.written():
            stored = self._talk(trip_id)
            assert stored is not None, "trips are written before talk"
            stored.update({(t, record.id): msgspec.json.encode(record) for record in records})

    # --- lists ------------------------------------------------------------------------------

    def messages(
        self, trip_id: str, channel: Channel, before: int | None, limit: int, about: About | None = None
    ) -> list[Message]:
        found = [
            each
            for each in self._messages(trip_id)
            if each.channel == channel and (before is None or each.seq < before) and _is_about(each, about)
        ]
        return sorted(found, key=lambda each: -each.seq)[:limit]

    def messages_by_id(self, trip_id: str, ids: Collection[str]) -> list[Message]:
        return sorted((m for m in self._messages(trip_id) if m.id in ids), key=lambda each: each.seq)

    def threads(self, trip_id: str) -> list[ThreadCount]:
        comments = {each.id: each for each in self._messages(trip_id) if each.channel == "comment"}
        totals: dict[_AboutKey, int] = defaultdict(int)
        opened: dict[_AboutKey, set[str]] = defaultdict(set)
        for comment in comments.values():
            first = comments.get(comment.reply_to or comment.id)
            if comment.deleted or comment.about is None or first is None:
                continue
            key = (comment.about.t, comment.about.id)
            totals[key] += 1
            if first.resolved_by is None:
                opened[key].add(first.id)
        return [ThreadCount(t, i, len(opened[t, i]), total) for (t, i), total in sorted(totals.items())]

    def open_proposals(self, trip_id: str, limit: int) -> list[Proposal]:
        return sorted((each for each in self._proposals(trip_id) if each.open), key=lambda p: -p.seq)[:limit]

    def count_open_proposals(self, trip_id: str) -> int:
        return sum(each.open for each in self._proposals(trip_id))

    def proposals_by_id(self, trip_id: str, ids: Collection[str]) -> list[Proposal]:
        return sorted((each for each in self._proposals(trip_id) if each.id in ids), key=lambda p: p.seq)

    def _messages(self, trip_id: str) -> Iterator[Message]:
        for (t, _), body in list((self._talk(trip_id) or {}).items()):
            if t == "message":
                yield msgspec.json.decode(body, type=Message)

    def _proposals(self, trip_id: str) -> Iterator[Proposal]:
        for (t, _), body in list((self._talk(trip_id) or {}).items()):
            if t == "proposal":
                yield msgspec.json.decode(body, type=Proposal)

    # --- read marks -------------------------------------------------------------------------

    def marks(self, trip_id: str) -> dict[str, int]:
        return {user: seq for (trip, user), seq in self._marks.seen.marks.items() if trip == trip_id}

    def mark(self, trip_id: str, user_id: str, seq: int) -> Marked:
        marks = self._marks.write().marks
        found = marks.get((trip_id, user_id), 0)
        if seq <= found:
            return Marked(found, False)
        marks[trip_id, user_id] = seq
        return Marked(seq, True)

    def unread(self, trip_id: str, user_id: str) -> int:
        mark = self._marks.seen.marks.get((trip_id, user_id), 0)
        new = (m for m in self._messages(trip_id) if m.seq > mark and m.author != user_id and not m.deleted)
        return min(sum(1 for _ in new), MAX_UNREAD)


def _is_about(message: Message, wanted: About | None) -> bool:
    if wanted is None:
        return True
    about = message.about
    if about is None or (about.t, about.id) != (wanted.t, wanted.id):
        return False
    return wanted.field is None or about.field == wanted.field
