"""A private Redis server without a password that keeps nothing on disk.

Owns its process. Never listens beyond 127.0.0.1. Called by the fixtures `redis_server` and `redis_url`, and
by fault tests that stop, freeze or kill it.
"""

import socket

from tests.services.find import require
from tests.services.process import HOST, Service


class Redis(Service):
    """Redis on a port of its own; empty after each start."""

    name = "redis"

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://{HOST}:{self.port}/0"

    def command(self) -> list[str]:
        return [
            require("redis-server"),
            *("--port", str(self.port)),
            *("--bind", HOST),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--daemonize", "no"),
            *("--dir", str(self.folder)),
        ]

    def is_ready(self) -> bool:
        return self.send("PING") == "+PONG"

    def flush(self) -> None:
        """Forget everything."""
        self.send("FLUSHALL")

    def send(self, command: str, *, bulk: bool = False) -> str:
        """Send one inline command; return the first line of the answer, or (`bulk`) the text that it
        announces. OSError when nobody answers."""
        with socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.sendall(command.encode() + b"\r\n")
            with connection.makefile("rb") as answer:
                line = answer.readline().decode().strip()
                return answer.read(int(line[1:])).decode() if bulk else line

    def items(self, command: str) -> list[str]:
        """Send one inline command whose answer is a list of texts."""
        with socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.sendall(command.encode() + b"\r\n")
            with connection.makefile("rb") as answer:
                count = int(answer.readline()[1:])
                return [answer.read(int(answer.readline()[1:]) + 2)[:-2].decode() for _ in range(count)]
