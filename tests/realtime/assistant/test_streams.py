"""Growing answers: every reader gets every character once, whatever comes between."""

from __future__ import annotations

import asyncio
import random

import pytest

from domain.talk import AnswerStatus
from realtime.assistant.queueing import Bounds, Queue, Ticket
from realtime.assistant.streams import Growing, Halves, Reader, Tape
from realtime.protocol import AnswerEnded, Stream

TEXT = "第一天：大理 🏔️ then a train — 第二天 Lijiang. " * 12


def pieces_of(text: str, rng: random.Random) -> list[str]:
    cuts = sorted(rng.sample(range(1, len(text)), 25))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def ended(growing: Growing, status: AnswerStatus = "done") -> AnswerEnded:
    return AnswerEnded(growing.answer, status, growing.text.text, growing.reasoning.text)


async def read_all(reader: Reader) -> tuple[str, str]:
    text = reasoning = ""
    while not isinstance(found := await reader.next(5), AnswerEnded):
        assert found is not None and found.answer == reader.growing.answer
        text, reasoning = text + found.text, reasoning + found.reasoning
    return text, reasoning


@pytest.mark.parametrize("seed", range(5))
def test_a_tape_is_its_text(seed: int) -> None:
    rng = random.Random(seed)
    tape = Tape()
    for piece in pieces_of(TEXT, rng):
        tape.append(piece)
        if rng.random() < 0.1:
            assert TEXT.startswith(tape.text)
        offset = rng.randrange(tape.length + 3)
        assert tape.after(offset) == TEXT[: tape.length][offset:]
    assert (tape.text, tape.length) == (TEXT, len(TEXT))


def test_halves_of_an_emoji_meet() -> None:
    halves = Halves()
    assert halves.feed("a\ud83c") == "a"
    assert halves.feed("\udfd4b") == "🏔b"
    assert halves.feed("x\udfd4y") == "x\ufffdy"
    assert halves.feed("\ud83c") == "" and halves.rest() == "\ufffd" and halves.rest() == ""


async def test_resuming_at_every_offset_gives_exactly_the_rest() -> None:
    growing = Growing("a1")
    rng = random.Random(7)
    for piece in pieces_of(TEXT, rng):
        growing.write(piece, reasoning=piece[:3])
    thoughts = growing.reasoning.text
    growing.close()
    growing.end(ended(growing))
    for offset in range(len(TEXT) + 2):
        at = min(offset, len(thoughts))
        assert await read_all(Reader(growing, offset, at)) == (TEXT[offset:], thoughts[at:])


@pytest.mark.parametrize("seed", range(20))
async def test_readers_that_come_go_and_return_miss_nothing(seed: int) -> None:
    rng = random.Random(seed)
    growing = Growing("a1", pause=0.001)

    async def restless() -> str:
        """Breaks off at any moment, and comes back with the offset of the last piece."""
        text = ""
        while True:
            reader = Reader(growing, len(text))
            for _ in range(rng.randrange(1, 4)):
                found = await reader.next(rng.choice((0.0, 0.002, 1.0)))
                if isinstance(found, AnswerEnded):
                    return text
                if found is not None:
                    assert found.at == len(text)
                    text += found.text
            reader.leave()
            await asyncio.sleep(0)

    readers = [asyncio.ensure_future(restless()) for _ in range(5)]
    for piece in pieces_of(TEXT, rng):
        growing.write(piece)
        await asyncio.sleep(rng.choice((0, 0, 0.002)))
    growing.close()
    growing.end(ended(growing))
    assert await asyncio.gather(*readers) == [TEXT] * 5


async def test_what_comes_close_together_is_handed_on_as_one_piece() -> None:
    growing = Growing("a1", pause=0.02)
    told: list[Stream] = []
    growing.on_piece = lambda at, thought_at: told.append(growing.piece(at, thought_at))
    growing.write("a")  # nothing came before: at once
    assert [piece.text for piece in told] == ["a"]
    for letter in "bcdef":
        growing.write(letter)
    assert len(told) == 1
    reader = Reader(growing, 1)
    assert (await reader.next(5)) == Stream("a1", "queued", at=1), "where it stands"
    await reader.next(5)
    assert [(piece.at, piece.text) for piece in told] == [(0, "a"), (1, "bcdef")]
    growing.close()
    assert len(told) == 2, "nothing was left"


async def test_a_slow_reader_gets_one_large_piece() -> None:
    growing = Growing("a1")
    reader = Reader(growing)
    for _ in range(1_000):
        growing.write("0123456789")
    piece = await reader.next(5)
    assert isinstance(piece, Stream) and len(piece.text) == 10_000
    assert await reader.next(0) is None


async def test_who_leaves_while_waiting_is_let_go() -> None:
    reader = Reader(Growing("a1"))
    assert await reader.next(5) is not None
    waiting = asyncio.ensure_future(reader.next(600))
    await asyncio.sleep(0)
    reader.leave()
    assert await asyncio.wait_for(waiting, 5) is None
    assert await asyncio.wait_for(reader.next(600), 5) is None
    assert not reader.growing.readers


@pytest.mark.parametrize("seed", range(20))
async def test_a_copy_heals_from_lost_doubled_and_late_pieces(seed: int) -> None:
    rng = random.Random(seed)
    original, copy = Growing("a1", status="streaming"), Growing("a1")
    waiting: list[Stream] = []
    original.on_piece = lambda at, thought_at: waiting.append(original.piece(at, thought_at))
    reader = Reader(copy)
    for piece in pieces_of(TEXT, rng):
        original.write(piece)
        if rng.random() < 0.3:
            waiting.clear()
        if rng.random() < 0.3:
            waiting += waiting[-1:]
        if rng.random() < 0.3:
            rng.shuffle(waiting)
        if rng.random() < 0.6:
            for heard in waiting:
                if not copy.take(heard):
                    assert copy.take(original.piece(copy.text.length, copy.reasoning.length))
            waiting.clear()
    copy.take(original.whole())
    assert not copy.over
    assert copy.take(Stream("a1", "done", at=original.text.length))
    assert copy.over and copy.ended is None
    found = await reader.next(5)
    assert isinstance(found, Stream) and found.text == TEXT
    assert await reader.next(5) is None, "how it ended is in the database"
    copy.end(ended(copy))
    assert isinstance(await reader.next(5), AnswerEnded)


# --- the queue ----------------------------------------------------------------------------


class _Person:
    def __init__(self, queue: Queue, user: str, trip: str | None = None) -> None:
        self.places: list[int] = []
        self.ticket = Ticket(user, trip, self.places.append)
        queue.enter(self.ticket)

    @property
    def admitted(self) -> bool:
        return self.ticket.admitted.is_set()


async def test_the_queue_admits_in_order_and_tells_places() -> None:
    queue = Queue(Bounds(streams=2))
    first, second, third, fourth = (_Person(queue, f"u{n}") for n in range(4))
    assert first.admitted and second.admitted and not third.admitted
    assert (first.places, third.places, fourth.places) == ([], [1], [2])
    queue.leave(second.ticket)
    assert third.admitted and not fourth.admitted
    queue.tell()
    assert fourth.places == [2, 1]
    queue.tell()
    assert fourth.places == [2, 1], "told only when it changes"


async def test_who_is_at_a_bound_lets_others_pass() -> None:
    queue = Queue(Bounds(streams=10, of_user=1, of_trip=2))
    ann = _Person(queue, "ann", "t1")
    again = _Person(queue, "ann", "t1")
    bob = _Person(queue, "bob", "t1")
    cat = _Person(queue, "cat", "t1")
    dan = _Person(queue, "dan", None)
    assert [p.admitted for p in (ann, again, bob, cat, dan)] == [True, False, True, False, True]
    queue.leave(ann.ticket)
    assert again.admitted and not cat.admitted
    queue.leave(cat.ticket)  # gives up
    queue.leave(cat.ticket)
    assert (queue.running, queue.waiting) == (3, 0)


@pytest.mark.parametrize("seed", range(10))
async def test_the_bounds_hold_whatever_happens(seed: int) -> None:
    rng = random.Random(seed)
    bounds = Bounds(streams=5, of_user=2, of_trip=3)
    queue = Queue(bounds)
    here: list[_Person] = []
    for _ in range(400):
        if here and rng.random() < 0.5:
            queue.leave(here.pop(rng.randrange(len(here))).ticket)
        else:
            here.append(_Person(queue, f"u{rng.randrange(4)}", rng.choice(("t1", "t2", None))))
        running = [p.ticket for p in here if p.admitted]
        assert len(running) == queue.running <= bounds.streams
        assert len(here) - len(running) == queue.waiting
        for ticket in running:
            assert sum(t.user_id == ticket.user_id for t in running) <= bounds.of_user
            if ticket.trip_id is not None:
                assert sum(t.trip_id == ticket.trip_id for t in running) <= bounds.of_trip
        for ticket in (p.ticket for p in here if not p.admitted):
            full = len(running) == bounds.streams
            user = sum(t.user_id == ticket.user_id for t in running) == bounds.of_user
            trip = sum(t.trip_id == ticket.trip_id for t in running) == bounds.of_trip
            assert full or user or (trip and ticket.trip_id is not None), "kept waiting for nothing"
