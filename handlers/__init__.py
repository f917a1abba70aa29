"""The Tornado edge: translate, authenticate, delegate. No SQL, no rules of trips.

Owns the list of all routes and the application made from them. Called by `server.py` and the
tests with a `Deps`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from tornado.web import Application

from handlers import (
    assistant,
    auth,
    demo,
    health,
    history,
    invites,
    me,
    members,
    openapi,
    pages,
    room_socket,
    talk,
    trips,
)
from handlers.deps import Deps
from handlers.routes import Route
from handlers.sse import Compression

ROUTES: list[Route] = [
    *me.routes,
    *auth.routes,
    *demo.routes,
    *trips.routes,
    *members.routes,
    *invites.routes,
    *history.routes,
    *talk.routes,
    *assistant.routes,
    *openapi.routes,
    *health.routes,
]


def make_application(deps: Deps) -> Application:
    """The whole application; `server.py` gives it to an `HTTPServer` made with xheaders=False."""
    encoded = msgspec.json.encode(openapi.document(ROUTES))
    rules: list[Any] = []
    for route in ROUTES:
        given: dict[str, Any] = {"deps": deps}
        if route.handler is openapi.OpenApiHandler:
            given["encoded"] = encoded
        rules.append((route.pattern, route.handler, given))
    rules += room_socket.rules(deps)
    rules += pages.rules(deps)
    settings: dict[str, Any] = {
        "xsrf_cookies": True,
        "default_handler_class": pages.NotFoundHandler,
        "default_handler_args": {"deps": deps},
    }
    if deps.log_request is not None:
        settings["log_function"] = deps.log_request
    return Application(rules, transforms=[Compression], **settings)
