"""The OpenAPI document against the routes, the specification, and real answers."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from handlers.application import ROUTES
from handlers.openapi import document
from tests.handlers.test_resets import secret_of
from tests.handlers.world import Answer, Client, World

VERBS = ("GET", "POST", "PATCH", "DELETE", "PUT")


def test_it_is_openapi() -> None:
    validate(json.loads(json.dumps(document(ROUTES))))


def test_declared_verbs_are_the_implemented_ones() -> None:
    """Both ways: no verb without a declaration, no declaration without a verb."""
    for route in ROUTES:
        implemented = {
            verb for verb in VERBS if any(verb.lower() in vars(kind) for kind in route.handler.__mro__[:-2])
        }
        inherited = {verb for verb in implemented if _from_tornado(route.handler, verb)}
        assert implemented - inherited == set(route.endpoints), route.path


def _from_tornado(handler: type[Any], verb: str) -> bool:
    return getattr(handler, verb.lower()).__module__.startswith("tornado")


async def test_the_document_names_every_rule_of_the_application(world: World) -> None:
    served = (await world.client().get("/api/openapi.json")).json
    patterns = {
        rule.matcher.regex.pattern.rstrip("$")  # type: ignore[attr-defined]
        for rule in world.application.wildcard_router.rules
        if rule.matcher.regex.pattern.startswith(("/api/", "/health/"))  # type: ignore[attr-defined]
    }
    undocumented = {"/api/socket"}
    documented = {route.pattern for route in ROUTES}
    assert patterns - undocumented == documented
    assert set(served["paths"]) == {route.path for route in ROUTES}


async def test_real_answers_fit_the_document(world: World) -> None:
    spec = json.loads(json.dumps(document(ROUTES)))
    seen: set[tuple[str, str, int]] = set()

    def check(verb: str, path: str, answer: Answer) -> None:
        route = next((r for r in ROUTES if re.fullmatch(r.pattern, path.split("?")[0])), None)
        assert route is not None, path
        responses = spec["paths"][route.path][verb.lower()]["responses"]
        assert str(answer.status) in responses, (verb, path, answer)
        content = responses[str(answer.status)]["content"]
        if answer.headers.get("Content-Disposition"):
            assert answer.headers["Content-Type"].partition(";")[0] in content
            seen.add((verb, route.path, answer.status))
            return
        schema = content["application/json"]["schema"]
        Draft202012Validator({**schema, "components": spec["components"]}).validate(answer.json)
        seen.add((verb, route.path, answer.status))

    await _tour(world, check)
    good = {(v, p) for v, p, status in seen if status < 300}
    assert good == {(verb, route.path) for route in ROUTES for verb in route.endpoints}
    assert {status for *_, status in seen} >= {200, 201, 400, 401, 403, 404, 409, 410, 413, 415, 429}


async def _tour(world: World, check: Any) -> None:
    """Every endpoint once with success, and one refusal of every kind."""
    ann, bob, nobody = world.client(), world.client(), world.client()
    for client in (ann, bob, nobody):
        client.observe = check
    await ann.account("ann")
    await bob.guest("Bob")
    for path in ("/api/openapi.json", "/health/live", "/health/ready", "/api/trips", "/api/trips/none"):
        await nobody.get(path)
    trip_id = await ann.trip("T", start_date="2026-10-01", end_date="2026-10-02")
    trip = f"/api/trips/{trip_id}"
    token = await ann.invite(trip_id, "viewer", expires_in_hours=2)
    await nobody.get(f"/api/invites/{token}")
    await bob.get(trip)
    await bob.join(token)
    await bob.patch(trip, {"title": "No"})
    op = {"kind": "stop.add", "id": "s1", "fields": {"name": "Dali", "lat": 25.6, "links": {}}}
    await ann.post(f"{trip}/operations", {"op_id": "op-00001", "base": 1, "op": op})
    await _talk(ann, trip)
    await _ask(ann, trip)
    await _export(world, ann, trip)
    await _photo(world, ann, trip_id)
    await ann.patch(trip, {"title": "T2", "start_date": None, "end_date": None})
    for path in (trip, f"{trip}/history", f"{trip}/members", f"{trip}/invites", "/api/trips", "/api/me"):
        await ann.get(path)
    await ann.post("/api/trips", {"title": 5})
    await ann.send("POST", "/api/trips", raw=b"x" * 300_000)
    await ann.send("POST", "/api/trips", raw=b"{}", Content_Type="text/plain")
    await ann.delete(f"{trip}/members/{ann.user['id']}")
    await ann.patch(f"{trip}/members/{bob.user['id']}", {"role": "editor"})
    await ann.delete(f"{trip}/members/{bob.user['id']}")
    invite_id = (await ann.get(f"{trip}/invites")).json["invites"][0]["id"]
    await ann.delete(f"{trip}/invites/{invite_id}")
    await ann.delete(trip)
    await ann.get(trip)
    await ann.post(f"{trip}/restore")
    await ann.patch("/api/me", {"locale": "en"})
    await ann.post("/api/auth/password", {"current": "a long password", "new": "another password"})
    await ann.post("/api/auth/logout-all")
    await ann.post("/api/auth/login", {"login": "ann", "password": "another password"})
    await ann.post("/api/auth/logout")
    for _ in range(11):
        await nobody.post("/api/auth/login", {"login": "ann", "password": "wrong password"})
    await nobody.post("/api/demo", {"name": "D", "locale": "zh"})
    await _reset(world, nobody)
    await _address(world, check)


async def _reset(world: World, nobody: Client) -> None:
    """A password that was forgotten, and a link that is no more."""
    body = {"email": "cyd@example.net", "password": "a long password", "name": "Cyd"}
    assert (await world.client().post("/api/auth/register", body)).status == 200
    await nobody.post("/api/auth/forgot", {"login": "cyd@example.net"})
    token = secret_of((await world.post_all())[-1])
    for path, more in (("/check", {}), ("", {"password": "a new password"}), ("/check", {})):
        await nobody.post(f"/api/auth/reset{path}", {"token": token} | more)


async def _address(world: World, check: Any) -> None:
    """An address that is asked for, confirmed and removed; and refusals."""
    dan = world.client()
    dan.observe = check
    await dan.account("dan")
    right = {"email": "dan@example.net", "current": "a long password"}
    for body in (right, right | {"email": "no address"}, right | {"current": "wrong"}):
        await dan.post("/api/me/email", body)
    await dan.post("/api/me/email/resend")
    token = secret_of((await world.post_all())[-1])
    for path in ("/check", "", "/check", ""):
        await dan.post(f"/api/auth/email{path}", {"token": token})
    await dan.get("/api/me/email")
    await dan.post("/api/me/email", right)
    await dan.post("/api/me/email/resend")
    await dan.post("/api/me/email/cancel")
    for current in ("wrong", "a long password"):
        await dan.post("/api/me/email/remove", {"current": current})


async def _export(world: World, ann: Client, trip: str) -> None:
    """One that is made, before and after; and refusals."""
    await ann.post(f"{trip}/exports", {"format": "pdf"})
    made = (await ann.post(f"{trip}/exports", {"format": "page"}, Idempotency_Key="key-00002")).json["export"]
    path = f"/api/exports/{made['id']}"
    await ann.get(f"{path}/file")
    await world.worker.work(made["id"])
    for each in (path, f"{path}/file", "/api/exports/none"):
        await ann.get(each)


async def _photo(world: World, ann: Client, trip_id: str) -> None:
    """One that is made, before and after; and refusals."""
    path = f"/api/trips/{trip_id}/photos"
    await ann.post_photo(trip_id, "photo1")
    await ann.get(f"{path}/photo1")
    await world.worker.work(world.rung[-1])
    for each in ("photo1", "photo1/320", "photo1/321", "none"):
        await ann.get(f"{path}/{each}")
    await ann.send("POST", f"{path}/photo2", raw=b"GIF89a", Content_Type="image/gif")
    await ann.send("POST", f"{path}/photo3", raw=b"\xff\xd8\xff" + bytes(12 * 2**20))


async def _ask(ann: Client, trip: str) -> None:
    """A question in the trip and one in private; reading, stopping, and forgetting."""
    await ann.post(f"{trip}/ai/chat", {"text": " "})
    asked = (await ann.post(f"{trip}/ai/chat", {"text": "Hi"}, Idempotency_Key="key-00001")).json
    private = (await ann.post("/api/ai/chat", {"text": "Hi", "locale": "zh"})).json
    for path in (f"{trip}/ai/answers/{asked['answer']}", f"/api/ai/answers/{private['answer']}"):
        await ann.get(path)
        await ann.post(f"{path}/stop")
    await ann.get("/api/ai/conversations")
    await ann.get(f"/api/ai/conversations/{private['conversation']}")
    await ann.delete(f"/api/ai/conversations/{private['conversation']}")
    await ann.get("/api/ai/answers/none")


async def _talk(ann: Client, trip: str) -> None:
    """A message with all that it can have, a resolved comment, a decided proposal; and reading them."""
    about = {"t": "stop", "id": "s1"}
    rename = {"kind": "stop.set_fields", "id": "s1", "fields": {"name": "Erhai", "links": {"l1": None}}}
    said: list[dict[str, Any]] = [
        {"kind": "message.post", "id": "m1", "text": "Hi", "about": about, "mentions": [ann.user["id"]]},
        {"kind": "message.post", "id": "m2", "text": "Re", "reply_to": "m1"},
        {"kind": "message.edit", "id": "m2", "text": "Reply"},
        {"kind": "message.react", "id": "m1", "emoji": "👍"},
        {"kind": "message.post", "id": "c1", "text": "Why?", "channel": "comment", "about": about},
        {"kind": "comment.resolve", "id": "c1"},
        {"kind": "proposal.open", "id": "p1", "ops": [rename, {"kind": "day.add", "id": "dx"}]},
        {"kind": "proposal.accept", "id": "p1", "pieces": [0]},
    ]
    for n, op in enumerate(said):
        answer = await ann.post(f"{trip}/operations", {"op_id": f"op-talk-{n}", "base": 2, "op": op})
        assert answer.status == 200, answer
    for path in (
        "messages",
        "messages?channel=comment&about=stop:s1",
        "threads",
        "proposals?ids=p1",
        "history",
    ):
        await ann.get(f"{trip}/{path}")
    await ann.get(f"{trip}/messages?limit=0")
