"""What a failed transaction means: try again, the connection is gone, or a real error.

Owns the one table of driver error numbers. Called by `storage.runner`, which alone retries.
"""

from __future__ import annotations

import sqlite3
from enum import Enum

import pymysql.err
from sqlalchemy.exc import DBAPIError, IntegrityError, TimeoutError


class Fault(Enum):
    """Why a transaction failed without anybody being wrong."""

    CONTENTION = "contention"
    """Somebody else was faster: deadlock, lock wait, a busy SQLite. The same again can succeed."""
    LOST = "lost"
    """The connection broke. What the transaction did is unknown if it was committing."""
    EXHAUSTED = "exhausted"
    """No connection came free in time."""


class Contention(Exception):
    """A lock of this process was not free in time, or somebody created the same row first."""


_CONTENTION = frozenset({1020, 1205, 1213})
# Gone away, lost, refused, no such socket, killed, shutting down, too many connections, node not ready.
_LOST = frozenset({2002, 2003, 2006, 2013, 2055, 1927, 1053, 1040, 1047})
_SQLITE_CONTENTION = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def fault_of(error: BaseException) -> Fault | None:
    """The fault behind an exception; None for errors that no repetition mends."""
    if isinstance(error, Contention):
        return Fault.CONTENTION
    if isinstance(error, TimeoutError):
        return Fault.EXHAUSTED
    if not isinstance(error, DBAPIError):
        return None
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        return Fault.CONTENTION if code in _SQLITE_CONTENTION else None
    if isinstance(cause, pymysql.err.Error):
        code = cause.args[0] if cause.args else 0
        if code in _CONTENTION:
            return Fault.CONTENTION
        if code in _LOST or isinstance(cause, pymysql.err.InterfaceError):
            return Fault.LOST
    if isinstance(error, IntegrityError):
        return None
    return Fault.LOST if error.connection_invalidated else None
