"""A client of the room protocol for tests and benchmarks, written from docs/PROTOCOL.md alone.

The replica itself is `tests.integration.replica`; this brings HTTP, the WebSocket, resending and
coming back after a close. Never used by the product.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.integration.replica import Record, Records, Replica, live


class Api:
    """One signed-in person over HTTP: keeps cookies and sends the CSRF header."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.cookies: dict[str, str] = {}
        self.user_id = ""

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        patience: float = 30,
    ) -> tuple[int, Any]:
        """(status, decoded JSON body). `headers` on top of the usual ones. ConnectionError without an answer
        in `patience` seconds."""
        headers = {"Cookie": self.cookie_header, "Content-Type": "application/json"} | (headers or {})
        if "_xsrf" in self.cookies:
            headers["X-XSRFToken"] = self.cookies["_xsrf"]
        data = json.dumps(body) if body is not None else ("{}" if method in ("POST", "PATCH") else None)
        request = HTTPRequest(
            self.base_url + path, method=method, headers=headers, body=data, request_timeout=patience
        )
        response: HTTPResponse = await AsyncHTTPClient().fetch(request, raise_error=False)
        for line in response.headers.get_list("Set-Cookie"):
            name, _, value = line.split(";", 1)[0].partition("=")
            self.cookies[name] = value
        if response.code == 599:
            raise ConnectionError(str(response.error))
        return response.code, json.loads(response.body or b"null")

    async def ok(self, method: str, path: str, body: Any = None) -> Any:
        """The body of a 2xx answer; AssertionError otherwise."""
        status, answer = await self.call(method, path, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    async def guest(self, name: str) -> Api:
        """Become a new guest."""
        await self.ok("GET", "/api/me")
        self.user_id = (await self.ok("POST", "/api/auth/guest", {"name": name, "locale": "en"}))["user"][
            "id"
        ]
        return self

    def elsewhere(self, base_url: str) -> Api:
        """The same person on another server process."""
        twin = Api(base_url)
        twin.cookies, twin.user_id = self.cookies, self.user_id
        return twin


class RoomClient(Replica):
    """One tab in one room. `urls` are the processes it may reconnect to, tried in turn."""

    def __init__(self, api: Api, room: str, urls: list[str] | None = None) -> None:
        super().__init__(room)
        self.api = api
        self.urls = urls or [api.base_url]
        self.close_codes: list[int | None] = []
        self.socket: WebSocketClientConnection | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._attempt = 0

    async def start(self) -> RoomClient:
        """Connect, join, and return once joined."""
        self._task = asyncio.create_task(self._run())
        await self.until(lambda: bool(self.joins))
        return self

    async def stop(self) -> None:
        """Close for good, with the handshake where the server still answers."""
        self._stopped = True
        if self.socket is not None:
            self.socket.close(1000)
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=5)
            for task in late:
                self.drop()
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def drop(self) -> None:
        """Lose the connection without a close handshake; the client comes back by itself."""
        if self.socket is not None and self.socket.protocol is not None:
            stream = self.socket.protocol.stream
            if stream is not None:
                stream.close()

    async def settle(self, within: float = 30) -> None:
        """Wait until every operation of ours was answered."""
        await self.until(lambda: not self.pending, within)

    async def until_pending_below(self, count: int) -> None:
        """Wait until fewer than `count` operations are unanswered."""
        await self.until(lambda: len(self.pending) < count, 60)

    async def until(self, condition: Callable[[], bool], within: float = 30) -> None:
        """Wait for a condition on this client's state; TimeoutError says where it stood."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(
                f"seq {self.seq}, pending {len(self.pending)}, closes {self.close_codes}"
            ) from None

    def send_raw(self, data: str | bytes, *, binary: bool = False) -> None:
        """Send any frame at all."""
        assert self.socket is not None
        with contextlib.suppress(Exception):
            written = self.socket.write_message(data, binary=binary)
            # The reader sees the end of the connection; here nobody asks.
            written.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _send(self, message: Record) -> None:
        if self.socket is not None and self.joins:
            self.send_raw(json.dumps(message))

    async def _run(self) -> None:
        while not self._stopped:
            with contextlib.suppress(OSError, ConnectionError, Exception):
                await self._session()
            if self.closings and not self.closings[-1].get("resume", True):
                return
            await asyncio.sleep(0.05 + 0.1 * secrets.randbelow(100) / 100)

    async def _session(self) -> None:
        url = self.urls[self._attempt % len(self.urls)]
        self._attempt += 1
        request = HTTPRequest(
            url.replace("http", "ws", 1) + f"/api/socket?room={self.room}",
            headers={"Cookie": self.api.cookie_header, "Origin": url},
            connect_timeout=5,
        )
        self.socket = await websocket_connect(request)
        self.send_raw(json.dumps(self.join_message()))
        resend = asyncio.create_task(self._resend())
        try:
            while (frame := await self.socket.read_message()) is not None:
                self.receive(json.loads(frame))
                self._changed.set()
        finally:
            resend.cancel()
            self.close_codes.append(self.socket.close_code)
            self.socket.close()
            self.socket = None
            self._changed.set()

    async def _resend(self) -> None:
        while True:
            await asyncio.sleep(2)
            self.resend()


async def snapshot_view(api: Api, room: str) -> tuple[int, dict[str, Any]]:
    """(seq, live records) as the database has them, through REST."""
    answer = await api.ok("GET", f"/api/trips/{room}")
    snapshot = answer["snapshot"]
    records: Records = {("trip", room): snapshot["trip"]}
    for t, key in (("day", "days"), ("stop", "stops"), ("member", "members")):
        records |= {(t, record["id"]): record for record in snapshot[key]}
    return answer["seq"], live(records)
