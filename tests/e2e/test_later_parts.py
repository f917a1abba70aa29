"""Parts of the app that come after its first view: there without a connection once the room has come to rest,
and where one cannot be loaded it says so in its place and breaks nothing around it.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.people import NETWORK, PHONE, People, Trip
from tests.e2e.screens import Room

pytestmark = pytest.mark.timeout(120)


def test_a_phone_that_never_opened_the_map_has_it_without_a_connection(people: People) -> None:
    ann = people.person("Ann", **PHONE).become_guest()
    ann.excuse(NETWORK)
    trip = Trip(ann, [["Old Town"]])
    wanted = {"MapPane": "/assets/MapPane-", "names": "/map/labels.json", "land": "/map/world.topo.json"}
    came: set[str] = set()
    ann.page.on(
        "requestfinished",
        lambda request: came.update(part for part, path in wanted.items() if path in request.url),
    )
    with ann.page.expect_event("requestfinished", lambda _: came == set(wanted), timeout=60_000):
        room = Room.enter(ann, trip)
    ann.context.set_offline(True)
    room.expect_state("offline")
    tabs = ann.page.get_by_role("navigation")
    tabs.get_by_role("button", name="Map", exact=True).tap()
    expect(ann.page.locator(".leaflet-container")).to_be_visible()
    expect(ann.page.get_by_role("button", name="Zoom in")).to_be_visible()


def test_a_map_that_cannot_be_loaded_breaks_nothing_around_it(people: People) -> None:
    ann = people.person("Ann", **PHONE).become_guest()
    ann.excuse(NETWORK)
    ann.excuse("Unable to preload CSS")
    trip = Trip(ann, [["Old Town"]])
    ann.page.route(re.compile(r"/assets/MapPane-"), lambda route: route.abort())
    room = Room.enter(ann, trip)
    tabs = ann.page.get_by_role("navigation")
    tabs.get_by_role("button", name="Map", exact=True).tap()
    expect(ann.page.get_by_text("This part could not be loaded.")).to_be_visible()
    expect(ann.page.get_by_role("button", name="Reload")).to_be_visible()
    tabs.get_by_role("button", name="Plan", exact=True).tap()
    room.expect_plan(trip, [["Old Town"]])


def test_a_page_that_cannot_be_loaded_says_so_and_leads_back(people: People) -> None:
    ann = people.person("Ann").become_guest()
    ann.excuse(NETWORK)
    ann.excuse("Unable to preload CSS")
    page = ann.go("/trips")
    page.route(re.compile(r"/assets/SettingsPage-"), lambda route: route.abort())
    page.get_by_test_id("account").click()
    page.get_by_role("menuitem", name="Settings").click()
    expect(page.get_by_role("heading", level=1, name="This page could not be loaded")).to_be_visible()
    page.get_by_role("banner").get_by_role("link", name="Tongyou").click()
    expect(page.get_by_role("heading", level=1, name="My trips")).to_be_visible()
