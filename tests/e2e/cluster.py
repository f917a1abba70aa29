"""Two server processes on one database and one Redis, each at an address of its own.

Owns starting and stopping both. Never decides what is tested, and starts neither the language model that
their assistant is pointed at nor the mail server. Called by the fixture `cluster`.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.services.process import HOST
from tests.services.server import ROOT, ServerProcess

SITE = "https://trips.example"
"""Where links in mails point to; tests open them at one of the processes."""


class Way:
    """Between browsers and one server process: a proxy that holds back every piece for a random time."""

    def __init__(self, port: int, jitter: str) -> None:
        command = [sys.executable, "-m", "tests.faults.proxy", "--to", f"{HOST}:{port}", "--jitter", jitter]
        self._proxy = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._proxy.stdout is not None
        self.url = f"http://{self._proxy.stdout.readline().split()[-1]}"

    def close(self) -> None:
        self._proxy.communicate()


class Cluster:
    """Any test may kill a process and start it again; `start()` brings back what is down."""

    def __init__(self, database_url: str, redis_url: str, ai_base_url: str, mail_url: str) -> None:
        self._settings = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PROCESSES": "2",
            "THROTTLE_FACTOR": "1000",
            "MAIL_URL": mail_url,
            "MAIL_FROM": "Tongyou <mail@trips.example>",
            "SITE_URL": SITE,
        }
        assistant = {"AI_BASE_URL": ai_base_url, "AI_API_KEY": "test", "AI_MODEL": "mock"}
        self.servers = [ServerProcess({**self._settings, **assistant}) for _ in range(2)]
        jitter = os.environ.get("E2E_JITTER", "")
        self._ways = [Way(server.port, jitter) for server in self.servers] if jitter else []
        self.servers[0].migrate()
        self.start()

    def another(self) -> ServerProcess:
        """One more process, not started, that has no assistant. It is the caller's to remove."""
        return ServerProcess(self._settings)

    @property
    def urls(self) -> list[str]:
        return [each.url for each in self._ways or self.servers]

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def stop(self) -> None:
        for way in self._ways:
            way.close()
        for server in self.servers:
            server.remove()
