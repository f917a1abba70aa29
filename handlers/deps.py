"""What the edge is given by the composition root: one frozen record, no settings grab-bag.

Owns the protocols of injected things (hasher, revoke, health checks). Built by `server.py`, and by
the tests with stand-ins; read by every handler as `self.deps`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from domain.accounts import Limits
from domain.ports import Run
from domain.services.demo import Sample
from handlers.proxies import TRUSTED_BY_DEFAULT, Networks
from handlers.receiving import Uploads
from realtime.clock import utc_now
from realtime.hub import Hub

if TYPE_CHECKING:
    from handlers.rates import Rates
    from handlers.sessions import SessionCache
    from realtime.assistant.runner import Assistant


class Hasher(Protocol):
    """Passwords, off the loop. See `handlers.passwords`."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, stored: str | None, password: str) -> bool:
        """Takes as long for None (no such user) as for a real hash."""

    def outdated(self, stored: str) -> bool:
        """The hash was made with other parameters than today's."""


class Revoke(Protocol):
    """Ends open sockets at once, on every process."""

    async def __call__(self, *, auth_ids: Collection[str] = (), user_id: str | None = None) -> None: ...


class Ring(Protocol):
    """Tells of a job; see `realtime.jobs.doorbell`."""

    def __call__(self, job_id: str, mail: bool = False) -> None: ...


def _to_nobody(job_id: str, mail: bool = False) -> None:
    pass


Check = Callable[[], Awaitable[str | None]]
"""A health check: None when all is well, else one line on what is wrong."""


CountRequest = Callable[[str, str, int, float], None]
"""`(method, route, status, seconds)` of a request that has been answered."""


@dataclass(frozen=True)
class Features:
    """What this installation offers; the SPA hides the rest."""

    assistant: bool = False
    assistant_model: str = ""
    demo: bool = True
    mail: bool = False
    guests: bool = True
    registration: bool = True
    tile_url: str = ""
    tile_attribution: str = ""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the operators' port needs, of a server or of a worker. `checks`: all must pass to be ready;
    `soft_checks`: they are only told."""

    checks: Mapping[str, Check] = field(default_factory=dict)
    soft_checks: Mapping[str, Check] = field(default_factory=dict)
    trusted_proxies: Networks = TRUSTED_BY_DEFAULT


@dataclass(frozen=True, kw_only=True)
class Deps(Shown):
    """`sessions` resolves cookies (and is shared with the room socket); `sample` None: no demo. `ring`
    tells of a job after its commit (`realtime.jobs.doorbell`).

    `hub` None: no room socket (tests of REST alone); `assistant` None: it is off. `allowed_origins`:
    origins besides the request's own host that may open a socket. `rates` None: requests are not counted.
    """

    run: Run
    hasher: Hasher
    revoke: Revoke
    sessions: SessionCache
    dist: Path
    ring: Ring = _to_nobody
    hub: Hub | None = None
    assistant: Assistant | None = None
    allowed_origins: frozenset[str] = frozenset()
    sample: Sample | None = None
    limits: Limits = field(default_factory=Limits)
    rates: Rates | None = None
    uploads: Uploads = field(default_factory=Uploads)
    features: Features = field(default_factory=Features)
    clock: Callable[[], str] = utc_now
    count_request: CountRequest | None = None
