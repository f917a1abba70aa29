"""Trips, members, invitations, history and the sample, over REST."""

from __future__ import annotations

from typing import Any

import pytest

from domain.accounts import hash_token
from domain.services import members
from handlers.demo import load_sample
from tests.handlers.world import World

DATES = {"start_date": "2026-10-01", "end_date": "2026-10-03"}


async def test_create_list_read(world: World) -> None:
    ann = await world.client().guest("Ann")
    answer = await ann.post("/api/trips", {"title": "Yunnan", "time_zone": "Asia/Shanghai", **DATES})
    trip = answer.json["trip"]
    assert trip == {
        "id": trip["id"], "title": "Yunnan", **DATES, "time_zone": "Asia/Shanghai", "visibility": "private",
        "role": "owner", "seq": 1, "stop_count": 0, "member_names": ["Ann"], "updated_at": world.clock(),
        "deleted": False, "unread": 0, "cover": None,
    }  # fmt: skip
    assert (await ann.get("/api/trips")).json == {"trips": [trip]}
    state = (await ann.get(f"/api/trips/{trip['id']}")).json
    assert state["role"] == "owner" and state["seq"] == 1 and state["epoch"]
    assert [day["date"] for day in state["snapshot"]["days"]] == ["2026-10-01", "2026-10-02", "2026-10-03"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "T", "start_date": "2026-10-01"}, "start_date"),
        ({"title": "T", "start_date": "2026-02-30", "end_date": "2026-03-01"}, "start_date"),
        ({"title": "T", "start_date": "2026-03-02", "end_date": "2026-03-01"}, "end_date"),
        ({"title": "T", "currency": "yuan"}, "currency"),
        ({"title": "T", "time_zone": "Mars/Base"}, "time_zone"),
        ({}, "title"),
    ],
)
async def test_bad_trips(world: World, body: dict[str, Any], field: str) -> None:
    ann = await world.client().guest("Ann")
    answer = await ann.post("/api/trips", body)
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, field)


async def test_creating_twice_with_one_key_makes_one_trip(world: World) -> None:
    ann, bob = await world.client().guest("Ann"), await world.client().guest("Bob")
    first = await ann.post("/api/trips", {"title": "T"}, Idempotency_Key="key-12345")
    again = await ann.post("/api/trips", {"title": "T"}, Idempotency_Key="key-12345")
    assert first.json == again.json and again.status == 201
    assert len((await ann.get("/api/trips")).json["trips"]) == 1
    other = await bob.post("/api/trips", {"title": "T"}, Idempotency_Key="key-12345")
    assert other.json["trip"]["id"] != first.json["trip"]["id"]
    bad = await ann.post("/api/trips", {"title": "T"}, Idempotency_Key="short")
    assert bad.json["error"]["details"]["field"] == "Idempotency-Key"


async def test_change_several_fields_together(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    body = {"title": "New", "description": "D", "visibility": "public", **DATES}
    first = await ann.patch(f"/api/trips/{trip_id}", body, Idempotency_Key="key-12345")
    again = await ann.patch(f"/api/trips/{trip_id}", body, Idempotency_Key="key-12345")
    assert first.json == again.json == {"seq": 4}
    trip = (await ann.get(f"/api/trips/{trip_id}")).json["snapshot"]["trip"]
    assert (trip["title"], trip["visibility"], trip["end_date"]) == ("New", "public", "2026-10-03")


async def test_keys_that_differ_only_at_their_end_are_two_keys(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    for last in "12":
        body = {"title": f"T{last}", "visibility": "public", **DATES}
        assert (await ann.patch(f"/api/trips/{trip_id}", body, Idempotency_Key="k" * 63 + last)).status == 200
    assert (await ann.get(f"/api/trips/{trip_id}")).json["snapshot"]["trip"]["title"] == "T2"


@pytest.mark.parametrize(
    "body",
    [
        {"title": "New", "start_date": "2026-10-01", "end_date": "2026-09-01"},
        {"title": "New", "time_zone": "Mars/Base"},
        {"title": "New", "start_date": "2026-10-01"},
        {"visibility": "public", "time_zone": "Mars/Base"},
        {},
    ],
)
async def test_all_of_a_change_or_nothing(world: World, body: dict[str, Any]) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    assert (await ann.patch(f"/api/trips/{trip_id}", body)).status == 400
    assert (await ann.get(f"/api/trips/{trip_id}")).json["seq"] == 1


async def test_an_editor_may_not_publish_along_the_way(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    bob = await (await world.client().guest("Bob")).join(await ann.invite(trip_id, "editor"))
    answer = await bob.patch(f"/api/trips/{trip_id}", {"title": "Mine", "visibility": "public"})
    assert answer.status == 403
    assert (await ann.get(f"/api/trips/{trip_id}")).json["snapshot"]["trip"]["title"] == "Yunnan"


async def test_bin_and_back(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    assert (await ann.delete(f"/api/trips/{trip_id}")).json == {"seq": 2}
    assert (await ann.get("/api/trips")).json == {"trips": []}
    (binned,) = (await ann.get("/api/trips?deleted=1")).json["trips"]
    assert binned["id"] == trip_id and binned["deleted"] is True
    gone = await ann.get(f"/api/trips/{trip_id}")
    assert (gone.status, gone.code) == (410, "gone")
    assert (await ann.patch(f"/api/trips/{trip_id}", {"title": "X"})).status == 410
    assert (await ann.post(f"/api/trips/{trip_id}/restore")).json == {"seq": 3}
    assert (await ann.get(f"/api/trips/{trip_id}")).status == 200


async def test_operations_like_on_the_socket(world: World) -> None:
    ann = await world.client().guest("Ann")
    path = f"/api/trips/{await ann.trip()}/operations"
    op = {"kind": "stop.add", "id": "s1", "fields": {"name": "Dali"}}
    body = {"op_id": "op-00001", "base": 1, "op": op}
    assert (await ann.post(path, body)).json == {"op_id": "op-00001", "seq": 2, "repeated": False}
    assert (await ann.post(path, body)).json == {"op_id": "op-00001", "seq": 2, "repeated": True}
    for bad, field in (
        ({"kind": "stop.add", "id": "s2", "fields": {"name": 5}}, "fields.name"),
        ({"kind": "trip.create", "title": "T", "owner_name": "A"}, "kind"),
        ({"kind": "stop.add", "id": "s 2", "fields": {}}, "id"),
    ):
        answer = await ann.post(path, {"op_id": "op-00002", "base": 1, "op": bad})
        assert (answer.status, answer.json["error"]["details"]["field"]) == (400, field)


@pytest.mark.parametrize("name", [b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\q"])
async def test_an_operation_that_is_not_text(world: World, name: bytes) -> None:
    ann = await world.client().guest("Ann")
    path = f"/api/trips/{await ann.trip()}/operations"
    op = b'{"kind":"stop.add","id":"s1","fields":{"name":"' + name + b'"}}'
    answer = await ann.send("POST", path, raw=b'{"op_id":"op-00001","base":1,"op":' + op + b"}")
    assert (answer.status, answer.code) == (400, "invalid")


async def test_history_pages(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    for n in range(5):
        await ann.patch(f"/api/trips/{trip_id}", {"title": f"T{n}"})
    path = f"/api/trips/{trip_id}/history"
    first = (await ann.get(f"{path}?limit=4")).json
    assert [event["seq"] for event in first["events"]] == [6, 5, 4, 3] and first["next_before"] == 3
    rest = (await ann.get(f"{path}?limit=4&before=3")).json
    assert [event["seq"] for event in rest["events"]] == [2, 1] and rest["next_before"] is None
    mine = (await ann.get(f"{path}?record=member:{ann.user['id']}")).json
    assert [event["kind"] for event in mine["events"]] == ["trip.create"]


# --- members and invitations --------------------------------------------------------------


async def test_roles_and_removal(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    bob = await (await world.client().guest("Bob")).join(await ann.invite(trip_id, "viewer"))
    members = f"/api/trips/{trip_id}/members"
    assert (await bob.patch(f"/api/trips/{trip_id}", {"title": "X"})).status == 403
    await ann.patch(f"{members}/{bob.user['id']}", {"role": "editor"})
    assert (await bob.patch(f"/api/trips/{trip_id}", {"title": "X"})).status == 200
    await ann.delete(f"{members}/{bob.user['id']}")
    assert (await bob.get(f"/api/trips/{trip_id}")).status == 403
    assert [m["name"] for m in (await ann.get(members)).json["members"]] == ["Ann"]


async def test_the_last_owner_stays(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    bob = await (await world.client().guest("Bob")).join(await ann.invite(trip_id, "editor"))
    me = f"/api/trips/{trip_id}/members/{ann.user['id']}"
    for answer in (await ann.delete(me), await ann.patch(me, {"role": "editor"})):
        assert (answer.status, answer.code) == (409, "last_owner")
    await ann.patch(f"/api/trips/{trip_id}/members/{bob.user['id']}", {"role": "owner"})
    assert (await ann.delete(me)).status == 200
    assert (await ann.get("/api/trips")).json == {"trips": []}


async def test_only_invitations_that_work_count_against_the_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MAX_INVITES", 3)
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    path = f"/api/trips/{trip_id}/invites"

    async def make(**more: Any) -> str:
        world.wait(seconds=1)
        made = await ann.post(path, {"role": "viewer", **more})
        assert made.status == 201, made
        return str(made.json["invite"]["id"])

    lasting, withdrawn, expired = await make(), await make(), await make(expires_in_hours=1)
    refused = await ann.post(path, {"role": "viewer"})
    assert (refused.status, refused.code) == (422, "limit")
    await ann.delete(f"{path}/{withdrawn}")
    world.wait(hours=2)
    new = await make()
    kept = [each["id"] for each in (await ann.get(path)).json["invites"]]
    assert kept == [new, expired, lasting], "the oldest dead one has made room"
    newest = await make()
    assert [each["id"] for each in (await ann.get(path)).json["invites"]] == [newest, new, lasting]
    assert (await ann.post(path, {"role": "viewer"})).status == 422


async def test_an_invitation_end_to_end(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip("Yunnan")
    made = await ann.post(f"/api/trips/{trip_id}/invites", {"role": "editor", "expires_in_hours": 24})
    token = made.json["url"].removeprefix("/invite/")
    assert hash_token(token) in repr(world.run.state) and token not in repr(world.run.state)
    offer = {
        "trip_title": "Yunnan",
        "role": "editor",
        "inviter_name": "Ann",
        "member": False,
    }
    assert (await world.client().get(f"/api/invites/{token}")).json == offer
    bob = await world.client().guest("Bob")
    for _ in range(2):
        accepted = await bob.post(f"/api/invites/{token}/accept")
        assert accepted.json == {"trip_id": trip_id, "role": "editor"}
    state = (await bob.get(f"/api/trips/{trip_id}")).json
    assert state["seq"] == 2, "accepting twice joins once"
    assert (await bob.get(f"/api/invites/{token}")).json == offer | {"member": True, "trip_id": trip_id}
    listed = (await ann.get(f"/api/trips/{trip_id}/invites")).json["invites"]
    assert listed == [made.json["invite"]] and "url" not in listed[0]


async def test_the_higher_role_wins(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    viewer, editor = await ann.invite(trip_id, "viewer"), await ann.invite(trip_id, "editor")
    bob = await world.client().guest("Bob")
    for token, role in ((viewer, "viewer"), (editor, "editor"), (viewer, "editor")):
        assert (await bob.post(f"/api/invites/{token}/accept")).json["role"] == role
    assert (await ann.post(f"/api/invites/{viewer}/accept")).json["role"] == "owner"


async def test_links_that_do_not_work_are_all_alike(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id, other_id = await ann.trip(), await ann.trip()
    made = await ann.post(f"/api/trips/{trip_id}/invites", {"role": "editor"})
    revoked = made.json["url"].removeprefix("/invite/")
    await ann.delete(f"/api/trips/{trip_id}/invites/{made.json['invite']['id']}")
    expired = await ann.invite(trip_id, "editor", expires_in_hours=1)
    binned = await ann.invite(other_id, "editor")
    await ann.delete(f"/api/trips/{other_id}")
    world.wait(hours=1)
    bob = await world.client().guest("Bob")
    answers = []
    for token in (revoked, expired, binned, "unknown"):
        answers.append(await bob.get(f"/api/invites/{token}"))
        answers.append(await bob.post(f"/api/invites/{token}/accept"))
    assert {(answer.status, answer.body) for answer in answers} == {(404, answers[0].body)}


async def test_who_was_removed_needs_a_newer_link(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    old = await ann.invite(trip_id, "editor")
    bob = await (await world.client().guest("Bob")).join(old)
    await bob.delete(f"/api/trips/{trip_id}/members/{bob.user['id']}")
    await bob.join(old)  # who left may come back
    await ann.delete(f"/api/trips/{trip_id}/members/{bob.user['id']}")
    answer = await bob.post(f"/api/invites/{old}/accept")
    assert (answer.status, answer.code) == (403, "removed")
    await bob.join(await ann.invite(trip_id, "viewer"))
    assert (await bob.get(f"/api/trips/{trip_id}")).json["role"] == "viewer"


async def test_who_was_given_a_lower_role_needs_a_newer_link_to_rise(world: World) -> None:
    ann = await world.client().guest("Ann")
    trip_id = await ann.trip()
    old = await ann.invite(trip_id, "editor")
    bob = await (await world.client().guest("Bob")).join(old)
    me = f"/api/trips/{trip_id}/members/{bob.user['id']}"
    await ann.patch(me, {"role": "viewer"})
    assert (await bob.post(f"/api/invites/{old}/accept")).json["role"] == "viewer"
    await bob.delete(me)  # leaving and coming back is no way around
    assert (await bob.post(f"/api/invites/{old}/accept")).json["role"] == "viewer"
    await bob.delete(me)
    newer = await ann.invite(trip_id, "editor")
    assert (await bob.post(f"/api/invites/{newer}/accept")).json["role"] == "editor"


async def test_an_invite_of_another_trip_cannot_be_revoked(world: World) -> None:
    ann, bob = await world.client().guest("Ann"), await world.client().guest("Bob")
    made = await ann.post(f"/api/trips/{await ann.trip()}/invites", {"role": "editor"})
    foreign = f"/api/trips/{await bob.trip()}/invites/{made.json['invite']['id']}"
    assert (await bob.delete(foreign)).status == 404


# --- the sample ---------------------------------------------------------------------------


@pytest.mark.parametrize(("locale", "title", "first"), [("zh", "云南", "古城"), ("en", "Yunnan", "Old town")])
async def test_demo_for_nobody_signed_in(world: World, locale: str, title: str, first: str) -> None:
    client = world.client()
    answer = await client.post("/api/demo", {"name": "Dora", "locale": locale})
    assert answer.status == 200
    me = (await client.get("/api/me")).json["user"]
    assert me["is_guest"] and me["name"] == "Dora"
    trip_id = answer.json["trip_id"]
    state = (await client.get(f"/api/trips/{trip_id}")).json
    snapshot = state["snapshot"]
    assert state["role"] == "owner" and snapshot["trip"]["title"] == title
    # 1 May 2026 is a Friday: the first Saturday at least two weeks ahead is the 16th.
    assert [day["date"] for day in snapshot["days"]] == ["2026-05-16", "2026-05-17"]
    day = snapshot["days"][0]["id"]
    assert next(s["name"] for s in snapshot["stops"] if s["day_id"] == day) == first
    ideas = [stop for stop in snapshot["stops"] if stop["day_id"] is None]
    assert [stop["status"] for stop in ideas] == ["idea"]
    history = (await client.get(f"/api/trips/{trip_id}/history?limit=200")).json["events"]
    assert len(history) == state["seq"] and history[-1]["kind"] == "trip.create"
    bob = await (await world.client().guest("Bob")).join(answer.json["invite_url"].removeprefix("/invite/"))
    assert (await bob.get(f"/api/trips/{trip_id}")).json["role"] == "editor"


async def test_demo_for_somebody_keeps_who_they_are(world: World) -> None:
    ann = await world.client().account("ann")
    answer = await ann.post("/api/demo", {"name": "Ignored", "locale": "en"})
    members = (await ann.get(f"/api/trips/{answer.json['trip_id']}/members")).json["members"]
    assert [member["id"] for member in members] == [ann.user["id"]]


async def test_demo_is_throttled_by_address(world: World) -> None:
    for n in range(20):
        assert (await world.client().post("/api/demo", {"name": f"D{n}", "locale": "en"})).status == 200
    users = len(world.run.state.users)
    answer = await world.client().post("/api/demo", {"name": "D", "locale": "en"})
    assert (answer.status, len(world.run.state.users)) == (429, users)


async def test_the_real_sample_becomes_a_trip(world: World, tmp_path: Any) -> None:
    sample = load_sample()
    assert sample is not None, "domain/samples/yunnan.json is part of the program"
    real = World(tmp_path, sample=sample)
    for locale in ("zh", "en"):
        client = real.client()
        answer = await client.post("/api/demo", {"name": "Dora", "locale": locale})
        assert answer.status == 200, answer
        snapshot = (await client.get(f"/api/trips/{answer.json['trip_id']}")).json["snapshot"]
        assert len(snapshot["days"]) == len(sample.days)
        assert len(snapshot["stops"]) == sum(len(day.stops) for day in sample.days) + len(sample.ideas)
    await real.aclose()
