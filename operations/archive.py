"""The file of a backup: a ZIP with the rows of each table as JSON lines, and a manifest at its end.

Owns the format and the checksums. Any ZIP program opens it (`unzip -p FILE tables/trips.jsonl`); the ZIP's
directory is written last, so a file that was cut short does not open at all. A table's checksum is the sum
of the SHA-256 of its rows, modulo 2**256: it does not depend on the order in which a database returns
them. Rows pass through one by one. Readable by its owner only, for it holds hashes of passwords. Knows no
database. Called by `operations.backups`.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from operations import Failed

FORMAT = 1
MANIFEST = "manifest.json"
MODE = 0o600
DAMAGE = (KeyError, OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile)
"""What `zipfile` raises for a damaged file, from the checksum of a member to flags that it does not know."""
_encoder = msgspec.json.Encoder()
_row_decoder = msgspec.json.Decoder(list[Any])


class TableManifest(msgspec.Struct, frozen=True):
    """What must be found again of one table."""

    columns: list[str]
    rows: int
    checksum: str


class Manifest(msgspec.Struct, frozen=True):
    """`revision`: the schema. `version`: the program that wrote it. `database`: sqlite or mysql."""

    format: int
    made_at: str
    version: str
    database: str
    revision: str
    tables: dict[str, TableManifest]


class Sum:
    """Counts rows and adds up their checksum."""

    def __init__(self) -> None:
        self.rows = 0
        self._total = 0

    def add(self, encoded: bytes) -> None:
        """One row, as it stands in the file without its newline."""
        self.rows += 1
        self._total += int.from_bytes(hashlib.sha256(encoded).digest(), "big")

    def add_row(self, row: Sequence[Any]) -> None:
        """One row as values."""
        self.add(_encoder.encode(row))

    @property
    def checksum(self) -> str:
        """64 hexadecimal digits."""
        return f"{self._total % 2**256:064x}"


class ArchiveWriter:
    """A context manager. The file has its name only when it is whole; before, it ends in `.partial`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(path.name + ".partial")
        self._tables: dict[str, TableManifest] = {}

    def __enter__(self) -> Self:
        if self.path.exists():
            raise Failed(f"{self.path} exists already; a backup overwrites nothing")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._partial.unlink(missing_ok=True)
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        self._file = os.fdopen(descriptor, "wb")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
        return self

    def add_table(self, name: str, columns: list[str], rows: Iterable[Sequence[Any]]) -> int:
        """Write all rows of one table; returns how many there were."""
        counted = Sum()
        with self._zip.open(_member(name), "w", force_zip64=True) as member:
            for row in rows:
                encoded = _encoder.encode(row)
                counted.add(encoded)
                member.write(encoded + b"\n")
        self._tables[name] = TableManifest(columns, counted.rows, counted.checksum)
        return counted.rows

    def finish(self, *, made_at: str, version: str, database: str, revision: str) -> Manifest:
        """Write the manifest, bring everything to the disk, give the file its name."""
        manifest = Manifest(FORMAT, made_at, version, database, revision, self._tables)
        self._zip.writestr(MANIFEST, msgspec.json.format(_encoder.encode(manifest), indent=2))
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._partial, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return manifest

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            self._zip.close()
            self._file.close()
            self._partial.unlink(missing_ok=True)


class ArchiveReader:
    """A context manager. Raises `Failed` for what is no backup, or not a whole one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        try:
            self._zip = zipfile.ZipFile(self.path)
        except DAMAGE as error:
            raise Failed(f"{self.path} cannot be read as a backup: {error}") from None
        try:
            self.manifest = msgspec.json.decode(self._zip.read(MANIFEST), type=Manifest)
        except DAMAGE as error:
            self._zip.close()
            raise Failed(f"{self.path} has no manifest of a backup: {error}") from None
        if self.manifest.format != FORMAT:
            self._zip.close()
            raise Failed(f"{self.path} has format {self.manifest.format}; this version reads {FORMAT}")
        return self

    def rows(self, name: str) -> Iterator[list[Any]]:
        """The rows of one table. Raises `Failed` when they are not those that were written."""
        counted = Sum()
        try:
            with self._zip.open(_member(name)) as member:
                for line in member:
                    encoded = line.rstrip(b"\n")
                    counted.add(encoded)
                    yield _row_decoder.decode(encoded)
        except DAMAGE as error:
            raise Failed(f"{self.path}: table {name} is damaged: {error}") from None
        self.compare(name, counted)

    def compare(self, name: str, counted: Sum) -> None:
        """Raise `Failed` unless these are the rows of the manifest."""
        wanted = self.manifest.tables[name]
        if counted.rows != wanted.rows:
            raise Failed(f"{self.path}: table {name} has {counted.rows} rows instead of {wanted.rows}")
        if counted.checksum != wanted.checksum:
            raise Failed(f"{self.path}: the rows of table {name} are not those of the backup")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()


def _member(table: str) -> str:
    return f"tables/{table}.jsonl"
