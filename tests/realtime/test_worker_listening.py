"""When a worker counts as listening."""

from __future__ import annotations

from realtime.jobs.listening import SILENT_SECONDS, Listening


async def test_silence_is_not_listening_but_work_is() -> None:
    now, busy = 0.0, False
    listens = Listening(lambda: busy, lambda: now)
    assert not listens() and await listens.check()
    listens.tick()
    assert listens() and await listens.check() is None
    now += SILENT_SECONDS
    assert not listens()
    busy = True
    now += 1000
    assert listens()
    busy = False
    now += SILENT_SECONDS / 2
    assert listens(), "the loop has a moment to come back"
    now += SILENT_SECONDS
    assert not listens()
