"""From a cookie to a person: resolves session tokens, with a cache of a few seconds.

Owns the cookie's name and the cache. A session that ended on another process is honoured here for
at most `TTL` seconds over HTTP; open sockets are ended at once by `deps.revoke`. Used by
`handlers.base` and by the room socket.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection

from domain.accounts import RefreshSession, ResolveSession, SignedIn, ValidSessions, hash_token
from domain.ports import Run
from domain.services.accounts import refresh_session, resolve_session, valid_sessions

COOKIE = "tongyou_session"
TTL = 5.0
MAX_CACHED = 10_000
MAX_TOKEN = 100


class SessionCache:
    """Who holds which token, asked of the database at most once in `ttl` seconds."""

    def __init__(
        self,
        run: Run,
        clock: Callable[[], str],
        ttl: float = TTL,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._clock = clock
        self._ttl = ttl
        self._monotonic = monotonic
        self._known: OrderedDict[str, tuple[float, SignedIn]] = OrderedDict()
        self._forgotten = 0

    async def resolve(self, token: str | None, fresh: bool = False) -> SignedIn | None:
        """The person who holds `token`, or None. `fresh`: ask the database in any case."""
        if not token or len(token) > MAX_TOKEN:
            return None
        key = hash_token(token)
        cached = self._known.get(key)
        if not fresh and cached is not None and cached[0] > self._monotonic():
            return cached[1]
        before = self._forgotten
        found = await self._run(resolve_session, ResolveSession(key, self._clock()))
        self._known.pop(key, None)
        # A session that was ended while we asked must not be remembered as alive.
        if found is not None and self._ttl > 0 and before == self._forgotten:
            plain = SignedIn(found.auth_id, found.user)
            self._known[key] = (self._monotonic() + self._ttl, plain)
            if len(self._known) > MAX_CACHED:
                self._known.popitem(last=False)
        return found

    async def refresh(self, signed_in: SignedIn) -> None:
        """Prolong a session that is in use; at most once a day each."""
        await self._run(refresh_session, RefreshSession(signed_in.auth_id, self._clock()))

    async def still_valid(self, auth_ids: set[str]) -> set[str]:
        """Those sign-ins that have not ended: what `realtime.hub` asks for open sockets."""
        return await self._run(valid_sessions, ValidSessions(sorted(auth_ids), self._clock()))

    def forget(self, *, auth_ids: Collection[str] = (), user_id: str | None = None) -> None:
        """Drop what is cached of ended sessions, or of a user who changed."""
        self._forgotten += 1
        gone = [
            key
            for key, (_, signed_in) in self._known.items()
            if signed_in.auth_id in auth_ids or signed_in.user.id == user_id
        ]
        for key in gone:
            del self._known[key]
