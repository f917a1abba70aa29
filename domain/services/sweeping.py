"""The services of sweeping. Called through `run(service, command)` by `realtime.sweeping`."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from domain.accounts import hash_token, later
from domain.ports import UnitOfWork
from domain.services import photos
from domain.sweeping import EVERY_SECONDS, KEEP_INVITES_DAYS, ClaimSweep, Step, Sweep, idle_windows


def claim_sweep(command: ClaimSweep, uow: UnitOfWork) -> bool:
    """True for one caller in each hour, over all processes."""
    hour = int(datetime.fromisoformat(command.at).timestamp()) // EVERY_SECONDS
    return uow.accounts.hit(hash_token("sweep"), hour) == 1


def sweep(command: Sweep, uow: UnitOfWork) -> Step:
    """One small step; see `Sweep`."""
    accounts = uow.accounts
    match command.what:
        case "sessions":
            return accounts.sweep_sessions(command.at, command.after, command.limit)
        case "invites":
            before = later(command.at, days=-KEEP_INVITES_DAYS)
            return accounts.sweep_invites(before, command.after, command.limit)
        case "throttles":
            return accounts.sweep_throttles(idle_windows(command.at), command.after, command.limit)
        case "photos":
            return photos.sweep_photos(uow, command.at, command.after)
        case never:
            assert_never(never)
