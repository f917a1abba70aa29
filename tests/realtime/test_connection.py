"""Framing, the budget of one client, and the cut."""

from __future__ import annotations

import pytest

from realtime.close_codes import FORBIDDEN, SLOW
from realtime.connection import HARD_LIMIT, SOFT_LIMIT, Connection, frame_text
from realtime.protocol import Error
from tests.realtime.world import FakeTransport, split_frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_carries_any_length(size: int) -> None:
    data = frame_text(b"x" * size)
    assert data[0] == 0x81, "final text frame"
    assert data[1] & 0x80 == 0, "servers do not mask"
    assert len(data) == size + (2 if size < 126 else 4 if size < 65_536 else 10)
    assert split_frames(data) == [(1, b"x" * size)]


async def test_ephemeral_messages_are_dropped_first() -> None:
    transport = FakeTransport()
    connection = Connection(transport)
    transport.waiting = SOFT_LIMIT + 1
    assert not connection.send(b"cursor", ephemeral=True)
    assert connection.send(b"event")
    assert transport.written == [b"event"] and connection.dropped == 1 and connection.open
    transport.waiting = SOFT_LIMIT
    assert connection.send(b"cursor", ephemeral=True)


async def test_a_slow_consumer_is_cut_exactly_above_the_limit() -> None:
    transport = FakeTransport()
    connection = Connection(transport)
    transport.waiting = HARD_LIMIT - 10
    assert connection.send(b"x" * 10)
    assert not connection.send(b"x" * 11)
    assert transport.aborted and transport.finished is None, "aborted, never closed politely"
    assert connection.cut and connection.closed == SLOW
    assert not connection.send(b"x"), "nothing is written after the cut"


async def test_a_big_snapshot_is_not_slowness_but_what_comes_on_top_is_bounded() -> None:
    transport = FakeTransport()
    transport.stalled = True
    connection = Connection(transport)
    assert connection.send_bulk(b"s" * (3 * HARD_LIMIT))
    assert connection.send(b"x" * (HARD_LIMIT - 1))
    assert connection.open
    assert not connection.send(b"xx")
    assert connection.cut


async def test_snapshot_after_snapshot_does_not_pile_up_for_who_never_reads() -> None:
    transport = FakeTransport()
    transport.stalled = True
    connection = Connection(transport)
    assert connection.send_bulk(b"s" * (HARD_LIMIT // 2))
    assert connection.send_bulk(b"s" * (3 * HARD_LIMIT))
    assert not connection.send_bulk(b"s")
    assert connection.cut and transport.aborted


async def test_after_the_snapshot_was_taken_the_limit_is_as_before() -> None:
    transport = FakeTransport()
    connection = Connection(transport)
    connection.send_bulk(b"s" * (3 * HARD_LIMIT))
    transport.waiting = 100
    assert connection.send(b"x")
    transport.waiting = HARD_LIMIT
    assert not connection.send(b"x")
    assert connection.cut


async def test_close_says_why_and_when_and_is_the_last_word() -> None:
    transport = FakeTransport()
    connection = Connection(transport)
    connection.close(FORBIDDEN, 250, Error("removed", "you are out"))
    connection.close(SLOW)
    error, closing = [payload for data in transport.written for _, payload in split_frames(data)]
    assert b'"t":"error"' in error and b'"removed"' in error
    assert b'"t":"closing"' in closing and b'"code":4403' in closing and b"250" in closing
    assert transport.finished == (4403, "no access")
    assert not connection.send(b"late")
