"""How often people and addresses may ask, in one process and over several."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.accounts import Limit, Limits
from domain.errors import Throttled, Unavailable
from handlers.rates import PART, Rates
from tests.handlers.memory import MemoryRun
from tests.handlers.world import World
from tests.realtime.world import until

AT = "2026-05-01T08:00:00.000Z"
LIMITS = Limits(
    reads_user=Limit(20, 60),
    writes_user=Limit(10, 60),
    reads_address=Limit(100, 60),
    writes_address=Limit(50, 60),
)


class Clock:
    """Both clocks of a process, and they move only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def utc(self) -> str:
        return f"2026-05-01T08:{int(self.seconds // 60):02}:{self.seconds % 60:06.3f}Z"


async def count(rates: Rates, verb: str, times: int, user: str = "ann") -> int:
    """So many of these requests passed."""
    passed = 0
    for _ in range(times):
        try:
            await rates.count_user(verb, user)
            passed += 1
        except Throttled:
            pass
    return passed


async def test_one_bucket_for_all_processes() -> None:
    run, clock = MemoryRun(), Clock()
    processes = [Rates(run, LIMITS, clock.utc, clock.monotonic) for _ in range(3)]
    passed = [await count(rates, "GET", 100) for rates in processes]
    # The common bucket once, and what each lets pass by itself.
    assert sum(passed) == 20 + 3 * 20 // PART
    assert await count(processes[0], "POST", 100) == 10 + 1, "writes have a bucket of their own"
    assert await count(processes[0], "GET", 1, "bob") == 1, "and so has everybody else"
    clock.seconds += 30
    passed = [await count(rates, "GET", 100) for rates in processes]
    assert sum(passed) == (20 + 3 * 20 // PART) // 2, "half of the time fills half of it"
    await run.aclose()


async def test_ordinary_use_asks_nobody_and_a_flood_seldom() -> None:
    run, clock = MemoryRun(), Clock()
    asked: list[Any] = []

    async def noting(service: Any, command: Any) -> Any:
        asked.append(command)
        return await run(service, command)

    rates = Rates(noting, LIMITS, clock.utc, clock.monotonic)  # type: ignore[arg-type]
    for _ in range(20):
        assert await count(rates, "GET", 1) == 1
        clock.seconds += 60 / 20 * PART
    assert asked == []
    await count(rates, "GET", 1000)
    assert len(asked) == PART + 1, "once for each part, and once more to hear that it is empty"
    await run.aclose()


async def test_who_comes_at_once_shares_a_question_and_the_rest_wait_for_nothing() -> None:
    gate, asked = asyncio.Event(), 0

    async def slow(service: Any, command: Any) -> None:
        nonlocal asked
        asked += 1
        await gate.wait()

    clock = Clock()
    rates = Rates(slow, LIMITS, clock.utc, clock.monotonic)  # type: ignore[arg-type]
    many = [asyncio.create_task(rates.count_user("GET", "ann")) for _ in range(12)]
    await until(lambda: asked == 1)
    many[5].cancel()  # who leaves takes nobody along
    gate.set()
    done = await asyncio.gather(*many, return_exceptions=True)
    assert sum(isinstance(each, asyncio.CancelledError) for each in done) == 1
    assert asked == 5, "2 pass, 2 a question"


async def test_a_limit_that_cannot_be_asked_about_refuses_nobody() -> None:
    async def away(service: Any, command: Any) -> None:
        raise Unavailable("the database is away")

    clock = Clock()
    rates = Rates(away, LIMITS, clock.utc, clock.monotonic)  # type: ignore[arg-type]
    assert await count(rates, "GET", 500) == 500


@pytest.mark.parametrize("limits", [LIMITS])
async def test_people_are_told_how_long_to_wait(world: World) -> None:
    ann, bob = await world.client().guest("Ann"), await world.client().guest("Bob")
    answers = [await ann.patch("/api/me", {"locale": "zh"}) for _ in range(20)]
    assert [each.status for each in answers] == [200] * 11 + [429] * 9
    refused = answers[-1]
    assert (refused.code, refused.headers["Retry-After"]) == ("throttled", "6")
    assert refused.json["error"]["retryable"] is True
    assert (await ann.get("/api/me")).status == 200, "she may still read"
    assert (await bob.patch("/api/me", {"locale": "zh"})).status == 200
    world.wait(seconds=6)
    assert (await ann.patch("/api/me", {"locale": "en"})).status == 200


@pytest.mark.parametrize("limits", [LIMITS])
async def test_an_address_has_a_bucket_and_so_has_each_other_one(world: World) -> None:
    here, there = (world.client(**{"X-Forwarded-For": f"203.0.113.{n}"}) for n in (1, 2))
    statuses = [(await here.get("/api/me")).status for _ in range(120)]
    assert statuses == [200] * 110 + [429] * 10
    assert (await there.get("/api/me")).status == 200
    for path, status in (("/health/live", 200), ("/health/ready", 200), ("/assets/x.js", 404), ("/", 503)):
        assert (await here.get(path)).status == status, f"{path} does not count"
    assert (await here.get("/api/openapi.json")).status == 200


async def test_handshakes_count(tmp_path: Any) -> None:
    world = World(tmp_path, rooms=True, limits=LIMITS)
    stranger = world.client()
    statuses = [(await world.dial(stranger)).status for _ in range(113)]
    assert statuses == [101] * 110 + [429] * 3
    await world.aclose()
