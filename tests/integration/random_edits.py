"""Random edits for the fuzz and fault tests: valid for what the client knows, not always for the room."""

from __future__ import annotations

import random
from typing import Any

from tests.integration.replica import Replica


def random_edit(rng: random.Random, client: Replica, n: int) -> dict[str, Any]:
    """A valid edit, or one that a concurrent edit may make invalid."""
    stops = [key[1] for key, r in client.records.items() if key[0] == "stop" and not r.get("deleted")]
    days: list[str | None] = [key[1] for key in client.records if key[0] == "day"]
    choice = rng.random()
    if not stops or choice < 0.4:
        return {
            "kind": "stop.add",
            "id": f"{client.client_id}-{n}",
            "day": rng.choice([*days, None]),
            "after": rng.choice([*stops, None]),
            "fields": {"name": f"大理 {n}"},
        }
    if choice < 0.7:
        return {"kind": "stop.set_fields", "id": rng.choice(stops), "fields": {"notes": f"note {n}"}}
    if choice < 0.9:
        return {
            "kind": "stop.move",
            "ids": [rng.choice(stops)],
            "day": rng.choice([*days, None]),
            "after": rng.choice([*stops, None]),
        }
    return {"kind": "stop.remove", "id": rng.choice(stops)}
