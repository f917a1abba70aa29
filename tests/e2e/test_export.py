"""A trip is taken along as a file: from the menu to the download, on a desktop and on a phone, in both
languages, and what happens when it does not succeed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.people import DESKTOP, NETWORK, PHONE, People
from tests.e2e.screens import Room, expect_to_fit

pytestmark = pytest.mark.timeout(90)
SHOTS = os.environ.get("EXPORT_SHOTS", "")
"""A folder for pictures, for whoever wants to look."""
ENGLISH = {
    "menu": "Trip menu",
    "more": "More",
    "export": "Export",
    "page": "Page to print",
    "retry": "Try again",
}
CHINESE = {"menu": "行程菜单", "more": "更多", "export": "导出", "page": "可打印的页面", "retry": "重试"}


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def open_dialog(room: Room, words: dict[str, str], phone: bool) -> Locator:
    page = room.page
    if phone:
        page.get_by_role("navigation").get_by_role("button", name=words["more"], exact=True).tap()
        page.get_by_role("main").get_by_role("button", name=words["export"], exact=True).tap()
    else:
        page.get_by_test_id("trip-menu").click()
        page.get_by_role("menuitem", name=words["export"], exact=True).click()
    dialog = page.get_by_role("dialog", name=words["export"], exact=True)
    expect(dialog).to_be_visible()
    return dialog


@pytest.mark.parametrize("color", ["light", "dark"])
@pytest.mark.parametrize(
    ("words", "locale", "screen"),
    [
        pytest.param(ENGLISH, "en-US", DESKTOP, id="english-desktop"),
        pytest.param(CHINESE, "zh-CN", PHONE, id="chinese-phone"),
    ],
)
def test_a_trip_becomes_files(
    people: People, words: dict[str, str], locale: str, screen: dict[str, Any], color: str, tmp_path: Path
) -> None:
    ann = people.guest("Ann", locale=locale, color_scheme=color, **screen)
    trip = people.trip(ann)
    room = Room.enter(ann, trip)
    dialog = open_dialog(room, words, screen is PHONE)
    shoot(ann.page, f"{locale}-{color}-1")
    contents: dict[str, bytes] = {}
    for format, ending in (("page", "html"), ("calendar", "ics"), ("data", "json")):
        row = dialog.get_by_test_id(f"export-{format}")
        with ann.page.expect_download() as downloaded:
            row.get_by_role("button").click()
        assert downloaded.value.suggested_filename == f"Lijiang.{ending}"
        downloaded.value.save_as(tmp_path / format)
        contents[format] = (tmp_path / format).read_bytes()
        expect(row).to_have_attribute("data-state", "done")
        expect(row.get_by_role("link")).to_contain_text(f"Lijiang.{ending}")
    shoot(ann.page, f"{locale}-{color}-2")
    expect_to_fit(ann.page, screen["viewport"]["width"])
    assert b"Tiger Leaping Gorge" in contents["page"] and b"BEGIN:VCALENDAR" in contents["calendar"]
    assert {stop["name"] for stop in json.loads(contents["data"])["stops"]} == set(trip.stops)
    assert (b'lang="zh-CN"' if locale == "zh-CN" else b'lang="en"') in contents["page"]
    with ann.page.expect_download() as again:
        dialog.get_by_test_id("export-page").get_by_role("link").click()
    assert again.value.suggested_filename == "Lijiang.html"


def test_what_does_not_succeed_says_why_and_can_be_tried_again(people: People) -> None:
    ann = people.guest("Ann")
    room = Room.enter(ann, people.trip(ann))
    ann.excuse("429|409")
    dialog = open_dialog(room, ENGLISH, phone=False)
    row = dialog.get_by_test_id("export-page")

    def refuse(route: Route) -> None:
        error = {"code": "exports_busy", "message": "wait", "retryable": True, "details": {}}
        route.fulfill(status=429, content_type="application/json", body=json.dumps({"error": error}))

    ann.page.route("**/api/trips/*/exports", refuse)
    row.get_by_role("button", name="Page to print").click()
    expect(row.get_by_role("alert")).to_contain_text("Three exports are being made for you")
    shoot(ann.page, "failed")
    ann.page.unroute("**/api/trips/*/exports")
    with ann.page.expect_download():
        row.get_by_role("button", name="Try again").click()
    expect(row.get_by_role("alert")).to_have_count(0)


def test_an_export_goes_on_while_the_dialog_is_closed(people: People) -> None:
    ann = people.guest("Ann")
    room = Room.enter(ann, people.trip(ann))
    dialog = open_dialog(room, ENGLISH, phone=False)
    with ann.page.expect_download():
        dialog.get_by_test_id("export-calendar").get_by_role("button").click()
        ann.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    expect(open_dialog(room, ENGLISH, phone=False).get_by_test_id("export-calendar")).to_have_attribute(
        "data-state", "done"
    )


def test_readers_without_an_account_are_not_offered_one(people: People) -> None:
    ann = people.guest("Ann")
    trip = people.trip(ann)
    ann.api("PATCH", f"/api/trips/{trip.id}", {"visibility": "public"})
    nobody = people.person("Nobody")
    room = Room.enter(nobody, trip)
    room.page.get_by_test_id("trip-menu").click()
    expect(room.page.get_by_role("menuitem", name="Trip details")).to_be_visible()
    expect(room.page.get_by_role("menuitem", name="Export")).to_have_count(0)


def test_without_a_connection_it_says_so_before_anybody_tries(people: People) -> None:
    ann, _, trip = people.pair()
    ann.excuse(NETWORK)
    room = Room.enter(ann, trip)
    dialog = open_dialog(room, ENGLISH, phone=False)
    start = dialog.get_by_role("button", name="Page to print: Export")
    expect(start).to_be_enabled()
    ann.context.set_offline(True)
    expect(dialog.get_by_text("Exports need a connection.")).to_be_visible()
    expect(start).to_be_disabled()
    ann.context.set_offline(False)
    expect(start).to_be_enabled()
