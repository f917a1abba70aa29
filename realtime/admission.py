"""How many connections a process takes: in all, of one user, of one address without a sign-in.

Owns the limits and the counts. A connection is counted from the start of its handshake, before anybody
is asked who it is: what is merely on its way takes files and memory, too, and many at once must not slip
in between. Those that are sent away are counted apart until they are gone. Used by `realtime.hub`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from realtime import close_codes
from realtime.close_codes import CloseCode

MAX_TURNED_AWAY = 100
"""Connections that are opened only to be told why they cannot stay; further ones are not opened."""


@dataclass(frozen=True)
class HubLimits:
    """Connections in this process, with those whose handshake is under way: in all, for one user, for one
    address without a sign-in."""

    connections: int = 10_000
    of_user: int = 20
    of_address: int = 200
    frames_per_second: float = 50.0
    """Of one connection, in the long run; bursts of twice as many."""


class Arrival:
    """One connection from the start of its handshake until a session has its place, or it is gone.

    `refused`: why it may not stay. `heard`: the handshake may be finished, to say so with a close code.
    """

    __slots__ = ("_key", "_over", "heard", "refused")

    def __init__(self) -> None:
        self.refused: CloseCode | None = None
        self.heard = True
        self._key = ""
        self._over = False


class Admission:
    """See the module. `refused` counts connections that were not let in, by close code."""

    def __init__(self, limits: HubLimits, refused: Counter[int]) -> None:
        self.arriving = 0
        """Handshakes under way that have a place."""
        self._held = 0
        self._turned_away = 0
        self._limits = limits
        self._refused = refused
        self._counts: dict[str, int] = {}

    def arrive(self, draining: bool) -> Arrival:
        """A handshake begins; nobody knows yet whose."""
        arrival = Arrival()
        if draining:
            self._turn_away(arrival, close_codes.RESTART)
        elif self._held >= self._limits.connections:
            self._turn_away(arrival, close_codes.BUSY)
        else:
            self._held += 1
            self.arriving += 1
        return arrival

    def claim(self, arrival: Arrival, user_id: str | None, address: str) -> None:
        """It is known who comes; once for each arrival."""
        if arrival.refused is not None:
            return
        limit = self._limits.of_address if user_id is None else self._limits.of_user
        key = _key(user_id, address)
        if self._counts.get(key, 0) >= limit:
            self.refuse(arrival, close_codes.TOO_MANY)
        else:
            self._counts[key] = self._counts.get(key, 0) + 1
            arrival._key = key

    def refuse(self, arrival: Arrival, code: CloseCode) -> None:
        """An arrival that had a place must go."""
        self.arriving -= 1
        self.give_back(arrival._key)
        self._turn_away(arrival, code)

    def _turn_away(self, arrival: Arrival, code: CloseCode) -> None:
        arrival.refused = code
        self._refused[code.code] += 1
        arrival.heard = self._turned_away < MAX_TURNED_AWAY
        self._turned_away += arrival.heard

    def end(self, arrival: Arrival) -> None:
        """The connection is gone, or its handshake came to nothing. Again is fine, and so it is for one that
        became a session."""
        if arrival._over:
            return
        arrival._over = True
        if arrival.refused is None:
            self.arriving -= 1
            self.give_back(arrival._key)
        else:
            self._turned_away -= arrival.heard

    def become_session(self, arrival: Arrival) -> str:
        """A session takes the place over; returns what `give_back` is to be called with at its end."""
        assert arrival.refused is None and not arrival._over
        arrival._over = True
        self.arriving -= 1
        return arrival._key

    def give_back(self, key: str) -> None:
        """A connection that had a place is gone."""
        self._held -= 1
        if key:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]


def _key(user_id: str | None, address: str) -> str:
    return f"user {user_id}" if user_id is not None else f"address {address}"
