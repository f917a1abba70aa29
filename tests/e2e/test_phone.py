"""The screens on a phone, in Chinese and in English, light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.people import PHONE, People, Trip
from tests.e2e.screens import Room, expect_to_fit

pytestmark = pytest.mark.timeout(90)

WIDTH = PHONE["viewport"]["width"]
CHINESE = {
    "plan": "日程",
    "map": "地图",
    "talk": "讨论",
    "more": "更多",
    "people": "同伴",
    "history": "历史",
    "back": "返回",
    "try": "打开一个实时行程",
    "trips": "我的行程",
    "close": "关闭",
    "name": "名称",
}
ENGLISH = {
    "plan": "Plan",
    "map": "Map",
    "talk": "Talk",
    "more": "More",
    "people": "People",
    "history": "History",
    "back": "Back",
    "try": "Try a live trip",
    "trips": "My trips",
    "close": "Close",
    "name": "Name",
}


@pytest.mark.parametrize(
    ("words", "lang", "options"),
    [
        pytest.param(CHINESE, "zh-CN", {"locale": "zh-CN", "color_scheme": "dark"}, id="chinese-dark"),
        pytest.param(ENGLISH, "en", {"locale": "en-US", "color_scheme": "light"}, id="english-light"),
    ],
)
def test_everything_fits_a_phone(
    people: People, words: dict[str, str], lang: str, options: dict[str, Any]
) -> None:
    ann = people.person("小安 Ann", **PHONE, **options)
    page = ann.go("/")
    expect(page.locator("html")).to_have_attribute("lang", lang)
    expect(page.locator("html")).to_have_attribute("data-theme", options["color_scheme"])
    expect(page.get_by_role("button", name=words["try"])).to_be_visible()
    expect_to_fit(page, WIDTH)

    ann.become_guest()
    long_name = "A stop with quite a long name that has to wrap on a narrow screen 一个名字很长的地点"
    trip = Trip(ann, [["Old Town", long_name], ["Gorge"]])
    ann.go("/trips")
    expect(page.get_by_role("heading", level=1, name=words["trips"])).to_be_visible()
    expect(page.get_by_test_id(f"trip-{trip.id}")).to_be_visible()
    expect_to_fit(page, WIDTH)

    room = Room.enter(ann, trip)
    room.expect_plan(trip, [["Old Town", long_name], ["Gorge"]])
    tabs = page.get_by_role("navigation")
    for tab in ("map", "talk", "more", "plan"):
        button = tabs.get_by_role("button", name=words[tab], exact=True)
        button.tap()
        expect(button).to_have_attribute("aria-current", "page")
        expect_to_fit(page, WIDTH)
    tabs.get_by_role("button", name=words["more"], exact=True).tap()
    for panel in ("people", "history"):
        page.get_by_role("main").get_by_role("button", name=words[panel], exact=True).tap()
        expect(page.get_by_role("heading", level=2, name=words[panel])).to_be_visible()
        expect_to_fit(page, WIDTH)
        if panel == "history":
            # What was made had nothing before.
            expect(page.locator(".change ins").first).to_be_visible()
            expect(page.locator(".change del")).to_have_count(0)
        page.get_by_role("button", name=words["back"], exact=True).tap()
    tabs.get_by_role("button", name=words["plan"], exact=True).tap()

    room.row(trip.stops["Old Town"]).locator(".stop-open").tap()
    sheet = page.get_by_role("dialog", name="Old Town")
    expect(sheet).to_be_visible()
    expect_to_fit(page, WIDTH)
    field = sheet.get_by_label(words["name"], exact=True)
    field.fill("Dayan")
    field.press("Enter")
    page.get_by_role("dialog", name="Dayan").get_by_role("button", name=words["close"], exact=True).tap()
    expect(page.get_by_role("dialog")).to_have_count(0)
    room.expect_plan(trip, [["Dayan", long_name], ["Gorge"]])
    room.expect_state("live", pending=0)
    assert trip.truth() == [["Dayan", long_name], ["Gorge"]]


def test_each_entry_of_the_trip_menu_has_its_icon(people: People) -> None:
    ann = people.guest("Ann", 0, **PHONE)
    room = Room.enter(ann, people.trip(ann))
    room.page.get_by_test_id("trip-menu").tap()
    entries = room.page.get_by_role("menuitem")
    expect(entries.filter(has_text="Appearance")).to_be_visible()
    bare = entries.filter(has_not=room.page.locator(".menu-icon svg"))
    assert bare.all_text_contents() == []
