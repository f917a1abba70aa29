"""The address of an account over HTTP: answers, what they ask for, what they do not tell, the log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from domain.accounts import Limits
from handlers.deps import Features
from tests.handlers.test_resets import NEW, OLD, register, secret_of
from tests.handlers.world import Answer, Client, World

ADDRESS = "ann@new.example"


async def ask(client: Client, email: str = ADDRESS, current: str = OLD) -> Answer:
    return await client.post("/api/me/email", {"email": email, "current": current})


async def mailed(world: World, client: Client, email: str = ADDRESS) -> str:
    answer = await ask(client, email)
    assert answer.status == 202, answer
    return secret_of((await world.post_all())[-1])


async def test_from_no_address_to_a_new_password(world: World) -> None:
    ann = await world.client().account("ann")
    nothing = {"email": None, "confirmed": False, "removable": False, "pending": None}
    assert (await ann.get("/api/me/email")).json == nothing
    asked = await ask(ann)
    assert asked.status == 202 and asked.headers["Cache-Control"] == "no-store"
    assert asked.json["email"] is None
    assert (asked.json["pending"]["email"], asked.json["pending"]["delivery"]) == (ADDRESS, "sending")
    assert (await ann.get("/api/me")).json["user"]["email"] is None
    token = secret_of((await world.post_all())[-1])
    assert token not in asked.body.decode()
    phone = world.client()
    offer = await phone.post("/api/auth/email/check", {"token": token})
    assert (offer.status, offer.json["email"], offer.json["name"]) == (200, ADDRESS, "Ann")
    done = await phone.post("/api/auth/email", {"token": token})
    assert (done.status, done.json) == (200, {"email": ADDRESS, "name": "Ann"})
    assert (await phone.get("/api/me")).json["user"] is None, "a link for an address signs nobody in"
    assert (await ann.get("/api/me")).json["user"]["email"] == ADDRESS
    known = {"email": ADDRESS, "confirmed": True, "removable": True, "pending": None}
    assert (await ann.get("/api/me/email")).json == known
    for path in ("/check", ""):
        again = await phone.post(f"/api/auth/email{path}", {"token": token})
        assert (again.status, again.code) == (410, "link_expired")
    await world.client().post("/api/auth/forgot", {"login": "ann"})
    reset = secret_of((await world.post_all())[-1])
    used = await world.client().post("/api/auth/reset", {"token": reset, "password": NEW})
    assert used.status == 200


async def test_each_act_asks_for_the_password(world: World) -> None:
    ann = await register(world)
    for path, body in (("", {"email": ADDRESS}), ("/remove", {})):
        answer = await ann.post(f"/api/me/email{path}", body | {"current": "not this one"})
        assert (answer.status, answer.code) == (403, "wrong_password")
        answer = await ann.post(f"/api/me/email{path}", body)
        assert (answer.status, answer.code) == (400, "invalid")
    for _ in range(Limits().login_account.count - 2):
        await ask(ann, current="a guess")
    guessed = await ask(ann)
    assert guessed.status == 429, "guesses count as those of a change of the password do"
    passwords = {"current": OLD, "new": NEW}
    assert (await ann.post("/api/auth/password", passwords)).status == 429
    assert world.rung == []


async def test_the_right_password_is_no_guess_whatever_becomes_of_the_rest(world: World) -> None:
    ann = await register(world)
    guesses = Limits().login_account.count
    for n in range(guesses + 2):
        refused = await ask(ann, "no address")
        assert (refused.status, refused.code) == (400, "invalid"), n
    for _ in range(guesses - 1):
        assert (await ask(ann, current="a wrong password")).code == "wrong_password"
    changed = await ann.post("/api/auth/password", {"current": OLD, "new": NEW})
    assert changed.status == 200, changed


async def test_a_change_and_a_removal_are_told_to_the_former_address(world: World) -> None:
    ann = await register(world, locale="en")
    token = await mailed(world, ann)
    await world.client().post("/api/auth/email", {"token": token})
    notice = (await world.post_all())[-1]
    assert notice["To"] == "ann@example.net" and "has another e-mail address" in notice["Subject"]
    assert (await ann.get("/api/me")).json["user"]["email"] == ADDRESS
    removed = await ann.post("/api/me/email/remove", {"current": OLD})
    assert removed.status == 200 and removed.json["email"] is None
    assert (await ann.get("/api/me")).json["user"]["email"] is None
    notice = (await world.post_all())[-1]
    assert notice["To"] == ADDRESS and "no e-mail address any more" in notice["Subject"]
    login = {"login": ADDRESS, "password": OLD}
    assert (await world.client().post("/api/auth/login", login)).status == 401


async def test_who_signs_in_with_the_address_keeps_one(world: World) -> None:
    bob = world.client()
    body = {"email": "bob@example.net", "password": OLD, "name": "Bob"}
    assert (await bob.post("/api/auth/register", body)).status == 200
    assert (await bob.get("/api/me/email")).json["removable"] is False
    answer = await bob.post("/api/me/email/remove", {"current": OLD})
    assert (answer.status, answer.code) == (409, "only_login")
    await world.client().post("/api/auth/email", {"token": await mailed(world, bob)})
    login = {"login": ADDRESS, "password": OLD}
    assert (await world.client().post("/api/auth/login", login)).status == 200


async def test_again_and_a_change_of_mind(world: World) -> None:
    ann = await world.client().account("ann")
    answer = await ann.post("/api/me/email/resend")
    assert (answer.status, answer.code) == (409, "no_email")
    first = await mailed(world, ann)
    again = await ann.post("/api/me/email/resend")
    assert again.status == 202 and again.json["pending"]["email"] == ADDRESS
    second = secret_of((await world.post_all())[-1])
    check = "/api/auth/email/check"
    assert (await ann.post(check, {"token": first})).status == 410
    assert (await ann.post(check, {"token": second})).status == 200
    assert (await ann.post("/api/me/email/cancel")).json["pending"] is None
    assert (await ann.post(check, {"token": second})).status == 410


async def test_the_answer_is_the_same_for_an_address_of_another_account(world: World) -> None:
    await register(world, "bob")
    ann, cyd = await world.client().account("ann"), await world.client().account("cyd")
    answers = [await ask(ann, "bob@example.net"), await ask(cyd, "nil@example.net")]
    await world.post_all()
    answers += [await ann.get("/api/me/email"), await cyd.get("/api/me/email")]
    said = [(each.status, each.body.replace(b"bob@", b"nil@")) for each in answers]
    assert said[0] == said[1] and said[2] == said[3]
    told = next(mail for mail in world.mails if mail["To"] == "bob@example.net")
    body: Any = told.get_body(("plain",))
    assert "/forgot" in body.get_content() and "/confirm" not in body.get_content()


async def test_of_two_who_wait_for_an_address_the_second_is_told(world: World) -> None:
    ann, bob = await world.client().account("ann"), await world.client().account("bob")
    tokens = [await mailed(world, ann), await mailed(world, bob)]
    said = [await world.client().post("/api/auth/email", {"token": token}) for token in tokens]
    assert [each.status for each in said] == [200, 409] and said[1].code == "email_taken"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("me/email", {"email": "no address", "current": OLD}, "email"),
        ("me/email", {"email": f"{'x' * 250}@example.net", "current": OLD}, "email"),
        (
            "me/email",
            {"email": f"a@{'x' * 60}.{'x' * 60}.example\r\nBcc: b@c.example", "current": OLD},
            "email",
        ),
        ("me/email", {"email": ADDRESS, "current": OLD, "confirmed": True}, "confirmed"),
        ("auth/email", {"token": ""}, "token"),
        ("auth/email/check", {"token": "x" * 101}, "token"),
    ],
)
async def test_what_does_not_fit_is_said(world: World, path: str, body: dict[str, str], field: str) -> None:
    ann = await world.client().account("ann")
    answer = await ann.post(f"/api/{path}", body)
    assert (answer.status, answer.code) == (400, "invalid")
    assert answer.json["error"]["details"]["field"] == field
    assert world.rung == []


async def test_throttles_say_how_long(world: World) -> None:
    ann = await world.client().account("ann")
    for _ in range(Limits().email_recipient.count):
        assert (await ask(ann)).status == 202
    answer = await ask(ann)
    assert (answer.status, answer.code) == (429, "mail_throttled")
    assert int(answer.headers["Retry-After"]) > 0
    for _ in range(Limits().reset_use_address.count):
        await ann.post("/api/auth/email/check", {"token": "guess"})
    assert (await ann.post("/api/auth/email", {"token": "guess"})).status == 429
    assert (await ann.post("/api/auth/reset/check", {"token": "guess"})).status == 429, "one count for both"


async def test_where_no_mail_is_sent_an_address_can_only_go(tmp_path: Path) -> None:
    world = World(tmp_path, features=Features())
    try:
        ann = await register(world)
        for answer in (await ask(ann), await ann.post("/api/me/email/resend")):
            assert (answer.status, answer.code) == (403, "mail_off")
        state = (await ann.get("/api/me/email")).json
        assert (state["email"], state["confirmed"], state["removable"]) == ("ann@example.net", False, True)
        removed = await ann.post("/api/me/email/remove", {"current": OLD})
        assert removed.status == 200 and removed.json["email"] is None
        assert world.rung == [] and world.run.store.jobs.state.jobs == {}
    finally:
        await world.aclose()


async def test_the_log_says_what_was_done_and_no_address(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ann = await world.client().account("ann")
    token = await mailed(world, ann)
    await world.client().post("/api/auth/email", {"token": token})
    await ann.post("/api/me/email/remove", {"current": OLD})
    await world.post_all()
    lines = [record for record in caplog.records if record.name == "tongyou.accounts"]
    assert [record.getMessage() for record in lines] == [
        "an address was asked for", "an address was confirmed", "the address was removed",
    ]  # fmt: skip
    assert vars(lines[1])["account_id"] == ann.user["id"]
    for secret in ("new.example", token, OLD):
        assert secret not in caplog.text
