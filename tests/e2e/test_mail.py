"""A forgotten password, from the sign-in screen through the mailbox to the new one; and an invitation that
comes by mail. On a desktop and on a phone, in both languages; and what happens when it does not succeed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.cluster import SITE
from tests.e2e.people import DESKTOP, PHONE, People, Person
from tests.e2e.screens import Room, expect_to_fit
from tests.e2e.test_accessibility import expect_no_violations
from tests.services.smtp import Mailbox, Received

pytestmark = pytest.mark.timeout(90)
SHOTS = os.environ.get("MAIL_SHOTS", "")
"""A folder for pictures, for whoever wants to look."""
OLD, NEW = "a long password", "quite another one"
ENGLISH = {
    "forgot": "Forgot your password?", "login": "Username or e-mail", "send": "Send the link",
    "sent": "Check your mail", "new": "New password", "save": "Set password and sign in",
    "short": "At least 10 characters.", "subject": "Set a new password for Tongyou",
    "expired": "This link does not work any more", "another": "Send a new link", "trips": "My trips",
}  # fmt: skip
CHINESE = {
    "forgot": "忘记密码？", "login": "用户名或邮箱", "send": "发送链接", "sent": "请查收邮件",
    "new": "新密码", "save": "设置密码并登录", "short": "至少 10 个字符。", "subject": "重设你的同游密码",
    "expired": "这个链接已失效", "another": "重新发送链接", "trips": "我的行程",
}  # fmt: skip


def register(person: Person, locale: str = "en") -> str:
    """An account with an address of its own; returns the user name."""
    name = f"ann-{secrets.token_hex(4)}"
    body = {
        "username": name,
        "email": f"{name}@example.net",
        "password": OLD,
        "name": "Ann",
        "locale": locale,
    }
    person.api("GET", "/api/me")
    person.user_id = person.api("POST", "/api/auth/register", body)["user"]["id"]
    return name


def mail_to(mailbox: Mailbox, address: str, count: int = 1) -> Received:
    """The newest mail to this address, once there are so many."""
    seen = 0
    while True:
        mails = mailbox.wait(seen)
        mine = [mail for mail in mails if mail.recipients == [address]]
        if len(mine) >= count:
            return mine[-1]
        seen = len(mails) + 1


def path_in(mail: Received) -> str:
    found = re.search(rf"{SITE}(/\S+)", mail.part("plain"))
    assert found is not None
    return found[1]


def look(page: Page, name: str, width: int) -> None:
    """What every screen must be, whatever is on it."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))
    expect_to_fit(page, width)
    expect_no_violations(page, name)


@pytest.mark.parametrize("color", ["light", "dark"])
@pytest.mark.parametrize(
    ("words", "locale", "screen"),
    [
        pytest.param(ENGLISH, "en-US", DESKTOP, id="english-desktop"),
        pytest.param(ENGLISH, "en-US", PHONE, id="english-phone"),
        pytest.param(CHINESE, "zh-CN", DESKTOP, id="chinese-desktop"),
        pytest.param(CHINESE, "zh-CN", PHONE, id="chinese-phone"),
    ],
)
def test_a_forgotten_password_is_set_anew(
    people: People, mailbox: Mailbox, words: dict[str, str], locale: str, screen: dict[str, Any], color: str
) -> None:
    old = people.person("Ann at home")
    name = register(old)
    trip = people.trip(old)
    room = Room.enter(old, trip)
    width = screen["viewport"]["width"]
    shot = f"{locale}-{'phone' if screen is PHONE else 'desktop'}-{color}"

    ann = people.person("Ann elsewhere", 1, locale=locale, color_scheme=color, **screen)
    ann.excuse("410")
    page = ann.go("/login")
    page.get_by_label(words["login"]).fill(name)
    look(page, f"{shot}-1-login", width)
    page.get_by_role("link", name=words["forgot"]).click()
    expect(page.get_by_role("heading", level=1, name=words["forgot"])).to_be_visible()
    expect(page.get_by_label(words["login"])).to_have_value(name)
    look(page, f"{shot}-2-forgot", width)
    page.get_by_role("button", name=words["send"]).click()
    expect(page.get_by_role("heading", level=1, name=words["sent"])).to_be_visible()
    look(page, f"{shot}-3-sent", width)

    mail = mail_to(mailbox, f"{name}@example.net")
    assert mail.message["Subject"] == words["subject"]
    if SHOTS:
        (Path(SHOTS) / f"{locale}-reset.html").write_text(mail.part("html"), "utf-8")
    # A link that is opened in the same window changes nothing but what is behind the #.
    link = path_in(mail)
    page = ann.go(link)
    field = page.get_by_label(words["new"])
    expect(field).to_be_visible()
    look(page, f"{shot}-4-new", width)
    field.fill("short")
    page.get_by_role("button", name=words["save"]).click()
    expect(page.get_by_role("alert")).to_have_text(words["short"])
    field.fill(NEW)
    page.get_by_role("button", name=words["save"]).click()
    expect(page.get_by_role("heading", level=1, name=words["trips"])).to_be_visible()
    assert page.evaluate("location.pathname + location.hash") == "/trips"
    look(page, f"{shot}-5-signed-in", width)
    assert ann.api("GET", "/api/me")["user"]["username"] == name

    # Whoever was signed in elsewhere is not any more, in open rooms, too.
    expect(room.page.get_by_role("heading", level=1, name="Please sign in")).to_be_visible()
    # The other process may remember a sign-in for a few seconds over HTTP.
    asks = "async () => (await (await fetch('/api/me')).json()).user === null"
    room.page.wait_for_function(asks)
    old.excuse("40[13]")
    notice = mail_to(mailbox, f"{name}@example.net", 2)
    assert notice.message["Subject"] == "Your Tongyou password was changed"

    page = ann.go("/")
    page = ann.go(link)
    expect(page.get_by_role("heading", level=1, name=words["expired"])).to_be_visible()
    look(page, f"{shot}-6-expired", width)
    page.get_by_role("link", name=words["another"]).click()
    expect(page.get_by_role("button", name=words["send"])).to_be_visible()


def test_what_does_not_succeed_says_why(people: People) -> None:
    ann = people.person("Ann")
    ann.excuse("429|410|400|ERR_")
    page = ann.go("/forgot")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("alert")).to_have_text("Please fill this in.")

    def refuse(route: Route) -> None:
        error = {"code": "mail_throttled", "message": "wait", "retryable": True, "details": {}}
        route.fulfill(status=429, content_type="application/json", body=json.dumps({"error": error}))

    page.route("**/api/auth/forgot", refuse)
    page.get_by_label("Username or e-mail").fill("ann")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("alert")).to_contain_text("Too many mails were asked for")
    look(page, "failed-throttled", 1440)
    page.unroute("**/api/auth/forgot")
    ann.context.set_offline(True)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("alert")).to_contain_text("No connection to the server")
    ann.context.set_offline(False)
    # Half of a link, or none of it.
    for path in ("/reset", "/reset#abc"):
        page.goto("about:blank")
        ann.go(path)
        expect(page.get_by_role("heading", level=1, name="This link does not work any more")).to_be_visible()
    # The server is away while the link is looked at.
    page.route("**/api/auth/reset/check", lambda route: route.abort())
    page.goto("about:blank")
    ann.go("/reset#abc")
    expect(page.get_by_role("alert")).to_contain_text("No connection to the server")
    look(page, "failed-offline", 1440)
    page.unroute("**/api/auth/reset/check")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", level=1, name="This link does not work any more")).to_be_visible()


SHARE_ENGLISH = {
    "share": "Share", "create": "Create link", "wrong": "This is no e-mail address: no, address",
    "send": "Create and send to 1 person", "sent": "The invitation is on its way to 1 person.",
    "subject": "Ann invites you to plan “Lijiang”",
}  # fmt: skip
SHARE_CHINESE = {
    "share": "分享", "create": "创建链接", "wrong": "这不是邮箱地址：no、address",
    "send": "创建并发送给 1 人", "sent": "邀请正在发送给 1 人。", "subject": "Ann 邀请你一起安排“Lijiang”",
}  # fmt: skip


@pytest.mark.parametrize("color", ["light", "dark"])
@pytest.mark.parametrize(
    ("words", "locale", "screen"),
    [
        pytest.param(SHARE_ENGLISH, "en-US", DESKTOP, id="english-desktop"),
        pytest.param(SHARE_CHINESE, "zh-CN", PHONE, id="chinese-phone"),
    ],
)
def test_an_invitation_comes_by_mail(
    people: People, mailbox: Mailbox, words: dict[str, str], locale: str, screen: dict[str, Any], color: str
) -> None:
    ann = people.person("Ann", locale=locale, color_scheme=color, **screen)
    register(ann)
    trip = people.trip(ann)
    room = Room.enter(ann, trip)
    page, width = room.page, screen["viewport"]["width"]
    if screen is PHONE:
        page.get_by_test_id("trip-menu").tap()
        page.get_by_role("menuitem", name=words["share"]).tap()
    else:
        page.get_by_role("button", name=words["share"]).click()
    to = f"bo-{secrets.token_hex(4)}@example.net"
    box = page.get_by_test_id("invite-mail")
    box.fill("no address")
    page.get_by_role("button", name=words["create"]).click()
    expect(page.get_by_text(words["wrong"])).to_be_visible()
    box.fill(f"Bo <{to}>, {to}")
    page.get_by_role("button", name=words["send"]).scroll_into_view_if_needed()
    look(page, f"invite-{locale}-{color}-1", width)
    page.get_by_role("button", name=words["send"]).click()
    expect(page.get_by_test_id("toast").filter(has_text=words["sent"])).to_be_visible()
    expect(page.get_by_test_id("invite-made")).to_be_visible()
    look(page, f"invite-{locale}-{color}-2", width)

    mail = mail_to(mailbox, to)
    assert mail.message["Subject"] == words["subject"]
    if SHOTS:
        (Path(SHOTS) / "invite.html").write_text(mail.part("html"), "utf-8")
    bo = people.person("Bo", 1)
    bo.go(path_in(mail))
    bo.page.get_by_label("Your name").fill("Bo")
    bo.page.get_by_role("button", name="Join as a guest").click()
    joined = Room(bo)
    joined.expect_state("live")
    room.expect_people(2)


def test_a_guest_is_not_offered_to_send_mail(people: People) -> None:
    ann = people.guest("Ann")
    room = Room.enter(ann, people.trip(ann))
    room.page.get_by_role("button", name="Share").click()
    expect(room.page.get_by_role("button", name="Create link")).to_be_visible()
    expect(room.page.get_by_test_id("invite-mail")).to_have_count(0)
