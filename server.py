"""The composition root: reads the settings, and builds what the command needs (`wiring`).

The only reader of the environment (and of `.env`); with `wiring`, its parts, the only place that chooses
implementations. Holds no rule of its own. Run as `python server.py [command]` (see `operations`), by
`make run`, or by supervisord, which hands the listening socket on file descriptor 0. Parts are imported when
they are needed, for operators should not wait for what they do not use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from dotenv import dotenv_values

from handlers import logs
from operations import Domain, Installation, MailDoor, commands
from settings import ROOT, Settings, SettingsError
from storage.revisions import SchemaError

DIST = ROOT / "frontend" / "dist"


def _serve(settings: Settings, log_lines: Mapping[str, int]) -> None:
    from handlers.listening import ListenError
    from wiring.process import serve

    try:
        serve(settings, log_lines)
    except ListenError as error:
        raise SettingsError(str(error)) from None


def _work(settings: Settings, log_lines: Mapping[str, int]) -> int:
    from handlers.listening import ListenError
    from wiring.worker import work

    try:
        return work(settings, log_lines)
    except ListenError as error:
        raise SettingsError(str(error)) from None


def _domain(settings: Settings) -> AbstractAsyncContextManager[Domain]:
    from wiring.operators import open_domain

    return open_domain(settings)


def _mail_door(settings: Settings) -> MailDoor | None:
    if settings.mail is None:
        return None
    from wiring.mail import make_mail_door

    return make_mail_door(settings)


def _installation() -> Installation:
    """What the settings say, for the operators' commands. Raises `SettingsError`."""
    given = {**dotenv_values(ROOT / ".env"), **os.environ}
    settings = Settings.read({name: value for name, value in given.items() if value is not None})
    settings.folder.mkdir(parents=True, exist_ok=True)
    lines = logs.configure(
        settings.log_level.upper(),
        settings.log_format,
        process=settings.tongyou_process,
        secrets=settings.secrets,
    )
    return Installation(
        root=ROOT,
        folder=settings.folder,
        dist=DIST,
        database_url=settings.database_url,
        redis_url=settings.redis_url,
        bell_url=settings.bell_url,
        processes=settings.processes,
        workers=settings.workers,
        metrics_host=settings.metrics_host,
        metrics_port=settings.metrics_port,
        db_pool_size=settings.db_pool_size,
        max_connections=settings.max_connections,
        serve=lambda: _serve(settings, lines.counts),
        work=lambda: _work(settings, lines.counts),
        domain=lambda: _domain(settings),
        mail=_mail_door(settings),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of `operations.commands`; 2 with one line on stderr when settings or schema are wrong."""
    try:
        return commands.main(arguments, _installation, ROOT)
    except (SettingsError, SchemaError) as error:
        print(f"tongyou: {error}", file=sys.stderr)
        return 2


def cli() -> None:
    """The console command `tongyou`."""
    sys.exit(main())


if __name__ == "__main__":
    cli()
