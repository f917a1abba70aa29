"""A trip with everything that an export has to get right, as material."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.entities import Day, Link, Member, Snapshot, Stop, Trip
from domain.jobs import Material
from domain.talk import Message

AT = "2026-05-01T08:00:00.123Z"


def a_material(**changes: Any) -> Material:
    """Two dated days and one without, in two time zones, on the night when Paris changes its clocks."""
    days = [
        Day("d1", date="2026-10-24", title="大理 <b>", notes='带伞; "a, b"\r\n第二行 & \x07\x00'),
        Day("d2", date="2026-10-25"),
        Day("d3", title="Some day"),
    ]
    stops = [
        Stop("s0", name="An idea"),
        Stop(
            "s1", day_id="d1", pos="a0", name="古城", name_alt="Old town", start_time="09:00",
            end_time="10:30", place_name="大理市, 一塔路", lat=25.69, lng=100.16, notes="慢慢走 🏔️",
            links={"l1": Link("https://example.com/?a=1&b=2", "官网")}, cost_amount=12345, status="booked",
        ),
        Stop("s2", day_id="d1", pos="a1", name="Night train", start_time="23:00", end_time="06:00",
             kind="transport", status="cancelled"),
        Stop("s3", day_id="d1", pos="a2", name="随便走走", kind="food"),
        Stop("s4", day_id="d2", pos="a0", name="Louvre", start_time="01:30", duration_min=120,
             time_zone="Europe/Paris", cost_amount=1500, cost_currency="JPY"),
        Stop("s5", day_id="d2", pos="a1", name="</style><script>alert(1)</script>", start_time="12:00"),
        Stop("s6", day_id="d3", pos="a0", name="Nowhere yet", start_time="12:00"),
    ]  # fmt: skip
    trip = Trip(
        "t1", "云南 & Paris 🏔️", "一起去", "2026-10-24", "2026-10-25", "Asia/Shanghai", "CNY", created_by="ann"
    )
    members = [Member("ann", "安"), Member("bob", "Bob", "editor"), Member("x", "Gone", deleted=True)]
    material = Material(
        AT,
        42,
        "editor",
        "zh",
        Snapshot(trip, days, stops, members),
        [Message("m1", 7, author="ann", text="走？")],
    )
    return msgspec.structs.replace(material, **changes)
