"""People who dial in: raw sockets to the server of a test, signed in as whoever they say they are.

Owns the stand-in of sign-ins and the client's cookie and origin. Never used by the product.
"""

from __future__ import annotations

from typing import Any

from domain.commands import Actor
from domain.errors import Unavailable
from handlers.sessions import COOKIE
from tests.handlers.raw_socket import RawSocket


class FakeSessions:
    """Tokens are user ids. `down`: the database is away. `ended` are believed in by a cache only."""

    down = False
    ended: frozenset[str] = frozenset()

    async def resolve(self, token: str | None, fresh: bool = False) -> Any:
        if self.down:
            raise Unavailable("the database is away")
        if token is None or token == "stale" or (fresh and token in self.ended):
            return None

        class SignedIn:
            @property
            def actor(self) -> Actor:
                return Actor(token, str(token).title(), auth_id=f"auth-{token}")

        return SignedIn()


class Dial:
    """Connects, and closes what it has connected."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.made: list[RawSocket] = []

    async def __call__(
        self, user: str | None = "ann", *, buffer: int = 0, early: bytes = b"", **headers: str
    ) -> RawSocket:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given.setdefault("Origin", f"http://127.0.0.1:{self.port}")
        if user is not None:
            given["Cookie"] = f"{COOKIE}={user}"
        kept = {name: value for name, value in given.items() if value}
        self.made.append(await RawSocket.connect(self.port, kept, receive_buffer=buffer, early=early))
        return self.made[-1]
