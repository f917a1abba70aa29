"""How a route is declared: its path, its handler, and what each verb takes and gives.

Owns the declaration from which both Tornado's rules and the OpenAPI document are made, so that
they cannot disagree. Every REST module ends with its list `routes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tornado.web import RequestHandler

SEGMENTS = {"token": r"[A-Za-z0-9_-]{1,100}"}
ID_SEGMENT = r"[A-Za-z0-9_-]{1,40}"
Verb = Literal["GET", "POST", "PATCH", "DELETE"]


@dataclass(frozen=True)
class Endpoint:
    """One verb of a route. `errors` are the statuses that are part of its contract.

    `signed_in`: answers 401 to everybody else. `op_id`: takes an Idempotency-Key header.
    `other`: statuses that answer with something else than the error envelope. `events`: with
    `Accept: text/event-stream` it answers 200 and a stream of events, resumed by `Last-Event-ID`.
    `files`: media types of the file that it answers with instead of JSON (then `response` is str).
    `takes`: media types of the file that is its body (then `body` is None).
    """

    summary: str
    response: Any
    status: int = 200
    body: Any = None
    query: Any = None
    errors: tuple[int, ...] = ()
    signed_in: bool = True
    op_id: bool = False
    other: Mapping[int, Any] = field(default_factory=dict)
    events: bool = False
    files: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Route:
    """`path` as in OpenAPI: ``/api/trips/{trip_id}``; segments in braces become arguments."""

    path: str
    handler: type[RequestHandler]
    endpoints: Mapping[Verb, Endpoint]

    @property
    def pattern(self) -> str:
        """The regular expression that Tornado matches."""

        def segment(match: re.Match[str]) -> str:
            name = match.group(1)
            return f"(?P<{name}>{SEGMENTS.get(name, ID_SEGMENT)})"

        return re.sub(r"\{(\w+)\}", segment, self.path)

    @property
    def parameters(self) -> list[str]:
        """Names of the path's segments, in order."""
        return re.findall(r"\{(\w+)\}", self.path)
