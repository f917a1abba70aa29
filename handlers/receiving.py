"""How many uploads a process receives at once, for it holds each in memory until it is whole.

Owns the three bounds. One in a process, made with its `Deps`; used by `handlers.photos`.
"""

from __future__ import annotations

from collections import Counter

from domain.errors import Throttled, Unavailable

MOST = 12
"""At once; so many times the largest upload is what it may cost."""
OF_USER = 3
SHARE = 3
"""An address has at most this part of the room that others leave, and always one place while there is any: a
guest costs nothing to make, a slow upload takes minutes, and two addresses with half each would have it all.
So 4 of 12 for the first, 2 for the second, and seven addresses before nobody else gets in."""
RETRY_SECONDS = 5
"""After which somebody who was refused may try again."""


class Uploads:
    """Uploads under way: at most `most`, `of_user` of one person, and of one address a `share`-th of what
    others leave."""

    def __init__(self, most: int = MOST, of_user: int = OF_USER, share: int = SHARE) -> None:
        self._most = most
        self._of_user = of_user
        self._share = share
        self._now: Counter[str] = Counter()
        self._from: Counter[str] = Counter()

    def begin(self, user_id: str, address: str) -> None:
        """Raises `Throttled` for one person or address, `Unavailable` when there is no room for anybody."""
        if self._now[user_id] >= self._of_user:
            message = f"{self._of_user} uploads of yours are under way, wait for one"
            raise Throttled(message, code="uploads_busy", retry_after=RETRY_SECONDS)
        here = self._from[address]
        others = self._now.total() - here
        if here >= max(1, (self._most - others) // self._share):
            message = f"{here} upload(s) from your address are under way, wait for one"
            raise Throttled(message, code="uploads_busy", retry_after=RETRY_SECONDS)
        if self._now.total() >= self._most:
            message = "too many uploads are under way here, try again"
            raise Unavailable(message, code="uploads_busy", retry_after=RETRY_SECONDS)
        self._now[user_id] += 1
        self._from[address] += 1

    def end(self, user_id: str, address: str) -> None:
        for counts, key in ((self._now, user_id), (self._from, address)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]

    def __len__(self) -> int:
        return self._now.total()
