"""The browser's side of the edge: the SPA's index page and its static files.

Owns which paths are pages and how long files may be cached: names under /assets carry a hash and
never change, index.html is asked for every time. Nothing here knows about trips.
"""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from typing import Any

from tornado.web import HTTPError, StaticFileHandler

from handlers.base import BaseHandler
from handlers.deps import Deps

PAGES = (
    r"/(?:|login|register|forgot|reset|confirm|trips|settings|assistant(?:/[A-Za-z0-9_-]{1,40})?"
    r"|t/[A-Za-z0-9_-]{1,40}|invite/[A-Za-z0-9_-]{1,100})"
)
SECRET = ("/reset", "/confirm", "/invite/")
"""Pages whose address holds a secret: it goes to no other page, and the page stays in no cache."""
TYPES = {
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".webp": "image/webp",
    ".wasm": "application/wasm",
}
YEAR = 365 * 86400
DAY = 86400
NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Tongyou</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem}</style>
</head><body><h1>Tongyou is running</h1>
<p>The web app has not been built yet. In the project's folder run</p><pre>make build</pre>
<p>and load this page again. The interface for programs is described at
<a href="/api/openapi.json">/api/openapi.json</a>.</p></body></html>
"""


class PageHandler(BaseHandler):
    """Every page of the SPA is the same file; the router in the browser does the rest."""

    route = "page"

    async def get(self) -> None:
        _ = self.xsrf_token  # reading it sets the cookie
        self.send_index(200)

    async def head(self) -> None:
        self.send_index(200)

    def send_index(self, status: int) -> None:
        index = self.deps.dist / "index.html"
        try:
            page = index.read_bytes()
        except OSError:
            page, status = NOT_BUILT.encode(), 503 if status == 200 else status
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        secret = self.request.path.startswith(SECRET)
        self.set_header("Cache-Control", "no-store" if secret else "no-cache")
        if secret:
            self.set_header("Referrer-Policy", "no-referrer")
        self.finish(page)


class NotFoundHandler(PageHandler):
    """Unknown paths: a browser gets the SPA (which says so, in the reader's language), with 404;
    everybody else the error envelope."""

    route = "unknown"

    async def prepare(self) -> None:
        super().prepare()
        wants_page = "text/html" in self.request.headers.get("Accept", "")
        if self.request.method != "GET" or not wants_page or self.request.path.startswith("/api/"):
            raise HTTPError(404)

    async def get(self) -> None:
        self.send_index(404)

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed here: a wrong path is 404 for everybody."""


class FileHandler(BaseHandler, StaticFileHandler):
    """A file of the build; `max_age` is how long it may be kept without asking."""

    route = "file"

    def initialize(self, deps: Deps, path: str, max_age: int) -> None:  # type: ignore[override]
        BaseHandler.initialize(self, deps)
        StaticFileHandler.initialize(self, path)
        self.max_age = max_age

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        if "\0" in absolute_path:
            raise HTTPError(404)
        return super().validate_absolute_path(root, absolute_path)

    def set_extra_headers(self, path: str) -> None:
        immutable = ", immutable" if self.max_age == YEAR else ""
        self.set_header("Cache-Control", f"public, max-age={self.max_age}{immutable}")

    def get_content_type(self) -> str:
        suffix = os.path.splitext(self.absolute_path or "")[1].lower()
        known = TYPES.get(suffix) or mimetypes.types_map.get(suffix)
        return known or "application/octet-stream"


def rules(deps: Deps) -> list[tuple[str, type[BaseHandler], dict[str, Any]]]:
    """Tornado's rules for pages and files."""

    def folder(name: str, max_age: int) -> tuple[str, type[BaseHandler], dict[str, Any]]:
        path = str(Path(deps.dist) / name)
        return (rf"/{name}/(.+)", FileHandler, {"deps": deps, "path": path, "max_age": max_age})

    root = {"deps": deps, "path": str(deps.dist), "max_age": DAY}
    return [
        (PAGES, PageHandler, {"deps": deps}),
        folder("assets", YEAR),
        folder("map", DAY),
        (r"/((?:favicon|icon|apple-touch-icon|manifest|robots)[\w.\-]*)", FileHandler, root),
    ]
