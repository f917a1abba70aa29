"""People in front of browser windows.

Owns a person's browser context, what its console said, and plain REST calls with the person's own cookies.
Knows nothing about the screens: those are in `tests/e2e/screens.py`. Called by the end-to-end tests.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    APIResponse,
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    WebSocketRoute,
)

from tests.e2e.cluster import Cluster

# What Chromium writes by itself when a request fails; an app cannot keep it quiet.
NETWORK = r"net::ERR_|WebSocket connection to|Failed to load resource"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}


class Person:
    """One browser context with one window, at one of the server processes."""

    slowness = float(os.environ.get("E2E_SLOWNESS", "1"))
    """The device has so many times less of a processor; see docs/TESTING.md."""

    def __init__(self, context: BrowserContext, origin: str, name: str, rest: str = "") -> None:
        """`rest`: where REST calls of the test itself go, if not to `origin`."""
        self.context = context
        self.origin = origin
        self.rest = rest or origin
        self.name = name
        self.user_id = ""
        self.said: list[str] = []
        self._excused: list[str] = []
        context.set_default_timeout(15_000)
        self.page = context.new_page()
        self.listen(self.page)

    def listen(self, page: Page) -> None:
        """Keep what this window complains about."""
        if self.slowness > 1:
            device = page.context.new_cdp_session(page)
            device.send("Emulation.setCPUThrottlingRate", {"rate": self.slowness})
        page.on("console", self._on_console)
        page.on("pageerror", self._on_page_error)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert"):
            self.said.append(f"{message.text} ({message.location.get('url', '')})")

    def _on_page_error(self, error: Error) -> None:
        self.said.append(f"uncaught: {error.message}\n{error.stack}")

    def excuse(self, pattern: str) -> None:
        """From now on (and before) complaints like this are expected."""
        self._excused.append(pattern)

    def complaints(self) -> list[str]:
        """What the console said and no test expected."""
        return [
            f"{self.name}: {text}"
            for text in self.said
            if not any(re.search(pattern, text) for pattern in self._excused)
        ]

    def go(self, path: str) -> Page:
        """Open a page of this person's server process."""
        self.page.goto(self.origin + path)
        return self.page

    def call(self, method: str, path: str, body: Any = None) -> APIResponse:
        """A REST call with the cookies of this person."""
        headers = {"Content-Type": "application/json"}
        for cookie in self.context.cookies(self.rest):
            if cookie.get("name") == "_xsrf":
                headers["X-XSRFToken"] = cookie.get("value", "")
        return self.context.request.fetch(
            self.rest + path,
            method=method,
            headers=headers,
            data={} if body is None and method != "GET" else body,
        )

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of a REST call that must succeed, made with the cookies of this person."""
        answer = self.call(method, path, body)
        assert answer.ok, f"{method} {path}: {answer.status} {answer.text()}"
        return answer.json()

    def become_guest(self) -> Person:
        """Sign in as a new guest, without the screens."""
        self.api("GET", "/api/me")
        self.user_id = self.api("POST", "/api/auth/guest", {"name": self.name})["user"]["id"]
        return self


class Line:
    """The socket between a window and its server, in the test's hands. To be made before the room opens."""

    def __init__(self, page: Page) -> None:
        self.reachable = True
        self._held: list[tuple[WebSocketRoute, str | bytes]] | None = None
        page.route_web_socket("**/api/socket?*", self._on_socket)

    def hold(self) -> None:
        """What the server says waits from now on; what the window says still passes."""
        self._held = []

    def release(self) -> None:
        """Deliver what waited, in order."""
        held, self._held = self._held or [], None
        for socket, message in held:
            socket.send(message)

    def _on_socket(self, socket: WebSocketRoute) -> None:
        if not self.reachable:
            socket.close(code=1001)
            return
        socket.connect_to_server().on_message(lambda message: self._on_message(socket, message))

    def _on_message(self, socket: WebSocketRoute, message: str | bytes) -> None:
        if self._held is None:
            socket.send(message)
        else:
            self._held.append((socket, message))


class Trip:
    """A trip made through REST: two days and stops of one name, so that both languages read the same."""

    def __init__(self, owner: Person, plan: list[list[str]]) -> None:
        self.owner = owner
        body = {"title": "Lijiang", "start_date": "2027-05-01", "end_date": f"2027-05-{len(plan):02}"}
        self.id: str = owner.api("POST", "/api/trips", body)["trip"]["id"]
        self.path = f"/t/{self.id}"
        self.days = [day["id"] for day in self._snapshot()["days"]]
        self.stops: dict[str, str] = {}
        for day, names in zip(self.days, plan, strict=True):
            after = None
            for name in names:
                after = self._add(name, day, after)

    def _snapshot(self) -> Any:
        return self.owner.api("GET", f"/api/trips/{self.id}")["snapshot"]

    def _add(self, name: str, day: str, after: str | None) -> str:
        stop = self.stops[name] = secrets.token_hex(8)
        op = {
            "kind": "stop.add",
            "id": stop,
            "day": day,
            "after": after,
            "fields": {"name": name, "status": "planned"},
        }
        body = {"op_id": secrets.token_hex(8), "base": 0, "op": op}
        self.owner.api("POST", f"/api/trips/{self.id}/operations", body)
        return stop

    def invite(self, guest: Person, role: str = "editor") -> None:
        """Let somebody in."""
        url: str = self.owner.api("POST", f"/api/trips/{self.id}/invites", {"role": role})["url"]
        guest.api("POST", url.replace("/invite/", "/api/invites/") + "/accept")

    def truth(self, asked: Person | None = None) -> list[list[str]]:
        """Names of the stops of each day, as the database has them."""
        who = asked or self.owner
        stops = who.api("GET", f"/api/trips/{self.id}")["snapshot"]["stops"]
        live = sorted(
            (stop for stop in stops if not stop["deleted"]), key=lambda stop: (stop["pos"], stop["id"])
        )
        return [[stop["name"] for stop in live if stop["day_id"] == day] for day in self.days]

    def stop_record(self, name: str) -> dict[str, Any]:
        """One stop, as the database has it."""
        stop: dict[str, Any] = next(s for s in self._snapshot()["stops"] if s["id"] == self.stops[name])
        return stop


class People:
    """Everybody of one test."""

    def __init__(self, browser: Browser, cluster: Cluster) -> None:
        self.browser = browser
        self.cluster = cluster
        self.all: list[Person] = []

    def person(self, name: str, process: int | str = 0, **context: Any) -> Person:
        """Somebody not signed in, at this server process or address; `context` as Playwright's new_context
        takes it."""
        options = {"locale": "en-US", "timezone_id": "Asia/Shanghai", "reduced_motion": "reduce"}
        made = self.browser.new_context(**{**DESKTOP, **options, **context})
        if isinstance(process, str):
            person = Person(made, process, name)
        else:
            person = Person(made, self.cluster.urls[process], name, self.cluster.servers[process].url)
        self.all.append(person)
        return person

    def guest(self, name: str, process: int | str = 0, **context: Any) -> Person:
        """A new guest."""
        return self.person(name, process, **context).become_guest()

    def trip(self, owner: Person, plan: list[list[str]] | None = None) -> Trip:
        """A trip of two days, unless the plan says otherwise."""
        return Trip(owner, plan or [["Old Town", "Black Dragon Pool"], ["Tiger Leaping Gorge"]])

    def pair(self, plan: list[list[str]] | None = None) -> tuple[Person, Person, Trip]:
        """An owner and an editor at different server processes, and their trip."""
        owner, editor = self.guest("Ann", 0), self.guest("Bo", 1)
        trip = self.trip(owner, plan)
        trip.invite(editor)
        return owner, editor, trip

    def complaints(self) -> list[str]:
        return [text for person in self.all for text in person.complaints()]

    def screenshots(self, folder: Path) -> None:
        """One picture of each open window."""
        for n, person in enumerate(self.all):
            for page in person.context.pages:
                try:
                    page.screenshot(path=folder / f"{n}-{person.name}.png")
                except Error as error:
                    print(f"no screenshot of {person.name}: {error.message}")

    def close(self) -> None:
        for person in self.all:
            person.context.close()
