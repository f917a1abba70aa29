"""One process of Tongyou itself, as a test or a benchmark wants it.

Owns its environment, port and log. Never migrates on its own: call `migrate()` where the database is new.
Called by integration, end-to-end, fault and load tests.
"""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.services.process import HOST, Service, ServiceError

ROOT = Path(__file__).resolve().parents[2]
# A developer's own settings must not decide how a test ends.
OWN_SETTINGS = (
    *("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DATA_DIR", "LOG_LEVEL", "PORT", "HOST"),
    *("AI_API_KEY", "AI_BASE_URL", "AI_MODEL"),
    *("WORKERS", "JOBS_REDIS_URL", "MAIL_URL", "MAIL_FROM", "SITE_URL"),
    *("LOG_FORMAT", "METRICS_HOST", "METRICS_PORT", "TONGYOU_PROCESS"),
)


class ServerProcess(Service):
    """`python server.py` with these settings, ready when `GET /health/ready` says 200.

    Pass the same `port` to several of them to let them share it. `HOST`, `PORT` and `DATA_DIR` are set here
    unless `environment` names them.
    """

    name = "server"
    # Longer than the drain deadline of the server.
    stop_timeout = 50.0

    def __init__(self, environment: Mapping[str, str] | None = None, port: int | None = None) -> None:
        super().__init__(port)
        self._settings = dict(environment or {})
        if "PORT" in self._settings and port is None:
            self.port = int(self._settings["PORT"])
            self._port_is_ours = False

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    @property
    def socket_url(self) -> str:
        """The same for WebSockets."""
        return f"ws://{HOST}:{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, str(ROOT / "server.py")]

    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key not in OWN_SETTINGS}
        return {
            **inherited,
            "PYTHONUNBUFFERED": "1",
            "HOST": HOST,
            "DATA_DIR": str(self.folder / "data"),
            **self._settings,
            "PORT": str(self.port),
        }

    def working_folder(self) -> Path:
        return ROOT

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False

    def migrate(self) -> None:
        """Bring the database of these settings to the schema of this version."""
        done = subprocess.run(
            [*self.command(), "migrate"],
            env=self.environment(),
            cwd=self.working_folder(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServiceError(f"migrate failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
