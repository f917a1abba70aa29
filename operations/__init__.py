"""The operators' commands: an edge like `handlers`, for people with a shell instead of a browser.

Owns what the commands are given (`Installation`, built by `server.py` from the settings), one module a
group of commands, and the journal of what operators did. Translates arguments into commands of the
domain (`run(service, command)`) or into calls of `storage`, and results into lines. Holds no SQL and no
rules, reads no environment, and knows neither Tornado nor rooms.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from domain.ports import Run


class Failed(Exception):
    """A command did not do what was asked; the message says why and what helps."""


class Revoke(Protocol):
    """Ends open sockets at once, on every process that Redis reaches."""

    async def __call__(self, *, auth_ids: Collection[str] = (), user_id: str | None = None) -> None: ...


@dataclass(frozen=True)
class Domain:
    """What commands on people and trips need. `hash`: of a password."""

    run: Run
    revoke: Revoke
    hash: Callable[[str], Awaitable[str]]
    clock: Callable[[], str]


@dataclass(frozen=True)
class MailDoor:
    """The way to the mail server. `shown`: the server, without its password; `sender`: as whom. `check`
    connects and logs in, `send` sends one mail to an address; each returns None, or the code of what went
    wrong."""

    shown: str
    sender: str
    check: Callable[[], Coroutine[Any, Any, str | None]]
    send: Callable[[str], Coroutine[Any, Any, str | None]]


@dataclass(frozen=True)
class Installation:
    """One installation as its settings describe it. `metrics_port` 0: processes have no operators'
    port. `bell_url`: the Redis at which `workers` are told of jobs. `serve` runs one process until it is told
    to stop, `work` one worker, whose exit status it returns; `domain` opens the services. `mail` None: no
    mail is sent."""

    root: Path
    folder: Path
    dist: Path
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    bell_url: str = field(repr=False)
    processes: int
    workers: int
    metrics_host: str
    metrics_port: int
    db_pool_size: int
    max_connections: int
    serve: Callable[[], None]
    work: Callable[[], int]
    domain: Callable[[], AbstractAsyncContextManager[Domain]]
    mail: MailDoor | None = None
