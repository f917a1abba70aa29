"""Talk, comments, the assistant and suggestions on screen: no violation of WCAG, nothing cut off on a phone.

On the desktop in English and light; on a phone also in Chinese and dark.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.assistant_screens import PATIENCE
from tests.e2e.people import DESKTOP, PHONE, People, Person, Trip
from tests.e2e.screens import Room, expect_to_fit
from tests.e2e.talk_screens import operate, post
from tests.e2e.test_accessibility import expect_no_violations
from tests.services.aimock import Aimock, calls, says

pytestmark = pytest.mark.timeout(120)

WIDTH = PHONE["viewport"]["width"]
# Nowhere in it may a line end.
WORD = "averylongword" * 8
LONG = f"https://example.com/{WORD}"
ANSWER = f"""# A plan

**Two** days, `one` night. See [the map]({LONG}) and {LONG}

| Day | Morning | Afternoon | Evening | Where to sleep |
|---|---|---|---|---|
| 1 | Old Town 古城 | Black Dragon Pool 黑龙潭 | Sifang Street 四方街 | Lijiang 丽江 |

1. Take the train
2. Walk

```
{"a line of code that is longer than any phone is wide " * 2}
```
"""
ENGLISH = {"assistant": "Assistant", "proposals": "Suggestions"}
CHINESE = {"assistant": "助手", "proposals": "建议"}


def furnish(owner: Person, guest: Person, model: Aimock) -> Trip:
    """A trip in which much has been said, asked and suggested."""
    trip = Trip(owner, [["Old Town", "Black Dragon Pool"], ["Tiger Leaping Gorge"]])
    trip.invite(guest)
    old, pool, gorge = trip.stops.values()
    model.declare(
        *calls(
            "#plan",
            (
                "stop_set_fields",
                {"id": old, "fields": {"start_time": "10:00", "name": "Dayan Old Town 大研古城"}},
            ),
            ("stop_move", {"ids": [gorge], "day": trip.days[0], "after": pool}),
            ("stop_remove", {"id": pool}),
            (
                "stop_add",
                {"id": "shuhe", "day": trip.days[1], "after": None, "fields": {"name": "Shuhe 束河"}},
            ),
            then=ANSWER,
        ),
        says("#thought", ANSWER, reasoning="Two days: one town a day."),
    )
    about = {"t": "stop", "id": gorge}
    first = post(guest, trip, f"Shall we go there? {LONG} {WORD}", about=about)
    operate(owner, trip, {"kind": "message.react", "id": first, "emoji": "👍"})
    post(owner, trip, "Yes, on the second day 第二天", reply_to=first)
    gone = post(guest, trip, "Never mind")
    operate(guest, trip, {"kind": "message.delete", "id": gone})
    post(guest, trip, f"@{owner.name} can you book?", mentions=[owner.user_id])
    comment = post(guest, trip, "Is it open on Mondays?", channel="comment", about={"t": "stop", "id": old})
    post(owner, trip, "All week", channel="comment", reply_to=comment, about={"t": "stop", "id": old})
    solved = post(guest, trip, "Too full", channel="comment", about={"t": "day", "id": trip.days[0]})
    operate(owner, trip, {"kind": "comment.resolve", "id": solved})
    for question in ("#401", "#plan"):
        guest.api("POST", f"/api/trips/{trip.id}/ai/chat", {"text": question, "locale": "en"})
    return trip


class Screens:
    """Goes from screen to screen, on a desktop or on a phone."""

    def __init__(self, page: Page, words: dict[str, str], phone: bool) -> None:
        self.page = page
        self.words = words
        self.phone = phone

    def check(self, where: str) -> None:
        expect_no_violations(self.page, where)
        if self.phone:
            expect_to_fit(self.page, WIDTH)

    def board(self) -> None:
        if self.phone:
            self.page.locator(".phone-tabs button").first.tap()

    def talk(self) -> None:
        if self.phone:
            self.page.locator(".phone-tabs button").nth(2).tap()
        else:
            self.page.get_by_test_id("talk-button").click()
        expect(self.page.get_by_test_id("composer-chat")).to_be_visible()

    def panel(self, name: str) -> None:
        """The assistant, or the suggestions."""
        if self.phone:
            self.page.locator(".phone-tabs button").last.tap()
            self.page.locator(".more-row", has_text=self.words[name]).first.tap()
        elif name == "assistant":
            self.page.get_by_role("button", name=self.words[name], exact=True).click()
        else:
            self.page.get_by_test_id("suggestion-bar").get_by_role("button").last.click()


@pytest.mark.parametrize(
    ("words", "options"),
    [
        pytest.param(ENGLISH, {**DESKTOP, "color_scheme": "light"}, id="desktop-english-light"),
        pytest.param(ENGLISH, {**PHONE, "color_scheme": "light"}, id="phone-english-light"),
        pytest.param(CHINESE, {**PHONE, "color_scheme": "dark", "locale": "zh-CN"}, id="phone-chinese-dark"),
    ],
)
def test_the_screens_of_talk(
    people: People, model: Aimock, words: dict[str, str], options: dict[str, Any]
) -> None:
    ann = people.guest("小安 Ann", **options)
    bo = people.guest("Bo", 1)
    trip = furnish(ann, bo, model)
    room = Room.enter(ann, trip)
    page = room.page
    screens = Screens(page, words, phone=options.get("is_mobile", False))

    expect(page.get_by_test_id("ghost-shuhe")).to_be_visible(timeout=PATIENCE)
    screens.check("board with suggestions")
    page.locator(f'[data-comments="stop:{trip.stops["Old Town"]}"]').first.click()
    expect(page.get_by_test_id("threads").locator(".msg-text")).to_have_count(2)
    screens.check("comments on a stop")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("threads")).to_have_count(0)

    screens.talk()
    expect(page.get_by_test_id("answer").last.get_by_role("table")).to_be_attached()
    screens.check("chat")
    page.get_by_test_id("composer-chat").fill("#")
    expect(page.get_by_role("listbox")).to_be_visible()
    screens.check("suggestions to mention")
    page.get_by_test_id("composer-chat").fill("")
    page.locator("#talk-tab-comments").click()
    expect(page.get_by_test_id("comments").locator("article")).to_have_count(1)
    screens.check("all comments")

    screens.panel("assistant")
    expect(page.get_by_test_id("assistant").get_by_test_id("answer")).to_have_count(2)
    screens.check("assistant")
    screens.board()
    screens.panel("proposals")
    expect(page.locator(".proposal .piece")).to_have_count(4)
    screens.check("proposals")

    ann.go("/assistant")
    if screens.phone:
        screens.check("private conversations")
        page.locator(".ai-talks header button").tap()
    page.get_by_test_id("ask").fill("#thought Where to?")
    page.get_by_test_id("ask").press("Enter")
    answer = page.get_by_test_id("answer")
    expect(answer).to_have_attribute("data-status", "done", timeout=PATIENCE)
    expect(answer.get_by_role("table")).to_be_attached()
    answer.locator("summary").click()
    screens.check("private conversation")
