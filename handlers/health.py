"""Health for supervisors and load balancers: is the process alive, is it ready for traffic."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

import msgspec

from handlers.base import BaseHandler
from handlers.deps import Check
from handlers.routes import Endpoint, Route

CHECK_SECONDS = 2.0
log = logging.getLogger("tongyou.health")


class Health(msgspec.Struct, frozen=True):
    """`checks`: each one's name, and `ok` or what is wrong."""

    status: Literal["ok", "failing"]
    checks: dict[str, str]


class HealthHandler(BaseHandler):
    def answer(self, health: Health) -> None:
        self.set_status(200 if health.status == "ok" else 503)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(msgspec.json.encode(health))


class LiveHandler(HealthHandler):
    async def get(self) -> None:
        self.answer(Health("ok", {}))


class ReadyHandler(HealthHandler):
    async def get(self) -> None:
        names = list(self.deps.checks)
        results = await asyncio.gather(*(_ask(name, self.deps.checks[name]) for name in names))
        failing = any(result != "ok" for result in results)
        self.answer(Health("failing" if failing else "ok", dict(zip(names, results, strict=True))))


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
