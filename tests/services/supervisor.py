"""supervisord with the project's own configuration: several processes of Tongyou on one socket.

Owns the environment of the processes, and a copy of `supervisord.conf` whose files are in a temporary folder.
Never migrates on its own: call `migrate()` where the database is new. Called by integration and load tests.
"""

import getpass
import os
import resource
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.services.process import HOST, Service, free_ports
from tests.services.server import OWN_SETTINGS, ROOT, ServerProcess

MINFDS = 65536


class Supervisor(Service):
    """`processes` times `python <script>`, with these settings, behind one port.

    Each one's operators' port is `operators_port` + its number. `script` is `server.py`, or for tests of
    tests one that behaves worse.
    """

    name = "supervisord"
    start_timeout = 60.0
    stop_timeout = 60.0

    def __init__(
        self, settings: Mapping[str, str], processes: int = 2, script: Path = ROOT / "server.py"
    ) -> None:
        super().__init__()
        self.processes = processes
        self.conf = self.folder / "supervisord.conf"
        self._script = script
        self.operators_port = free_ports(processes)
        self._settings = {"METRICS_PORT": str(self.operators_port), **settings}

    def prepare(self) -> None:
        (self.folder / "log").mkdir(exist_ok=True)
        text = (ROOT / "supervisord.conf").read_text("utf-8")
        text = text.replace("%(here)s/var", str(self.folder))
        text = text.replace("%(here)s/.venv/bin/python", sys.executable)
        text = text.replace("%(here)s/server.py", str(self._script)).replace("%(here)s", str(ROOT))
        self.conf.write_text(text, "utf-8")

    def command(self) -> list[str]:
        arguments = ["--nodaemon", "--silent", "-c", str(self.conf)]
        return [sys.executable, "-m", "supervisor.supervisord", *arguments]

    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key not in OWN_SETTINGS}
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return {
            **inherited,
            "DATA_DIR": str(self.folder),
            **self._settings,
            "HOST": HOST,
            "PORT": str(self.port),
            "PROCESSES": str(self.processes),
            "WORKERS": self._settings.get("WORKERS", "0"),
            "PYTHONPATH": str(ROOT),
            "TONGYOU_USER": getpass.getuser(),
            "TONGYOU_STOP_SECONDS": "45",
            "TONGYOU_MINFDS": str(MINFDS if hard == resource.RLIM_INFINITY else min(hard, MINFDS)),
        }

    def working_folder(self) -> Path:
        return ROOT

    def is_ready(self) -> bool:
        if self.ctl("status", "tongyou:*").count("RUNNING") != self.processes:
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False

    @property
    def url(self) -> str:
        """The address of all processes, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    @property
    def names(self) -> list[str]:
        """What supervisorctl calls the processes."""
        return [f"tongyou:tongyou_{n:02d}" for n in range(self.processes)]

    def ctl(self, *arguments: str) -> str:
        """Run supervisorctl; its output."""
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self.conf), *arguments]
        done = subprocess.run(
            command, env=self.environment(), cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def migrate(self) -> None:
        """Bring the database of these settings to the schema of this version."""
        migration = ServerProcess(self._settings)
        try:
            migration.migrate()
        finally:
            migration.remove()

    def logs(self) -> str:
        """Everything that the processes printed so far."""
        found = sorted((self.folder / "log").glob("tongyou_*.log"))
        return "\n".join(path.read_text("utf-8", "replace") for path in found)
