"""The people of a run: clients that edit, talk, undo, repeat themselves, and notice when they are cut off.

Owns what a client does for one `Step` and what it holds against the server: every broken promise that a
client can see by itself becomes an entry of `violations`. Called by `tests.chaos.story`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
from collections.abc import Iterable
from typing import Any

from tornado.httpclient import HTTPError, HTTPRequest
from tornado.websocket import websocket_connect

from tests.chaos.schedule import Step
from tests.integration.random_edits import random_edit
from tests.integration.replica import Record
from tests.integration.room_client import Api, RoomClient

BEAT = 1.0
SILENCE = 4.0
"""After so many seconds without a word, a client takes its connection for dead."""
MOST_PENDING = 40
"""Below the burst of frames that the server grants: who resends so many is no flood."""
FINAL = {4401, 4403}


class Person(RoomClient):
    """One tab. `number` is that of the schedule."""

    def __init__(self, number: int, api: Api, room: str, urls: list[str]) -> None:
        super().__init__(api, room, urls)
        self.number = number
        self.sent: dict[str, Record] = {}
        self.violations: list[str] = []
        self.traces: dict[str, list[str]] = {}
        """Of each operation: when it was sent, and what was heard of it."""
        self.shown: Record = {}
        """What this one says about itself: where it looks."""
        self.asked: dict[str, str] = {}
        """By the name of a question: the answer that the server said it will get; empty while it did not."""
        self.pieces: list[tuple[str, int, str]] = []
        """(answer, where, text) of every piece of a growing answer."""
        self.joined_at = 0.0
        """When the connection of now was joined; 0 while there is none."""
        self._heard = 0.0

    @property
    def sent_away(self) -> bool:
        """The server said that this one must not come back."""
        return bool(self.closings) and not self.closings[-1]["resume"]

    # --- steps ------------------------------------------------------------------------------

    def act(self, step: Step, room_is_shared_with: list[Person]) -> None:
        """Do what the schedule says, if one can."""
        rng = random.Random(step.seed)
        if self.sent_away or not self.joins or len(self.pending) >= MOST_PENDING:
            return
        if step.kind == "look":
            focus = {"t": "trip", "id": self.room, "field": f"f{rng.getrandbits(20)}"}
            self.shown = {"looking": focus, "typing": rng.random() < 0.3}
            self._show()
        elif step.kind == "again":
            self._repeat(rng)
        elif step.kind == "together":
            for person in room_is_shared_with:
                if not person.sent_away and person.joins and len(person.pending) < MOST_PENDING:
                    person.do(self._same_place(rng), rng)
        else:
            self.do(self._operation(step.kind, rng), rng)

    def do(self, op: Record, rng: random.Random) -> str:
        """Submit one operation, sometimes as if on older knowledge."""
        base = max(0, self.seq - rng.choice([0, 0, 0, 1, 5]))
        op_id = f"c{self.number}-{len(self.sent)}-{rng.getrandbits(40):x}"
        self.sent[op_id] = {"t": "submit", "op_id": op_id, "base": base, "op": op}
        return self.submit(op, op_id, base)

    def _show(self) -> None:
        if self.socket is not None and self.joined_at and self.shown:
            self.send_raw(json.dumps({"t": "presence", **self.shown}))

    async def ask(self, step: Step, urls: list[str], until: float) -> None:
        """Ask the assistant, at one process after the other, until one of them has the question."""
        if self.sent_away:
            return
        name = f"q{self.number}-{step.seed:x}"
        self.asked[name] = ""
        loop, path = asyncio.get_running_loop(), f"/api/trips/{self.room}/ai/chat"
        shift = step.seed % len(urls)
        for url in itertools.cycle(urls[shift:] + urls[:shift]):
            if loop.time() > until or self.sent_away:
                return
            with contextlib.suppress(OSError, ValueError, HTTPError):
                key = {"Idempotency-Key": f"ask:{name}"}
                status, said = await self.api.elsewhere(url).call(
                    "POST", path, {"text": f"去哪里? #{name}#"}, headers=key, patience=3
                )
                if status == 202:
                    if self.asked[name] not in ("", said["answer"]):
                        self.violations.append(f"question {name} has two answers")
                    self.asked[name] = said["answer"]
                    return
                if status < 500 and status != 429:
                    del self.asked[name]  # the server will not: a viewer, or somebody who was removed
                    return
            await asyncio.sleep(0.2)

    def _repeat(self, rng: random.Random) -> None:
        """What was answered long ago, once more: the answer must be the same."""
        if self.acked:
            self._send(self.sent[rng.choice(sorted(self.acked))])

    def _operation(self, kind: str, rng: random.Random) -> Record:
        n = len(self.sent)
        if kind == "talk":
            return {"kind": "message.post", "id": f"m{self.number}-{n}", "text": f"说 {n} 👋"}
        if kind == "undo" and self.acked:
            return {"kind": "undo", "seq": rng.choice(sorted(self.acked.values()))}
        if kind == "big":
            return {"kind": "trip.set_fields", "fields": {"description": "长" * rng.randint(1000, 9000)}}
        return random_edit(rng, self, n)

    def _same_place(self, rng: random.Random) -> Record:
        return {"kind": "trip.set_fields", "fields": {"title": f"Title {rng.getrandbits(20)}"}}

    # --- what is heard ----------------------------------------------------------------------

    def _send(self, message: Record) -> None:
        if self.socket is not None and self.joins:
            self._trace(message["op_id"], "sent")
        super()._send(message)

    def _trace(self, op_id: str, what: str) -> None:
        if op_id in self.sent:
            now = asyncio.get_running_loop().time()
            self.traces.setdefault(op_id, []).append(f"{what} at {now:.2f}")

    def was_resent(self, op_id: str) -> bool:
        """The server may have judged it more than once."""
        return sum(line.startswith("sent") for line in self.traces.get(op_id, ())) > 1

    def receive(self, message: Record) -> None:
        self._heard = asyncio.get_running_loop().time()
        if message["t"] in ("ack", "rejected"):
            self._trace(message["op_id"], f"{message['t']} {message.get('code', message.get('seq'))}")
        for event in message.get("events") or ():
            self._trace(event["op_id"], f"event {event['seq']}")
        try:
            if message["t"] == "pong" and message["seq"] > self.seq:
                self.violations.append(f"pong at {message['seq']} before its events, have {self.seq}")
            if message["t"] == "joined":
                self.joined_at = self._heard
                self._show()
            if message["t"] == "stream":
                self.pieces.append((message["answer"], message.get("at", 0), message.get("text", "")))
            if message["t"] == "rejected" and message["code"] in ("internal", "op_id_taken"):
                self.violations.append(f"rejected with {message}")
            if message["t"] == "ack" and message["op_id"] not in self.sent:
                self.violations.append(f"an ack of somebody else's {message}")
            super().receive(message)
        except AssertionError as broken:
            self.violations.append(str(broken))
            raise

    # --- the connection ---------------------------------------------------------------------

    async def _session(self) -> None:
        url = self.urls[self._attempt % len(self.urls)]
        self._attempt += 1
        request = HTTPRequest(
            url.replace("http", "ws", 1) + f"/api/socket?room={self.room}",
            headers={"Cookie": self.api.cookie_header, "Origin": url},
            connect_timeout=2,
            request_timeout=3,
        )
        self.socket = await websocket_connect(request)
        self._heard = asyncio.get_running_loop().time()
        self.send_raw(json.dumps(self.join_message()))
        beating = asyncio.create_task(self._beat())
        try:
            while (frame := await self.socket.read_message()) is not None:
                self.receive(json.loads(frame))
                self._changed.set()
        finally:
            beating.cancel()
            self.joined_at = 0.0
            self.close_codes.append(self.socket.close_code)
            self.drop()
            self.socket.close()
            self.socket = None
            self._changed.set()

    async def _beat(self) -> None:
        """Ask for a sign of life, say again what was not answered, and give up on silence."""
        loop = asyncio.get_running_loop()
        beats = 0
        while True:
            await asyncio.sleep(BEAT)
            beats += 1
            if loop.time() - self._heard > SILENCE:
                self.drop()
                return
            if self.joined_at:
                self.send_raw('{"t":"ping"}')
                if beats % 2 == 0:
                    self.resend()


class Crowd:
    """Everybody of a run."""

    def __init__(self) -> None:
        self.people: list[Person] = []

    async def gather(self, trip: str, apis: list[Api], urls: list[list[str]]) -> None:
        """Everybody joins; each begins at another server."""
        for number, api in enumerate(apis):
            shift = number % len(urls[number])
            ways = urls[number][shift:] + urls[number][:shift]
            self.people.append(Person(number, api.elsewhere(ways[0]), trip, ways))
        async with asyncio.timeout(30):
            await asyncio.gather(*(person.start() for person in self.people))

    @property
    def present(self) -> list[Person]:
        """Those who are still welcome."""
        return [person for person in self.people if not person.sent_away]

    async def until_level(self, seq: int, within: float, who: Iterable[Person]) -> list[str]:
        """Wait until all of them have everything up to `seq` and an answer to everything; complaints."""
        late: list[str] = []

        async def one(person: Person) -> None:
            try:
                await person.until(
                    lambda: person.sent_away or (person.seq >= seq and not person.pending), within
                )
            except TimeoutError as error:
                late.append(f"person {person.number} is not at {seq} after {within:.0f} s: {error}")

        await asyncio.gather(*(one(person) for person in who))
        return late

    async def until_seen(self, within: float) -> list[str]:
        """Wait until all see exactly those who are here, each where it looks (section 4); complaints."""
        there = {f"{person.api.user_id}.{person.client_id}": person for person in self.present}
        want = {session: person.shown.get("looking") for session, person in there.items()}
        late: list[str] = []

        async def one(person: Person) -> None:
            def seen() -> dict[str, Any]:
                return {session: shown.get("looking") for session, shown in person.people.items()}

            try:
                await person.until(lambda: person.joined_at > 0 and seen() == want, within)
            except TimeoutError as error:
                now = seen()
                wrong = [
                    f"{session} at {now.get(session, 'no place')}, not {want.get(session, 'there at all')}"
                    for session in now.keys() | want.keys()
                    if session not in now or session not in want or now[session] != want[session]
                ]
                late.append(f"person {person.number} sees {wrong} after {within:.0f} s: {error}")

        await asyncio.gather(*(one(person) for person in self.present))
        return late

    async def leave(self) -> None:
        """Everybody goes home."""
        await asyncio.gather(*(person.stop() for person in self.people), return_exceptions=True)


async def settle_in(url: str, count: int) -> tuple[str, list[Api]]:
    """A trip with an owner and editors: (its id, everybody, the owner first)."""
    owner = await Api(url).guest("Ann")
    body: dict[str, Any] = {"title": "云南", "start_date": "2026-05-01", "end_date": "2026-05-04"}
    trip = (await owner.ok("POST", "/api/trips", body))["trip"]["id"]
    invite = await owner.ok("POST", f"/api/trips/{trip}/invites", {"role": "editor"})
    path = "/api" + invite["url"].replace("/invite/", "/invites/") + "/accept"
    apis = [owner]
    for number in range(1, count):
        guest = await Api(url).guest(f"Guest {number}")
        await guest.ok("POST", path)
        apis.append(guest)
    return str(trip), apis


async def insist(api: Api, urls: list[str], method: str, path: str) -> None:
    """Ask one process after the other until one of them answers with a success, or that it was done."""
    async with asyncio.timeout(40):
        while True:
            for url in urls:
                with contextlib.suppress(OSError):
                    status, _ = await api.elsewhere(url).call(method, path)
                    if status < 300 or status == 401:
                        return
            await asyncio.sleep(0.2)
