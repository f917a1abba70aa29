"""`tongyou version`: what runs here. Works without settings and without a database."""

from __future__ import annotations

import argparse
import platform
import subprocess
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from storage.revisions import head


def add(groups: Any) -> None:
    """Add the command to the parser."""
    made: argparse.ArgumentParser = groups.add_parser(
        "version", help="say which version this is, of the program and of its schema"
    )
    made.set_defaults(act=version)


def version(root: Path) -> None:
    """Print the versions."""
    print(f"Tongyou {package_version()}")
    print(f"revision {revision(root) or 'unknown (not a git checkout)'}")
    print(f"schema {head()}")
    print(f"Python {platform.python_version()}")


def package_version() -> str:
    """Of the installed package."""
    try:
        return version_of("tongyou")
    except PackageNotFoundError:
        return "not installed"


def revision(root: Path) -> str | None:
    """The commit that is checked out, with a `+` where files differ from it; None without git."""
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
