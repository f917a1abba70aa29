"""`tongyou check`: whether everything that the server needs is there and fits, before it is started.

Owns what is asked and every limit; each finding that is not well says what to do. Changes nothing (but
for a file that it makes in DATA_DIR and removes again). Called by `operations.commands`.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from operations import Failed, Installation
from operations.facts_redis import listening_workers, redis_facts
from operations.mail import explain
from operations.processes import PROGRAM, WORKERS, supervised
from storage.engine import make_engine
from storage.facts import DatabaseFacts, database_facts
from storage.revisions import SchemaError, check

CLOCK_SECONDS = 5.0
"""Leases of answers assume that all clocks are within 15 seconds."""
OLDEST = {"MySQL": (8, 0), "MariaDB": (10, 6), "SQLite": (3, 38)}
SPARE_CONNECTIONS = 10
"""Database connections that are left for operators' commands and migrations."""
SPARE_FILES = 200
"""Files of a process besides its WebSockets and database connections."""
FREE_BYTES = 200 * 1024 * 1024

Level = Literal["ok", "warn", "FAIL"]


@dataclass(frozen=True)
class Finding:
    """One line of the table. `hint`: what to do, when it is not well."""

    level: Level
    what: str
    said: str
    hint: str = ""


def add(groups: Any) -> None:
    """Add the command to the parser."""
    made: argparse.ArgumentParser = groups.add_parser(
        "check",
        help="settings, database, Redis, mail, schema, clocks, files: what fits and what does not",
        description="Looks at everything that the server needs. Exit status 1 when something is wrong.",
    )
    made.set_defaults(act=_check)


def _check(installation: Installation, _: argparse.Namespace) -> None:
    wrong = 0
    for each in findings(installation):
        print(f"{each.level:<5} {each.what:<9} {each.said}")
        if each.hint:
            print(f"{'':<15} -> {each.hint}")
        wrong += each.level == "FAIL"
    if wrong:
        raise Failed(f"{wrong} thing(s) to mend")


def findings(installation: Installation) -> Iterator[Finding]:
    """Everything that is looked at, in the order in which it is best mended."""
    # `make serve` chooses numbers where .env names none: only what runs tells them.
    running = supervised(installation.root)
    yield _settings(installation, running[PROGRAM])
    try:
        facts = database_facts(installation.database_url)
    except Exception as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        yield Finding("FAIL", "database", f"does not answer: {reason}", "start it, or mend DATABASE_URL")
    else:
        yield from _database(facts)
        yield from _connections(installation, facts, running[PROGRAM])
        yield _clock("database", facts.clock_ahead)
        yield _schema(installation)
    yield from _redis(installation)
    yield from _workers(installation, running[WORKERS])
    yield _mail(installation)
    yield _folder(installation)
    yield _files(installation)
    yield _frontend(installation)


def _settings(installation: Installation, running: int) -> Finding:
    if running:
        said = f"{running} process(es) of the running `make serve`"
    elif installation.processes == 1 and installation.redis_url:
        said = "1 process(es), or with `make serve` one a core where PROCESSES is not set"
    else:
        said = f"{installation.processes} process(es)"
    return Finding("ok", "settings", f"{said}, data in {installation.folder}")


def _database(facts: DatabaseFacts) -> Iterator[Finding]:
    shown = f"{facts.product} {facts.shown_version}, {facts.charset}, time zone {facts.time_zone}"
    oldest = OLDEST[facts.product]
    if facts.version[: len(oldest)] < oldest:
        wanted = ".".join(map(str, oldest))
        yield Finding("FAIL", "database", shown, f"needs {facts.product} {wanted} or newer")
    elif facts.charset not in ("utf8mb4", "UTF-8"):
        yield Finding("FAIL", "database", shown, "ALTER DATABASE ... CHARACTER SET utf8mb4, before migrating")
    else:
        yield Finding("ok", "database", shown)
    if not facts.durable:
        hint = "set innodb_flush_log_at_trx_commit = 1"
        yield Finding("warn", "database", "a power cut may lose changes that were acknowledged", hint)


def _connections(installation: Installation, facts: DatabaseFacts, running: int) -> Iterator[Finding]:
    processes = max(installation.processes, running)
    wanted = processes * installation.db_pool_size
    if facts.connections and wanted + SPARE_CONNECTIONS > facts.connections:
        said = f"{processes} process(es) x DB_POOL_SIZE {installation.db_pool_size} = {wanted} connections, "
        said += f"and the database allows {facts.connections}"
        yield Finding("FAIL", "database", said, "raise max_connections, or lower DB_POOL_SIZE or PROCESSES")


def _clock(whose: str, ahead: float) -> Finding:
    said = f"{whose}: {ahead:+.1f} s from this machine's"
    if abs(ahead) > CLOCK_SECONDS:
        return Finding("FAIL", "clock", said, f"synchronise the clocks (NTP); limit {CLOCK_SECONDS:g} s")
    return Finding("ok", "clock", said)


def _schema(installation: Installation) -> Finding:
    engine = make_engine(installation.database_url, 1)
    try:
        check(engine)
    except SchemaError as error:
        return Finding("FAIL", "schema", str(error))
    finally:
        engine.dispose()
    return Finding("ok", "schema", "is this version's")


def _redis(installation: Installation) -> Iterator[Finding]:
    if not installation.redis_url:
        yield Finding("ok", "redis", "none: everything is in one process")
        return
    facts = redis_facts(installation.redis_url)
    if facts.fault:
        yield Finding("FAIL", "redis", f"does not answer: {facts.fault}", "start it, or mend REDIS_URL")
        return
    yield Finding("ok", "redis", f"Redis {facts.version}")
    yield _clock("redis", facts.clock_ahead)


def _workers(installation: Installation, running: int) -> Iterator[Finding]:
    url = installation.bell_url
    if not url or urlsplit(url).scheme.endswith("+cluster"):
        return  # there are none: then WORKERS is 0
    # The processes of `make serve` leave the work to its workers, whatever .env says.
    wanted = max(installation.workers, running)
    found = listening_workers(url)
    if found is None:
        if wanted and url != installation.redis_url:
            yield Finding(
                "FAIL", "workers", "their Redis does not answer", "start it, or mend JOBS_REDIS_URL"
            )
    elif found < wanted:
        said = f"{found} of {wanted} worker(s) listen" + ("" if found else "; photos, mails and exports wait")
        hint = "supervisorctl status 'tongyou-worker:*'; before the first start it is as it should be"
        yield Finding("warn", "workers", said, hint)
    elif not found:
        yield Finding("ok", "workers", "none: the server processes do the work, or a worker of `make serve`")
    else:
        yield Finding("ok", "workers", f"{found} listen")


def _mail(installation: Installation) -> Finding:
    door = installation.mail
    if door is None:
        return Finding("ok", "mail", "none: no passwords are reset and no invitations sent by mail")
    code = asyncio.run(door.check())
    if code is None:
        return Finding("ok", "mail", f"{door.shown}, from {door.sender}")
    said, hint = explain(code)
    return Finding("FAIL", "mail", f"{door.shown}: {said}", hint)


def _folder(installation: Installation) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=installation.folder):
            free = shutil.disk_usage(installation.folder).free
    except OSError as error:
        return Finding(
            "FAIL", "folder", f"{installation.folder}: {error.strerror}", "let this user write there"
        )
    said = f"{installation.folder} is writable, {free // 2**20} MiB free"
    if free < FREE_BYTES:
        return Finding("FAIL", "folder", said, "make room: logs and an embedded database grow there")
    return Finding("ok", "folder", said)


def _files(installation: Installation) -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = installation.max_connections + installation.db_pool_size + SPARE_FILES
    unlimited = hard == resource.RLIM_INFINITY
    said = f"{'any number of' if unlimited else hard} open files allowed, up to {needed} needed by a process"
    if not unlimited and hard < needed:
        return Finding("warn", "files", said, "raise the limit (LimitNOFILE=), or lower MAX_CONNECTIONS")
    if soft < needed:
        said += f"; this shell has {soft}, `make serve` raises it"
    return Finding("ok", "files", said)


def _frontend(installation: Installation) -> Finding:
    if not (installation.dist / "index.html").is_file():
        return Finding("FAIL", "web app", f"is not in {installation.dist}", "make spa")
    return Finding("ok", "web app", "is built")
