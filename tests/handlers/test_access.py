"""Every route, every verb, every kind of caller: the expected status.

A route or verb without a row here fails `test_every_route_has_a_row`. Callers: nobody signed in
(anonymous), a person outside the trip (stranger), and a viewer, an editor and an owner of it.
"""

from __future__ import annotations

from typing import Any

import pytest

from handlers import ROUTES
from tests.handlers.world import Client, World

CALLERS = ("anonymous", "stranger", "viewer", "editor", "owner")
TRIP = "/api/trips/{trip_id}"
_OP = {"op_id": "op-access-1", "base": 0, "op": {"kind": "day.add", "id": "day1", "fields": {}}}
_ASK = {"text": "What is missing?", "locale": "en"}
_REGISTER = {"username": "somebody", "password": "a long password", "name": "S"}

# (verb, path): (body, statuses in the order of CALLERS)
ROWS: dict[tuple[str, str], tuple[Any, tuple[int, int, int, int, int]]] = {
    ("GET", "/api/me"): (None, (200, 200, 200, 200, 200)),
    ("PATCH", "/api/me"): ({"name": "New"}, (401, 200, 200, 200, 200)),
    ("POST", "/api/auth/register"): (_REGISTER, (200, 200, 200, 200, 200)),
    ("POST", "/api/auth/login"): ({"login": "nobody", "password": "wrong"}, (401, 401, 401, 401, 401)),
    ("POST", "/api/auth/guest"): ({"name": "G"}, (200, 409, 409, 409, 409)),
    ("POST", "/api/auth/logout"): (None, (200, 200, 200, 200, 200)),
    ("POST", "/api/auth/logout-all"): (None, (401, 200, 200, 200, 200)),
    ("POST", "/api/auth/password"): ({"current": "x", "new": "a new password"}, (401, 403, 403, 403, 403)),
    ("POST", "/api/demo"): ({"name": "D", "locale": "en"}, (200, 200, 200, 200, 200)),
    ("GET", "/api/trips"): (None, (401, 200, 200, 200, 200)),
    ("POST", "/api/trips"): ({"title": "T"}, (401, 201, 201, 201, 201)),
    ("GET", TRIP): (None, (401, 404, 200, 200, 200)),
    ("PATCH", TRIP): ({"title": "T2"}, (401, 404, 403, 200, 200)),
    ("DELETE", TRIP): (None, (401, 404, 403, 403, 200)),
    ("POST", TRIP + "/restore"): (None, (401, 404, 403, 403, 200)),
    ("POST", TRIP + "/operations"): (_OP, (401, 404, 403, 200, 200)),
    ("GET", TRIP + "/history"): (None, (401, 404, 200, 200, 200)),
    ("GET", TRIP + "/messages"): (None, (401, 404, 200, 200, 200)),
    ("GET", TRIP + "/threads"): (None, (401, 404, 200, 200, 200)),
    ("GET", TRIP + "/proposals"): (None, (401, 404, 200, 200, 200)),
    ("GET", TRIP + "/members"): (None, (401, 404, 200, 200, 200)),
    ("PATCH", TRIP + "/members/{user_id}"): ({"role": "editor"}, (401, 404, 403, 403, 200)),
    ("DELETE", TRIP + "/members/{user_id}"): (None, (401, 404, 403, 403, 200)),
    ("GET", TRIP + "/invites"): (None, (401, 404, 403, 403, 200)),
    ("POST", TRIP + "/invites"): ({"role": "viewer"}, (401, 404, 403, 403, 201)),
    ("DELETE", TRIP + "/invites/{invite_id}"): (None, (401, 404, 403, 403, 200)),
    ("GET", "/api/invites/{token}"): (None, (200, 200, 200, 200, 200)),
    ("POST", "/api/invites/{token}/accept"): (None, (401, 200, 200, 200, 200)),
    ("POST", TRIP + "/ai/chat"): (_ASK, (401, 404, 202, 202, 202)),
    ("GET", TRIP + "/ai/answers/{answer_id}"): (None, (401, 404, 200, 200, 200)),
    ("POST", TRIP + "/ai/answers/{answer_id}/stop"): (None, (401, 404, 403, 200, 200)),
    ("POST", "/api/ai/chat"): (_ASK, (401, 202, 202, 202, 202)),
    ("GET", "/api/ai/conversations"): (None, (401, 200, 200, 200, 200)),
    ("GET", "/api/ai/conversations/{conversation_id}"): (None, (401, 404, 404, 404, 200)),
    ("DELETE", "/api/ai/conversations/{conversation_id}"): (None, (401, 404, 404, 404, 200)),
    ("GET", "/api/ai/answers/{answer_id}"): (None, (401, 404, 404, 404, 200)),
    ("POST", "/api/ai/answers/{answer_id}/stop"): (None, (401, 404, 404, 404, 200)),
    ("GET", "/api/openapi.json"): (None, (200, 200, 200, 200, 200)),
    ("GET", "/health/live"): (None, (200, 200, 200, 200, 200)),
    ("GET", "/health/ready"): (None, (200, 200, 200, 200, 200)),
}
# Where a public trip differs: anybody may read it, nobody outside may do more.
PUBLIC = {
    ("GET", TRIP): (200, 200),
    ("GET", TRIP + "/members"): (200, 200),
    ("GET", TRIP + "/history"): (403, 403),
    ("GET", TRIP + "/messages"): (403, 403),
    ("GET", TRIP + "/threads"): (403, 403),
    ("GET", TRIP + "/proposals"): (403, 403),
    ("PATCH", TRIP): (401, 403),
    ("DELETE", TRIP): (401, 403),
    ("POST", TRIP + "/restore"): (401, 403),
    ("POST", TRIP + "/operations"): (401, 403),
    ("PATCH", TRIP + "/members/{user_id}"): (401, 403),
    ("DELETE", TRIP + "/members/{user_id}"): (401, 403),
    ("GET", TRIP + "/invites"): (401, 403),
    ("POST", TRIP + "/invites"): (401, 403),
    ("DELETE", TRIP + "/invites/{invite_id}"): (401, 403),
    ("POST", TRIP + "/ai/chat"): (401, 403),
    ("GET", TRIP + "/ai/answers/{answer_id}"): (401, 403),
    ("POST", TRIP + "/ai/answers/{answer_id}/stop"): (401, 403),
}


def test_every_route_has_a_row() -> None:
    declared = {(verb, route.path) for route in ROUTES for verb in route.endpoints}
    assert declared == set(ROWS)
    assert set(PUBLIC) == {key for key in ROWS if key[1].startswith(TRIP)}


async def _stage(world: World, path: str) -> tuple[dict[str, Client], str]:
    """A trip with its people, one more member to act upon, a link, answers to its owner in the trip
    and in private; and the path with the ids of these."""
    owner = await world.client().guest("Owner")
    trip_id = await owner.trip()
    people = {"anonymous": world.client(), "owner": owner}
    for role in ("viewer", "editor"):
        people[role] = await (await world.client().guest(role)).join(await owner.invite(trip_id, role))
    people["stranger"] = await world.client().guest("Stranger")
    target = await (await world.client().guest("Target")).join(await owner.invite(trip_id, "viewer"))
    made = await owner.post(f"/api/trips/{trip_id}/invites", {"role": "viewer"})
    names = {
        "trip_id": trip_id,
        "user_id": target.user["id"],
        "invite_id": made.json["invite"]["id"],
        "token": made.json["url"].removeprefix("/invite/"),
    }
    if "/ai/" in path:
        private = path.startswith("/api/ai/")
        asked = await owner.post("/api/ai/chat" if private else f"/api/trips/{trip_id}/ai/chat", _ASK)
        names |= {"answer_id": asked.json["answer"], "conversation_id": asked.json.get("conversation", "")}
    return people, path.format(**names)


@pytest.mark.parametrize("key", ROWS, ids=lambda key: f"{key[0]} {key[1]}")
async def test_private_trip(world: World, key: tuple[str, str]) -> None:
    body, expected = ROWS[key]
    for caller, status in zip(CALLERS, expected, strict=True):
        people, path = await _stage(world, key[1])
        answer = await people[caller].send(key[0], path, _fresh(body, caller))
        assert answer.status == status, (caller, answer)


@pytest.mark.parametrize("key", PUBLIC, ids=lambda key: f"{key[0]} {key[1]}")
async def test_public_trip(world: World, key: tuple[str, str]) -> None:
    body = ROWS[key][0]
    people, path = await _stage(world, key[1])
    await people["owner"].patch("/".join(path.split("/")[:4]), {"visibility": "public"})
    for caller, status in zip(CALLERS, PUBLIC[key], strict=False):
        answer = await people[caller].send(key[0], path, body)
        assert answer.status == status, (caller, answer)


def _fresh(body: Any, caller: str) -> Any:
    """A user name can be taken once only."""
    return body | {"username": f"u-{caller}"} if body is _REGISTER else body


@pytest.mark.parametrize("key", [key for key in ROWS if key[0] != "GET"], ids=lambda k: f"{k[0]} {k[1]}")
async def test_unsafe_verbs_need_the_csrf_header(world: World, key: tuple[str, str]) -> None:
    people, path = await _stage(world, key[1])
    owner = people["owner"]
    bare = await owner.send(key[0], path, ROWS[key][0], X_XSRFToken="")
    assert (bare.status, bare.code) == (403, "csrf")
    wrong = await owner.send(key[0], path, ROWS[key][0], X_XSRFToken="2|00000000|00|1")
    assert (wrong.status, wrong.code) == (403, "csrf")
    foreign = await owner.send(key[0], path, ROWS[key][0], Sec_Fetch_Site="cross-site")
    assert (foreign.status, foreign.code) == (403, "cross_site")
