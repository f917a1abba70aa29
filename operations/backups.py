"""`tongyou backup` and `tongyou restore`: everything that people made, into one file and back.

Owns the promises. A backup is consistent (one moment of the database, while people go on editing) and
portable (from SQLite to MariaDB, and back). A restore goes only into an empty database with the schema
that the backup has, is compared row by row with what was written, and happens wholly or not at all.
Called by `operations.commands`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from domain.accounts import timestamp
from operations import Failed, Installation, about, journal
from operations.archive import ArchiveReader, ArchiveWriter, Manifest, Sum
from storage import copying
from storage.engine import make_engine
from storage.revisions import check, head
from storage.schema import upgrade


def add(groups: Any) -> None:
    """Add the commands to the parser."""
    backup: argparse.ArgumentParser = groups.add_parser(
        "backup",
        help="write the database into one file, while the server runs",
        description="Writes one moment of the database into a ZIP file that only its owner can read. "
        "Left out: the search index, which the server builds anew, and exports, which people ask for again.",
    )
    backup.add_argument("file", nargs="?", type=Path,
                        help="default: backups/tongyou-TIME.zip in DATA_DIR")  # fmt: skip
    backup.add_argument("--verify", action="store_true",
                        help="restore it into an empty scratch database and compare")  # fmt: skip
    backup.add_argument("--scratch", metavar="URL",
                        help="the scratch database (default: SQLite in a temporary folder)")  # fmt: skip
    backup.set_defaults(act=_backup)
    restore: argparse.ArgumentParser = groups.add_parser(
        "restore",
        help="fill an empty database from a backup",
        description="Fills the empty database of the settings. Refuses one that holds anything, and a "
        "backup of another schema. Stop the server first and start it afterwards.",
    )
    restore.add_argument("file", type=Path)
    restore.add_argument("--check", action="store_true",
                         help="only into an empty scratch database, and compare")  # fmt: skip
    restore.add_argument("--scratch", metavar="URL",
                         help="the scratch database (default: SQLite in a temporary folder)")  # fmt: skip
    restore.set_defaults(act=_restore)


def _backup(installation: Installation, given: argparse.Namespace) -> None:
    name = f"tongyou-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip"
    path: Path = given.file or installation.folder / "backups" / name
    began = time.monotonic()
    with journal.act(installation, "backup", file=str(path)):
        manifest = write(installation.database_url, path)
    total = sum(table.rows for table in manifest.tables.values())
    size = path.stat().st_size
    print(f"{path}: {total} rows, {size} bytes, {time.monotonic() - began:.1f} s")
    if given.verify or given.scratch:
        verify(path, given.scratch)
        print("verified: restored into an empty database, all rows are the same, all logs are whole")


def _restore(installation: Installation, given: argparse.Namespace) -> None:
    began = time.monotonic()
    if given.check or given.scratch:
        manifest = verify(given.file, given.scratch)
    else:
        with journal.act(installation, "restore", file=str(given.file)):
            manifest = load(given.file, installation.database_url, new_epochs=True)
    total = sum(table.rows for table in manifest.tables.values())
    print(
        f"{given.file}, made at {manifest.made_at}: {total} rows, compared, {time.monotonic() - began:.1f} s"
    )


def write(url: str, path: Path) -> Manifest:
    """Write the database at `url` into the new file `path`. Raises `Failed`, `SchemaError`."""
    engine = make_engine(url, 1)
    try:
        check(engine)
        with copying.snapshot(engine) as connection, ArchiveWriter(path) as archive:
            made_at = timestamp(datetime.now(UTC))
            revision = copying.revision(connection)
            if revision != head():
                raise Failed("the database is being migrated; try again when that is done")
            for table in copying.copied():
                archive.add_table(str(table.name), copying.columns(table), copying.rows(connection, table))
            return archive.finish(
                made_at=made_at,
                version=about.package_version(),
                database=engine.dialect.name,
                revision=revision,
            )
    finally:
        engine.dispose()


def verify(path: Path, scratch: str | None) -> Manifest:
    """Restore into an empty scratch database and compare. Raises `Failed`."""
    if scratch:
        return load(path, scratch, new_epochs=False)
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=path.parent) as folder:
        return load(path, f"sqlite:///{folder}/scratch.db", new_epochs=False)


def load(path: Path, url: str, *, new_epochs: bool) -> Manifest:
    """Fill the empty database at `url`, compare, commit. Raises `Failed`; then it is still empty."""
    with ArchiveReader(path) as archive:
        manifest = archive.manifest
        _refuse_other_schema(manifest)
        upgrade(url)
        engine = make_engine(url, 1)
        try:
            with copying.writing(engine) as connection:
                if filled := copying.filled(connection):
                    raise Failed(f"the database is not empty ({', '.join(filled)}); restore into a new one")
                _fill(connection, archive)
                _compare(connection, archive)
                if new_epochs:
                    copying.begin_new_epochs(connection)
        finally:
            engine.dispose()
    return manifest


def _refuse_other_schema(manifest: Manifest) -> None:
    if manifest.revision != head():
        raise Failed(
            f"the backup has schema {manifest.revision} (Tongyou {manifest.version}), this version {head()}; "
            "restore it with the version that made it, then upgrade and migrate"
        )
    wanted = {str(table.name): copying.columns(table) for table in copying.copied()}
    if {name: table.columns for name, table in manifest.tables.items()} != wanted:
        raise Failed("the tables of the backup are not those of its schema: the file was changed")


def _fill(connection: copying.Connection, archive: ArchiveReader) -> None:
    for table in copying.copied():
        rows: Iterator[list[Any]] = archive.rows(table.name)
        while page := list(islice(rows, copying.page_of(table))):
            copying.write(connection, table, page)


def _compare(connection: copying.Connection, archive: ArchiveReader) -> None:
    for table in copying.copied():
        counted = Sum()
        for row in copying.rows(connection, table):
            counted.add_row(row)
        archive.compare(table.name, counted)
    if broken := copying.broken_logs(connection):
        raise Failed(f"the logs of these trips have gaps: {', '.join(broken)}")
