"""Two server processes on one database and one Redis, each at an address of its own.

Owns starting and stopping both. Never decides what is tested. Called by the fixture `cluster`.
"""

from __future__ import annotations

from tests.services.server import ServerProcess


class Cluster:
    """Any test may kill a process and start it again; `start()` brings back what is down."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        settings = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PROCESSES": "2",
            "THROTTLE_FACTOR": "1000",
        }
        self.servers = [ServerProcess(settings), ServerProcess(settings)]
        self.servers[0].migrate()
        self.start()

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def stop(self) -> None:
        for server in self.servers:
            server.remove()
