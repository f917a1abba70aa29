"""The list of all routes, and the application made from them.

Called by the composition root and the tests with a `Deps`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from tornado.web import Application, RequestHandler

from handlers import (
    addresses,
    assistant,
    auth,
    demo,
    exports,
    health,
    history,
    invites,
    me,
    members,
    openapi,
    pages,
    photos,
    resets,
    room_socket,
    talk,
    trips,
)
from handlers.deps import Deps
from handlers.logs import log_request, verb_of
from handlers.routes import Route
from handlers.sse import Compression

ROUTES: list[Route] = [
    *me.routes,
    *auth.routes,
    *resets.routes,
    *addresses.routes,
    *demo.routes,
    *trips.routes,
    *members.routes,
    *invites.routes,
    *history.routes,
    *talk.routes,
    *assistant.routes,
    *exports.routes,
    *photos.routes,
    *openapi.routes,
    *health.routes,
]


def make_application(deps: Deps) -> Application:
    """The whole application; `server.py` gives it to an `HTTPServer` made with xheaders=False."""
    encoded = msgspec.json.encode(openapi.document(ROUTES))
    rules: list[Any] = []
    for route in ROUTES:
        given: dict[str, Any] = {"deps": deps, "route": route.path}
        if route.handler is openapi.OpenApiHandler:
            given["encoded"] = encoded
        rules.append((route.pattern, route.handler, given))
    rules += room_socket.rules(deps)
    rules += pages.rules(deps)
    settings: dict[str, Any] = {
        "xsrf_cookies": True,
        "default_handler_class": pages.NotFoundHandler,
        "default_handler_args": {"deps": deps},
        "log_function": partial(_finished, deps),
    }
    return Application(rules, transforms=[Compression], **settings)


def _finished(deps: Deps, handler: RequestHandler) -> None:
    """A request has been answered."""
    route = str(getattr(handler, "route", "unknown"))
    log_request(handler, route)
    if deps.count_request is not None:
        seconds = handler.request.request_time()
        deps.count_request(verb_of(handler.request), route, handler.get_status(), seconds)
