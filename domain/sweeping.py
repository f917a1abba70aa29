"""What is thrown away because its time is over: ended sign-ins, dead invitations, old counts of throttles,
photos that nobody needs.

Owns the commands of `domain.services.sweeping`, and how long dead things are kept. Everything else that
expires sees to itself (`domain.jobs`), or is kept. Times are as in `domain.accounts`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

import msgspec

from domain.accounts import Limits

Swept = Literal["sessions", "invites", "throttles", "photos"]
SWEPT: tuple[Swept, ...] = get_args(Swept)
EVERY_SECONDS = 3600
"""One process of the installation sweeps in each hour."""
KEEP_INVITES_DAYS = 30
"""An owner sees for so long that an invitation has expired; or, once withdrawn, how old it is."""
MILLISECONDS_SINCE = 10**11
"""Buckets of `AccountRepositories.draw` are times in milliseconds, windows are smaller numbers."""


class ClaimSweep(msgspec.Struct, frozen=True):
    """Whoever is first in an hour sweeps."""

    at: str


class Sweep(msgspec.Struct, frozen=True):
    """Look at `limit` rows of `what` behind the key `after`, and remove the dead ones. Of photos: those of
    one trip."""

    what: Swept
    at: str
    after: str
    limit: int


class Step(msgspec.Struct, frozen=True):
    """`removed` rows; the next step begins behind `next`, None: this was the last."""

    removed: int
    next: str | None


def idle_windows(at: str) -> list[tuple[int, int]]:
    """Ranges `(low, high)`, both within: what `throttles` counted in them is of no use any more.

    A window's number is the time divided by its length; so numbers of longer windows are smaller, and the
    number alone says whether it is over. The last two of each length are left alone.
    """
    now = datetime.fromisoformat(at).timestamp()
    limits = Limits()
    lengths = {getattr(limits, name).seconds for name in limits.__struct_fields__} | {EVERY_SECONDS}
    ranges, low = [], 0
    for seconds in sorted(lengths, reverse=True):
        current = int(now // seconds)
        ranges.append((low, current - 2))
        low = current + 2
    return [*ranges, (MILLISECONDS_SINCE, int(now * 1000))]
