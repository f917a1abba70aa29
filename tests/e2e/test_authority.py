"""Rights that change while a room is open, decided at the other server process (R7.1)."""

from __future__ import annotations

import re
import subprocess

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.people import People
from tests.e2e.screens import Room
from tests.services.server import ROOT

pytestmark = pytest.mark.timeout(90)


def choose_for(page: Page, name: str, role: str, item: str) -> None:
    """Pick an entry of the menu beside a member."""
    page.get_by_role("button", name=f"Options of {name}", exact=True).click()
    page.get_by_role(role, name=item, exact=True).click()  # type: ignore[arg-type]


def test_a_demoted_editor_is_read_only_at_once_and_a_removed_one_is_out(people: People) -> None:
    ann, bo, trip = people.pair()
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    here.expect_people(2)
    there.open(trip.stops["Old Town"])
    expect(there.field("Name")).to_be_editable()
    expect(there.page.get_by_role("button", name="Add a stop").first).to_be_visible()

    here.page.get_by_role("button", name="People", exact=True).click()
    choose_for(here.page, "Bo", "menuitemradio", "Can view")
    expect(there.page.get_by_text("View only", exact=True)).to_be_visible()
    expect(there.field("Name")).not_to_be_editable()
    expect(there.field("Kind")).to_be_disabled()
    for name in ("Add a stop", "Add a day", "Add an idea", "Move Black Dragon Pool", "Undo"):
        expect(there.page.get_by_role("button", name=name)).to_have_count(0)
    # Looking on still works.
    here.add(trip.days[0], "Seen by a viewer")
    expect(there.names_of(trip.days[0]).last).to_have_text("Seen by a viewer")

    choose_for(here.page, "Bo", "menuitem", "Remove from the trip")
    dialog = here.page.get_by_role("dialog", name="Remove Bo?")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    expect(there.page.get_by_role("heading", name="You are not in this trip")).to_be_visible()
    expect(there.board).to_have_count(0)
    here.expect_state("live", pending=0)


def test_what_an_operator_did_is_by_an_operator(people: People) -> None:
    ann, xiaobo = people.guest("Ann"), people.guest("小波", 1, locale="zh-CN")
    trip = people.trip(ann)
    trip.invite(xiaobo)
    server = people.cluster.servers[0]
    for act in ("delete", "restore"):
        command = [*server.command(), "trip", act, trip.id]
        subprocess.run(command, env=server.environment(), cwd=ROOT, check=True, capture_output=True)
    for person, history, lines in (
        (ann, "History", ["An operator restored the trip", "An operator deleted the trip"]),
        (xiaobo, "历史", ["管理员恢复了行程", "管理员删除了行程"]),
    ):
        room = Room.enter(person, trip)
        room.page.get_by_role("button", name=history, exact=True).click()
        heads = room.page.get_by_test_id("history").locator(".entry-head > span")
        for n, line in enumerate(lines):
            expect(heads.nth(n)).to_have_text(line)


def test_who_was_signed_out_elsewhere_is_asked_to_sign_in_on_every_screen(people: People) -> None:
    ann, bo = people.guest("Ann"), people.person("Ann's other screen")
    trip = people.trip(ann)
    bo.context.add_cookies(ann.context.cookies())  # type: ignore[arg-type]
    here = Room.enter(ann, trip)
    there = bo.go("/trips")
    expect(there.get_by_test_id(f"trip-{trip.id}")).to_be_visible()
    for each in (ann, bo):
        each.excuse(r"401|403")

    third = people.person("Ann's third screen")
    third.context.add_cookies(ann.context.cookies())  # type: ignore[arg-type]
    third.api("POST", "/api/auth/logout-all")
    expect(here.page.get_by_role("heading", name="Please sign in")).to_be_visible()
    there.get_by_text("Deleted trips", exact=True).last.click()
    expect(there.get_by_role("heading", name="Sign in", level=1)).to_be_visible()
    expect(there.get_by_test_id("toast")).to_contain_text("You are signed out.")
    for page in (here.page, there):
        expect(page.get_by_role("button", name="Signed in as Ann")).to_have_count(0)
        expect(page.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()


def test_who_may_not_invite_is_told_who_may(people: People) -> None:
    ann, bo, trip = people.pair()
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    for room in (here, there):
        room.page.get_by_role("button", name="Share", exact=True).click()
    expect(there.page.get_by_test_id("who-invites")).to_contain_text("Ask Ann for a link.")
    expect(here.page.get_by_role("button", name="Create link")).to_be_visible()
    expect(here.page.get_by_test_id("who-invites")).to_have_count(0)


def test_a_link_is_copied_without_https_too(people: People) -> None:
    ann = people.guest("Ann", permissions=["clipboard-read"])
    trip = people.trip(ann)
    # What pages of plain HTTP get from the browser, other than of this machine.
    ann.page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page = Room.enter(ann, trip).page
    page.get_by_role("button", name="Share", exact=True).click()
    page.get_by_role("button", name="Create link").click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_test_id("toast")).to_have_text("Copied")
    page.get_by_role("button", name="Talk", exact=True).click()
    page.get_by_role("textbox", name="Write a message").press("Control+v")
    expect(page.get_by_role("textbox", name="Write a message")).to_have_value(
        re.compile(rf"{re.escape(ann.origin)}/invite/")
    )
