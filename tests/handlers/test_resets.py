"""A forgotten password over HTTP, and invitations by mail: answers, cookies, throttles, pages."""

from __future__ import annotations

import re
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from domain.accounts import Limits
from handlers.deps import Features
from handlers.sessions import COOKIE
from tests.handlers.world import Client, World

OLD, NEW = "a long password", "quite another one"


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def secret_of(mail: EmailMessage) -> str:
    found = re.search(r"/(?:(?:reset|confirm)#|invite/)([\w-]{43})\s", text_of(mail))
    assert found is not None
    return found[1]


async def register(world: World, name: str = "ann", **more: Any) -> Client:
    client = world.client()
    body = {"username": name, "email": f"{name}@example.net", "password": OLD, "name": name.title()} | more
    answer = await client.post("/api/auth/register", body)
    assert answer.status == 200, answer
    client.user = answer.json["user"]
    return client


async def mailed(world: World, login: str = "ann") -> str:
    answer = await world.client().post("/api/auth/forgot", {"login": login, "locale": "en"})
    assert answer.status == 202, answer
    return secret_of((await world.post_all())[-1])


async def test_from_a_forgotten_password_to_a_new_one(world: World) -> None:
    ann = await register(world)
    token = await mailed(world)
    browser = world.client()
    offer = await browser.post("/api/auth/reset/check", {"token": token})
    assert (offer.status, offer.json["login"], offer.json["name"]) == (200, "ann", "Ann")
    assert offer.headers["Cache-Control"] == "no-store"
    done = await browser.post("/api/auth/reset", {"token": token, "password": NEW})
    assert done.status == 200 and done.json["user"]["id"] == ann.user["id"]
    assert browser.morsels[COOKIE]["httponly"]
    assert (await browser.get("/api/me")).json["user"]["id"] == ann.user["id"]
    assert (await ann.get("/api/me")).json["user"] is None, "the old session is over"
    assert len(world.revoked[-1][0]) == 1, "and its sockets"
    for password, status in ((OLD, 401), (NEW, 200)):
        login = {"login": "ann@example.net", "password": password}
        assert (await world.client().post("/api/auth/login", login)).status == status
    again = await world.client().post("/api/auth/reset", {"token": token, "password": NEW})
    assert (again.status, again.code) == (410, "reset_expired")
    await world.post_all()
    assert "was changed" in str(world.mails[-1]["Subject"]) or "已更改" in str(world.mails[-1]["Subject"])


async def test_a_change_in_the_settings_is_told_by_mail_too(world: World) -> None:
    ann = await register(world, locale="en")
    token = await mailed(world)
    changed = await ann.post("/api/auth/password", {"current": OLD, "new": NEW})
    assert changed.status == 200
    notice = (await world.post_all())[-1]
    assert notice["To"] == "ann@example.net" and notice["Subject"] == "Your Tongyou password was changed"
    assert (await world.client().post("/api/auth/reset/check", {"token": token})).status == 410
    nomail = await world.client().account("nomail")
    sent = len(world.mails)
    assert (await nomail.post("/api/auth/password", {"current": OLD, "new": NEW})).status == 200
    assert len(await world.post_all()) == sent


async def test_a_mailbox_is_not_filled_by_changing_a_password_back_and_forth(world: World) -> None:
    """Nobody asked whether the address of an account is its owner's."""
    ann = await register(world, locale="en")
    for n in range(12):
        passwords = (OLD, NEW) if n % 2 == 0 else (NEW, OLD)
        change = dict(zip(("current", "new"), passwords, strict=True))
        assert (await ann.post("/api/auth/password", change)).status == 200, (
            "the change itself is not refused"
        )
    await world.post_all()
    assert len(world.mails) == Limits().notice_mails_recipient.count
    token = await mailed(world)
    reset = {"token": token, "password": NEW}
    assert (await world.client().post("/api/auth/reset", reset)).status == 200
    assert len(await world.post_all()) == Limits().notice_mails_recipient.count + 1


async def test_the_answer_is_the_same_for_any_name(world: World) -> None:
    await register(world)
    await world.client().account("nomail")
    answers = []
    for login in ("ann", "ann@example.net", "nomail", "nobody", "nobody@example.net"):
        said = await world.client().post("/api/auth/forgot", {"login": login})
        answers.append((said.status, said.body))
    assert set(answers) == {(202, b'{"ok":true}')}
    await world.post_all()
    assert {mail["To"] for mail in world.mails} == {"ann@example.net"}


async def test_a_guest_takes_their_trips_along(world: World) -> None:
    await register(world)
    guest = await world.client().guest("Ann")
    trip = await guest.trip("Planned as a guest")
    token = await mailed(world)
    assert (await guest.post("/api/auth/reset", {"token": token, "password": NEW})).status == 200
    assert [each["id"] for each in (await guest.get("/api/trips")).json["trips"]] == [trip]


async def test_whoever_is_locked_out_by_guesses_is_let_in_by_the_new_password(world: World) -> None:
    await register(world)
    for _ in range(11):
        wrong = await world.client().post("/api/auth/login", {"login": "ann", "password": "guess"})
    assert wrong.status == 429
    token = await mailed(world)
    assert (await world.client().post("/api/auth/reset", {"token": token, "password": NEW})).status == 200
    assert (await world.client().post("/api/auth/login", {"login": "ann", "password": NEW})).status == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("forgot", {"login": ""}), ("forgot", {}), ("forgot", {"login": "x" * 255}),
        ("forgot", {"login": "ann", "locale": "fr"}), ("forgot", {"login": "ann", "to": "eve@example.net"}),
        ("reset", {"token": "x", "password": "short"}), ("reset", {"token": "", "password": NEW}),
        ("reset/check", {"token": "x" * 101}), ("reset/check", {}),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_said(world: World, path: str, body: dict[str, str]) -> None:
    answer = await world.client().post(f"/api/auth/{path}", body)
    assert (answer.status, answer.code) == (400, "invalid")


async def test_throttles_say_how_long(world: World) -> None:
    limits = Limits()
    for _ in range(limits.reset_account.count):
        await world.client().post("/api/auth/forgot", {"login": "ann"})
    answer = await world.client().post("/api/auth/forgot", {"login": "ann"})
    assert (answer.status, answer.code) == (429, "mail_throttled")
    assert int(answer.headers["Retry-After"]) > 0
    for _ in range(limits.reset_use_address.count):
        await world.client().post("/api/auth/reset/check", {"token": "guess"})
    answer = await world.client().post("/api/auth/reset", {"token": "guess", "password": NEW})
    assert answer.status == 429


async def test_without_mail_nothing_is_offered(tmp_path: Path) -> None:
    world = World(tmp_path, features=Features())
    try:
        ann = await world.client().account("ann")
        assert (await ann.get("/api/me")).json["features"]["mail"] is False
        answer = await ann.post("/api/auth/forgot", {"login": "ann"})
        assert (answer.status, answer.code) == (403, "mail_off")
        trip = await ann.trip()
        body = {"role": "viewer", "send_to": ["bob@example.net"]}
        answer = await ann.post(f"/api/trips/{trip}/invites", body)
        assert (answer.status, answer.code) == (403, "mail_off")
        assert world.rung == []
    finally:
        await world.aclose()


async def test_pages_with_a_secret_in_their_address_tell_nobody(world: World) -> None:
    for path, secret in (
        ("/reset", True),
        ("/confirm", True),
        ("/invite/abc", True),
        ("/forgot", False),
        ("/login", False),
    ):
        page = await world.client().get(path)
        assert (page.headers["Referrer-Policy"] == "no-referrer") == secret, path
        assert (page.headers["Cache-Control"] == "no-store") == secret, path


# --- invitations --------------------------------------------------------------------------


async def test_an_invitation_goes_out_with_its_making(world: World) -> None:
    ann = await register(world)
    trip = await ann.trip()
    body = {
        "role": "editor",
        "send_to": ["bob@example.net", " BOB@example.net", "cyd@例子.example"],
        "locale": "en",
    }
    made = await ann.post(f"/api/trips/{trip}/invites", body)
    assert made.status == 201 and made.json["mails"] == 2, "one for each address"
    mails = await world.post_all()
    assert [mail["To"] for mail in mails] == ["bob@example.net", "cyd@例子.example"]
    token = secret_of(mails[0])
    assert token not in made.body.decode()
    bob = await world.client().guest("Bob")
    assert (await bob.get(f"/api/invites/{token}")).json["trip_title"] == "Yunnan"
    await bob.join(token)
    assert (await bob.get(f"/api/trips/{trip}")).status == 200
    assert (await ann.post(f"/api/trips/{trip}/invites", {"role": "viewer"})).json["mails"] == 0


async def test_who_may_not_make_a_link_sends_none(world: World) -> None:
    ann, eve = await register(world), await register(world, "eve")
    trip = await ann.trip()
    body = {"role": "viewer", "send_to": ["bob@example.net"]}
    assert (await eve.post(f"/api/trips/{trip}/invites", body)).status == 404
    await eve.join(await ann.invite(trip, "editor"))
    assert (await eve.post(f"/api/trips/{trip}/invites", body)).status == 403
    guest = await world.client().guest("Gus")
    mine = await guest.trip()
    answer = await guest.post(f"/api/trips/{mine}/invites", body)
    assert (answer.status, answer.code) == (403, "guest")
    assert world.rung == []


@pytest.mark.parametrize(
    ("addresses", "field"),
    [
        (["bob@example.net", "no address"], "send_to.1"),
        (["a@b.example, c@d.example"], "send_to.0"),
        (["bob@example.net\r\nBcc: eve@example.net"], "send_to.0"),
        ([f"p{n}@example.net" for n in range(21)], "send_to"),
    ],
)
async def test_addresses_that_are_none_are_named(world: World, addresses: list[str], field: str) -> None:
    ann = await register(world)
    trip = await ann.trip()
    answer = await ann.post(f"/api/trips/{trip}/invites", {"role": "viewer", "send_to": addresses})
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, field)
    assert (await ann.get(f"/api/trips/{trip}/invites")).json["invites"] == []


async def test_a_mail_is_nobodys_export(world: World) -> None:
    ann = await register(world)
    trip = await ann.trip()
    await ann.post(f"/api/trips/{trip}/invites", {"role": "viewer", "send_to": ["bob@example.net"]})
    for path in ("", "/file"):
        assert (await ann.get(f"/api/exports/{world.rung[0]}{path}")).status == 404
