"""One browser tab in one room: a WebSocket with a reader of its own, and everything that goes over it told to
the ledger.

Owns connecting, joining with `since`, coming back after a close that says so, and sending operations again
until they are answered (docs/PROTOCOL.md R1.4, R3, R6). Never decides what a person does. Used by the users
that sit in rooms.
"""

from __future__ import annotations

import contextlib
import random
import secrets
from typing import Any

import gevent
import msgspec
import websocket
from gevent.event import Event
from gevent.lock import RLock

from loadtests.seats import Person, Room
from loadtests.stage import Stage

JOIN_PATIENCE = 60.0
RETRY_PAUSE = 0.5
ATTEMPTS = 40
RESTART = 1012
NODELAY = ((6, 1, 1),)
PING_EVERY = 20.0


class _Event(msgspec.Struct):
    seq: int
    op_id: str = ""


class _Frame(msgspec.Struct):
    """The fields of all messages that matter here; the rest is not even decoded."""

    t: str
    seq: int = 0
    epoch: str = ""
    recovered: bool = False
    events: list[_Event] | None = None
    op_id: str = ""
    code: str | int = ""
    message: str = ""
    reason: str = ""
    retryable: bool = False
    resume: bool = False
    retry_after_ms: int = 0


_decode = msgspec.json.Decoder(_Frame).decode


class Tab:
    """See the module. `open` before anything else; `leave` and `come_back` are the person's own doing."""

    def __init__(self, stage: Stage, host: str, room: Room, person: Person, role: str) -> None:
        self.stage = stage
        self.room = room
        self.reader = stage.ledger.reader(f"{role} {person.name} in {room.id}", room.id)
        self.joined = Event()
        self._url = host.replace("http", "ws", 1) + f"/api/socket?room={room.id}"
        self._origin = host
        self._person = person
        self._client = secrets.token_hex(8)
        self._epoch = ""
        self._pending: dict[str, bytes] = {}
        self._socket: websocket.WebSocket | None = None
        self._listening: gevent.Greenlet | None = None
        self._wanted = False
        self._closing: _Frame | None = None
        self._pinged = 0.0

    # --- what a person does -----------------------------------------------------------------

    def open(self, name: str = "open a trip") -> float:
        """Connect and join, and stay: closes that say "come back" are followed. Seconds it took.
        Raises TimeoutError; failed attempts are in the statistics."""
        began = self.stage.now()
        self._wanted = True
        self._listening = gevent.spawn(self._live, name)
        if not self.joined.wait(JOIN_PATIENCE):
            raise TimeoutError(f"{self.reader.name} could not join in {JOIN_PATIENCE:.0f} s")
        return self.stage.now() - began

    def come_back(self, name: str = "come back") -> float:
        """The same after `leave`: resumes with `since`."""
        return self.open(name)

    def leave(self, politely: bool = True) -> None:
        """Go away on purpose, with a close frame or (`politely` false) like a phone that lost its network."""
        self.stage.ledger.left(self.reader)
        self._stop(politely)

    def close(self) -> None:
        """Close the tab for good."""
        self._stop(True)
        self.stage.ledger.closed(self.reader)

    def submit(self, op: dict[str, Any]) -> str:
        """Ask for an operation; it is sent again until it is answered."""
        op_id = secrets.token_hex(10)
        frame = {"t": "submit", "op_id": op_id, "base": self.reader.seq or 0, "op": op}
        self._pending[op_id] = msgspec.json.encode(frame)
        self.stage.ledger.submitted(op_id, self.room.id, self.reader, self.stage.now())
        if self.joined.is_set():
            self._send(self._pending[op_id])
        return op_id

    def say(self, message: dict[str, Any]) -> None:
        """Send something that needs no answer; lost when there is no connection."""
        if self.joined.is_set():
            self._send(msgspec.json.encode(message))

    def keep_alive(self) -> None:
        """The heartbeat of the protocol, when it is time."""
        if self.stage.now() - self._pinged > PING_EVERY:
            self._pinged = self.stage.now()
            self.say({"t": "ping", "seq": self.reader.seq or 0})

    @property
    def idle(self) -> bool:
        """Every operation was answered."""
        return not self._pending

    # --- the connection ---------------------------------------------------------------------

    def _live(self, name: str) -> None:
        """Connected for as long as that is wanted; runs in its own greenlet."""
        attempt = 0
        began = self.stage.now()
        while self._wanted and attempt < ATTEMPTS:
            attempt += 1
            try:
                self._connect()
            except Exception as error:
                if self._wanted:
                    self.stage.report("WS", name, self.stage.now() - began, error)
                gevent.sleep(RETRY_PAUSE * (0.5 + random.random()))
                continue
            self.stage.sockets += 1
            try:
                attempt = self._listen(name, began, attempt)
            finally:
                self.stage.sockets -= 1
                self.joined.clear()
                self._drop()
            if self._is_over():
                return
            name, pause = self._was_closed()
            gevent.sleep(pause)
            began = self.stage.now()

    def _is_over(self) -> bool:
        """Closed for good meanwhile."""
        return not self._wanted

    def _connect(self) -> None:
        self._closing = None
        self._socket = websocket.create_connection(
            self._url,
            timeout=JOIN_PATIENCE,
            enable_multithread=False,
            skip_utf8_validation=True,
            sockopt=NODELAY,
            origin=self._origin,
            cookie=self._person.cookie_header or None,
        )
        # The reader answers pings while the person writes: frames must not mix.
        self._socket.lock = RLock()
        self._socket.settimeout(None)
        self._join()

    def _join(self) -> None:
        join: dict[str, Any] = {"t": "join", "v": 1, "room": self.room.id, "client": self._client}
        if self._epoch and self.reader.seq is not None:
            join |= {"epoch": self._epoch, "since": self.reader.seq}
        self._send(msgspec.json.encode(join))

    def _listen(self, name: str, began: float, attempt: int) -> int:
        """Read until the connection ends; 0 when it had joined."""
        socket = self._socket
        assert socket is not None
        while True:
            try:
                opcode, data = socket.recv_data()
            except (OSError, websocket.WebSocketException):
                return attempt
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return attempt
            frame = _decode(data)
            if frame.t == "joined":
                attempt = 0
                first = not self.joined.is_set()
                self._joined(frame)
                if first:
                    self.stage.report("WS", name, self.stage.now() - began, size=len(data))
            else:
                self._receive(frame, len(data))

    def _was_closed(self) -> tuple[str, float]:
        """What coming back is called, and how long to wait before it."""
        said = self._closing
        if said is not None and said.code == RESTART:
            self.stage.counts["closed by a restart"] += 1
            return "come back after a restart", said.retry_after_ms / 1000
        what = "the connection broke" if said is None else f"closed: {said.code} {said.reason}"
        self.stage.report("WS", "stay connected", 0, what)
        if said is not None and not said.resume:
            self._wanted = False
        return "come back after a break", RETRY_PAUSE * (0.5 + random.random())

    def _send(self, payload: bytes) -> None:
        socket = self._socket
        if socket is None:
            return
        try:
            socket.send(payload, websocket.ABNF.OPCODE_TEXT)
        except (OSError, websocket.WebSocketException):
            # The reader sees the same and comes back; what was pending goes out again then.
            self._drop()

    def _drop(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.shutdown()  # type: ignore[no-untyped-call]

    def _stop(self, politely: bool) -> None:
        self._wanted = False
        self.joined.clear()
        socket = self._socket
        if socket is not None and politely:
            with contextlib.suppress(OSError, websocket.WebSocketException):
                socket.send_close(1000)
        self._drop()
        if self._listening is not None:
            self._listening.kill()
            self._listening = None

    # --- what comes -------------------------------------------------------------------------

    def _joined(self, frame: _Frame) -> None:
        now = self.stage.now()
        self._epoch = frame.epoch
        self.stage.ledger.joined(self.reader, frame.seq, frame.recovered, now)
        self._take(frame.events or [], now)
        if frame.recovered and self.reader.seq != frame.seq:
            self.stage.ledger.told_head(self.reader, frame.seq)
        self.joined.set()
        for payload in list(self._pending.values()):
            self.stage.counts["operations sent again"] += 1
            self._send(payload)

    def _receive(self, frame: _Frame, size: int) -> None:
        now = self.stage.now()
        if frame.t == "events":
            self._take(frame.events or [], now)
        elif frame.t == "ack":
            self._answered(frame.op_id, frame.seq, now)
        elif frame.t == "rejected":
            self._rejected(frame)
        elif frame.t in ("head", "pong"):
            if not self.stage.ledger.told_head(self.reader, frame.seq):
                self._join()
        elif frame.t == "closing":
            self._closing = frame
        elif frame.t == "error":
            self.stage.report("WS", "error message", 0, f"{frame.code}: {frame.message}")

    def _take(self, events: list[_Event], now: float) -> None:
        for event in events:
            waited = self.stage.ledger.arrived(self.reader, event.seq, event.op_id, now)
            if waited is not None:
                self.stage.report("WS", "submit to seen", waited)
            elif event.op_id in self._pending:
                self._answered(event.op_id, event.seq, now)

    def _answered(self, op_id: str, seq: int, now: float) -> None:
        self._pending.pop(op_id, None)
        waited = self.stage.ledger.answered(op_id, seq, now)
        if waited is not None:
            self.stage.report("WS", "submit to acknowledged", waited)

    def _rejected(self, frame: _Frame) -> None:
        payload = self._pending.get(frame.op_id)
        if payload is None:
            return
        if frame.retryable:
            self.stage.counts["operations put off"] += 1
            gevent.spawn_later(RETRY_PAUSE, self._send_again, frame.op_id)
            return
        del self._pending[frame.op_id]
        self.stage.ledger.refused(frame.op_id)
        self.stage.report("WS", "submit to acknowledged", 0, f"rejected: {frame.code} {frame.message}")

    def _send_again(self, op_id: str) -> None:
        if op_id in self._pending and self.joined.is_set():
            self._send(self._pending[op_id])
