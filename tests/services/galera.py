"""Three MariaDB servers that are one Galera cluster: each takes writes, conflicts are found at the commit.

Owns their group communication, which stays on 127.0.0.1. Called by `tests/engines`.
"""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pymysql

from tests.services.find import require
from tests.services.mariadb import MariaDB
from tests.services.process import HOST, ServiceError, free_port

NODES = 3
PATIENCE = 60.0


class GaleraNode(MariaDB):
    """One of the servers. The first to start makes the cluster; the others get a copy of its data."""

    name = "galera"
    start_timeout = 90.0
    stop_timeout = 60.0

    def __init__(self, library: Path) -> None:
        super().__init__()
        self.group_port, self.transfer_port, self.increment_port = free_port(), free_port(), free_port()
        self.members: Sequence[GaleraNode] = ()
        self.first = False
        self._library = library

    def command(self) -> list[str]:
        if not self.first and os.geteuid() == 0:
            # A copy (the first, or one after a crash) comes by rsync, which becomes `nobody` under root.
            for path in (self.data_folder, *self.data_folder.rglob("*")):
                shutil.chown(path, "nobody")
        return [*super().command(), *(["--wsrep-new-cluster"] if self.first else [])]

    def is_ready(self) -> bool:
        try:
            return self.state("wsrep_ready") == "ON" and super().is_ready()
        except pymysql.err.OperationalError:
            return False

    def state(self, name: str) -> str:
        """One of the wsrep status variables."""
        return str(self.execute(f"SHOW STATUS LIKE '{name}'")[0][1])

    def prepare(self) -> None:
        if self.first:
            super().prepare()
            return
        self.folder.chmod(0o755)
        self.data_folder.mkdir()

    def _write_config(self) -> None:
        super()._write_config()
        others = ",".join(f"{HOST}:{node.group_port}" for node in self.members)
        options = {
            "gmcast.listen_addr": f"tcp://{HOST}:{self.group_port}",
            "ist.recv_addr": f"{HOST}:{self.increment_port}",
            "gcache.size": "32M",
        }
        settings = {
            "wsrep-on": "ON",
            "wsrep-provider": str(self._library),
            "wsrep-cluster-name": "tongyou",
            "wsrep-cluster-address": f"gcomm://{others}",
            "wsrep-node-address": HOST,
            "wsrep-sst-method": "rsync",
            "wsrep-sst-receive-address": f"{HOST}:{self.transfer_port}",
            "wsrep-provider-options": '"' + ";".join(f"{k}={v}" for k, v in options.items()) + '"',
            "wsrep-slave-threads": "2",
            "binlog-format": "ROW",
            "innodb-autoinc-lock-mode": "2",
        }
        lines = [f"{key} = {value}" for key, value in settings.items()]
        with self.config_path.open("a", encoding="utf-8") as config:
            config.write("\n".join([*lines, ""]))


class Galera:
    """See the module."""

    def __init__(self) -> None:
        require("rsync")
        library = Path(require("libgalera"))
        self.nodes = [GaleraNode(library) for _ in range(NODES)]
        for node in self.nodes:
            node.members = self.nodes

    def start(self) -> Self:
        """Start every node that does not run, and wait until all of them are in."""
        for node in self.nodes:
            node.first = not any(each.running for each in self.nodes)
            node.start()
        deadline = time.monotonic() + PATIENCE
        while any(node.state("wsrep_cluster_size") != str(NODES) for node in self.nodes):
            if time.monotonic() > deadline:
                raise ServiceError("the nodes of the Galera cluster do not find each other")
            time.sleep(0.05)
        return self

    def remove(self) -> None:
        for node in reversed(self.nodes):
            node.remove()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
