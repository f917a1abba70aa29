"""What all people of a load run share: their seat, their sign-in, and REST calls by a readable name.

Owns the cookies and the CSRF header. Never opens a WebSocket (see `loadtests.users.tab`). Base of the users
that call the REST API.
"""

from __future__ import annotations

from typing import Any

import gevent
from locust import FastHttpUser
from locust.env import Environment

from loadtests import stage
from loadtests.seats import Person, Room
from loadtests.targets import Kind


class Caller(FastHttpUser):
    """Somebody with a seat who calls the REST API."""

    abstract = True
    kind: Kind
    # A server may close an idle connection at any time; browsers then try once more, too.
    max_retries = 1
    network_timeout = 60.0

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.stage = stage.of(environment)
        seat = self.stage.seats.take(self.kind)
        self.person: Person = seat.person
        self.room: Room = seat.room

    def call(self, method: str, path: str, name: str, body: Any = None, **headers: str) -> Any:
        """The decoded answer; None where it failed, which is in the statistics under `name`."""
        said = self._headers() | headers
        with self.client.request(
            method, path, name=name, json=body, headers=said, catch_response=True
        ) as answer:
            if answer.status_code and 200 <= answer.status_code < 300:
                answer.success()
                return answer.json()
            if self.stage.over:
                answer.success()
            else:
                answer.failure(f"{answer.status_code} {(answer.text or '')[:200]} {answer.error or ''}")
            return None

    def _headers(self) -> dict[str, str]:
        cookies = self.person.cookies
        headers = {"Content-Type": "application/json"}
        if cookies:
            headers["Cookie"] = self.person.cookie_header
        if "_xsrf" in cookies:
            headers["X-XSRFToken"] = cookies["_xsrf"]
        return headers

    def sign_in(self) -> None:
        """Log in with the password, where this person has one; guests are signed in already. Tried until it
        works: every failure is in the statistics."""
        if not self.person.password:
            return
        done = None
        while done is None and not self.stage.over:
            self.person.cookies = {}
            self.client.cookiejar.clear()
            self.call("GET", "/api/me", "who am I")
            self._keep_cookies()
            body = {"login": self.person.username, "password": self.person.password}
            done = self.call("POST", "/api/auth/login", "log in", body)
            self._keep_cookies()
            if done is None:
                gevent.sleep(1)

    def _keep_cookies(self) -> None:
        for cookie in self.client.cookiejar:
            self.person.cookies[cookie.name] = cookie.value or ""
