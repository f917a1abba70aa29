"""What travellers read: names and costs on a phone, names in two languages, the timeline, forms, the state
of the connection; and what is one tap away."""

from __future__ import annotations

import re
import secrets
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.e2e.people import PHONE, People, Trip
from tests.e2e.screens import Room

pytestmark = pytest.mark.timeout(90)

LONG = "Cangshan Zhonghe Temple Cableway and the Jade Belt cloud path to the Seven Dragon Maiden Pools"


def add_stop(trip: Trip, day: str, **fields: Any) -> str:
    """A stop at the start of a day, with any fields."""
    stop = secrets.token_hex(8)
    op = {
        "kind": "stop.add",
        "id": stop,
        "day": day,
        "after": None,
        "fields": {"status": "planned", **fields},
    }
    body = {"op_id": secrets.token_hex(8), "base": 0, "op": op}
    trip.owner.api("POST", f"/api/trips/{trip.id}/operations", body)
    return stop


def box(place: Locator) -> dict[str, float]:
    """Where an element is, in CSS pixels: x, y, width, height."""
    found = place.bounding_box()
    assert found is not None
    return {"x": found["x"], "y": found["y"], "width": found["width"], "height": found["height"]}


def test_long_names_and_costs_on_a_phone(people: People) -> None:
    ann = people.guest("Ann", **PHONE)
    trip = people.trip(ann)
    dear = add_stop(trip, trip.days[0], name=LONG, name_alt="苍山", cost_amount=128_000, status="booked")
    cheap = add_stop(trip, trip.days[0], name="Tea", cost_amount=800, notes="At the corner")
    here = Room.enter(ann, trip)
    expect(here.row(dear).locator(".stop-cost")).to_be_visible()

    name, cost = box(here.row(dear).locator(".stop-main")), box(here.row(dear).locator(".stop-cost"))
    assert name["height"] <= 2 * 24 + 1
    assert name["width"] >= 220
    assert cost["y"] >= name["y"] + name["height"] - 1
    other = box(here.row(cheap).locator(".stop-cost"))
    assert round(cost["x"] + cost["width"]) == round(other["x"] + other["width"])


@pytest.mark.parametrize("options", [pytest.param(PHONE, id="phone"), pytest.param({}, id="desktop")])
def test_who_comes_to_look_moves_nothing(people: People, options: dict[str, Any]) -> None:
    ann, bo = people.guest("Ann", **options), people.guest("Bo", 1)
    trip = people.trip(ann)
    trip.invite(bo)
    far = add_stop(trip, trip.days[0], name=LONG, cost_amount=128_000, status="booked", start_time="09:00")
    add_stop(
        trip, trip.days[0], name="Tea", cost_amount=800, time_zone="America/New_York", start_time="08:00"
    )
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    rows = here.board.locator("[data-stop]")
    expect(rows).to_have_count(5)

    def sizes() -> list[dict[str, float]]:
        return [box(part) for row in rows.all() for part in (row, row.locator(".stop-main"))]

    before = sizes()
    for stop in (far, trip.stops["Old Town"]):
        there.open(stop)
        expect(here.row(stop).get_by_role("img", name="Bo is looking at this")).to_be_visible()
        assert sizes() == before


def test_the_history_of_a_stop_is_quiet_on_a_phone(people: People) -> None:
    ann = people.guest("Ann", **PHONE)
    trip = people.trip(ann)
    room = Room.enter(ann, trip)
    editor = room.open(trip.stops["Old Town"])
    of_name = editor.get_by_role("button", name="History: Name", exact=True)
    expect(of_name).to_have_count(0)
    expect(editor.get_by_role("button", name="History of this stop")).to_be_visible()
    room.field("Name").focus()
    expect(of_name).to_be_visible()
    of_name.tap()
    expect(ann.page.get_by_test_id("history")).to_contain_text("History of Old Town")
    ann.page.get_by_role("button", name="Back", exact=True).tap()
    expect(room.board).to_be_visible()


def test_a_new_name_is_for_readers_of_both_languages(people: People) -> None:
    ann, bo = people.guest("Ann"), people.guest("小波", 1, locale="zh-CN")
    trip = people.trip(ann)
    trip.invite(bo)
    lake = add_stop(trip, trip.days[0], name="Lake Erhai", name_alt="洱海")
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    mine, theirs = (room.row(lake).locator(".stop-main") for room in (here, there))
    expect(mine).to_have_text("Lake Erhai")
    expect(theirs).to_have_text("洱海")
    expect(there.row(lake).locator(".stop-alt")).to_have_text("Lake Erhai")

    # Each edits the name that they see.
    there.open(lake)
    expect(there.field("名称")).to_have_value("洱海")
    there.edit(lake, "名称", "双廊看日落")
    for name in (mine, theirs):
        expect(name).to_have_text("双廊看日落")
    bo.page.get_by_role("button", name="撤销", exact=True).click()
    expect(mine).to_have_text("Lake Erhai")
    expect(theirs).to_have_text("洱海")

    here.edit(lake, "Name", "Boat trip")
    for name in (mine, theirs):
        expect(name).to_have_text("Boat trip")
    ann.page.get_by_test_id("toast").get_by_role("button", name="Keep it").click()
    expect(theirs).to_have_text("洱海")
    expect(there.row(lake).locator(".stop-alt")).to_have_text("Boat trip")


def test_a_new_sample_trip_has_one_line_of_history(people: People) -> None:
    ann = people.person("Ann")
    page = ann.go("/")
    page.get_by_label("Your name").fill("Ann")
    page.get_by_role("button", name="Try a live trip").click()
    room = Room(ann)
    room.expect_state("live")
    # The first page ends within the fold; the next one waits until the test has seen that.
    later: list[Route] = []
    page.route("**/history?*before=*", lambda route: later.append(route))
    page.get_by_role("button", name="History", exact=True).click()
    history = page.get_by_test_id("history")
    fold = history.get_by_test_id("fold")
    expect(fold).to_have_count(1)
    expect(history.locator("section > ol > li")).to_have_count(1)
    said = fold.locator(".entry-head > span")
    expect(said).to_have_text("Ann made this trip from the sample, 40+ changes")
    expect(fold.get_by_role("button", name="Show all 40+")).to_be_visible()
    for route in later:
        route.continue_()
    page.unroute("**/history?*before=*")
    expect(said).to_have_text(re.compile(r"^Ann made this trip from the sample, \d+ changes$"))
    count = int(re.findall(r"\d+", said.inner_text())[0])
    fold.get_by_role("button", name="Show all").click()
    # That the trip was created is one line more.
    expect(fold.locator(".fold-entries > li")).to_have_count(count + 1)


def test_forms_speak_the_language_of_the_page(people: People) -> None:
    ann = people.person("Ann", **PHONE)
    page = ann.go("/register")
    page.evaluate("localStorage.setItem('tongyou.language', 'zh')")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    send = page.locator("button[type=submit]")
    page.get_by_label("用户名", exact=True).fill("ann")
    password = page.get_by_label("密码", exact=True)
    password.fill("short")
    send.tap()
    name = page.get_by_label("你的名字", exact=True)
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description("请填写这一项。")
    expect(password).to_have_accessible_description("至少 10 个字符。")
    expect(password).to_have_attribute("aria-invalid", "true")
    name.fill("Ann")
    password.fill("long enough now")
    expect(page.get_by_role("alert")).to_have_count(0)
    send.tap()
    expect(page).to_have_url(re.compile("/trips$"))


def test_declining_can_be_taken_back(people: People) -> None:
    ann, cy = people.guest("Ann"), people.guest("Cy", 1)
    trip = people.trip(ann)
    trip.invite(cy, "viewer")
    here, there = Room.enter(ann, trip), Room.enter(cy, trip)
    there.page.get_by_test_id("mode").click()
    there.page.get_by_role("menuitem", name="Suggesting").click()
    stop = trip.stops["Old Town"]
    there.edit(stop, "Start", "09:45")
    there.page.get_by_role("button", name="1 change suggested").click()
    there.page.get_by_role("dialog", name="Your suggestions").get_by_role("button", name="Send").click()
    mark = here.row(stop).get_by_test_id("sug-changed")
    expect(mark).to_be_visible()

    ann.page.get_by_test_id("suggestion-bar").get_by_role("button", name="Review").click()
    decline = ann.page.get_by_test_id("drawer").get_by_role("button", name="Decline", exact=True)
    decline.click()
    expect(mark).to_have_count(0)
    toast = ann.page.get_by_test_id("toast").filter(has_text="1 change declined.")
    toast.get_by_role("button", name="Undo").click()
    expect(mark).to_be_visible()
    assert (
        ann.api("GET", f"/api/trips/{trip.id}/proposals")["proposals"][0]["pieces"][0].get("status", "open")
        == "open"
    )

    # Leaving the page is no way to take it back.
    decline.click()
    expect(mark).to_have_count(0)
    ann.page.get_by_role("link", name="All trips").click()
    expect(there.row(stop).get_by_test_id("sug-changed")).to_have_count(0)


# What a server says that is about to restart, as if it came over the last socket that the window opened.
KEEP = """window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); window.sockets.push(this); }
};"""
RESTART = """(ms) => window.sockets.at(-1).onmessage({ data: JSON.stringify(
  { t: 'closing', code: 1012, reason: 'restart', resume: true, retry_after_ms: ms }) })"""
# Every word that the connection pill ever says, from now on.
LISTEN = """() => {
  const pill = document.querySelector('[data-testid=connection]');
  window.said = [];
  const note = () => window.said.push(`${pill.dataset.state}: ${pill.innerText.trim()}`);
  const all = { subtree: true, childList: true, characterData: true, attributes: true };
  new MutationObserver(note).observe(pill, all);
}"""


def test_a_short_planned_restart_is_not_worth_a_word(people: People) -> None:
    ann = people.guest("Ann")
    trip = people.trip(ann)
    clock = ann.page.clock
    clock.install()
    ann.page.add_init_script(KEEP)
    room = Room.enter(ann, trip)
    # The window's time stands still, so that a slow machine is not a long restart.
    clock.pause_at(ann.page.evaluate("Date.now()") / 1_000 + 5)
    ann.page.evaluate(LISTEN)
    ann.page.evaluate(RESTART, 500)
    expect(room.pill).to_have_attribute("data-state", "reconnecting")
    room.edit(trip.stops["Old Town"], "Name", "Dayan")
    expect(room.pill).to_have_text("Saving 1 change")
    clock.run_for(600)
    room.expect_state("live", pending=0)
    assert ann.page.evaluate("window.sockets.length") == 2
    said = ann.page.evaluate("window.said")
    assert any(each.startswith("reconnecting: Saving 1 change") for each in said)
    assert not [each for each in said if "Reconnecting" in each]
    assert trip.truth()[0][0] == "Dayan"

    # A long one is told.
    ann.page.evaluate(RESTART, 60_000)
    expect(room.pill).to_have_attribute("data-state", "reconnecting")
    expect(room.pill).to_have_text("Live")
    clock.run_for(2_000)
    expect(room.pill).to_have_text("Reconnecting")


def test_the_assistant_is_one_tap_away_on_a_phone(people: People) -> None:
    ann = people.guest("Ann", **PHONE)
    trip = people.trip(ann)
    page = Room.enter(ann, trip).page
    tabs = page.get_by_role("navigation", name="Sections")
    for tab, way in (("Plan", "Ask the assistant"), ("Map", "Ask the assistant"), ("Talk", "Assistant")):
        tabs.get_by_role("button", name=tab, exact=True).tap()
        page.get_by_role("main").get_by_role("button", name=way, exact=True).first.tap()
        expect(page.get_by_role("heading", level=2, name="Assistant")).to_be_visible()
        expect(tabs.get_by_role("button", name=tab, exact=True)).to_have_attribute("aria-current", "page")
        page.get_by_role("button", name="Back", exact=True).tap()
        expect(page.get_by_role("heading", level=2, name="Assistant")).to_have_count(0)
        expect(tabs.get_by_role("button", name=tab, exact=True)).to_have_attribute("aria-current", "page")


def test_who_closes_a_stop_lets_go_of_its_fields(people: People) -> None:
    ann, bo = people.guest("Ann", **PHONE), people.guest("Bo", 1)
    trip = people.trip(ann)
    trip.invite(bo)
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    stop = trip.stops["Old Town"]
    held = there.page.locator(f"[data-stop='{stop}'].stop-held")
    for leave in ("Name", "Kind"):
        here.open(stop)
        here.field(leave).focus()
        expect(held).to_have_count(1)
        ann.page.keyboard.press("Escape")
        expect(here.editor).to_have_count(0)
        expect(held).to_have_count(0)


def test_what_gets_the_focus_is_not_under_the_head_of_its_day(people: People) -> None:
    ann = people.guest("Ann")
    trip = people.trip(ann, [["Start"], [f"Stop {n}" for n in range(25)]])
    room = Room.enter(ann, trip)
    head = room.day(trip.days[1]).locator(".day-head")
    last = room.row(trip.stops["Stop 24"]).locator(".stop-open")
    last.focus()
    for n in range(23, -1, -1):
        room.page.keyboard.press("k")
        row = room.row(trip.stops[f"Stop {n}"])
        expect(row.locator(".stop-open")).to_be_focused()
        assert box(row)["y"] >= box(head)["y"] + box(head)["height"] - 1, f"Stop {n} is hidden"
    # A day that is chosen comes with its head.
    room.page.get_by_role("button", name="Go to day 2").click()
    room.page.wait_for_function(
        "([head, board]) => Math.abs(head.getBoundingClientRect().y - board.getBoundingClientRect().y) < 12",
        arg=[head.element_handle(), room.board.element_handle()],
    )


def test_a_stop_that_is_opened_at_the_lower_edge_is_seen(people: People) -> None:
    ann = people.guest("Ann")
    trip = people.trip(ann, [[f"Stop {n}" for n in range(1, 13)], ["Last"]])
    here = Room.enter(ann, trip)
    low = next(stop for stop in trip.stops.values() if box(here.row(stop))["y"] > 650)
    here.open(low)
    expect(here.field("Currency")).to_be_in_viewport(ratio=1)
    expect(here.row(low).locator(".stop-main")).to_be_in_viewport(ratio=1)


def test_who_only_reads_is_not_told_to_write(people: People) -> None:
    ann, cy = people.guest("Ann"), people.guest("Cy", 1, **PHONE)
    trip = people.trip(ann, [["Old Town"], []])
    trip.invite(cy, "viewer")
    room = Room.enter(cy, trip)
    second = room.day(trip.days[1])
    expect(second).to_contain_text("Day 2")
    expect(second).to_contain_text("Nothing planned yet.")
    expect(room.page.get_by_test_id("ideas")).to_have_count(0)
    expect(Room.enter(ann, trip).page.get_by_test_id("ideas")).to_be_visible()
