"""The OpenAPI 3.1 document, made from the declarations beside the handlers.

Owns the mapping from `Route` and msgspec structs to OpenAPI; nothing about an endpoint is written
here a second time. Served at /api/openapi.json. The room socket is described in docs/PROTOCOL.md
and only named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from handlers.base import ApiHandler, BaseHandler
from handlers.deps import Deps
from handlers.errors import ErrorEnvelope
from handlers.routes import SEGMENTS, Endpoint, Route
from handlers.sessions import COOKIE
from handlers.sse import PLACE
from realtime.protocol import OpId

_REF = "#/components/schemas/{name}"
_UNSAFE = ("POST", "PATCH", "DELETE")
_TEXT = {"type": "string"}
_EVENTS = "With `Accept: text/event-stream`: events `open`, `delta` (each a `Stream`), `end`"
_DESCRIPTION = """REST surface of Tongyou. Errors are `{"error": {code, message, retryable, details}}`.
Unsafe methods need the header `X-XSRFToken` with the value of the cookie `_xsrf`, which
`GET /api/me` sets. Attempts to sign in, registrations, guests, samples and new trips are limited in
fixed windows by account or address, requests of any kind by person and address: 429 with
`Retry-After`. Live editing happens on the WebSocket `/api/socket`, see docs/PROTOCOL.md."""


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document as JSON-able values."""
    kinds = list(_kinds(routes))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    known = dict(zip(map(_key, kinds), schemas, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tongyou", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": {
            route.path: {
                verb.lower(): _operation(route, verb, endpoint, known)
                for verb, endpoint in route.endpoints.items()
            }
            for route in routes
        },
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
                "xsrf": {"type": "apiKey", "in": "header", "name": "X-XSRFToken"},
            },
        },
    }


def _kinds(routes: Iterable[Route]) -> Iterable[Any]:
    yield ErrorEnvelope
    yield OpId
    for route in routes:
        for endpoint in route.endpoints.values():
            yield from (
                kind
                for kind in (endpoint.response, endpoint.body, endpoint.query, *endpoint.other.values())
                if kind is not None
            )


def _key(kind: Any) -> int:
    return id(kind)


def _operation(route: Route, verb: str, endpoint: Endpoint, known: dict[int, Any]) -> dict[str, Any]:
    parameters = [_path_parameter(name) for name in route.parameters]
    if endpoint.query is not None:
        parameters += _query_parameters(endpoint.query)
    if endpoint.op_id:
        parameters.append(
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": known[_key(OpId)]}
        )
    if endpoint.events:
        place = {"type": "string", "pattern": f"^{PLACE}$"}
        parameters.append({"name": "Last-Event-ID", "in": "header", "required": False, "schema": place})
    schemes: dict[str, list[str]] = {}
    if endpoint.signed_in:
        schemes["session"] = []
    if verb in _UNSAFE:
        schemes["xsrf"] = []
    operation: dict[str, Any] = {
        "operationId": f"{verb.lower()}{_camel(route.path)}",
        "summary": endpoint.summary,
        "tags": [route.handler.__module__.rsplit(".", 1)[-1]],
        "parameters": parameters,
        "responses": _responses(route, verb, endpoint, known),
        "security": [schemes] if schemes else [],
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(known[_key(endpoint.body)])}
    if endpoint.takes:
        content: dict[str, Any] = {media_type: {} for media_type in endpoint.takes}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _responses(route: Route, verb: str, endpoint: Endpoint, known: dict[int, Any]) -> dict[str, Any]:
    # A file is bytes, whatever its type: it has no schema.
    content: dict[str, Any] = {media_type: {} for media_type in endpoint.files}
    responses: dict[str, Any] = {
        str(endpoint.status): {
            "description": endpoint.summary,
            "content": content or _json(known[_key(endpoint.response)]),
        }
    }
    if endpoint.events:
        streamed = responses.setdefault("200", {"description": _EVENTS, "content": {}})
        streamed["content"]["text/event-stream"] = {"schema": _TEXT}
    for status, kind in endpoint.other.items():
        responses[str(status)] = {"description": endpoint.summary, "content": _json(known[_key(kind)])}
    for status in sorted(all_errors(route, verb, endpoint)):
        if str(status) not in responses:
            responses[str(status)] = {
                "description": "Error",
                "content": _json(known[_key(ErrorEnvelope)]),
            }
    responses["default"] = {"description": "Error", "content": _json(known[_key(ErrorEnvelope)])}
    return responses


def all_errors(route: Route, verb: str, endpoint: Endpoint) -> set[int]:
    """The declared statuses and those that follow from the kind of endpoint."""
    errors = set(endpoint.errors)
    if issubclass(route.handler, ApiHandler):
        errors.add(429)
    if endpoint.signed_in:
        errors.add(401)
    if verb in _UNSAFE:
        errors |= {403}
    if endpoint.body is not None or endpoint.takes:
        errors.add(413)
    return errors


def _path_parameter(name: str) -> dict[str, Any]:
    longest = 100 if name in SEGMENTS else 40
    schema = {"type": "string", "pattern": f"^[A-Za-z0-9_-]{{1,{longest}}}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(kind: type[Any]) -> list[dict[str, Any]]:
    (reference,), components = msgspec.json.schema_components([kind], ref_template=_REF)
    schema = components[reference["$ref"].rsplit("/", 1)[-1]]
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": each}
        for name, each in schema["properties"].items()
    ]


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _camel(path: str) -> str:
    words = path.replace("{", "").replace("}", "").replace("-", "/").replace("_", "/").split("/")
    return "".join(word.replace(".", "").capitalize() for word in words)


class OpenApiHandler(BaseHandler):
    """The document never changes while the process runs: it is given encoded."""

    def initialize(self, deps: Deps, encoded: bytes, route: str) -> None:  # type: ignore[override]
        super().initialize(deps, route)
        self.encoded = encoded

    async def get(self) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.finish(self.encoded)


routes = [
    Route(
        "/api/openapi.json",
        OpenApiHandler,
        {"GET": Endpoint("This document", dict[str, Any], signed_in=False)},
    )
]
