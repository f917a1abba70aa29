"""Two people in one trip, at different server processes: what one does, the other sees."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.sync_api import expect

from tests.e2e.people import Line, People
from tests.e2e.screens import Room

pytestmark = pytest.mark.timeout(90)


def test_a_visitor_tries_a_live_trip_and_a_friend_joins_by_its_link(people: People) -> None:
    """First page, a name, a real trip; its link, opened at the other process, leads into the same one."""
    ann, bo = people.person("Ann"), people.person("Bo", 1)
    page = ann.go("/")
    page.get_by_label("Your name").fill("Ann")
    page.get_by_role("button", name="Try a live trip").click()
    expect(page).to_have_url(re.compile(r"/t/[^/]+$"))
    here = Room(ann)
    here.expect_state("live")
    link = page.get_by_test_id("demo-link").get_by_label("Invitation link").input_value()
    assert link.startswith(f"{ann.origin}/invite/")

    page = bo.go(link.removeprefix(ann.origin))
    page.get_by_label("Your name").fill("Bo")
    page.get_by_role("button", name="Join as a guest").click()
    expect(page).to_have_url(re.compile(r"/t/[^/]+$"))
    there = Room(bo)
    there.expect_state("live")

    here.expect_people(2)
    there.expect_people(2)
    expect(there.board.locator("[data-stop]").first).to_be_visible()
    shown = here.shown()
    assert len(shown) > 20 and shown == there.shown()


def test_who_has_no_trip_yet_may_open_a_sample(people: People) -> None:
    ann = people.guest("Ann")
    page = ann.go("/trips")
    page.get_by_role("button", name="Look around in a sample trip").click()
    expect(page).to_have_url(re.compile(r"/t/[^/]+$"))
    Room(ann).expect_state("live")
    expect(page.get_by_test_id("demo-link")).to_be_visible()


def test_edits_show_at_once_and_different_fields_of_one_stop_both_survive(people: People) -> None:
    ann, bo, trip = people.pair()
    line = Line(bo.page)
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    stop = trip.stops["Old Town"]

    here.edit(stop, "Name", "Dayan Old Town")
    there.expect_plan(trip, [["Dayan Old Town", "Black Dragon Pool"], ["Tiger Leaping Gorge"]])

    # Both have a field of the same stop in hand, and each sees so.
    here.open(stop)
    there.open(stop)
    here.field("Name").fill("Lijiang Old Town")
    there.field("Start").fill("09:30")
    expect(here.editor.get_by_test_id("held-stop-start_time")).to_contain_text("Bo")
    expect(there.editor.get_by_test_id("held-stop-name")).to_contain_text("Ann")

    # Bo saves without having heard of what Ann saved.
    line.hold()
    here.field("Name").press("Enter")
    here.expect_state("live", pending=0)
    there.field("Start").press("Enter")
    expect(here.field("Start")).to_have_value("09:30")
    expect(there.field("Name")).to_have_value("Dayan Old Town")
    line.release()
    for room in (here, there):
        room.expect_state("live", pending=0)
        expect(room.field("Name")).to_have_value("Lijiang Old Town")
        expect(room.field("Start")).to_have_value("09:30")
    record = trip.stop_record("Old Town")
    assert (record["name"], record["start_time"]) == ("Lijiang Old Town", "09:30")


def test_a_stop_is_dragged_to_another_day_by_pointer(people: People) -> None:
    ann, bo, trip = people.pair()
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    source, target = here.row(trip.stops["Old Town"]), here.row(trip.stops["Tiger Leaping Gorge"])
    target.scroll_into_view_if_needed()
    start, end = source.bounding_box(), target.bounding_box()
    assert start and end
    mouse = here.page.mouse
    mouse.move(start["x"] + 60, start["y"] + start["height"] / 2)
    mouse.down()
    mouse.move(start["x"] + 70, start["y"] + start["height"] / 2 + 20, steps=4)
    mouse.move(end["x"] + 60, end["y"] + end["height"] - 2, steps=12)
    expect(target).to_have_class(re.compile(r"\bdrop-after\b"))
    mouse.up()
    plan = [["Black Dragon Pool"], ["Tiger Leaping Gorge", "Old Town"]]
    here.expect_plan(trip, plan)
    there.expect_plan(trip, plan)
    here.expect_state("live", pending=0)
    assert trip.truth() == plan


def test_a_stop_is_moved_to_another_day_by_keyboard(people: People) -> None:
    ann, bo, trip = people.pair()
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    grip = here.page.get_by_role("button", name="Move Tiger Leaping Gorge")
    # What a screen reader says says where the stop would land.
    said = here.page.locator("[aria-live=assertive]")
    keys = here.page.keyboard
    grip.focus()
    keys.press("Space")
    expect(said).to_contain_text("Tiger Leaping Gorge is first, Day 2")
    keys.press("ArrowUp")
    expect(said).to_contain_text("Tiger Leaping Gorge is after Black Dragon Pool, Day 1")
    keys.press("ArrowUp")
    expect(said).to_contain_text("Tiger Leaping Gorge is after Old Town, Day 1")
    keys.press("Space")
    plan = [["Old Town", "Tiger Leaping Gorge", "Black Dragon Pool"], []]
    here.expect_plan(trip, plan)
    there.expect_plan(trip, plan)


def test_from_the_first_page_to_an_account_which_is_made_once(people: People) -> None:
    ann = people.person("Ann")
    page = ann.go("/")
    page.get_by_role("link", name="Create an account").click()
    # The first page has a field of that name, too.
    expect(page.get_by_role("heading", level=1, name="Create an account")).to_be_visible()
    page.get_by_label("Your name").fill("Ann")
    page.get_by_label("Username").fill(f"ann-{secrets.token_hex(4)}")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Create account").click()
    trips = page.get_by_role("heading", level=1, name="My trips")
    expect(trips).to_be_visible()
    # Who has one finds no form that would refuse them.
    ann.go("/register")
    expect(trips).to_be_visible()
