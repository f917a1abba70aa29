"""Whatever an editor sends as an operation, the answer is an event or a rejection: never a crash,
never a closed socket, never a room that disagrees with its log. (R5.1; hypothesis)
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.ioloop import IOLoop

from domain.operations import AnyOperation
from storage.unit_of_work_memory import MemoryStore, MemoryUnits
from tests.integration.test_convergence import TRIP, FaultyBus, Process, Tab, live_of, make_room

KINDS = [
    kind.__struct_config__.tag
    for kind in AnyOperation.__args__  # type: ignore[attr-defined]
]
IDS = st.sampled_from(["s1", "s2", "s3", "ann", "bob", "nobody", "", "x" * 41, "链接"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["\0", "😀" * 300])
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | IDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | IDS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["name", "notes", "lat", "lng", "start_time", "links", "cost_amount", "cost_currency", "status",
         "title", "time_zone", "currency", "kind", "duration_min", "unknown"]
    ),
    VALUES | st.sampled_from(["Dali", "09:30", "CNY", "Asia/Shanghai", 25.6, "food", {"a": None}]),
    max_size=4,
)  # fmt: skip
OPERATIONS = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS) | TEXT},
    optional={
        "id": IDS,
        "ids": st.lists(IDS, max_size=4),
        "day": IDS | st.none(),
        "after": IDS | st.none(),
        "fields": FIELDS | VALUES,
        "photo": IDS | st.none(),
        "seq": st.integers(-3, 30) | NUMBERS,
        "start_date": st.sampled_from(["2026-05-01", "2026-02-30", "0000-01-01", None]),
        "end_date": st.sampled_from(["2026-05-03", "9999-12-31", None]),
        "mode": st.sampled_from(["shift", "keep", "other"]),
        "role": st.sampled_from(["viewer", "owner", "god"]),
        "visibility": st.sampled_from(["public", "secret"]),
        "name": TEXT,
        "title": TEXT,
        "extra": VALUES,
    },
)

STOPS = st.sampled_from(["s1", "s2", "s3", "s4"])
GOOD_FIELDS = st.fixed_dictionaries(
    {"name": st.sampled_from(["大理", "Dali 😀", "x" * 200])},
    optional={
        "notes": TEXT,
        "lat": st.floats(-91, 91),
        "cost_amount": st.integers(-1, 2**40),
        "start_time": st.sampled_from(["00:00", "23:59", "24:00", None]),
        "links": st.dictionaries(
            st.sampled_from("abc"), st.sampled_from([None, {"url": "https://a.example"}])
        ),
    },
)
LIKELY = st.one_of(
    st.fixed_dictionaries({"kind": st.just("stop.set_fields"), "id": STOPS, "fields": GOOD_FIELDS}),
    st.fixed_dictionaries({"kind": st.just("stop.add"), "id": STOPS, "fields": GOOD_FIELDS}),
    st.fixed_dictionaries({"kind": st.just("stop.move"), "ids": st.lists(STOPS, min_size=1), "after": STOPS}),
    st.fixed_dictionaries({"kind": st.sampled_from(["stop.remove", "stop.restore"]), "id": STOPS}),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["trip.set_cover", "stop.set_photo"]), "photo": IDS | st.none()},
        optional={"id": STOPS},
    ),
    st.fixed_dictionaries({"kind": st.just("undo"), "seq": st.integers(0, 60)}),
    st.fixed_dictionaries(
        {
            "kind": st.just("trip.set_dates"),
            "start_date": st.sampled_from(["2026-05-01", "2026-05-03", None]),
            "end_date": st.sampled_from(["2026-05-02", "2026-05-09", None]),
        }
    ),
)


class Stage:
    """One room with a tab, on one loop, for all examples of the test."""

    def __init__(self) -> None:
        rng = random.Random(1)
        self.executor = ThreadPoolExecutor(2)
        self.store, bus = MemoryStore(), FaultyBus(rng)
        self.process = Process(self.store, bus, self.executor)
        self.tab = Tab("bob", [self.process], rng)

    @classmethod
    async def opened(cls) -> Stage:
        """Made on the loop, which the hub asks for the time."""
        self = cls()
        await self._open()
        return self

    async def _open(self) -> None:
        await self.process.hub.start()
        await make_room(self.process)
        self.task = asyncio.create_task(self.tab.run())
        await self.until(lambda: bool(self.tab.joins))
        for n in (1, 2, 3):
            self.tab.submit({"kind": "stop.add", "id": f"s{n}", "fields": {"name": f"Stop {n}"}})
        await self.until(lambda: not self.tab.pending)

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - many objects, none of which has an event
                await asyncio.sleep(0.001)

    async def send(self, op: dict[str, Any]) -> None:
        joins = len(self.tab.joins)
        self.tab.submit(json.loads(json.dumps(op)))
        await self.until(lambda: not self.tab.pending)
        assert len(self.tab.joins) == joins, "the socket was closed"
        with MemoryUnits(self.store)() as unit:
            truth = live_of(msgspec.to_builtins(unit.trips.read(TRIP).view()))
        assert self.tab.view() == truth

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.process.hub.aclose()
        self.executor.shutdown()


@pytest.mark.timeout(120)
def test_any_operation_is_answered(io_loop: IOLoop, caplog: pytest.LogCaptureFixture) -> None:
    stage = io_loop.run_sync(Stage.opened)

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(OPERATIONS | LIKELY)
    def answered(op: dict[str, Any]) -> None:
        # Leaving is allowed; a member who left is not what this test is about.
        if op["kind"] == "member.remove" and op.get("id") == "bob":
            return
        io_loop.run_sync(lambda: stage.send(op))

    with caplog.at_level(logging.ERROR):
        answered()
    io_loop.run_sync(stage.close)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    codes = {message["code"] for message in stage.tab.rejected.values()}
    assert {"invalid", "forbidden", "exists", "changed_since"} <= codes, codes
    assert "internal" not in codes
    assert len(stage.tab.acked) > 20, "hardly any example was a valid operation"
