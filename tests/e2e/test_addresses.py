"""The e-mail address in the settings, through a real mailbox: added, confirmed, used, changed, removed. On a
desktop and on a phone, in both languages, light and dark; and what happens when it does not succeed.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.people import DESKTOP, PHONE, People, Person
from tests.e2e.test_mail import NEW, OLD, look, mail_to, path_in, register
from tests.services.server import ServerProcess
from tests.services.smtp import Mailbox

pytestmark = pytest.mark.timeout(120)
ENGLISH = {
    "none": "There is none yet", "add": "Add an address", "email": "E-mail", "password": "Current password",
    "send": "Send the link", "sent": "A link is on its way.", "waits": "A link went to {}",
    "missing": "Please fill this in.", "no_email": "This is not an e-mail address.",
    "wrong": "The current password is wrong.", "subject": "Confirm your e-mail address for Tongyou",
    "page": "Confirm this address", "confirm": "Confirm", "done": "Address confirmed",
    "confirmed": "Confirmed", "change": "Change", "new": "New address", "remove": "Remove",
    "remove_it": "Remove the address", "moved": "Your Tongyou account has another e-mail address",
    "unlinked": "Your Tongyou account has no e-mail address any more",
    "dead": "This link does not work any more", "settings": "To the settings", "sign_in": "Sign in",
}  # fmt: skip
CHINESE = {
    "none": "还没有邮箱", "add": "添加邮箱", "email": "邮箱", "password": "当前密码",
    "send": "发送链接", "sent": "链接已在路上。", "waits": "链接已发往 {}",
    "missing": "请填写这一项。", "no_email": "这不是有效的邮箱地址。",
    "wrong": "当前密码不对。", "subject": "确认你的同游邮箱",
    "page": "确认邮箱", "confirm": "确认", "done": "邮箱已确认",
    "confirmed": "已确认", "change": "更换", "new": "新邮箱", "remove": "移除",
    "remove_it": "移除邮箱", "moved": "你的同游账号已更换邮箱",
    "unlinked": "你的同游账号已移除邮箱",
    "dead": "这个链接已失效", "settings": "前往设置", "sign_in": "登录",
}  # fmt: skip


def sign_up(person: Person, locale: str) -> str:
    """An account with a user name alone, which is returned."""
    name = f"ann-{secrets.token_hex(4)}"
    person.api("GET", "/api/me")
    body = {"username": name, "password": OLD, "name": "Ann", "locale": locale}
    person.api("POST", "/api/auth/register", body)
    return name


def ask(page: Page, words: dict[str, str], field: str, email: str) -> None:
    box = page.get_by_test_id("address")
    box.get_by_label(words[field]).fill(email)
    box.get_by_label(words["password"]).fill(OLD)
    box.get_by_role("button", name=words["send"]).click()


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
def test_an_address_is_added_used_changed_and_removed(
    people: People, mailbox: Mailbox, words: dict[str, str], locale: str, screen: dict[str, Any], color: str
) -> None:
    ann = people.person("Ann", locale=locale, color_scheme=color, **screen)
    ann.excuse("40[03]|410")
    name, width = sign_up(ann, locale[:2]), screen["viewport"]["width"]
    first, second = f"{name}@example.net", f"{name}@new.example.net"
    shot = f"address-{locale}-{'phone' if screen is PHONE else 'desktop'}-{color}"
    page = ann.go("/settings")
    box = page.get_by_test_id("address")
    expect(box).to_contain_text(words["none"])
    box.scroll_into_view_if_needed()
    look(page, f"{shot}-1-none", width)

    box.get_by_role("button", name=words["add"]).click()
    expect(box.get_by_label(words["email"])).to_be_focused()
    box.get_by_role("button", name=words["send"]).click()
    expect(box.get_by_role("alert")).to_have_text([words["missing"], words["missing"]])
    box.get_by_label(words["email"]).fill("ann")
    expect(box.get_by_role("alert").first).to_have_text(words["no_email"])
    box.get_by_label(words["email"]).fill(first)
    box.get_by_label(words["password"]).fill("not this one")
    box.get_by_role("button", name=words["send"]).click()
    expect(box.get_by_role("alert")).to_have_text(words["wrong"])
    look(page, f"{shot}-2-form", width)
    box.get_by_label(words["password"]).fill(OLD)
    box.get_by_role("button", name=words["send"]).click()
    expect(page.get_by_test_id("address-pending")).to_contain_text(words["waits"].format(first))
    expect(box).to_contain_text(words["none"])
    look(page, f"{shot}-3-waits", width)

    # The mail is opened on another device, where nobody is signed in.
    mail = mail_to(mailbox, first)
    assert mail.message["Subject"] == words["subject"]
    phone = people.person("Ann elsewhere", 1, locale=locale, color_scheme=color, **screen)
    phone.excuse("410")
    there = phone.go(path_in(mail))
    expect(there.get_by_role("heading", level=1, name=words["page"])).to_be_visible()
    expect(there.get_by_test_id("confirm")).to_contain_text(first)
    look(there, f"{shot}-4-link", width)
    # Looking at it has changed nothing: programs that look at mails do that.
    assert ann.api("GET", "/api/me/email")["email"] is None
    there.get_by_role("button", name=words["confirm"], exact=True).click()
    expect(there.get_by_role("heading", level=1, name=words["done"])).to_be_visible()
    expect(there.get_by_role("link", name=words["sign_in"]).last).to_be_visible()
    look(there, f"{shot}-5-confirmed", width)
    # The settings that are open see it by themselves.
    expect(page.get_by_test_id("address-text")).to_have_text(first)
    expect(box.get_by_text(words["confirmed"], exact=True)).to_be_visible()
    expect(page.get_by_test_id("address-pending")).to_have_count(0)
    look(page, f"{shot}-6-address", width)
    there.goto("about:blank")
    phone.go(path_in(mail))
    expect(there.get_by_role("heading", level=1, name=words["dead"])).to_be_visible()
    look(there, f"{shot}-7-dead", width)

    box.get_by_role("button", name=words["change"]).click()
    ask(page, words, "new", second)
    expect(page.get_by_test_id("address-pending")).to_contain_text(second)
    expect(page.get_by_test_id("address-text")).to_have_text(first)
    link = path_in(mail_to(mailbox, second))
    page = ann.go(link)
    page.get_by_role("button", name=words["confirm"], exact=True).click()
    page.get_by_role("link", name=words["settings"]).click()
    expect(page.get_by_test_id("address-text")).to_have_text(second)
    assert mail_to(mailbox, first, 2).message["Subject"] == words["moved"]

    box = page.get_by_test_id("address")
    box.get_by_role("button", name=words["remove"], exact=True).click()
    box.get_by_label(words["password"]).fill(OLD)
    look(page, f"{shot}-8-remove", width)
    box.get_by_role("button", name=words["remove_it"]).click()
    expect(box).to_contain_text(words["none"])
    assert mail_to(mailbox, second, 2).message["Subject"] == words["unlinked"]


def test_with_an_address_a_forgotten_password_is_no_loss(people: People, mailbox: Mailbox) -> None:
    ann = people.person("Ann")
    name = sign_up(ann, "en")
    page = ann.go("/settings")
    page.get_by_role("button", name="Add an address").click()
    ask(page, ENGLISH, "email", f"{name}@example.net")
    page = ann.go(path_in(mail_to(mailbox, f"{name}@example.net")))
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.get_by_role("heading", level=1, name="Address confirmed")).to_be_visible()
    elsewhere = people.person("Ann elsewhere", 1)
    page = elsewhere.go("/forgot")
    page.get_by_label("Username or e-mail").fill(name)
    page.get_by_role("button", name="Send the link").click()
    page = elsewhere.go(path_in(mail_to(mailbox, f"{name}@example.net", 2)))
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Set password and sign in").click()
    expect(page.get_by_role("heading", level=1, name="My trips")).to_be_visible()


def test_an_address_of_another_account_looks_like_any_other(people: People, mailbox: Mailbox) -> None:
    bob, ann = people.person("Bob", 1), people.person("Ann")
    taken = f"{register(bob)}@example.net"
    sign_up(ann, "en")
    page = ann.go("/settings")
    page.get_by_role("button", name="Add an address").click()
    ask(page, ENGLISH, "email", taken)
    expect(page.get_by_test_id("address-pending")).to_contain_text(f"A link went to {taken}")
    told = mail_to(mailbox, taken)
    assert told.message["Subject"] == "This address belongs to a Tongyou account already"
    assert path_in(told) == "/forgot"
    page.get_by_test_id("address").get_by_role("button", name="Cancel").click()
    expect(page.get_by_test_id("address-pending")).to_have_count(0)
    # Bob signed up with it, and shows now that it is his.
    page = bob.go("/settings")
    expect(page.get_by_text("Not confirmed", exact=True)).to_be_visible()
    look(page, "address-unconfirmed", 1440)
    page.get_by_role("button", name="Confirm it").click()
    expect(page.get_by_test_id("address-pending")).to_be_visible()
    look(page, "address-unconfirmed-waits", 1440)
    first = path_in(mail_to(mailbox, taken, 2))
    page.get_by_role("button", name="Send again").click()
    second = path_in(mail_to(mailbox, taken, 3))
    bob.excuse("410")
    page = bob.go(first)
    expect(page.get_by_role("heading", level=1, name="This link does not work any more")).to_be_visible()
    page.goto("about:blank")
    bob.go(second)
    page.get_by_role("button", name="Confirm", exact=True).click()
    page.get_by_role("link", name="To the settings").click()
    expect(page.get_by_text("Confirmed", exact=True)).to_be_visible()


def test_what_does_not_succeed_says_why(people: People, mailbox: Mailbox) -> None:
    ann = people.person("Ann")
    ann.excuse("429|409|400|410|ERR_")
    sign_up(ann, "en")
    page = ann.page
    page.route("**/api/me/email", lambda route: route.abort())
    ann.go("/settings")
    box = page.get_by_test_id("address")
    expect(box.get_by_role("alert")).to_contain_text("No connection to the server")
    look(page, "address-failed-offline", 1440)
    page.unroute("**/api/me/email")
    box.get_by_role("button", name="Try again").click()
    box.get_by_role("button", name="Add an address").click()

    def refuse(route: Route) -> None:
        error = {"code": "mail_throttled", "message": "wait", "retryable": True, "details": {}}
        if route.request.method == "GET":
            route.continue_()
        else:
            route.fulfill(status=429, content_type="application/json", body=json.dumps({"error": error}))

    page.route("**/api/me/email", refuse)
    ask(page, ENGLISH, "email", "ann@example.net")
    expect(box.get_by_role("alert")).to_contain_text("Too many mails were asked for")
    page.unroute("**/api/me/email")
    # What the browser takes for an address, and the server does not.
    box.get_by_label("E-mail").fill("ann@example")
    box.get_by_role("button", name="Send the link").click()
    expect(box.get_by_role("alert")).to_have_text("This is not an e-mail address.")
    expect(box.get_by_label("E-mail")).to_be_focused()
    page.keyboard.press("Escape")
    expect(box.get_by_role("button", name="Add an address")).to_be_focused()
    # A mailbox that does not exist.
    mailbox.answer("550 5.1.1 no such user")
    box.get_by_role("button", name="Add an address").click()
    ask(page, ENGLISH, "email", f"nobody-{secrets.token_hex(4)}@example.net")
    expect(box.get_by_role("alert")).to_contain_text("could not be delivered")
    look(page, "address-refused", 1440)
    for path in ("/confirm", "/confirm#abc"):
        page.goto("about:blank")
        ann.go(path)
        expect(page.get_by_role("heading", level=1, name="This link does not work any more")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "screen", "off"),
    [("en-US", DESKTOP, "This site sends no mail"), ("zh-CN", PHONE, "本站不发送邮件")],
)
def test_where_no_mail_is_sent_it_is_said(
    people: People, tmp_path: Any, locale: str, screen: dict[str, Any], off: str
) -> None:
    server = ServerProcess({"DATABASE_URL": f"sqlite:///{tmp_path}/one.db"})
    server.migrate()
    with server:
        ann = people.person("Ann", server.url, locale=locale, **screen)
        register(ann)
        page = ann.go("/settings")
        expect(page.get_by_test_id("address-off")).to_contain_text(off)
        box = page.get_by_test_id("address")
        expect(box.get_by_role("button")).to_have_count(1)
        look(page, f"address-off-{locale}", screen["viewport"]["width"])
        box.get_by_role("button").click()
        box.locator("input[type=password]").fill(OLD)
        box.locator("button[type=submit]").click()
        expect(page.get_by_test_id("address-text")).to_have_count(0)
        expect(box.get_by_role("button")).to_have_count(0)
    server.remove()
