"""Argon2 in an executor: never on the loop, never inside a transaction.

Owns the hashing parameters and the equal cost of known and unknown users. Constructed by
`server.py` with a small executor of its own, so that a flood of log-ins cannot take the threads
of the database.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import Unavailable

R = TypeVar("R")
MAX_WAITING = 64
"""More callers than this are asked to come back, so that the queue stays short."""


class Argon2Hasher:
    """Implements `handlers.deps.Hasher`."""

    def __init__(self, executor: Executor, hasher: PasswordHasher | None = None) -> None:
        self._executor = executor
        self._argon2 = hasher or PasswordHasher()
        self._dummy = self._argon2.hash("nobody has this password")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        return await self._off_loop(self._hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        return await self._off_loop(self._verify, stored, password)

    def outdated(self, stored: str) -> bool:
        return self._argon2.check_needs_rehash(stored)

    async def _off_loop(self, work: Callable[..., R], *args: object) -> R:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("too many people sign in at this moment", retry_after=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, *args)
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        return self._argon2.hash(_bytes(password))

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            self._argon2.verify(stored or self._dummy, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None


def _bytes(password: str) -> bytes:
    # The same password typed on another keyboard must give the same bytes.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
