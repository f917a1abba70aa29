"""No violations of WCAG 2.1 and 2.2, levels A and AA, as far as axe can tell, on every main screen."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.people import DESKTOP, PHONE, People, Trip
from tests.e2e.screens import Room

pytestmark = pytest.mark.timeout(90)

Scheme = Literal["light", "dark"]
OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


def expect_no_violations(page: Page, where: str) -> None:
    """Let axe look at the page as it is now."""
    found: list[dict[str, Any]] = Axe().run(page, options=OPTIONS).response["violations"]
    lines = [
        f"  {violation['id']}: {node['html'][:300]}\n    {node.get('failureSummary', '')}"
        for violation in found
        for node in violation["nodes"]
    ]
    assert not found, "\n".join([f"{where}: {len(lines)} nodes violate WCAG", *lines])


@both_schemes
def test_screens_around_the_room(people: People, scheme: Scheme) -> None:
    visitor = people.person("Ann", color_scheme=scheme)
    page = visitor.go("/")
    expect(page.get_by_role("button", name="Try a live trip")).to_be_visible()
    expect_no_violations(page, "first page")
    visitor.go("/login")
    expect(page.get_by_role("heading", level=1, name="Sign in")).to_be_visible()
    expect_no_violations(page, "login")
    visitor.become_guest()
    trip = Trip(visitor, [["Old Town"]])
    visitor.go("/trips")
    expect(page.get_by_test_id(f"trip-{trip.id}")).to_be_visible()
    expect_no_violations(page, "trips")


@both_schemes
@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_the_room(people: People, screen: str, scheme: Scheme) -> None:
    ann = people.person("Ann", **(PHONE if screen == "phone" else DESKTOP), color_scheme=scheme)
    ann.api("GET", "/api/me")
    demo = ann.api("POST", "/api/demo", {"name": "Ann", "locale": "en"})
    bo = people.guest("Bo", 1)
    bo.api("POST", demo["invite_url"].replace("/invite/", "/api/invites/") + "/accept")
    bo.go(f"/t/{demo['trip_id']}")
    ann.go(f"/t/{demo['trip_id']}")
    room = Room(ann)
    room.expect_state("live")
    room.expect_people(2)
    expect_no_violations(room.page, f"room, {screen}, {scheme}")
    room.board.locator(".stop-open").first.click()
    expect(room.editor).to_be_visible()
    expect_no_violations(room.page, f"open stop, {screen}, {scheme}")
