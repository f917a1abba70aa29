"""Suggestions: shown where they would change the plan, applied only by an editor's yes, piece by piece.

Rules R10.1 to R10.4, as people at different server processes see them.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.assistant_screens import Assistant
from tests.e2e.people import People
from tests.e2e.screens import Room
from tests.services.aimock import Aimock, calls

pytestmark = pytest.mark.timeout(90)


class Suggestions:
    """What is suggested, in one window: on the board and in the panel beside it."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.page: Page = room.page
        self.bar = self.page.get_by_test_id("suggestion-bar")
        self.panel = self.page.get_by_test_id("drawer")
        self.cards = self.panel.locator(".proposal")

    def review(self) -> None:
        """Open the panel from the board."""
        self.bar.get_by_role("button", name="Review").click()
        expect(self.cards.first).to_be_visible()

    def piece(self, n: int) -> Locator:
        return self.cards.first.get_by_test_id(f"piece-{n}")

    def expect_pieces(self, *statuses: str) -> None:
        for n, status in enumerate(statuses):
            expect(self.piece(n)).to_have_attribute("data-status", status)

    def expect_history(self, lines: list[str]) -> None:
        """The newest lines of the timeline."""
        self.page.get_by_role("button", name="History", exact=True).click()
        heads = self.page.get_by_test_id("history").locator(".entry-head > span")
        for n, line in enumerate(lines):
            expect(heads.nth(n)).to_have_text(line)


def test_what_changed_meanwhile_is_left_out_and_the_rest_applies(people: People, model: Aimock) -> None:
    ann, bo, trip = people.pair()
    old, pool, gorge = trip.stops.values()
    model.declare(
        *calls(
            "#plan",
            ("stop_set_fields", {"id": old, "fields": {"start_time": "10:00"}}),
            ("stop_set_fields", {"id": pool, "fields": {"name": "Jade Spring Park"}}),
            ("stop_move", {"ids": [gorge], "day": trip.days[0], "after": pool}),
            ("stop_add", {"id": "shuhe", "day": trip.days[1], "after": None, "fields": {"name": "Shuhe"}}),
            then="A calmer plan, for you to decide.",
        )
    )
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    mine, theirs = Suggestions(here), Suggestions(there)
    assistant = Assistant.open(here)
    assistant.ask("#plan Make it calmer")
    assistant.answer().expect_done("A calmer plan, for you to decide.")

    # On the board of both, and nothing is applied.
    plan = [["Old Town", "Black Dragon Pool"], ["Tiger Leaping Gorge"]]
    for room in (here, there):
        expect(room.row(old).get_by_test_id("sug-changed").locator("ins")).to_have_text("10:00")
        changed = room.row(pool).get_by_test_id("sug-changed")
        expect(changed.locator("del")).to_have_text("Black Dragon Pool")
        expect(changed.locator("ins")).to_have_text("Jade Spring Park")
        expect(room.row(gorge).get_by_test_id("sug-moved")).to_contain_text("Would move")
        expect(room.day(trip.days[1]).get_by_test_id("ghost-shuhe")).to_contain_text("Shuhe")
        room.expect_plan(trip, plan)
    assert trip.truth() == plan

    # The card says the same: in the answer, and in the panel of who did not ask.
    expect(assistant.answer().box.locator(".piece")).to_have_count(4)
    expect(theirs.bar).to_contain_text("1 suggestion waits")
    theirs.review()
    expect(theirs.cards).to_have_accessible_name("Suggested by the assistant")
    expect(theirs.cards).to_contain_text("asked by Ann")
    expect(theirs.piece(1).locator("ins")).to_have_text("Jade Spring Park")
    expect(theirs.piece(3)).to_contain_text("Add Shuhe to Day 2")
    theirs.expect_pieces("open", "open", "open", "open")

    # Ann changes what the first piece would change: it alone is out of date.
    here.edit(old, "Start", "08:30")
    theirs.expect_pieces("stale", "open", "open", "open")
    expect(theirs.piece(0)).to_contain_text("Out of date. Someone changed this meanwhile.")
    expect(assistant.answer().box.get_by_test_id("piece-0")).to_have_attribute("data-status", "stale")
    theirs.cards.get_by_role("button", name=re.compile("^Decline: Move")).click()
    theirs.expect_pieces("stale", "open", "declined", "open")
    theirs.cards.get_by_role("button", name="Accept all").click()
    expect(there.page.get_by_text("2 changes accepted. 1 was out of date.")).to_be_visible()

    plan = [["Old Town", "Jade Spring Park"], ["Shuhe", "Tiger Leaping Gorge"]]
    for room in (here, there):
        room.expect_plan(trip, plan)
        expect(room.board.locator(".sug, .ghost")).to_have_count(0)
        room.expect_state("live", pending=0)
    expect(here.field("Start")).to_have_value("08:30")
    expect(assistant.answer().box).to_contain_text("2 of 4 accepted")
    assert trip.truth() == plan
    assert trip.stop_record("Old Town")["start_time"] == "08:30"
    mine.expect_history(["Bo accepted proposed changes", "Bo added Shuhesuggested by Assistant"])


def test_a_viewer_suggests_and_the_owner_accepts(people: People) -> None:
    ann = people.guest("Ann")
    cy = people.guest("Cy", 1)
    trip = people.trip(ann)
    trip.invite(cy, "viewer")
    here, there = Room.enter(ann, trip), Room.enter(cy, trip)
    mine = Suggestions(here)
    stop = trip.stops["Old Town"]

    there.page.get_by_test_id("mode").click()
    there.page.get_by_role("menuitem", name="Suggesting").click()
    expect(there.page.get_by_test_id("mode")).to_have_attribute("data-mode", "suggesting")
    there.edit(stop, "Name", "Dayan Old Town")
    there.page.get_by_role("button", name="1 change suggested").click()
    dialog = there.page.get_by_role("dialog", name="Your suggestions")
    expect(dialog.locator("ins")).to_have_text("Dayan Old Town")
    dialog.get_by_label("Note for the editors").fill("Its real name")
    # So far it is a draft of this window.
    assert trip.truth(cy) == [["Old Town", "Black Dragon Pool"], ["Tiger Leaping Gorge"]]
    expect(mine.bar).to_have_count(0)
    dialog.get_by_role("button", name="Send").click()

    expect(here.row(stop).get_by_test_id("sug-changed").locator("ins")).to_have_text("Dayan Old Town")
    mine.review()
    expect(mine.cards).to_have_accessible_name("Suggested by Cy")
    expect(mine.cards).to_contain_text("Its real name")
    mine.cards.get_by_role("button", name="Accept", exact=True).click()
    plan = [["Dayan Old Town", "Black Dragon Pool"], ["Tiger Leaping Gorge"]]
    for room in (here, there):
        room.expect_plan(trip, plan)
    here.expect_state("live", pending=0)
    assert trip.truth() == plan
    mine.expect_history(["Ann accepted proposed changes", "Ann changed Dayan Old Townsuggested by Cy"])

    # Nothing need be said with it.
    there.edit(stop, "Start", "09:45")
    there.page.get_by_role("button", name="1 change suggested").click()
    dialog.get_by_role("button", name="Send").click()
    expect(here.row(stop).get_by_test_id("sug-changed").locator("ins")).to_have_text("09:45")
