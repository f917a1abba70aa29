"""Servers that the benchmark compares with: what each is, how it is started, what it speaks.

Owns the list. A peer has its own pinned requirements (`requirements/*.txt`, `node/package-lock.json`), which
`loadtests.peers.install` puts into a folder of its own on first use. Never imports a peer's library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Peer:
    """`script` is a file here, or a module for `own`: the Python of this project.

    `redis`: whether a process wants the URL of a Redis behind its port; `several` means only when there are
    several processes, `never` that it cannot have several.
    """

    name: str
    runs_on: Literal["own", "python", "node"]
    script: str
    requirements: str = ""
    wire: Literal["plain", "socket.io"] = "plain"
    redis: Literal["never", "several", "always"] = "never"
    arguments: tuple[str, ...] = ()
    memory_only: bool = False


WRITE_MESSAGE = Peer("Tornado write_message", "own", "loadtests.peers.write_message")
BARE_HANDLER = Peer(
    "Tornado write_message on uvloop",
    "own",
    "loadtests.peers.write_message",
    arguments=("--uvloop",),
    memory_only=True,
)
"""On the loop that we use, for comparing memory."""
PICOWS = Peer("bare loop (picows)", "python", "picows_loop.py", "picows.txt")
WEBSOCKETS = Peer("websockets broadcast", "python", "websockets_broadcast.py", "websockets.txt")
WS = Peer("Node ws", "node", "ws.cjs")
SOCKET_IO = Peer("Socket.IO", "node", "socketio.cjs", wire="socket.io", redis="several")
FLASK_SOCKETIO = Peer(
    "Flask-SocketIO", "python", "flask_socketio_redis.py", "flask_socketio.txt", "socket.io", "always"
)
PEERS = (WRITE_MESSAGE, BARE_HANDLER, PICOWS, WEBSOCKETS, WS, SOCKET_IO, FLASK_SOCKETIO)
