"""A crowd of WebSocket clients in one thread: counts what arrives, measures nothing by itself.

Owns a minimal client (RFC 6455 handshake, unfragmented text frames) on plain sockets and epoll,
because a library's client would cost more CPU than the server under test. Binds nothing, talks
to 127.0.0.1 only. Called by `loadtests.bench`.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Origin: http://{host}\r\nCookie: {cookie}\r\n\r\n"
)


class Client:
    """One socket. `on_data` sees raw bytes (frames and their headers) as they come."""

    def __init__(self, port: int, path: str, cookie: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = HANDSHAKE.format(path=path, host=f"127.0.0.1:{port}", cookie=cookie)
        self.socket.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            piece = self.socket.recv(4096)
            if not piece:
                raise ConnectionError(f"handshake refused: {answer[:200]!r}")
            answer += piece
        if b" 101 " not in answer.split(b"\r\n", 1)[0]:
            raise ConnectionError(f"handshake refused: {answer[:200]!r}")
        self.first = answer.split(b"\r\n\r\n", 1)[1]
        self.tail = b""

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


class Crowd:
    """Counts occurrences of `needle` over all clients, also across the borders of reads."""

    def __init__(self, clients: list[Client], needle: bytes) -> None:
        self.clients = clients
        self.needle = needle
        self.count = 0
        self.bytes = 0
        self.on_data: Callable[[Client, bytes], None] | None = None
        self._selector = selectors.DefaultSelector()
        for client in clients:
            client.socket.setblocking(False)
            self._selector.register(client.socket, selectors.EVENT_READ, client)

    def pump(self, seconds: float = 0.01) -> None:
        """Read what is there, waiting at most `seconds` for the first byte."""
        keep = len(self.needle) - 1
        for key, _ in self._selector.select(seconds):
            client: Client = key.data
            try:
                piece = client.socket.recv(1 << 18)
            except BlockingIOError:
                continue
            if not piece:
                raise ConnectionError("the server closed a connection")
            self.bytes += len(piece)
            data = client.tail + piece
            self.count += data.count(self.needle)
            client.tail = data[-keep:]
            if self.on_data is not None:
                self.on_data(client, data)

    def until(self, count: int, seconds: float = 60) -> None:
        """Pump until `count` needles were seen; TimeoutError otherwise."""
        deadline = time.monotonic() + seconds
        while self.count < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.count} of {count} arrived")
            self.pump()

    def close(self) -> None:
        for client in self.clients:
            self._selector.unregister(client.socket)
            client.close()
        self._selector.close()
