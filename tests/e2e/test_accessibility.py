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


CONTRAST = """(kinds) => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  // What a name looks like on this ground: colours as the browser mixes them, faded as the element is.
  const seen = (ground, colour, opacity) => {
    paint.globalAlpha = 1; paint.fillStyle = ground; paint.fillRect(0, 0, 1, 1);
    paint.globalAlpha = opacity; paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data].map((part) => {
      const of = part / 255;
      return of <= 0.04045 ? of / 12.92 : ((of + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const tokens = getComputedStyle(document.documentElement);
  return kinds.flatMap((kind) => {
    const name = document.querySelector(".map-names").appendChild(document.createElement("span"));
    name.className = `map-name map-name-${kind}`;
    const { color, opacity } = getComputedStyle(name);
    name.remove();
    return ["--sea", "--land"].map((token) => {
      const ground = tokens.getPropertyValue(token);
      const both = [seen(ground, color, Number(opacity)), seen(ground, ground, 1)];
      const [low, high] = both.sort((a, b) => a - b);
      return { kind, on: token, contrast: (high + 0.05) / (low + 0.05) };
    });
  });
}"""


@both_schemes
def test_names_on_the_map_are_read_on_land_and_on_water(people: People, scheme: Scheme) -> None:
    """axe cannot tell what lies beneath them."""
    ann = people.guest("Ann", 0, color_scheme=scheme)
    trip = Trip(ann, [["Old Town"]])
    ann.go(f"/t/{trip.id}")
    expect(ann.page.locator(".map-names")).to_be_attached()
    kinds = ["country", "province", "town", "peak", "water", "river"]
    found = ann.page.evaluate(CONTRAST, kinds)
    assert len(found) == 12 and [each for each in found if each["contrast"] < 4.5] == []
