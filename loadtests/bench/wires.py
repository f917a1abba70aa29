"""How one joins a room and says something in it, for each kind of server.

Owns the wire formats that the generator sends. Pure. Called by `bench.stands`.
"""

from __future__ import annotations

import itertools
import json
import secrets
from typing import Protocol

NOTE = "沿洱海骑行到喜洲，午后风大，早点出发。Bring a jacket." + "·" * 10
STOP = "s"
"""The stop that every trip of the benchmark has."""
PADDING = 345
"""Makes a peer's delivery as long as one of ours (about 400 bytes; the table says how many there were)."""


class Wire(Protocol):
    """One wire format. `joined` is what a server says when somebody is in the room."""

    path: str
    joined: bytes
    alive: bytes
    """A frame that tells the server, now and then, that an idle client still lives; may be empty."""

    def hello(self) -> list[tuple[bytes, bytes]]:
        """Text frames to send before the join, each with what its answer holds."""

    def join(self, room: str) -> bytes:
        """The text frame that enters a room."""

    def message(self) -> bytes:
        """A new text frame for the room."""


class OpIds:
    """New operation ids."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(5)
        self._numbers = itertools.count()

    def __call__(self) -> str:
        return f"{self._run}{next(self._numbers):010x}"


class Ours:
    """Durable operations: a stop's notes."""

    path = "/api/socket"
    joined = b'"t":"joined"'
    # An unsolicited pong (RFC 6455, 5.5.3).
    alive = b"\x8a\x80\0\0\0\0"

    def __init__(self) -> None:
        self._op_ids = OpIds()
        self._tail = f'","base":0,"op":{{"kind":"stop.set_fields","id":"{STOP}","fields":{{"notes":"'

    def hello(self) -> list[tuple[bytes, bytes]]:
        return []

    def join(self, room: str) -> bytes:
        return json.dumps({"t": "join", "v": 1, "room": room, "client": secrets.token_hex(8)}).encode()

    def message(self) -> bytes:
        op_id = self._op_ids()
        return f'{{"t":"submit","op_id":"{op_id}{self._tail}{op_id[-6:]} {NOTE}"}}}}}}'.encode()


class Plain:
    """What the peers on plain WebSockets speak."""

    path = "/socket"
    joined = b'"joined"'
    alive = b""

    def __init__(self) -> None:
        self._op_ids = OpIds()
        self._tail = '","note":"' + "x" * PADDING + '"}'

    def hello(self) -> list[tuple[bytes, bytes]]:
        return []

    def join(self, room: str) -> bytes:
        return json.dumps({"t": "join", "room": room}).encode()

    def message(self) -> bytes:
        return ('{"t":"note","op_id":"' + self._op_ids() + self._tail).encode()


class SocketIO(Plain):
    """The same in Engine.IO 4 / Socket.IO 5: a namespace, an event with an acknowledgement, events."""

    path = "/socket.io/?EIO=4&transport=websocket"

    def hello(self) -> list[tuple[bytes, bytes]]:
        return [(b"40", b'40{"sid"')]

    def join(self, room: str) -> bytes:
        return b"420" + json.dumps(["join", room]).encode()

    def message(self) -> bytes:
        return b'42["m",' + super().message() + b"]"


WIRES: dict[str, type[Wire]] = {"plain": Plain, "socket.io": SocketIO}
