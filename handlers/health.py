"""Health for supervisors and load balancers: is the process alive, is it ready for traffic.

Two kinds of checks (`Deps.checks`, `Deps.soft_checks`): one of the first that fails makes the answer
503; one of the second says `degraded` with 200, because sending people away would not help them. Each
has two seconds. Served on the public port and on the operators' own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Literal

import msgspec

from handlers.base import BaseHandler
from handlers.deps import Check
from handlers.routes import Endpoint, Route

CHECK_SECONDS = 2.0
log = logging.getLogger("tongyou.health")


class Health(msgspec.Struct, frozen=True):
    """`checks`: each one's name, and `ok` or what is wrong. `degraded`: it serves, but something that
    it can do without for a while is away."""

    status: Literal["ok", "degraded", "failing"]
    checks: dict[str, str]


class HealthHandler(BaseHandler):
    def answer(self, health: Health) -> None:
        self.set_status(503 if health.status == "failing" else 200)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(msgspec.json.encode(health))


class LiveHandler(HealthHandler):
    async def get(self) -> None:
        self.answer(Health("ok", {}))


class ReadyHandler(HealthHandler):
    async def get(self) -> None:
        hard, soft = await asyncio.gather(_ask_all(self.deps.checks), _ask_all(self.deps.soft_checks))
        if any(said != "ok" for said in hard.values()):
            self.answer(Health("failing", hard | soft))
        else:
            degraded = any(said != "ok" for said in soft.values())
            self.answer(Health("degraded" if degraded else "ok", hard | soft))


async def _ask_all(checks: Mapping[str, Check]) -> dict[str, str]:
    said = await asyncio.gather(*(_ask(name, check) for name, check in checks.items()))
    return dict(zip(checks, said, strict=True))


async def _ask(name: str, check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check() or "ok"
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"
    except Exception:
        log.exception("health check %s failed", name)
        return "failed, see the log"


routes = [
    Route("/health/live", LiveHandler, {"GET": Endpoint("The process answers", Health, signed_in=False)}),
    Route(
        "/health/ready",
        ReadyHandler,
        {
            "GET": Endpoint(
                "Ready for traffic; 503 says what is wrong", Health, signed_in=False, other={503: Health}
            )
        },
    ),
]
