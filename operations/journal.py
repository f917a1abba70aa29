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
from operations import Failed, Installation

NAME = "operators.log"
MODE = 0o600


@contextmanager
def act(installation: Installation, command: str, **about: str) -> Iterator[None]:
    """Write down the act that happens inside, and how it ended."""
    descriptor = _open(installation)
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        entry = {"time": timestamp(datetime.now(UTC)), "operator": operator(), "command": command, **about}
        os.write(descriptor, msgspec.json.encode(entry | {"outcome": outcome}) + b"\n")
        os.close(descriptor)


def _open(installation: Installation) -> int:
    """Before the act: what cannot be written down is not done. Through no link, which others who may write
    into the folder could have laid to any file of whoever acts."""
    path = installation.folder / NAME
    try:
        installation.folder.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, MODE)
    except OSError as error:
        raise Failed(f"the journal {path} cannot be written, so nothing is done: {error.strerror}") from None


def operator() -> str:
    """The account on this machine. `sudo` says who asked; it is a note, no proof."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
