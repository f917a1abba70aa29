"""A photo is added in one browser and seen in another, at another process; and all that may happen to it."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Request, expect

from tests.e2e.people import DESKTOP, PHONE, Line, People, Person, Trip
from tests.e2e.screens import Room, expect_to_fit
from tests.e2e.test_accessibility import expect_no_violations
from tests.photos import a_landscape, a_photo, much_detail

pytestmark = pytest.mark.timeout(120)
SHOTS = os.environ.get("PHOTO_SHOTS", "")
"""A folder for pictures, for whoever wants to look."""


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def payload(body: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": body}


def slot(page: Page, place: str = "cover") -> Locator:
    return page.get_by_test_id(f"photo-{place}")


def choose(page: Page, body: bytes, place: str = "cover", **more: str) -> None:
    slot(page, place).locator("input[type=file]").set_input_files(payload(body, **more))


def expect_shown(page: Page, place: str = "cover") -> None:
    expect(slot(page, place)).to_have_attribute("data-state", "shown")
    expect_loaded(slot(page, place).locator(".picture"))


def expect_loaded(picture: Locator) -> None:
    """The pixels are there, not only their place."""
    expect(picture).to_have_attribute("data-state", "ready")
    assert picture.locator("img").evaluate("image => image.naturalWidth") > 1


def drop(page: Page, target: Locator, body: bytes) -> None:
    """A file from outside of the browser, let go over this."""
    script = """([element, text]) => {
        const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "drop.jpg", { type: "image/jpeg" }));
        for (const type of ["dragenter", "dragover", "drop"]) {
            const how = { bubbles: true, cancelable: true, dataTransfer: data };
            element.dispatchEvent(new DragEvent(type, how));
        }
    }"""
    page.evaluate(script, [target.element_handle(), base64.b64encode(body).decode()])


def row(page: Page, trip: Trip, name: str) -> Locator:
    return page.get_by_test_id(f"stop-{trip.stops[name]}")


def test_a_cover_is_seen_at_once_in_another_browser_and_undone(people: People) -> None:
    ann, bo, trip = people.pair()
    for each in (ann, bo):
        Room.enter(each, trip)
    expect(slot(bo.page)).to_have_attribute("data-state", "empty")
    choose(ann.page, a_landscape())
    for each in (ann, bo):
        expect_shown(each.page)
    toast = ann.page.get_by_test_id("toast").filter(has_text="Cover photo added.")
    toast.get_by_role("button", name="Undo").click()
    for each in (ann, bo):
        expect(slot(each.page)).to_have_attribute("data-state", "empty")
    ann.page.get_by_test_id("board").press("Control+Shift+Z")
    expect_shown(bo.page)
    # It stands on the card of the trip, too, and in the history.
    bo.go("/trips")
    expect_loaded(bo.page.get_by_test_id(f"trip-{trip.id}").locator(".picture"))
    ann.page.reload()
    expect_shown(ann.page)
    choose(ann.page, a_landscape(900, 600, 20))
    slot(ann.page).get_by_role("button", name="Change the cover photo").click()
    ann.page.get_by_role("menuitem", name="Remove the cover photo").click()
    ann.page.get_by_role("button", name="History", exact=True).click()
    history = ann.page.get_by_test_id("history")
    for said in ("Ann changed the cover photo", "Ann removed the cover photo", "undid a change"):
        expect(history).to_contain_text(said)
    expect_loaded(history.locator(".entry-photo").first)
    shoot(ann.page, "history")


def test_a_photo_of_a_stop_is_dropped_replaced_and_removed(people: People) -> None:
    ann, bo, trip = people.pair()
    for each in (ann, bo):
        Room.enter(each, trip)
    drop(bo.page, row(bo.page, trip, "Old Town"), a_photo(600, 400))
    thumb = row(ann.page, trip, "Old Town").locator(".stop-thumb")
    expect_loaded(thumb)
    first = thumb.locator("img").get_attribute("src")
    place = f"stop-{trip.stops['Old Town']}"
    row(ann.page, trip, "Old Town").locator(".stop-open").click()
    expect_shown(ann.page, place)
    choose(ann.page, a_photo(640, 400, "#a04030"), place)
    expect(row(bo.page, trip, "Old Town").locator(".stop-thumb img")).not_to_have_attribute("src", str(first))
    slot(ann.page, place).get_by_role("button", name="Change the photo").click()
    ann.page.get_by_role("menuitem", name="Remove the photo").click()
    expect(row(bo.page, trip, "Old Town").locator(".stop-thumb")).to_have_count(0)
    ann.page.get_by_test_id("toast").last.get_by_role("button", name="Undo").click()
    expect_loaded(row(bo.page, trip, "Old Town").locator(".stop-thumb"))
    slot(ann.page, place).get_by_role("button", name="Enlarge the photo").click()
    expect(ann.page.get_by_role("dialog").get_by_role("img", name="Old Town")).to_be_visible()
    ann.page.keyboard.press("Escape")


def test_on_a_phone_a_removed_photo_comes_back_by_the_notice_above_the_sheet(people: People) -> None:
    ann = people.guest("Ann", **PHONE)
    trip = people.trip(ann)
    page = Room.enter(ann, trip).page
    _photo(ann, trip, "Old Town", a_photo(600, 400))
    row(page, trip, "Old Town").locator(".stop-open").tap()
    place = f"stop-{trip.stops['Old Town']}"
    expect_shown(page, place)
    slot(page, place).get_by_role("button", name="Change the photo").tap()
    page.get_by_role("menuitem", name="Remove the photo").tap()
    expect(slot(page, place)).to_have_attribute("data-state", "empty")
    page.get_by_test_id("toast").last.get_by_role("button", name="Undo").tap()
    expect_shown(page, place)
    expect(page.get_by_test_id("stop-editor")).to_be_visible()


def test_a_pasted_picture_becomes_the_cover_or_the_open_stops_photo(people: People) -> None:
    ann = people.guest("Ann")
    trip = people.trip(ann)
    Room.enter(ann, trip)
    script = """text => {
        const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "image.png", { type: "image/png" }));
        document.body.dispatchEvent(
            new ClipboardEvent("paste", { bubbles: true, cancelable: true, clipboardData: data }));
    }"""
    picture = base64.b64encode(a_photo(300, 200, format="PNG")).decode()
    ann.page.evaluate(script, picture)
    expect_shown(ann.page)
    row(ann.page, trip, "Old Town").locator(".stop-open").click()
    ann.page.evaluate(script, picture)
    expect_shown(ann.page, f"stop-{trip.stops['Old Town']}")
    assert trip.stop_record("Old Town")["photo"]["width"] == 300


def test_large_photos_are_made_smaller_before_they_are_sent(people: People) -> None:
    ann = people.guest("Ann")
    trip = people.trip(ann)
    Room.enter(ann, trip)
    original = much_detail(5_000, 3_000)
    sent: list[int] = []

    def note(request: Request) -> None:
        if request.method == "POST" and "/photos/" in request.url:
            sent.append(int(request.all_headers()["content-length"]))

    ann.page.on("requestfinished", note)
    choose(ann.page, original)
    expect_shown(ann.page)
    cover = ann.api("GET", f"/api/trips/{trip.id}")["snapshot"]["trip"]["cover"]
    assert (cover["width"], cover["height"]) == (1920, 1152)
    assert len(sent) == 1 and sent[0] < len(original)


def test_what_is_no_photo_says_so_and_the_next_one_works(people: People) -> None:
    ann = people.guest("Ann")
    Room.enter(ann, people.trip(ann))
    choose(ann.page, b"\xff\xd8\xff" + b"no photo at all" * 50_000)
    alert = slot(ann.page).get_by_role("alert")
    expect(alert).to_contain_text("This file is not a photo that can be read.")
    expect(alert.get_by_role("button", name="Choose another")).to_be_visible()
    shoot(ann.page, "failed")
    expect_no_violations(ann.page, "failed upload")
    choose(ann.page, b"some words", name="words.txt", kind="text/plain")
    expect(ann.page.get_by_test_id("toast")).to_contain_text("This is not a photo.")
    alert.get_by_role("button", name="Dismiss").click()
    expect(slot(ann.page)).to_have_attribute("data-state", "empty")
    choose(ann.page, a_photo(600, 400))
    expect_shown(ann.page)


def test_an_upload_shows_how_far_it_is_and_can_be_stopped(people: People) -> None:
    ann = people.guest("Ann")
    trip = people.trip(ann)
    Room.enter(ann, trip)
    held: list[Any] = []
    ann.page.route("**/photos/*", lambda route: held.append(route))
    choose(ann.page, a_photo(900, 600))
    expect(slot(ann.page)).to_have_attribute("data-state", "sending")
    expect(slot(ann.page).get_by_role("progressbar")).to_be_visible()
    shoot(ann.page, "sending")
    expect_no_violations(ann.page, "upload under way")
    ann.excuse("ERR_")
    slot(ann.page).get_by_role("button", name="Cancel").click()
    expect(slot(ann.page)).to_have_attribute("data-state", "empty")
    ann.page.unroute("**/photos/*")
    assert "trip.set_cover" not in str(ann.api("GET", f"/api/trips/{trip.id}/history")["events"])


def test_without_a_network_photos_wait_for_it_and_the_screen_says_so(people: People) -> None:
    ann = people.guest("Ann")
    ann.excuse("ERR_|WebSocket")
    line = Line(ann.page)
    Room.enter(ann, people.trip(ann))
    add = slot(ann.page).get_by_role("button", name="Add a cover photo")
    expect(add).to_be_enabled()
    line.reachable = False
    ann.context.set_offline(True)
    expect(add).to_be_disabled()
    expect(slot(ann.page)).to_contain_text("Photos need a connection.")
    shoot(ann.page, "offline")
    line.reachable = True
    ann.context.set_offline(False)
    expect(add).to_be_enabled()


def test_readers_see_photos_and_are_offered_nothing(people: People) -> None:
    ann = people.guest("Ann")
    trip = people.trip(ann)
    Room.enter(ann, trip)
    choose(ann.page, a_photo(600, 400))
    expect_shown(ann.page)
    vic = people.guest("Vic", 1)
    trip.invite(vic, "viewer")
    Room.enter(vic, trip)
    expect_shown(vic.page)
    expect(slot(vic.page).get_by_role("button", name="Change the cover photo")).to_have_count(0)
    expect(slot(vic.page).locator("input")).to_have_count(0)
    ann.api("PATCH", f"/api/trips/{trip.id}", {"visibility": "public"})
    nobody = people.person("Nobody", 1)
    Room.enter(nobody, trip)
    expect_shown(nobody.page)


@pytest.mark.parametrize("color", ["light", "dark"])
@pytest.mark.parametrize(
    ("locale", "screen"),
    [
        pytest.param("en-US", DESKTOP, id="english-desktop"),
        pytest.param("zh-CN", PHONE, id="chinese-phone"),
        pytest.param("en-US", PHONE, id="english-phone"),
        pytest.param("zh-CN", DESKTOP, id="chinese-desktop"),
    ],
)
def test_screens(people: People, locale: str, screen: dict[str, Any], color: str) -> None:
    phone = screen is PHONE
    ann = people.guest("Ann", locale=locale, color_scheme=color, **screen)
    trip = people.trip(ann)
    page = Room.enter(ann, trip).page
    name = f"{locale}-{'phone' if phone else 'desktop'}-{color}"
    shoot(page, f"{name}-1-empty")
    choose(page, a_landscape())
    expect_shown(page)
    _photo(ann, trip, "Old Town", a_landscape(1_200, 900, 30))
    fields = {
        "cost_amount": 8000,
        "status": "booked",
        "name_alt": "古城",
        "notes": "Slowly, with a guide and an umbrella",
    }
    op = {"kind": "stop.set_fields", "id": trip.stops["Old Town"], "fields": fields}
    ann.api("POST", f"/api/trips/{trip.id}/operations", {"op_id": "op-fields", "base": 0, "op": op})
    op = {"kind": "stop.set_fields", "id": trip.stops["Black Dragon Pool"], "fields": {"cost_amount": 12000}}
    ann.api("POST", f"/api/trips/{trip.id}/operations", {"op_id": "op-fields-2", "base": 0, "op": op})
    _photo(ann, trip, "Tiger Leaping Gorge", a_landscape(900, 1_200, 160))
    expect_loaded(row(page, trip, "Old Town").locator(".stop-thumb"))
    # One that goes by itself at this moment must not be waited for.
    toasts = page.get_by_test_id("toast")
    close = toasts.get_by_role("button", name=re.compile("Close|关闭"))
    close.evaluate_all("all => all.forEach((each) => each.click())")
    expect(toasts).to_have_count(0)
    shoot(page, f"{name}-2-plan")
    expect_no_violations(page, f"plan with photos, {name}")
    expect_to_fit(page, screen["viewport"]["width"])
    row(page, trip, "Old Town").locator(".stop-open").click()
    expect_loaded(page.get_by_test_id("stop-editor").locator(".picture"))
    shoot(page, f"{name}-3-editor")
    expect_no_violations(page, f"stop with a photo, {name}")
    expect_to_fit(page, screen["viewport"]["width"])
    ann.go("/trips")
    expect_loaded(page.get_by_test_id(f"trip-{trip.id}").locator(".picture"))
    shoot(page, f"{name}-4-trips")
    expect_no_violations(page, f"trips with covers, {name}")


def _photo(person: Person, trip: Trip, stop: str, body: bytes) -> None:
    """A stop's photo, without the screens."""
    photo_id = f"made-{trip.stops[stop]}"
    path = f"/api/trips/{trip.id}/photos/{photo_id}"
    token = next(c["value"] for c in person.context.cookies(person.origin) if c["name"] == "_xsrf")
    headers = {"Content-Type": "image/jpeg", "X-XSRFToken": token}
    assert person.context.request.post(person.origin + path, headers=headers, data=body).ok
    while person.api("GET", path)["photo"]["status"] == "waiting":
        person.page.wait_for_timeout(100)
    op = {"kind": "stop.set_photo", "id": trip.stops[stop], "photo": photo_id}
    person.api("POST", f"/api/trips/{trip.id}/operations", {"op_id": f"op-{photo_id}", "base": 0, "op": op})
