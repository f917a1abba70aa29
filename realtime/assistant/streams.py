"""A growing answer: its text so far, and the readers who stand somewhere in it.

Owns offsets (code points, of text and reasoning apart), the coalescing of pieces, and the promise
that a reader gets every character once, however slowly it reads: it keeps a place, not a queue, and
catches up from the text itself. Knows no upstream, socket or database. Called by the rest of
`realtime.assistant`.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable

from domain.answers import FINAL
from domain.talk import AnswerStatus
from realtime.assistant.alarm import Alarm
from realtime.protocol import AnswerEnded, Stream


class Tape:
    """A text that only grows, readable from any offset without copying the rest."""

    __slots__ = ("_parts", "_starts", "length")

    def __init__(self, text: str = "") -> None:
        self._parts: list[str] = []
        self._starts: list[int] = []
        self.length = 0
        self.append(text)

    def append(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._starts.append(self.length)
            self.length += len(text)

    def after(self, offset: int) -> str:
        """Everything from this offset on."""
        if offset >= self.length:
            return ""
        index = bisect_right(self._starts, offset) - 1
        first = self._parts[index][offset - self._starts[index] :]
        return first if index + 1 == len(self._parts) else first + "".join(self._parts[index + 1 :])

    @property
    def text(self) -> str:
        if len(self._parts) > 1:
            self._parts, self._starts = ["".join(self._parts)], [0]
        return self._parts[0] if self._parts else ""


class Halves:
    """Joins the halves of an emoji that came in two pieces, which no encoder would take apart."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """The well-formed part of what has come; half an emoji at its end waits for the other."""
        if not self._held and text.isascii():
            return text
        text = self._held + text
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text

    def rest(self) -> str:
        """What still waits, as a replacement character."""
        held, self._held = self._held, ""
        return "\ufffd" if held else ""


class Growing:
    """One answer as this process knows it: the original where it is made, else a copy.

    `write` gathers what comes within `pause` seconds of the last piece and hands it on as one: to
    `on_piece`, and to the readers. `ended` is set last, and once.
    """

    def __init__(self, answer: str, pause: float = 0.0, status: AnswerStatus = "queued") -> None:
        self.answer = answer
        self.status: AnswerStatus = status
        self.position = 0
        self.text = Tape()
        self.reasoning = Tape()
        self.ended: AnswerEnded | None = None
        self.written = 0
        self.thought = 0
        """Characters given to `write` so far, those that wait to be handed on included."""
        self.over = False
        """The answer has ended, though how is not known here yet: the database says it."""
        self.on_piece: Callable[[int, int], None] | None = None
        """Told where each new piece begins, in text and in reasoning."""
        self.readers: set[Reader] = set()
        self._pause = pause
        self._pending: list[str] = []
        self._pending_thought: list[str] = []
        self._halves = Halves()
        self._thought_halves = Halves()
        self._loop = asyncio.get_running_loop()
        self._told = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    # --- where it is made -------------------------------------------------------------------

    def write(self, text: str = "", reasoning: str = "") -> None:
        """A few more characters."""
        if text:
            self.written += len(text)
            self._pending.append(self._halves.feed(text))
        if reasoning:
            self.thought += len(reasoning)
            self._pending_thought.append(self._thought_halves.feed(reasoning))
        if self._timer is None:
            wait = self._told + self._pause - self._loop.time()
            if wait <= 0:
                self.flush()
            else:
                self._timer = self._loop.call_later(wait, self.flush)

    def turn(self, status: AnswerStatus, position: int = 0) -> None:
        """The status, or the place in the queue, has changed; told at once."""
        self.status, self.position = status, position
        self.flush(even_empty=True)

    def flush(self, even_empty: bool = False) -> None:
        """Hand on what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at, reasoning_at = self.text.length, self.reasoning.length
        if self._pending:
            self.text.append("".join(self._pending))
            self._pending.clear()
        if self._pending_thought:
            self.reasoning.append("".join(self._pending_thought))
            self._pending_thought.clear()
        if not even_empty and at == self.text.length and reasoning_at == self.reasoning.length:
            return
        self._told = self._loop.time()
        if self.on_piece is not None:
            self.on_piece(at, reasoning_at)
        self.wake()

    def close(self) -> None:
        """Nothing more is written; what is left over is handed on."""
        self._pending.append(self._halves.rest())
        self._pending_thought.append(self._thought_halves.rest())
        self.flush()

    # --- where it is copied -----------------------------------------------------------------

    def take(self, piece: Stream) -> bool:
        """A piece from the process that makes the answer. False: something before it is missing."""
        whole = piece.at <= self.text.length and piece.reasoning_at <= self.reasoning.length
        if whole:
            self.text.append(piece.text[self.text.length - piece.at :])
            self.reasoning.append(piece.reasoning[self.reasoning.length - piece.reasoning_at :])
        if piece.status in FINAL:
            self.over = True
        else:
            self.status, self.position = piece.status, piece.position
        self.wake()
        return whole

    def catch_up(self, status: AnswerStatus, text: str, reasoning: str) -> None:
        """The answer as it is stored, which may be behind."""
        if status not in FINAL and self.status != "streaming":
            self.status = status
        self.text.append(text[self.text.length :])
        self.reasoning.append(reasoning[self.reasoning.length :])
        self.wake()

    # --- both -------------------------------------------------------------------------------

    def end(self, ended: AnswerEnded) -> None:
        """It is finished, durably."""
        if self.ended is None:
            self.status, self.position = ended.status, 0
            self.ended = ended
            self.wake()

    def piece(self, at: int, reasoning_at: int) -> Stream:
        """What comes after these offsets. `Stream` leaves out what is empty."""
        text, reasoning = self.text.after(at), self.reasoning.after(reasoning_at)
        return Stream(self.answer, self.status, at, text, reasoning_at, reasoning, self.position)

    def whole(self) -> Stream:
        """Everything so far."""
        return self.piece(0, 0)

    def wake(self) -> None:
        """Let every reader look."""
        for reader in self.readers:
            reader.changed.set()


class Reader:
    """A place in a growing answer. `text_at` and `reasoning_at` are what the reader has."""

    def __init__(self, growing: Growing, text_at: int = 0, reasoning_at: int = 0) -> None:
        self.growing = growing
        self.text_at = text_at
        self.reasoning_at = reasoning_at
        self.changed = asyncio.Event()
        self.changed.set()
        self._gone = False
        self._told: tuple[AnswerStatus, int] | None = None
        self._alarm = Alarm(self.changed.set)
        growing.readers.add(self)

    async def next(self, within: float) -> Stream | AnswerEnded | None:
        """The next piece, after all of them the end; None when `within` seconds bring nothing, it
        has left, or the database has to be asked how it ended (`Growing.over`)."""
        until = self._alarm.now() + within
        while not self._has_left():
            if not self.changed.is_set():
                if self._alarm.now() >= until:
                    return None
                self._alarm.set(until)
                await self.changed.wait()
                continue
            self.changed.clear()
            if (found := self._look()) is not None:
                return found
            if self.growing.over:
                return None
        return None

    def _has_left(self) -> bool:
        return self._gone

    def _look(self) -> Stream | AnswerEnded | None:
        growing = self.growing
        piece = growing.piece(self.text_at, self.reasoning_at)
        told = (piece.status, piece.position)
        if not (piece.text or piece.reasoning):
            if growing.ended is not None:
                return growing.ended
            if told == self._told:
                return None
        self._told = told
        self.text_at += len(piece.text)
        self.reasoning_at += len(piece.reasoning)
        if growing.ended is not None or growing.over:
            self.changed.set()
        return piece

    def leave(self) -> None:
        """Reads no more; a `next` that waits returns."""
        self._gone = True
        self._alarm.cancel()
        self.growing.readers.discard(self)
        self.changed.set()
