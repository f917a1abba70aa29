"""The doors of a process: the sockets it listens on, and the lock that keeps a second one out.

Owns the inherited socket of supervisord (file descriptor 0) and the messages for an address that is
taken. Knows nothing of what is served. Called by `server.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path
from typing import IO

from tornado.netutil import bind_sockets


class ListenError(Exception):
    """This process cannot serve here; the message is one line for the operator."""


def only_process(folder: Path) -> IO[str]:
    """Hold a lock on the data folder: without Redis, two processes would not hear each other.
    Raises `ListenError`."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = (folder / "server.lock").open("a", encoding="ascii")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise ListenError(f"another process serves {folder} already; set REDIS_URL to run several") from None
    return handle


def inherited() -> list[socket.socket]:
    """The listening socket on fd 0, where supervisord hands one over to all processes; or none."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(0).st_mode):
            handed = socket.socket(fileno=os.dup(0))
            if handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return [handed]
            handed.close()
    return []


def bind(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Sockets of our own; `shared`: other processes may listen there as well. Raises `ListenError`."""
    try:
        return bind_sockets(port, host, reuse_port=shared)
    except OSError as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def address(sockets: list[socket.socket]) -> str:
    """The URL of the first of them."""
    host, port = sockets[0].getsockname()[:2]
    return f"http://{'localhost' if host in ('127.0.0.1', '::1', '0.0.0.0') else host}:{port}"
