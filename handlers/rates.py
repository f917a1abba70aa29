"""How often somebody may ask: token buckets of people and addresses, over all processes.

Owns who is asked about a request, and when. The bucket itself is in the database
(`domain.services.accounts.draw`), so that it is one for all processes; but most requests are nobody's
concern, and must not cost a write. So each process lets a tenth of the rate pass by itself, and what goes
beyond draws a tenth of the bucket at a time from the common one. Somebody who asks all processes at once
has at most that tenth of each on top. Used by `handlers.base` and `handlers.room_socket`; health and files
are never asked about.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from domain.accounts import Draw, Limit, Limits
from domain.errors import DomainError, Throttled
from domain.ports import Run
from domain.services.accounts import draw

PART = 10
"""A process lets this part of a rate pass by itself, and draws this part of a bucket at a time."""
MAX_KNOWN = 20_000
"""Buckets of a process; who has not asked for longest is forgotten, and begins anew."""
SAFE = ("GET", "HEAD", "OPTIONS")


class _Bucket:
    """What this process knows of one key. Times are of the monotonic clock, in seconds."""

    __slots__ = ("at", "drawing", "drawn", "free", "limit", "refused_until")

    def __init__(self, limit: Limit, now: float) -> None:
        self.limit = limit
        self.at = now
        self.free = self.part
        self.drawn = 0
        self.refused_until = 0.0
        self.drawing: asyncio.Task[None] | None = None

    @property
    def part(self) -> float:
        return max(1.0, self.limit.count / PART)

    def take(self, now: float) -> bool:
        """One token: of those that come by themselves, else of those that were drawn."""
        rate = self.limit.count / self.limit.seconds / PART
        self.free = min(self.part, self.free + (now - self.at) * rate)
        self.at = now
        if self.free >= 1:
            self.free -= 1
        elif self.drawn:
            self.drawn -= 1
        else:
            return False
        return True


class Rates:
    """See the module. One in a process."""

    def __init__(
        self,
        run: Run,
        limits: Limits,
        clock: Callable[[], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._limits = limits
        self._clock = clock
        self._monotonic = monotonic
        self._known: OrderedDict[str, _Bucket] = OrderedDict()

    async def count_address(self, verb: str | None, address: str) -> None:
        """One request from this address, whoever sends it. Raises `Throttled`."""
        limits = self._limits
        if verb in SAFE:
            await self._take(f"reads:address:{address}", limits.reads_address)
        else:
            await self._take(f"writes:address:{address}", limits.writes_address)

    async def count_user(self, verb: str | None, user_id: str) -> None:
        """One request of this person. Raises `Throttled`."""
        limits = self._limits
        if verb in SAFE:
            await self._take(f"reads:user:{user_id}", limits.reads_user)
        else:
            await self._take(f"writes:user:{user_id}", limits.writes_user)

    async def _take(self, key: str, limit: Limit) -> None:
        bucket = self._known.get(key)
        if bucket is None:
            bucket = self._known[key] = _Bucket(limit, self._monotonic())
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        while not bucket.take(self._monotonic()):
            left = bucket.refused_until - self._monotonic()
            if left > 0:
                raise Throttled("too many requests, wait a moment", retry_after=math.ceil(left))
            if bucket.drawing is None:
                bucket.drawing = asyncio.create_task(self._draw(key, bucket), name="draw of a rate")
            await asyncio.shield(bucket.drawing)

    async def _draw(self, key: str, bucket: _Bucket) -> None:
        """All who wait for the same bucket share one question. Never raises: a limit that cannot be asked
        about is no reason to refuse, and what the request itself needs says so in its own words."""
        part = math.ceil(bucket.part)
        try:
            await self._run(draw, Draw(key, bucket.limit, part, self._clock()))
        except Throttled as refused:
            bucket.refused_until = self._monotonic() + refused.details["retry_after"]
        except DomainError:
            bucket.drawn += part
        else:
            bucket.drawn += part
        finally:
            bucket.drawing = None
