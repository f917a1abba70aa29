"""A private seekdb: OceanBase's engine behind MySQL's protocol, from PyPI's `pylibseekdb`.

It stands for distributed engines that speak MySQL's protocol: what runs here and on MariaDB is written
in what they have in common. Owns its folder; listens on a Unix socket in it and nowhere else. A
dependency of `make test-engines` alone. Called by `tests/conftest.py`.
"""

import atexit
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymysql
from pymysql.cursors import Cursor


class SeekDB:
    """One engine; it ends with `close`, or with the process that opened it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tongyou-seekdb-"))
        self._opened: Any = None
        atexit.register(self.remove)

    @property
    def _socket(self) -> Path:
        return self.folder / "run" / "sql.sock"

    def start(self) -> Self:
        import pylibseekdb  # not there in `make test`

        self._opened = pylibseekdb.open(db_dir=str(self.folder))
        return self

    def create_database(self, name: str) -> str:
        """Create an empty database; return its SQLAlchemy URL."""
        self.execute(f"CREATE DATABASE `{name}`")
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={self._socket}&charset=utf8mb4"

    def drop_database(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")

    def execute(self, statement: str) -> None:
        """Run one statement on a connection of its own."""
        connection: pymysql.Connection[Cursor] = pymysql.connect(
            unix_socket=str(self._socket), user="root", charset="utf8mb4", autocommit=True
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def remove(self) -> None:
        atexit.unregister(self.remove)
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
