"""A WebSocket client that does what no good client does: raw frames over one TCP connection.

Owns the client's side of the handshake and masking. Never used by the product.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import struct
from typing import Any

import msgspec

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, masked: bool = True) -> bytes:
    """One frame as a client sends it."""
    size, bit = len(payload), 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


class RawSocket:
    """One connection. `status` is the HTTP status of the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int) -> None:
        self.reader = reader
        self.writer = writer
        self.status = status
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None

    @classmethod
    async def connect(
        cls, port: int, headers: dict[str, str], *, receive_buffer: int = 0, early: bytes = b""
    ) -> RawSocket:
        """Connect and shake hands with these headers besides the necessary ones; `early` are frames sent
        without waiting for the answer."""
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=2**24)
        given = {
            "Host": f"127.0.0.1:{port}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        } | headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        writer.write(f"GET /api/socket HTTP/1.1\r\n{lines}\r\n".encode() + early)
        try:
            answer = await reader.readuntil(b"\r\n\r\n")
        except BaseException:
            writer.transport.abort()
            raise
        return cls(reader, writer, int(answer.split()[1]))

    def send(self, payload: bytes | dict[str, Any], opcode: int = TEXT, **how: bool) -> None:
        raw = msgspec.json.encode(payload) if isinstance(payload, dict) else payload
        self.writer.write(frame(raw, opcode, **how))

    async def join(self, client: str = "tab1", room: str = "trip1", **more: Any) -> RawSocket:
        self.send({"t": "join", "v": 1, "room": room, "client": client, **more})
        await self.until("joined")
        return self

    async def read_frame(self) -> tuple[int, bytes]:
        """(opcode, payload); raises `IncompleteReadError` or `ConnectionError` at the end."""
        head = await self.reader.readexactly(2)
        assert not head[1] & 0x80, "servers do not mask"
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return head[0] & 0x0F, await self.reader.readexactly(size)

    async def until(self, t: str) -> dict[str, Any]:
        """The next message with this tag."""
        async with asyncio.timeout(10):
            while True:
                opcode, payload = await self.read_frame()
                if opcode == TEXT:
                    self.messages.append(msgspec.json.decode(payload))
                    if self.messages[-1]["t"] == t:
                        return self.messages[-1]
                else:
                    assert opcode == PING, f"a frame of kind {opcode} before {t}: {payload!r}"

    async def end(self) -> int | None:
        """Read to the end; the code of the close frame, or None when there was none."""
        async with asyncio.timeout(10):
            try:
                while True:
                    opcode, payload = await self.read_frame()
                    if opcode == TEXT:
                        self.messages.append(msgspec.json.decode(payload))
                    elif opcode == CLOSE:
                        self.close_code = struct.unpack("!H", payload[:2])[0]
                        self.send(payload[:2], CLOSE)
            except (asyncio.IncompleteReadError, ConnectionError):
                return self.close_code

    async def aclose(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()
