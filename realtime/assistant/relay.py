"""Reading an answer that another process makes: copies of it here, and what the maker is told.

Owns the channel `answer:<id>` (pieces from the maker, only while somebody elsewhere reads) and the
control messages `answer.*`. Messages may be lost: a copy asks again for what it lacks, and readers
fall back on the stored state (`realtime.assistant.reading`). Called by `realtime.assistant.runner`,
which makes answers, and by its readers.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

import msgspec

from realtime.assistant.streams import Growing
from realtime.channels import Channels
from realtime.protocol import Stream

log = logging.getLogger(__name__)

KEEP_ALIVE = 2.5
LEASE = 8.0
"""Seconds that a process counts as reading after it last said so."""
ASK_PAUSE = 0.2
"""Between two requests for the same answer's missing text."""
MAX_ASKED = 1_000


class Want(msgspec.Struct, frozen=True, omit_defaults=True):
    """`answer.want`: process `node` has these many characters of an answer, and wants the rest and
    what comes; `gone`: nobody there reads any more; `once`: it only looked."""

    node: str
    answer: str
    at: int = 0
    reasoning_at: int = 0
    gone: bool = False
    once: bool = False


class Stop(msgspec.Struct, frozen=True):
    """`answer.stop`: somebody asked to end it. Also stored: this only makes it quick."""

    answer: str


class Watch(msgspec.Struct, frozen=True):
    """`answer.watch`: a member of the room lacks text: show all of it again."""

    trip: str
    answer: str


_piece = msgspec.json.Decoder(Stream)
_want = msgspec.json.Decoder(Want)
_stop = msgspec.json.Decoder(Stop)
_watch = msgspec.json.Decoder(Watch)


def channel_of(answer_id: str) -> str:
    """The channel on which an answer's pieces travel to other processes."""
    return f"answer:{answer_id}"


class Source(Protocol):
    """What is made here, as the others ask for it."""

    def wanted(self, want: Want) -> None:
        """Another process reads, or reads no more."""

    def stopped(self, answer_id: str) -> None:
        """Somebody asked to end an answer."""

    def watched(self, trip_id: str, answer_id: str) -> None:
        """Somebody in the room lacks text."""


class Copy:
    """An answer made elsewhere, as far as it was heard here; shared by its readers here."""

    def __init__(self, growing: Growing, listener: Callable[[bytes], None]) -> None:
        self.growing = growing
        self.listener = listener
        self.users = 0
        self.asked = 0.0


class Relay:
    """See the module. One in a process."""

    def __init__(self, node: str, channels: Channels, source: Source) -> None:
        self._node = node
        self._channels = channels
        self._source = source
        self._copies: dict[str, Copy] = {}
        self._asked: dict[str, float] = {}
        channels.on_control = self._obey

    def __len__(self) -> int:
        return len(self._copies)

    # --- what we read -----------------------------------------------------------------------

    async def open(self, answer_id: str, growing: Callable[[], Growing]) -> Growing:
        """The copy of an answer, kept up to date until `close` has been called as often."""
        copy = self._copies.get(answer_id)
        if copy is None:
            made = growing()
            copy = Copy(made, lambda data: self._hear(answer_id, data))
            self._copies[answer_id] = copy
        copy.users += 1
        if copy.users == 1:
            try:
                await self._channels.subscribe(channel_of(answer_id), copy.listener)
            except BaseException:
                self.close(answer_id)
                raise
            self._ask(copy)
        return copy.growing

    def close(self, answer_id: str) -> None:
        """The counterpart of `open`."""
        copy = self._copies[answer_id]
        copy.users -= 1
        if copy.users:
            return
        del self._copies[answer_id]
        self._channels.unsubscribe(channel_of(answer_id), copy.listener)
        self._say("answer.want", Want(self._node, answer_id, gone=True))

    def copy(self, answer_id: str) -> Growing | None:
        """What is known here of an answer that others make, if somebody here reads it."""
        copy = self._copies.get(answer_id)
        return None if copy is None else copy.growing

    async def keep_alive(self) -> None:
        """Tell the makers that we still read, for ever."""
        while True:
            await asyncio.sleep(KEEP_ALIVE * random.uniform(0.8, 1.0))
            for copy in list(self._copies.values()):
                if not copy.growing.over:
                    self._ask(copy)

    def look(self, answer_id: str) -> None:
        """Somebody here looked at an answer that is made elsewhere, once: it is being read."""
        self._say("answer.want", Want(self._node, answer_id, once=True))

    def stop(self, answer_id: str) -> None:
        """Let its maker know that it is to end."""
        self._say("answer.stop", Stop(answer_id))

    def watch(self, trip_id: str, answer_id: str) -> None:
        """Somebody in the room here lacks text of an answer that is made elsewhere."""
        now = _now()
        if now - self._asked.get(answer_id, 0.0) < ASK_PAUSE:
            return
        if len(self._asked) >= MAX_ASKED:
            self._asked.clear()
        self._asked[answer_id] = now
        self._say("answer.watch", Watch(trip_id, answer_id))

    def _ask(self, copy: Copy) -> None:
        copy.asked = _now()
        growing = copy.growing
        lacks = Want(self._node, growing.answer, growing.text.length, growing.reasoning.length)
        self._say("answer.want", lacks)

    def _hear(self, answer_id: str, data: bytes) -> None:
        copy = self._copies.get(answer_id)
        if copy is None:
            return
        whole = copy.growing.take(_piece.decode(data))
        if not whole and not copy.growing.over and _now() - copy.asked >= ASK_PAUSE:
            self._ask(copy)

    # --- what others read -------------------------------------------------------------------

    def tell(self, answer_id: str, payload: bytes) -> None:
        """An encoded piece of an answer made here, for those who read it elsewhere."""
        self._channels.publish(channel_of(answer_id), payload)

    def _say(self, kind: str, message: Want | Stop | Watch) -> None:
        self._channels.publish_control(kind, msgspec.json.encode(message))

    def _obey(self, kind: str, payload: bytes) -> None:
        if kind == "answer.want":
            want = _want.decode(payload)
            if want.node != self._node:
                self._source.wanted(want)
        elif kind == "answer.stop":
            self._source.stopped(_stop.decode(payload).answer)
        elif kind == "answer.watch":
            watch = _watch.decode(payload)
            self._source.watched(watch.trip, watch.answer)


def _now() -> float:
    return asyncio.get_running_loop().time()
