"""nginx before server processes, with the project's own configuration files.

Owns its folder, ports and a certificate of its own. What it changes in the files of `docs/deploy/nginx` are
addresses and paths, each of which must be there to be changed. Never listens beyond 127.0.0.0/8. Called by
integration tests.
"""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.certificate import make_certificate
from tests.services.find import require
from tests.services.process import HOST, Service, ServiceError, free_port
from tests.services.server import ROOT

FILES = ROOT / "docs" / "deploy" / "nginx"
INCLUDED = ("http", "locations")

MAIN = """\
{user}
worker_processes 1;
pid {folder}/pid;
error_log stderr warn;
daemon off;
events {{ worker_connections 1024; }}
http {{
    default_type application/octet-stream;
    {paths}
    include {folder}/tongyou.conf;
}}
"""


class Nginx(Service):
    """nginx with `site`: `compose.conf`, or `tongyou.conf` with TLS on `port` and a redirect on `plain_port`.

    `targets` are the ports of the processes; `files` is what `/assets` and `/map` are served from.
    """

    name = "nginx"
    stop_timeout = 20.0

    def __init__(self, targets: Sequence[int], files: Path, site: str = "compose.conf") -> None:
        super().__init__()
        self.plain_port = free_port()
        self.certificate = self.folder / "certificate.pem"
        self.access_log = self.folder / "access.log"
        self._targets = targets
        self._files = files
        self._site = site

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"{'http' if self._site == 'compose.conf' else 'https'}://{HOST}:{self.port}"

    def prepare(self) -> None:
        make_certificate(self.folder)

    def command(self) -> list[str]:
        self._write()
        return [
            require("nginx"),
            "-e",
            "stderr",
            "-p",
            str(self.folder),
            "-c",
            str(self.folder / "nginx.conf"),
        ]

    def is_ready(self) -> bool:
        with socket.create_connection((HOST, self.port), timeout=2):
            return True

    def reload(self) -> None:
        """Take the configuration again, as an operator does."""
        subprocess.run([*self.command(), "-s", "reload"], check=True, capture_output=True)

    def access(self) -> str:
        """The access log so far."""
        return self.access_log.read_text("utf-8") if self.access_log.exists() else ""

    def _write(self) -> None:
        folder = self.folder
        server = "server {} max_fails=3 fail_timeout=2s;"
        # In both upstreams.
        targets = "\n".join(server.format(f"{HOST}:{port}") for port in self._targets)
        changes = {f"/etc/nginx/tongyou-{name}.conf": f"{folder}/tongyou-{name}.conf" for name in INCLUDED}
        if self._site == "compose.conf":
            changes |= {
                server.format("app:8000"): targets,
                "listen 80;": f"listen {HOST}:{self.port};",
                "/dev/stdout": str(self.access_log),
            }
        else:
            letsencrypt = "/etc/letsencrypt/live/trips.example.com"
            changes |= {
                server.format(f"{HOST}:8000"): targets,
                "listen 80;": f"listen {HOST}:{self.plain_port};",
                "listen 443 ssl http2;": f"listen {HOST}:{self.port} ssl http2;",
                "server_name trips.example.com;": "server_name localhost;",
                f"{letsencrypt}/fullchain.pem": str(self.certificate),
                f"{letsencrypt}/privkey.pem": f"{folder}/key.pem",
                "/var/log/nginx/tongyou.log": str(self.access_log),
            }
        site = changed(self._site, changes)
        locations = changed("tongyou-locations.conf", {"/srv/tongyou/frontend/dist": str(self._files)})
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in kinds)
        # root must name a user that may read the folder of the test; nobody else may name one.
        user = "user root;" if os.geteuid() == 0 else ""
        written = {
            "nginx.conf": MAIN.format(user=user, folder=folder, paths=paths.strip()),
            "tongyou.conf": site,
            "tongyou-http.conf": changed("tongyou-http.conf", {}),
            "tongyou-locations.conf": locations,
        }
        for name, text in written.items():
            (folder / name).write_text(text, "utf-8")


def changed(name: str, changes: Mapping[str, str]) -> str:
    """A file of `docs/deploy/nginx` with these texts replaced; each must be in it."""
    text = (FILES / name).read_text("utf-8")
    for old, new in changes.items():
        if old not in text:
            raise ServiceError(f"{name} does not hold {old!r} any more")
        text = text.replace(old, new)
    return text
