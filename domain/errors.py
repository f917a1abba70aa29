"""What can go wrong, in the words of the domain.

Every error carries a stable `code` (clients translate it), an English `message` for the one
caller, and whether sending the same thing again can help. Transport layers map the class to an
HTTP status or a `rejected` frame; nothing in here knows about either.
"""

from __future__ import annotations

from typing import Any


class DomainError(Exception):
    """Base of all errors that are the caller's to see.

    `code` is a stable identifier, `message` an English sentence, `retryable` says whether the
    same request can succeed later unchanged, `details` is JSON-able context such as the current
    state that the caller did not know.
    """

    code = "error"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        if code is not None:
            self.code = code


class Invalid(DomainError):
    """The input is malformed or breaks a rule of its field."""

    code = "invalid"


class Unauthenticated(DomainError):
    """Nobody is signed in, or the session has ended."""

    code = "unauthenticated"


class Forbidden(DomainError):
    """Somebody is signed in, but may not do this."""

    code = "forbidden"


class NotFound(DomainError):
    """There is no such thing, or the caller may not know that there is."""

    code = "not_found"


class Gone(DomainError):
    """It existed and was removed; it can be restored."""

    code = "gone"


class Conflict(DomainError):
    """The state moved on since the caller looked; `details['current']` may show it."""

    code = "conflict"


class LimitReached(DomainError):
    """A documented limit would be exceeded."""

    code = "limit"


class Throttled(DomainError):
    """Too many attempts; `details['retry_after']` is in seconds."""

    code = "throttled"
    retryable = True


class Unavailable(DomainError):
    """The database (or another dependency) could not answer; send the same again."""

    code = "unavailable"
    retryable = True
