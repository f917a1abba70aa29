"""`tongyou <command>`: the parser of all commands, and how they end.

Owns the list of groups and the exit codes: 0 done, 1 not done (one line on stderr says why), 2 wrong
settings, schema or arguments. Each group adds its own commands to the parser. Called by `server.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from domain.errors import DomainError
from operations import Failed, Installation

EPILOG = "Settings come from the environment and the file .env; docs/OPERATIONS.md has recipes."
MODULES = {
    "check": "checks",
    "rolling-restart": "processes",
    "backup": "backups",
    "restore": "backups",
    "user": "people",
    "sessions": "people",
    "trip": "trips",
    "mail": "mail",
    "version": "about",
}
"""Where each command is. Only that module is imported: some take a while."""


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """This command with its help; all of them where it is none of `MODULES`."""
    made = argparse.ArgumentParser(
        prog="tongyou", description="Tongyou: plan and travel together, live.", epilog=EPILOG
    )
    made.set_defaults(act=_serve)
    groups = made.add_subparsers(title="commands", metavar="COMMAND")
    serve = groups.add_parser("serve", help="run one process in the foreground (the default)")
    serve.set_defaults(act=_serve)
    worker = groups.add_parser("worker", help="run one worker in the foreground (needs WORKERS and Redis)")
    worker.set_defaults(act=_work)
    migrate = groups.add_parser("migrate", help="bring the database to this version's schema")
    migrate.set_defaults(act=_migrate)
    if command in ("serve", "worker", "migrate"):
        return made
    modules = [MODULES[command]] if command in MODULES else dict.fromkeys(MODULES.values())
    for module in modules:
        import_module(f"operations.{module}").add(groups)
    return made


def main(arguments: Sequence[str] | None, read: Callable[[], Installation], root: Path) -> int:
    """Parse, read the settings where the command needs them, act. Returns the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Without a command it serves.
    given = parser(words[0] if words else "serve").parse_args(words)
    if words[:1] == ["version"]:
        given.act(root)
        return 0
    try:
        given.act(read(), given)
        return 0
    except Failed as error:
        print(f"tongyou: {error}", file=sys.stderr)
    except DomainError as error:
        print(f"tongyou: {error.message}", file=sys.stderr)
    except KeyboardInterrupt:
        print("tongyou: interrupted", file=sys.stderr)
    return 1


def _serve(installation: Installation, _: argparse.Namespace) -> None:
    installation.serve()


def _work(installation: Installation, _: argparse.Namespace) -> None:
    if status := installation.work():
        raise Failed(f"the worker ended with status {status}")


def _migrate(installation: Installation, _: argparse.Namespace) -> None:
    from storage.schema import upgrade

    upgrade(installation.database_url)
