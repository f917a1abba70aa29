"""Registering, signing in and out, guests, passwords, throttles, cookies."""

from __future__ import annotations

from typing import Any

import pytest
from argon2 import PasswordHasher

from domain.accounts import hash_token
from handlers.sessions import COOKIE
from tests.handlers.world import World

PASSWORD = "a long password"


async def test_register_signs_in(world: World) -> None:
    ann = await world.client().account("ann")
    me = (await ann.get("/api/me")).json["user"]
    assert me == {
        "id": ann.user["id"],
        "name": "Ann",
        "username": "ann",
        "email": None,
        "is_guest": False,
        "locale": "zh",
    }


async def test_nobody_signed_in(world: World) -> None:
    me = await world.client().get("/api/me")
    assert me.status == 200
    assert me.json["user"] is None
    assert me.json["features"]["demo"] is True


async def test_only_the_hash_of_the_cookie_is_stored(world: World) -> None:
    ann = await world.client().account("ann")
    token = ann.cookies[COOKIE]
    (session,) = world.run.state.sessions.values()
    assert session.token_hash == hash_token(token)
    assert len(token) >= 43  # 256 bits
    assert token not in repr(world.run.state)
    assert PASSWORD not in repr(world.run.state)


async def test_cookie_attributes_on_http(world: World) -> None:
    ann = await world.client().account("ann")
    morsel = ann.morsels[COOKIE]
    assert morsel["httponly"] and morsel["samesite"] == "Lax" and not morsel["secure"]
    assert int(morsel["max-age"]) == 30 * 86400
    assert ann.morsels["_xsrf"]["samesite"] == "Lax"


async def test_cookie_is_secure_behind_a_trusted_https_proxy(world: World) -> None:
    ann = await world.client(**{"X-Forwarded-Proto": "https"}).account("ann")
    assert ann.morsels[COOKIE]["secure"] and ann.morsels["_xsrf"]["secure"]


async def test_forwarded_headers_of_strangers_are_ignored(tmp_path: Any) -> None:
    world = World(tmp_path, trusted_proxies=())
    ann = await world.client(**{"X-Forwarded-Proto": "https"}).account("ann")
    assert not ann.morsels[COOKIE]["secure"]
    await world.aclose()


@pytest.mark.parametrize(
    ("first", "second"),
    [("ann", "ANN"), ("straße", "STRASSE"), ("ｆｕｌｌ", "full"), ("王小明", "王小明")],
)
async def test_user_names_are_unique_in_any_case(world: World, first: str, second: str) -> None:
    await world.client().account(first)
    body = {"username": second, "password": PASSWORD, "name": "X"}
    answer = await world.client().post("/api/auth/register", body)
    assert (answer.status, answer.code) == (409, "taken")
    assert answer.json["error"]["details"] == {"field": "username"}


async def test_email_is_unique_and_signs_in(world: World) -> None:
    body = {"email": "Ann@Example.org", "password": PASSWORD, "name": "Ann"}
    assert (await world.client().post("/api/auth/register", body)).status == 200
    again = await world.client().post("/api/auth/register", body | {"email": "ann@example.ORG"})
    assert (again.status, again.code) == (409, "taken")
    login = await world.client().post("/api/auth/login", {"login": "ANN@example.org", "password": PASSWORD})
    assert login.status == 200 and login.json["user"]["email"] == "Ann@example.org"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "short"}, "password"),
        ({"password": "x" * 201}, "password"),
        ({"username": "a b"}, "username"),
        ({"username": "a@b"}, "username"),
        ({"email": "not an address"}, "email"),
        ({"email": "ﷺ" * 20 + "@example.com"}, "email"),  # its key is longer than what is kept of one
        ({"name": "   "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"username": None}, "username"),
        ({"unknown": 1}, "unknown"),
        ({"name": 5}, "name"),
    ],
)
async def test_bad_registrations_name_the_field(world: World, change: dict[str, Any], field: str) -> None:
    body = {"username": "ann", "password": PASSWORD, "name": "Ann"} | change
    answer = await world.client().post("/api/auth/register", body)
    assert (answer.status, answer.code) == (400, "invalid")
    assert answer.json["error"]["details"]["field"] == field
    assert world.run.state.users == {}


async def test_login_failures_are_all_alike(world: World) -> None:
    await world.client().account("ann")
    await world.client().guest("Gil")
    bodies = [
        {"login": "ann", "password": "wrong password"},
        {"login": "nobody", "password": "wrong password"},
        {"login": "Gil", "password": "wrong password"},
    ]
    answers = [await world.client().post("/api/auth/login", body) for body in bodies]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1


async def test_unknown_users_cost_one_verification_too(world: World) -> None:
    asked: list[str | None] = []
    verify = world.hasher.verify

    async def spy(stored: str | None, password: str) -> bool:
        asked.append(stored)
        return await verify(stored, password)

    world.hasher.verify = spy  # type: ignore[method-assign]
    await world.client().post("/api/auth/login", {"login": "nobody", "password": PASSWORD})
    assert asked == [None]


async def test_account_is_throttled_and_recovers(world: World) -> None:
    await world.client().account("ann")
    for n in range(10):
        other = world.client(**{"X-Forwarded-For": f"203.0.113.{n}"})
        answer = await other.post("/api/auth/login", {"login": "ann", "password": "wrong password"})
        assert answer.status == 401
    stopped = await world.client().post("/api/auth/login", {"login": "ANN", "password": PASSWORD})
    assert (stopped.status, stopped.code) == (429, "throttled")
    assert 0 < int(stopped.headers["Retry-After"]) <= 15 * 60
    world.wait(minutes=15)
    assert (
        await world.client().post("/api/auth/login", {"login": "ann", "password": PASSWORD})
    ).status == 200


async def test_address_is_throttled_whatever_the_account(world: World) -> None:
    here = world.client(**{"X-Forwarded-For": "203.0.113.9"})
    for n in range(30):
        answer = await here.post("/api/auth/login", {"login": f"u{n}", "password": "wrong password"})
        assert answer.status == 401
    body = {"login": "u99", "password": "wrong password"}
    assert (await here.post("/api/auth/login", body)).status == 429
    elsewhere = world.client(**{"X-Forwarded-For": "203.0.113.10"})
    assert (await elsewhere.post("/api/auth/login", body)).status == 401


async def test_success_takes_failures_back(world: World) -> None:
    ann = await world.client().account("ann")
    for _ in range(3):
        for _ in range(9):
            await ann.post("/api/auth/login", {"login": "ann", "password": "wrong password"})
            world.wait(seconds=1)
        good = await world.client(**{"X-Forwarded-For": "203.0.113.1"}).post(
            "/api/auth/login", {"login": "ann", "password": PASSWORD}
        )
        assert good.status == 200
        world.wait(minutes=16)


async def test_old_hashes_are_renewed_at_login(world: World) -> None:
    ann = await world.client().account("ann")
    users = world.run.state.users
    old = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
    users[ann.user["id"]] = type(users[ann.user["id"]])(
        **{f: getattr(users[ann.user["id"]], f) for f in users[ann.user["id"]].__struct_fields__}
        | {"password_hash": old}
    )
    assert (
        await world.client().post("/api/auth/login", {"login": "ann", "password": PASSWORD})
    ).status == 200
    renewed = world.run.state.users[ann.user["id"]].password_hash
    assert renewed is not None and renewed != old and not world.hasher.outdated(renewed)


async def test_guest_becomes_an_account_and_keeps_trips(world: World) -> None:
    gil = await world.client().guest("Gil")
    trip_id = await gil.trip()
    old_cookie, old_id = gil.cookies[COOKIE], gil.user["id"]
    (old_session,) = world.run.state.sessions
    await gil.account("gilbert")
    assert gil.user["id"] == old_id and not gil.user["is_guest"]
    assert gil.cookies[COOKIE] != old_cookie
    assert [trip["id"] for trip in (await gil.get("/api/trips")).json["trips"]] == [trip_id]
    assert ({old_session}, None) in world.revoked
    thief = world.client()
    thief.cookies[COOKIE] = old_cookie
    assert (await thief.get("/api/me")).json["user"] is None
    members = (await gil.get(f"/api/trips/{trip_id}/members")).json["members"]
    assert [member["name"] for member in members] == ["Gilbert"]


async def test_a_guest_who_signs_in_takes_trips_along(world: World) -> None:
    ann, gil = await world.client().account("ann"), await world.client().guest("Gil")
    shared = await ann.trip("Ann's")
    await gil.join(await ann.invite(shared, "editor"))
    own = await gil.trip("Gil's")
    guest_id = gil.user["id"]
    wrong = {"login": "ann", "password": "wrong password"}
    assert (await gil.post("/api/auth/login", wrong)).status == 401
    assert len((await gil.get("/api/trips")).json["trips"]) == 2
    assert (await gil.post("/api/auth/login", wrong | {"password": PASSWORD})).status == 200
    trips = {trip["id"]: trip["role"] for trip in (await gil.get("/api/trips")).json["trips"]}
    assert trips == {shared: "owner", own: "owner"}
    members = (await ann.get(f"/api/trips/{own}/members")).json["members"]
    assert [member["id"] for member in members] == [ann.user["id"]] and guest_id != ann.user["id"]


async def test_an_account_cannot_be_registered_over(world: World) -> None:
    ann = await world.client().account("ann")
    body = {"username": "ann2", "password": PASSWORD, "name": "Ann"}
    answer = await ann.post("/api/auth/register", body)
    assert (answer.status, answer.code) == (409, "signed_in")


async def test_logout_ends_the_session_and_its_sockets(world: World) -> None:
    ann = await world.client().account("ann")
    cookie = ann.cookies[COOKIE]
    (auth_id,) = world.run.state.sessions
    assert (await ann.post("/api/auth/logout")).status == 200
    assert COOKIE not in ann.cookies
    ann.cookies[COOKIE] = cookie
    assert (await ann.get("/api/me")).json["user"] is None
    assert world.revoked == [({auth_id}, None)] or ({auth_id}, None) in world.revoked


async def test_logout_everywhere(world: World) -> None:
    here = await world.client().account("ann")
    there = world.client()
    await there.post("/api/auth/login", {"login": "ann", "password": PASSWORD})
    assert (await there.get("/api/trips")).status == 200
    ids = set(world.run.state.sessions)
    assert (await here.post("/api/auth/logout-all")).status == 200
    assert (ids, here.user["id"]) in world.revoked
    assert (await there.get("/api/trips")).status == 401


async def test_password_change_ends_other_sessions(world: World) -> None:
    here = await world.client().account("ann")
    (kept,) = world.run.state.sessions
    there = world.client()
    await there.post("/api/auth/login", {"login": "ann", "password": PASSWORD})
    other = set(world.run.state.sessions) - {kept}
    answer = await here.post("/api/auth/password", {"current": PASSWORD, "new": "another password"})
    assert answer.json == {"ok": True}
    assert (await here.get("/api/trips")).status == 200
    assert (await there.get("/api/trips")).status == 401
    assert (other, None) in world.revoked
    login = {"login": "ann", "password": PASSWORD}
    assert (await world.client().post("/api/auth/login", login)).status == 401
    login["password"] = "another password"
    assert (await world.client().post("/api/auth/login", login)).status == 200


async def test_wrong_current_password(world: World) -> None:
    ann = await world.client().account("ann")
    for _ in range(10):
        answer = await ann.post("/api/auth/password", {"current": "wrong", "new": "another password"})
        assert (answer.status, answer.code) == (403, "wrong_password")
    answer = await ann.post("/api/auth/password", {"current": PASSWORD, "new": "another password"})
    assert answer.status == 429


async def test_a_guest_has_no_password(world: World) -> None:
    gil = await world.client().guest("Gil")
    answer = await gil.post("/api/auth/password", {"current": "x", "new": "another password"})
    assert (answer.status, answer.code) == (403, "guest")


async def test_sessions_slide_and_expire(world: World) -> None:
    ann = await world.client().account("ann")
    world.wait(hours=23)
    ann.morsels.clear()
    await ann.get("/api/me")
    assert COOKIE not in ann.morsels, "prolonged at most daily"
    world.wait(hours=2)
    await ann.get("/api/me")
    assert COOKIE in ann.morsels
    world.wait(days=29)
    assert (await ann.get("/api/me")).json["user"] is not None
    world.wait(days=30)
    assert (await ann.get("/api/me")).json["user"] is None


async def test_the_cache_is_short(world: World) -> None:
    ann = await world.client().account("ann")
    assert (await ann.get("/api/trips")).status == 200
    world.run.state.sessions.clear()  # ended on another process
    world.wait(seconds=5.1)
    assert (await ann.get("/api/trips")).status == 401


async def test_login_replaces_the_session(world: World) -> None:
    ann = await world.client().account("ann")
    (first,) = world.run.state.sessions
    await ann.post("/api/auth/login", {"login": "ann", "password": PASSWORD})
    (second,) = world.run.state.sessions
    assert first != second
    assert ({first}, None) in world.revoked


async def test_a_new_name_reaches_every_trip(world: World) -> None:
    ann = await world.client().account("ann")
    trips = [await ann.trip("One"), await ann.trip("Two")]
    answer = await ann.patch("/api/me", {"name": "  Anna \u00a0 Karenina ", "locale": "en"})
    assert answer.json["user"]["name"] == "Anna Karenina" and answer.json["user"]["locale"] == "en"
    for trip_id in trips:
        members = (await ann.get(f"/api/trips/{trip_id}/members")).json["members"]
        assert members[0]["name"] == "Anna Karenina"
    assert (await ann.get("/api/me")).json["user"]["name"] == "Anna Karenina"


async def test_which_sessions_are_still_valid(world: World) -> None:
    """What open sockets are checked against, past the cache."""
    ann = await world.client().account("ann")
    (mine,) = world.run.state.sessions
    assert await world.deps.sessions.still_valid({mine, "unknown"}) == {mine}
    await ann.post("/api/auth/logout")
    assert await world.deps.sessions.still_valid({mine}) == set()


async def test_a_socket_can_ask_past_the_cache(world: World) -> None:
    ann = await world.client().account("ann")
    token = ann.cookies[COOKIE]
    assert await world.deps.sessions.resolve(token) is not None
    world.run.state.sessions.clear()
    assert await world.deps.sessions.resolve(token) is not None
    assert await world.deps.sessions.resolve(token, fresh=True) is None
    assert await world.deps.sessions.resolve(token) is None
