"""The authorisation matrix of the routes: every route and verb, everybody who may knock, the status.

A route or verb without a row here fails `test_every_route_has_a_row`. Who is who: `tests.handlers.actors`.
Frames and operations of the room socket are in `test_access_room`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from handlers.application import ROUTES
from tests.handlers.actors import ACTORS, ASK, OUTSIDE, Stage, make_world, read_table
from tests.handlers.world import Client, World
from tests.photos import a_photo

PRIVATE = """
                                                        nobody expired stranger guest other invited removed viewer editor owner
GET    /api/me                                             200     200      200   200   200     200     200    200    200   200
PATCH  /api/me                                             401     401      200   200   200     200     200    200    200   200
POST   /api/auth/register                                  200     200      409   200   409     200     200    200    409   409
POST   /api/auth/login                                     401     401      401   401   401     401     401    401    401   401
POST   /api/auth/guest                                     200     200      409   409   409     409     409    409    409   409
POST   /api/auth/logout                                    200     200      200   200   200     200     200    200    200   200
POST   /api/auth/logout-all                                401     401      200   200   200     200     200    200    200   200
POST   /api/auth/password                                  401     401      403   403   403     403     403    403    403   403
POST   /api/auth/forgot                                    202     202      202   202   202     202     202    202    202   202
POST   /api/auth/reset/check                               410     410      410   410   410     410     410    410    410   410
POST   /api/auth/reset                                     410     410      410   410   410     410     410    410    410   410
GET    /api/me/email                                       401     401      200   200   200     200     200    200    200   200
POST   /api/me/email                                       401     401      202   403   202     403     403    403    202   202
POST   /api/me/email/resend                                401     401      409   403   409     403     403    403    409   409
POST   /api/me/email/cancel                                401     401      200   200   200     200     200    200    200   200
POST   /api/me/email/remove                                401     401      200   403   200     403     403    403    200   200
POST   /api/auth/email/check                               410     410      410   410   410     410     410    410    410   410
POST   /api/auth/email                                     410     410      410   410   410     410     410    410    410   410
POST   /api/demo                                           200     200      200   200   200     200     200    200    200   200
GET    /api/trips                                          401     401      200   200   200     200     200    200    200   200
POST   /api/trips                                          401     401      201   201   201     201     201    201    201   201
GET    /api/trips/{trip_id}                                401     401      404   404   404     404     403    200    200   200
PATCH  /api/trips/{trip_id}                                401     401      404   404   404     404     403    403    200   200
DELETE /api/trips/{trip_id}                                401     401      404   404   404     404     403    403    403   200
POST   /api/trips/{trip_id}/restore                        401     401      404   404   404     404     403    403    403   200
POST   /api/trips/{trip_id}/operations                     401     401      404   404   404     404     403    403    200   200
GET    /api/trips/{trip_id}/history                        401     401      404   404   404     404     403    200    200   200
GET    /api/trips/{trip_id}/messages                       401     401      404   404   404     404     403    200    200   200
GET    /api/trips/{trip_id}/threads                        401     401      404   404   404     404     403    200    200   200
GET    /api/trips/{trip_id}/proposals                      401     401      404   404   404     404     403    200    200   200
GET    /api/trips/{trip_id}/members                        401     401      404   404   404     404     403    200    200   200
PATCH  /api/trips/{trip_id}/members/{user_id}              401     401      404   404   404     404     403    403    403   200
DELETE /api/trips/{trip_id}/members/{user_id}              401     401      404   404   404     404     403    403    403   200
GET    /api/trips/{trip_id}/invites                        401     401      404   404   404     404     403    403    403   200
POST   /api/trips/{trip_id}/invites                        401     401      404   404   404     404     403    403    403   201
DELETE /api/trips/{trip_id}/invites/{invite_id}            401     401      404   404   404     404     403    403    403   200
GET    /api/invites/{token}                                200     200      200   200   200     200     200    200    200   200
POST   /api/invites/{token}/accept                         401     401      200   200   200     200     403    200    200   200
POST   /api/trips/{trip_id}/ai/chat                        401     401      404   404   404     404     403    202    202   202
GET    /api/trips/{trip_id}/ai/answers/{answer_id}         401     401      404   404   404     404     403    200    200   200
POST   /api/trips/{trip_id}/ai/answers/{answer_id}/stop    401     401      404   404   404     404     403    403    200   200
POST   /api/ai/chat                                        401     401      202   202   202     202     202    202    202   202
GET    /api/ai/conversations                               401     401      200   200   200     200     200    200    200   200
GET    /api/ai/conversations/{conversation_id}             401     401      404   404   404     404     404    404    404   200
DELETE /api/ai/conversations/{conversation_id}             401     401      404   404   404     404     404    404    404   200
GET    /api/ai/answers/{answer_id}                         401     401      404   404   404     404     404    404    404   200
POST   /api/ai/answers/{answer_id}/stop                    401     401      404   404   404     404     404    404    404   200
POST   /api/trips/{trip_id}/exports                        401     401      404   404   404     404     403    202    202   202
GET    /api/trips/{trip_id}/photos/{photo_id}              401     401      404   404   404     404     403    200    200   200
POST   /api/trips/{trip_id}/photos/{photo_id}              401     401      404   404   404     404     403    403    202   202
GET    /api/trips/{trip_id}/photos/{photo_id}/{width}      401     401      404   404   404     404     403    200    200   200
GET    /api/exports/{export_id}                            401     401      404   404   404     404     404    404    404   200
GET    /api/exports/{export_id}/file                       401     401      404   404   404     404     404    404    404   200
GET    /api/openapi.json                                   200     200      200   200   200     200     200    200    200   200
GET    /health/live                                        200     200      200   200   200     200     200    200    200   200
GET    /health/ready                                       200     200      200   200   200     200     200    200    200   200
"""  # noqa: E501
# Where a public trip differs: anybody may read the plan, nobody outside may do more.
PUBLIC = """
                                                        nobody expired stranger guest other invited removed
GET    /api/trips/{trip_id}                                200     200      200   200   200     200     200
PATCH  /api/trips/{trip_id}                                401     401      403   403   403     403     403
DELETE /api/trips/{trip_id}                                401     401      403   403   403     403     403
POST   /api/trips/{trip_id}/restore                        401     401      403   403   403     403     403
POST   /api/trips/{trip_id}/operations                     401     401      403   403   403     403     403
GET    /api/trips/{trip_id}/history                        403     403      403   403   403     403     403
GET    /api/trips/{trip_id}/messages                       403     403      403   403   403     403     403
GET    /api/trips/{trip_id}/threads                        403     403      403   403   403     403     403
GET    /api/trips/{trip_id}/proposals                      403     403      403   403   403     403     403
GET    /api/trips/{trip_id}/members                        200     200      200   200   200     200     200
PATCH  /api/trips/{trip_id}/members/{user_id}              401     401      403   403   403     403     403
DELETE /api/trips/{trip_id}/members/{user_id}              401     401      403   403   403     403     403
GET    /api/trips/{trip_id}/invites                        401     401      403   403   403     403     403
POST   /api/trips/{trip_id}/invites                        401     401      403   403   403     403     403
DELETE /api/trips/{trip_id}/invites/{invite_id}            401     401      403   403   403     403     403
POST   /api/trips/{trip_id}/exports                        401     401      202   202   202     202     202
GET    /api/trips/{trip_id}/photos/{photo_id}              403     403      403   403   403     403     403
POST   /api/trips/{trip_id}/photos/{photo_id}              401     401      403   403   403     403     403
GET    /api/trips/{trip_id}/photos/{photo_id}/{width}      200     200      200   200   200     200     200
POST   /api/trips/{trip_id}/ai/chat                        401     401      403   403   403     403     403
GET    /api/trips/{trip_id}/ai/answers/{answer_id}         401     401      403   403   403     403     403
POST   /api/trips/{trip_id}/ai/answers/{answer_id}/stop    401     401      403   403   403     403     403
"""
UPLOAD = "POST /api/trips/{trip_id}/photos/{photo_id}"
_OP = {"op_id": "op-access-1", "base": 0, "op": {"kind": "day.add", "id": "day1", "fields": {}}}
_PASSWORDS = {"current": "not this one", "new": "a new password"}
BODIES: dict[str, Any] = {
    "PATCH /api/me": {"name": "New"},
    "POST /api/auth/register": {"username": "somebody", "password": "a long password", "name": "S"},
    "POST /api/auth/login": {"login": "owner", "password": "wrong password"},
    "POST /api/auth/guest": {"name": "G"},
    "POST /api/auth/password": _PASSWORDS,
    "POST /api/auth/forgot": {"login": "owner", "locale": "en"},
    "POST /api/auth/reset/check": {"token": "never-made"},
    "POST /api/auth/reset": {"token": "never-made", "password": "a new password"},
    "POST /api/me/email": {"email": "new@example.net", "current": "a long password"},
    "POST /api/me/email/remove": {"current": "a long password"},
    "POST /api/auth/email/check": {"token": "never-made"},
    "POST /api/auth/email": {"token": "never-made"},
    "POST /api/demo": {"name": "D", "locale": "en"},
    "POST /api/trips": {"title": "T"},
    "PATCH /api/trips/{trip_id}": {"title": "T2"},
    "POST /api/trips/{trip_id}/operations": _OP,
    "PATCH /api/trips/{trip_id}/members/{user_id}": {"role": "editor"},
    "POST /api/trips/{trip_id}/invites": {"role": "viewer"},
    "POST /api/trips/{trip_id}/ai/chat": ASK,
    "POST /api/ai/chat": ASK,
    "POST /api/trips/{trip_id}/exports": {"format": "calendar"},
    UPLOAD: a_photo(),
}
ROWS = read_table(PRIVATE, ACTORS)
PUBLIC_ROWS = read_table(PUBLIC, OUTSIDE)
# `removed` knows the trip and is told that it is over.
IGNORANT = tuple(name for name in OUTSIDE if name != "removed")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = make_world(tmp_path)
    yield made
    await made.aclose()


def split(row: str) -> tuple[str, str]:
    verb, path = row.split()
    return verb, path


async def send(client: Client, row: str, path: str, **headers: str) -> Any:
    body = BODIES.get(row)
    if isinstance(body, bytes):
        # Under an id of one's own: the stage has the owner's.
        path, headers = path.replace("photo1", "photo2"), {"Content_Type": "image/jpeg", **headers}
        return await client.send(split(row)[0], path, raw=body, **headers)
    return await client.send(split(row)[0], path, body, **headers)


def test_every_route_has_a_row() -> None:
    declared = {f"{verb} {route.path}" for route in ROUTES for verb in route.endpoints}
    assert declared == set(ROWS)
    assert set(PUBLIC_ROWS) == {row for row in ROWS if "/api/trips/{trip_id}" in row}
    assert set(BODIES) <= declared


async def fresh(world: World, row: str, public: bool) -> Stage:
    stage = await Stage.build(world, split(row)[1])
    return await stage.publish() if public else stage


async def walk(world: World, row: str, expected: dict[str, str], public: bool = False) -> None:
    """Send `row` as each of these; what is refused has changed nothing."""
    stage = await fresh(world, row, public)
    for name, status in expected.items():
        before = stage.kept()
        answer = await send(stage.people[name], row, stage.path(split(row)[1]))
        assert str(answer.status) == status, (name, answer)
        if answer.status >= 400:
            assert stage.kept() == before, name
            assert set(answer.json["error"]) == {"code", "message", "retryable", "details"}
        elif not row.startswith("GET"):
            stage = await fresh(world, row, public)


@pytest.mark.parametrize("row", ROWS)
async def test_private_trip(world: World, row: str) -> None:
    await walk(world, row, ROWS[row])


@pytest.mark.parametrize("row", PUBLIC_ROWS)
async def test_public_trip(world: World, row: str) -> None:
    await walk(world, row, PUBLIC_ROWS[row], public=True)


@pytest.mark.parametrize("row", PUBLIC_ROWS)
async def test_who_may_not_see_a_trip_is_not_told_whether_it_exists(world: World, row: str) -> None:
    """A private trip, one that was deleted, and one that never was: word for word the same answer."""
    stage = await Stage.build(world, split(row)[1])
    here, nowhere = (stage.path(split(row)[1], **name) for name in ({}, {"trip_id": "nosuchtrip"}))
    seen = {name: await send(stage.people[name], row, here) for name in IGNORANT}
    await stage.people["owner"].delete(stage.trip)
    for name in IGNORANT:
        for path in (here, nowhere):
            answer = await send(stage.people[name], row, path)
            assert (answer.status, answer.json) == (seen[name].status, seen[name].json), (name, path)


# The id of an upload is its uploader's to make.
@pytest.mark.parametrize(
    "row", [row for row in PUBLIC_ROWS if split(row)[1].count("{") > 1 and row != UPLOAD]
)
async def test_ids_of_a_trip_work_in_that_trip_only(world: World, row: str) -> None:
    """The owner of another trip names records of this one."""
    stage = await Stage.build(world, split(row)[1])
    before = stage.kept()
    answer = await send(stage.people["other"], row, stage.path(split(row)[1], trip_id=stage.other_trip))
    assert (answer.status, answer.code) == (404, "not_found")
    assert stage.kept() == before


@pytest.mark.parametrize("row", [row for row in ROWS if not row.startswith("GET")])
async def test_unsafe_verbs_need_the_csrf_header_and_this_site(world: World, row: str) -> None:
    stage = await Stage.build(world, split(row)[1])
    owner, path, before = stage.people["owner"], stage.path(split(row)[1]), stage.kept()
    for headers, code in (
        ({"X_XSRFToken": ""}, "csrf"),
        ({"X_XSRFToken": "2|00000000|00|1"}, "csrf"),
        ({"Sec_Fetch_Site": "cross-site"}, "cross_site"),
        # A form of another site brings the cookie, and can set neither header nor token.
        ({"X_XSRFToken": "", "Origin": "https://evil.example"}, "csrf"),
    ):
        answer = await send(owner, row, path, **headers)
        assert (answer.status, answer.code) == (403, code), headers
    assert stage.kept() == before
