"""A private MariaDB server, set up as the production one should be.

Owns its settings, data folder and databases. Never listens beyond 127.0.0.1. Called by the fixtures
`mariadb` and `mariadb_url`, and by fault tests that kill and restart it.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from tests.services.find import require
from tests.services.process import HOST, Service, ServiceError

DEFAULT_DATABASE = "tongyou"


class MariaDB(Service):
    """MariaDB with utf8mb4, READ COMMITTED and a flush to disk at each commit; root without a password."""

    name = "mariadb"

    def __init__(self, port: int | None = None, max_connections: int = 500) -> None:
        super().__init__(port)
        self.max_connections = max_connections
        self.config_path = self.folder / "my.cnf"
        self.data_folder = self.folder / "data"
        self.socket_path = self.folder / "s.sock"

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the default database."""
        return self.url_of(DEFAULT_DATABASE)

    def url_of(self, database: str) -> str:
        """The SQLAlchemy URL of one database."""
        return f"mysql+pymysql://root@{HOST}:{self.port}/{database}?charset=utf8mb4"

    def command(self) -> list[str]:
        self._write_config()
        return [require("mariadbd"), f"--defaults-file={self.config_path}"]

    def prepare(self) -> None:
        installer = require("mariadb-install-db")
        self._write_config()
        done = subprocess.run(
            [
                installer,
                f"--defaults-file={self.config_path}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                *([f"--user={_user()}"] if _user() else []),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        if done.returncode:
            raise ServiceError(f"mariadb-install-db failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")

    def is_ready(self) -> bool:
        try:
            self.execute(f"CREATE DATABASE IF NOT EXISTS `{DEFAULT_DATABASE}`")
        except pymysql.err.OperationalError:
            return False
        return True

    def create_database(self, name: str) -> str:
        """Create an empty database; return its URL."""
        self.execute(f"CREATE DATABASE `{name}`")
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, if it is there."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")

    def execute(self, statement: str, database: str | None = None) -> tuple[tuple[Any, ...], ...]:
        """Run one statement as root on a connection of its own; return its rows."""
        connection: pymysql.Connection[Cursor] = pymysql.connect(
            host=HOST,
            port=self.port,
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=5,
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return tuple(cursor.fetchall())
        finally:
            connection.close()

    def _write_config(self) -> None:
        # Read before any other option file: nothing of a system-wide MariaDB leaks in.
        settings: dict[str, str | int | Path] = {
            "datadir": self.data_folder,
            "socket": self.socket_path,
            # A server that starts clears away what it takes for its own leavings, also of one beside it.
            "tmpdir": self.folder,
            "pid-file": self.folder / "pid",
            "port": self.port,
            "bind-address": HOST,
            "skip-name-resolve": 1,
            "character-set-server": "utf8mb4",
            "collation-server": "utf8mb4_general_ci",
            "transaction-isolation": "READ-COMMITTED",
            "max-connections": self.max_connections,
            # A commit that was acknowledged must survive SIGKILL and a power cut: some tests prove it.
            "innodb-flush-log-at-trx-commit": 1,
            "innodb-buffer-pool-size": "128M",
            "innodb-log-file-size": "16M",
            "performance-schema": 0,
        }
        if user := _user():
            settings["user"] = user
        lines = [f"{key} = {value}" for key, value in settings.items()]
        self.config_path.write_text("\n".join(["[mariadbd]", *lines, ""]), "utf-8")


def _user() -> str:
    """`root` for root, who must say so; nobody else may name a user."""
    return "root" if os.geteuid() == 0 else ""
