"""A whole edge in memory for handler tests: application, clock, people, and a client with cookies.

`World` is what `server.py` would build, with everything outside the process replaced. Passwords are
hashed with the cheapest Argon2 parameters.
"""

from __future__ import annotations

import http.cookies
import json
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from domain.accounts import Limits, timestamp
from domain.services.demo import Sample, SampleDay, SampleStop
from handlers.application import make_application
from handlers.body_limit import BodyLimit
from handlers.deps import Deps, Features
from handlers.passwords import Argon2Hasher
from handlers.rates import Rates
from handlers.sessions import COOKIE, SessionCache
from realtime.assistant.completions import Completions
from realtime.assistant.lives import AssistantTimes
from realtime.assistant.runner import Assistant
from realtime.broker_memory import MemoryBroker
from realtime.hub import Hub
from realtime.jobs.postman import Post, Postman
from realtime.jobs.render import render
from realtime.jobs.worker import Worker
from realtime.presence_memory import MemoryPresenceStore
from realtime.publisher import Publisher
from tests.handlers.memory import MemoryRun
from tests.handlers.raw_socket import RawSocket
from tests.photos import a_photo
from tests.realtime.assistant.world import FakeModel
from tests.realtime.world import QUIET

SAMPLE = Sample(
    title_zh="云南",
    title_en="Yunnan",
    description_zh="一起去",
    description_en="Together",
    days=[
        SampleDay(
            title_zh="大理", title_en="Dali", notes_en="Slow down",
            stops=[
                SampleStop(name="Old town", name_alt="古城", lat=25.69, lng=100.16, start_time="09:00"),
                SampleStop(name="Lake Erhai", name_alt="洱海", cost_amount=3000, cost_currency="CNY"),
            ],
        ),
        SampleDay(title_zh="丽江", title_en="Lijiang", stops=[SampleStop(name="Black Dragon Pool")]),
    ],
    ideas=[SampleStop(name="Tiger Leaping Gorge", name_alt="虎跳峡")],
)  # fmt: skip


class World:
    """The edge and its surroundings. `now` moves only when a test says so.

    With `rooms` it has the room socket, and what is committed is published; `hub.start()` is the
    test's to call.
    """

    def __init__(self, dist: Path, rooms: bool = False, **changes: Any) -> None:
        self.now = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
        self.run = MemoryRun()
        self._dialled: list[RawSocket] = []
        self.revoked: list[tuple[set[str], str | None]] = []
        self.executor = ThreadPoolExecutor(1)
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.hasher = Argon2Hasher(self.executor, cheap)
        sessions = SessionCache(self.run, self.clock, monotonic=lambda: self.now.timestamp())
        self.broker, presence = MemoryBroker(), MemoryPresenceStore()
        self.hub = Hub(self.run, self.broker, presence, sessions.still_valid, clock=self.clock, times=QUIET)
        if rooms:
            self.run.tell = Publisher(self.hub, self.broker).publish
        self.rung: list[str] = []
        self.mails: list[EmailMessage] = []
        post = Post(self._send, "https://trips.example", ("", "mail@trips.example"))
        postman = Postman(self.run, post, self.clock)
        self.worker = Worker(self.run, render, self.executor, self.clock, postman=postman)
        self.model = FakeModel()
        self.assistant = self.make_assistant(self.model)
        given: dict[str, Any] = {
            "run": self.run,
            "hasher": self.hasher,
            "revoke": self.hub.revoke if rooms else self.revoke,
            "hub": self.hub if rooms else None,
            "sessions": sessions,
            "ring": self.ring,
            "assistant": self.assistant,
            "dist": dist,
            "sample": SAMPLE,
            "limits": Limits(),
            "features": Features(mail=True),
            "clock": self.clock,
        }
        given |= changes
        given.setdefault("rates", Rates(self.run, given["limits"], self.clock, lambda: self.now.timestamp()))
        self.deps = Deps(**given)
        self.application = make_application(self.deps)
        self.server = HTTPServer(BodyLimit(self.application))
        socket, self.port = bind_unused_port()
        self.server.add_socket(socket)

    def make_assistant(
        self, model: Completions | None, readers_of_user: int = 20, **times: float
    ) -> Assistant:
        """An assistant over this world. Its background work is not started: tests call it."""
        return Assistant(
            self.hub, self.run, model, times=AssistantTimes(**times), readers_of_user=readers_of_user
        )

    def clock(self) -> str:
        return timestamp(self.now)

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def ring(self, job_id: str, mail: bool = False) -> None:
        self.rung.append(job_id)

    async def _send(self, message: EmailMessage, sender: str, recipient: str) -> None:
        self.mails.append(message)

    async def post_all(self) -> list[EmailMessage]:
        """Send what is waiting; all mails so far."""
        rung, self.rung[:] = list(self.rung), []
        for job_id in rung:
            await self.worker.work(job_id)
        return self.mails

    async def revoke(self, *, auth_ids: Collection[str] = (), user_id: str | None = None) -> None:
        self.revoked.append((set(auth_ids), user_id))

    def client(self, **headers: str) -> Client:
        return Client(f"http://127.0.0.1:{self.port}", headers)

    async def dial(self, client: Client, **headers: str) -> RawSocket:
        """A room socket of this browser, from a page of this very site."""
        sent = {"Origin": f"http://127.0.0.1:{self.port}"}
        if COOKIE in client.cookies:
            sent["Cookie"] = f"{COOKIE}={client.cookies[COOKIE]}"
        self._dialled.append(await RawSocket.connect(self.port, sent | headers))
        return self._dialled[-1]

    async def aclose(self) -> None:
        for socket in self._dialled:
            await socket.aclose()
        self.server.stop()
        await self.assistant.aclose()
        await self.server.close_all_connections()
        await self.hub.aclose()
        await self.run.aclose()
        self.executor.shutdown()


class Answer:
    """One response, with its JSON."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.code
        self.headers = response.headers
        self.body = response.body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The stable code of an error."""
        return str(self.json["error"]["code"])

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    """A browser: keeps cookies, sends the CSRF header, and JSON."""

    def __init__(self, base: str, headers: dict[str, str]) -> None:
        self.base = base
        self.headers = headers
        self.cookies: dict[str, str] = {}
        self.morsels: dict[str, http.cookies.Morsel[str]] = {}
        self.user: dict[str, Any] = {}
        self.observe: Callable[[str, str, Answer], None] | None = None

    async def send(
        self, verb: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> Answer:
        """`headers`: underscores become dashes; an empty value leaves a header out."""
        if "_xsrf" not in self.cookies and verb not in ("GET", "HEAD"):
            await self.send("GET", "/api/me")
        sent = dict(self.headers)
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if verb not in ("GET", "HEAD"):
            sent["X-XSRFToken"] = self.cookies.get("_xsrf", "")
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = HTTPRequest(
            self.base + path,
            method=verb,
            headers={name: value for name, value in sent.items() if value},
            body=data if data is not None else (b"" if verb in ("POST", "PATCH") else None),
            allow_nonstandard_methods=True,
            follow_redirects=False,
        )
        response = await AsyncHTTPClient().fetch(request, raise_error=False)
        for line in response.headers.get_list("Set-Cookie"):
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.morsels[name] = morsel
                if morsel.value:
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
        answer = Answer(response)
        if self.observe is not None:
            self.observe(verb, path, answer)
        return answer

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.send("GET", path, **headers)

    async def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.send("POST", path, body, **headers)

    async def patch(self, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.send("PATCH", path, body, **headers)

    async def delete(self, path: str, **headers: str) -> Answer:
        return await self.send("DELETE", path, **headers)

    # --- people -----------------------------------------------------------------------------

    async def guest(self, name: str) -> Client:
        """Become a guest."""
        answer = await self.post("/api/auth/guest", {"name": name, "locale": "en"})
        assert answer.status == 200, answer
        self.user = answer.json["user"]
        return self

    async def account(self, username: str, password: str = "a long password") -> Client:
        """Register."""
        body = {"username": username, "password": password, "name": username.title()}
        answer = await self.post("/api/auth/register", body)
        assert answer.status == 200, answer
        self.user = answer.json["user"]
        return self

    async def trip(self, title: str = "Yunnan", **more: Any) -> str:
        """Make a trip; returns its id."""
        answer = await self.post("/api/trips", {"title": title, **more})
        assert answer.status == 201, answer
        return str(answer.json["trip"]["id"])

    async def post_photo(self, trip_id: str, photo_id: str, body: bytes | None = None) -> str:
        """Upload a photo; returns its id."""
        path = f"/api/trips/{trip_id}/photos/{photo_id}"
        answer = await self.send("POST", path, raw=body or a_photo(), Content_Type="image/jpeg")
        assert answer.status == 202, answer
        return str(answer.json["photo"]["id"])

    async def invite(self, trip_id: str, role: str, **more: Any) -> str:
        """Make a link; returns its token."""
        answer = await self.post(f"/api/trips/{trip_id}/invites", {"role": role, **more})
        assert answer.status == 201, answer
        return str(answer.json["url"].removeprefix("/invite/"))

    async def join(self, token: str) -> Client:
        """Accept a link."""
        answer = await self.post(f"/api/invites/{token}/accept")
        assert answer.status == 200, answer
        return self
