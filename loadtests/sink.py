"""A WebSocket client that costs next to nothing: for generators of load, measures nothing by itself.

Owns a minimal client (RFC 6455 handshake, unfragmented text frames) on a plain socket,
because a library's client would cost more CPU than the server under test. Binds nothing, talks
to 127.0.0.1 only. Called by `loadtests.bench` and `loadtests.recorder`.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Origin: http://{host}\r\nCookie: {cookie}\r\n\r\n"
)


class Client:
    """One socket. `tail` is room for whoever counts: the end of what was read."""

    def __init__(self, port: int, path: str, cookie: str = "", wait: bool = True) -> None:
        """Connect. Without `wait`, `accepted` must be called before anything else, so that many clients
        can ask before the first one waits."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = HANDSHAKE.format(path=path, host=f"127.0.0.1:{port}", cookie=cookie)
        self.socket.sendall(request.encode())
        self.first = b""
        self.tail = b""
        if wait:
            self.accepted()

    def accepted(self) -> None:
        """Read the answer to the handshake. Raises `ConnectionError` when it is a refusal."""
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.socket.recv(4096)
            if not piece:
                raise ConnectionError(f"handshake refused: {answer[:200]!r}")
            answer += piece
        if b" 101 " not in answer.split(b"\r\n", 1)[0]:
            raise ConnectionError(f"handshake refused: {answer[:200]!r}")
        self.first = answer.split(b"\r\n\r\n", 1)[1]

    def send(self, message: Any) -> None:
        """Send one JSON text frame, masked with zeros (a valid mask that costs nothing)."""
        self.send_many([json.dumps(message).encode()])

    def send_many(self, payloads: list[bytes]) -> None:
        """Send frames in one write."""
        out = bytearray()
        for payload in payloads:
            size = len(payload)
            out += b"\x81"
            out += bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
            out += b"\0\0\0\0" + payload
        self.socket.setblocking(True)
        self.socket.sendall(out)
        self.socket.setblocking(False)

    def wait_for(self, needle: bytes, seconds: float = 20) -> bytes:
        """Read until `needle` came; the bytes read so far."""
        got = self.first
        self.socket.settimeout(seconds)
        while needle not in got:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise ConnectionError(f"closed before {needle!r}: {got[-300:]!r}")
            got += piece
        self.first = b""
        self.socket.setblocking(False)
        return got

    def close(self) -> None:
        self.socket.close()
