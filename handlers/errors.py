"""One table: domain errors and HTTP statuses, and the one shape of an error answer."""

from __future__ import annotations

from typing import Any

import msgspec

from domain import errors

STATUS: dict[type[errors.DomainError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.LimitReached: 422,
    errors.Throttled: 429,
    errors.Unavailable: 503,
}
CODES: dict[int, str] = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "throttled",
    503: "unavailable",
}
DEFAULT_RETRY_AFTER = 2


class ErrorBody(msgspec.Struct, frozen=True):
    """`code` is stable and translated by clients; `message` is English, for the one caller."""

    code: str
    message: str
    retryable: bool
    details: dict[str, Any]


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """Every answer with a status of 400 and above."""

    error: ErrorBody


def status_of(error: errors.DomainError) -> int:
    """The HTTP status of a domain error, by its class or nearest base."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return 400


def envelope_of(error: errors.DomainError) -> ErrorEnvelope:
    return ErrorEnvelope(ErrorBody(error.code, error.message, error.retryable, error.details))


def envelope_for(status: int, reason: str) -> ErrorEnvelope:
    """For errors that are the transport's own: unknown route, wrong method, a bug."""
    code = CODES.get(status, "internal" if status >= 500 else "invalid")
    return ErrorEnvelope(ErrorBody(code, reason, status >= 500, {}))
