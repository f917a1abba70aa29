"""The operators' journal: who did what to this installation, in `operators.log` of DATA_DIR.

One JSON line an act, when it has ended: when, which account of the machine, what, with which outcome.
Never a password. The file is readable by its owner only, and only ever appended to. Called by the
commands that read or change what belongs to people.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec

from domain.accounts import timestamp
from operations import Installation

NAME = "operators.log"
MODE = 0o600


@contextmanager
def act(installation: Installation, command: str, **about: str) -> Iterator[None]:
    """Write down the act that happens inside, and how it ended."""
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        entry = {"time": timestamp(datetime.now(UTC)), "operator": operator(), "command": command, **about}
        line = msgspec.json.encode(entry | {"outcome": outcome}) + b"\n"
        installation.folder.mkdir(parents=True, exist_ok=True)
        path = installation.folder / NAME
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, MODE)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def operator() -> str:
    """The account on this machine. `sudo` says who asked; it is a note, no proof."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
