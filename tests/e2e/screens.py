"""The trip room as a test sees it: by roles, labels and test ids, with waits built in.

Owns where things are on the screen. Never waits for a time, only for a state. Called by the end-to-end tests.
"""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.people import Person, Trip


class Room:
    """One window with a trip open."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.page: Page = person.page
        self.board = self.page.get_by_test_id("board")
        self.pill = self.page.get_by_test_id("connection")
        self.facepile = self.page.get_by_test_id("facepile")
        self.editor = self.page.get_by_test_id("stop-editor")

    @classmethod
    def enter(cls, person: Person, trip: Trip) -> Room:
        """Open the trip and wait until it is live."""
        person.go(trip.path)
        room = cls(person)
        room.expect_state("live")
        return room

    def expect_state(self, state: str, pending: int | None = None) -> None:
        """Wait for what the connection pill says."""
        expect(self.pill).to_have_attribute("data-state", state, timeout=30_000)
        if pending is not None:
            expect(self.pill).to_have_attribute("data-pending", str(pending), timeout=30_000)

    def expect_people(self, count: int) -> None:
        expect(self.facepile).to_have_attribute("data-count", str(count), timeout=20_000)

    def day(self, day: str) -> Locator:
        return self.page.get_by_test_id(f"day-{day}")

    def names_of(self, day: str) -> Locator:
        """The names of a day's stops, in order."""
        return self.day(day).locator(".stop-main")

    def expect_plan(self, trip: Trip, plan: list[list[str]]) -> None:
        """Wait until the board shows these stops on these days."""
        for day, names in zip(trip.days, plan, strict=True):
            expect(self.names_of(day)).to_have_text(names, timeout=20_000)

    def shown(self) -> list[str]:
        """Every day and stop of the board as it reads, in order."""
        parts = ".day-title .vh", ".stop-time", ".stop-main", ".stop-alt", ".stop-cost"
        texts = self.board.locator(", ".join(parts)).all_inner_texts()
        return [re.sub(r"\s+", " ", text).strip() for text in texts]

    def row(self, stop: str) -> Locator:
        return self.page.get_by_test_id(f"stop-{stop}")

    def open(self, stop: str) -> Locator:
        """Open a stop's editor, unless it is open."""
        button = self.row(stop).locator(".stop-open")
        if button.get_attribute("aria-expanded") != "true":
            button.click()
        expect(self.editor).to_be_visible()
        return self.editor

    def field(self, label: str) -> Locator:
        """A field of the open editor."""
        return self.editor.get_by_label(label, exact=True)

    def edit(self, stop: str, label: str, value: str) -> None:
        """Give a field of a stop another value."""
        self.open(stop)
        self.field(label).fill(value)
        self.field(label).press("Enter")

    def add(self, day: str, name: str) -> None:
        """Add a stop at the end of a day, as one types it."""
        section = self.day(day)
        section.get_by_role("button", name="Add a stop", exact=True).click()
        box = section.get_by_role("textbox", name="Add a stop", exact=True)
        box.fill(name)
        box.press("Enter")
        box.press("Escape")
        expect(self.names_of(day).last).to_have_text(name)


# What is cut off at either side. Lists that scroll sideways only, and on purpose, do not count, nor does the
# map, nor what is there for screen readers only.
CUT_OFF = """(width) => {
  const fits = (node) => {
    const box = node.getBoundingClientRect();
    return box.left >= -1 && box.right <= width + 1;
  };
  const isSidewaysList = (node) => ["auto", "scroll"].includes(getComputedStyle(node).overflowX)
    && node.scrollWidth > node.clientWidth && node.scrollHeight <= node.clientHeight + 1 && fits(node);
  const isExcused = (node) => node !== null
    && (node.matches(".leaflet-container, .skip") || isSidewaysList(node) || isExcused(node.parentElement));
  // A word that no line can hold, in a box that is no wider for it.
  const spills = (node) => getComputedStyle(node).overflowX === "visible"
    && node.scrollWidth > node.clientWidth + 1
    && node.getBoundingClientRect().left + node.scrollWidth > width + 1;
  return [...document.querySelectorAll("button, input, select, textarea, a, h1, h2, h3, p, li")]
    .filter((node) => node.checkVisibility() && node.clientWidth > 1)
    .filter((node) => (!fits(node) || spills(node)) && !isExcused(node))
    .map((node) => node.outerHTML.slice(0, 200));
}"""


def expect_to_fit(page: Page, width: int) -> None:
    """Nothing is wider than the screen. The given width counts, since a phone zooms out on wide content."""
    wide = page.evaluate("document.scrollingElement.scrollWidth")
    assert wide <= width, f"{page.url} is {wide} px wide on a screen of {width} px"
    cut_off = page.evaluate(CUT_OFF, width)
    assert not cut_off, "\n".join([f"{page.url}: cut off at {width} px:", *cut_off])
