"""Talk in the room: what one says the others read, in order, once, and only those who may.

Rules R8.1 to R8.6, as people at different server processes see them.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.people import NETWORK, Line, People
from tests.e2e.screens import Room
from tests.e2e.talk_screens import Chat, Threads, operate, post, said

pytestmark = pytest.mark.timeout(90)


def test_two_people_talk(people: People) -> None:
    """Unread marks, "seen by", typing, replies, reactions, mentions; editing and deleting; a reload."""
    ann, bo, trip = people.pair()
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    mine, theirs = Chat.open(here), Chat(there)

    mine.say("Train or bus?")
    expect(theirs.unread).to_contain_text("1 unread message")
    expect(mine.row("Train or bus?").locator(".seen")).to_have_count(0)
    Chat.open(there)
    theirs.expect_texts(["Train or bus?"])
    expect(theirs.unread).to_have_count(0)
    expect(mine.row("Train or bus?").get_by_role("img", name="Seen by Bo")).to_be_visible()

    theirs.box.press_sequentially("Train, w")
    expect(mine.typing).to_have_text("Bo is typing")
    theirs.box.press_sequentially("e see more")
    theirs.box.press("Enter")
    expect(mine.row("Train, we see more")).to_be_visible()
    expect(mine.typing).to_have_text("")

    mine.reply_to("Train, we see more", "Then I book it")
    quote = theirs.row("Then I book it").locator(".msg-quote")
    expect(quote).to_have_text("BoTrain, we see more")

    theirs.react("Then I book it", "🎉")
    reaction = mine.row("Then I book it").locator(".reaction").first
    expect(reaction).to_have_accessible_name("🎉: Bo")
    reaction.click()
    expect(theirs.row("Then I book it").locator(".reaction").first).to_have_text("🎉2")
    reaction.click()
    expect(theirs.row("Then I book it").locator(".reaction").first).to_have_text("🎉1")

    # A mention is chosen from what is offered, and reaches who looks elsewhere.
    theirs.close()
    mine.box.press_sequentially("@b")
    expect(mine.page.get_by_role("option", name="Bo", exact=True)).to_be_visible()
    mine.box.press("Enter")
    mine.box.press_sequentially("window seat?")
    mine.box.press("Enter")
    toast = there.page.get_by_text("Ann mentioned you: @Bo window seat?")
    expect(toast).to_be_visible()
    there.page.get_by_role("button", name="Open", exact=True).click()
    row = theirs.row("@Bo window seat?")
    expect(row).to_have_class(re.compile("msg-called"))
    expect(row.locator(".mention")).to_have_text("@Bo")

    mine.act("Then I book it", "Edit")
    edit = mine.page.get_by_test_id("composer-edit")
    edit.fill("Then I book it today")
    edit.press("Enter")
    expect(theirs.row("Then I book it today").locator(".msg-edited")).to_have_text("edited")

    theirs.act("Train, we see more", "Delete")
    there.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(quote).to_have_text("BoDeleted message")
    texts = ["Train or bus?", "This message was deleted.", "Then I book it todayedited", "@Bo window seat?"]
    for chat in (mine, theirs):
        chat.expect_texts(texts)

    for chat in (mine, theirs):
        chat.page.reload()
        chat.room.expect_state("live", pending=0)
        chat.expect_texts(texts)
        expect(chat.row("Then I book it").locator(".reaction").first).to_have_accessible_name(
            re.compile("🎉")
        )
        expect(chat.unread).to_have_count(0)


def test_older_messages_come_as_one_scrolls_up(people: People) -> None:
    """And what one was reading stays where it was."""
    ann, bo, trip = people.pair()
    texts = [f"Message {n}" for n in range(130)]
    for text in texts:
        post(ann, trip, text)
    there = Room.enter(bo, trip)
    expect(Chat(there).unread).to_contain_text("99+")
    chat = Chat.open(there)
    expect(chat.texts.last).to_have_text("Message 129")
    expect(chat.texts.last).to_be_in_viewport()
    expect(chat.unread).to_have_count(0)
    assert chat.texts.count() < len(texts)

    chat.list.hover()
    for _ in range(40):
        if chat.texts.first.inner_text() == "Message 0":
            break
        first = chat.texts.first
        text = first.inner_text()
        there.page.mouse.wheel(0, -100_000)
        expect(first).not_to_have_text(text)
    chat.expect_texts(texts)
    expect(chat.list.get_by_text("This is where the talk begins.")).to_be_attached()
    # A newer page above would have pushed it out of view, had its place not been kept.
    there.page.mouse.wheel(0, -100_000)
    expect(chat.texts.first).to_be_in_viewport()
    chat.page.get_by_role("button", name="Jump to the newest").click()
    expect(chat.texts.last).to_be_in_viewport()


def test_what_is_said_offline_waits_and_is_sent_once(people: People) -> None:
    """Through a reload, too: what waits is kept on the device."""
    ann, bo, trip = people.pair()
    line = Line(ann.page)
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    mine, theirs = Chat.open(here), Chat.open(there)
    ann.excuse(NETWORK)
    theirs.say("Where are you?")
    mine.expect_texts(["Where are you?"])

    line.reachable = False
    ann.context.set_offline(True)
    here.expect_state("offline")
    mine.say("In the tunnel")
    mine.say("Still in the tunnel")
    here.expect_state("offline", pending=2)
    expect(mine.page.get_by_text("You are offline. What you send waits on this device.")).to_be_visible()
    for text in ("In the tunnel", "Still in the tunnel"):
        expect(mine.row(text).get_by_text("Waiting for a connection")).to_be_visible()

    # A reload needs the server's page; only the socket stays out of reach, so nothing can be sent.
    ann.context.set_offline(False)
    here.page.reload()
    waiting = mine.rows.filter(has=mine.page.get_by_text("Waiting for a connection"))
    expect(waiting.locator(".msg-text")).to_have_text(["In the tunnel", "Still in the tunnel"])
    theirs.expect_texts(["Where are you?"])

    line.reachable = True
    texts = ["Where are you?", "In the tunnel", "Still in the tunnel"]
    here.expect_state("live", pending=0)
    for chat in (mine, theirs):
        chat.expect_texts(texts)
        expect(chat.page.get_by_text("Waiting for a connection")).to_have_count(0)
    assert said(bo, trip) == texts


def test_chinese_words_are_composed_before_they_are_sent(people: People) -> None:
    """The Enter that ends the composing of a word sends nothing; the next one does."""
    ann = people.guest("Ann")
    room = Room.enter(ann, trip := people.trip(ann))
    chat = Chat.open(room)
    chat.box.click()
    keyboard = ann.context.new_cdp_session(ann.page)
    keyboard.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    expect(chat.box).to_have_value("nihao")
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    keyboard.send("Input.insertText", {"text": "你好"})
    keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    expect(chat.box).to_have_value("你好")
    expect(chat.rows).to_have_count(0)
    chat.box.press("Enter")
    chat.expect_texts(["你好"])
    room.expect_state("live", pending=0)
    assert said(ann, trip) == ["你好"]


def test_cards_lead_to_the_plan_and_links_to_nowhere_else(people: People) -> None:
    ann, bo, trip = people.pair()
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    mine, theirs = Chat.open(here), Chat.open(there)

    mine.box.press_sequentially("Skip #tiger")
    expect(mine.page.get_by_role("option", name="Tiger Leaping Gorge")).to_be_visible()
    mine.box.press("Enter")
    mine.box.press("Enter")
    card = theirs.row("Skip Tiger Leaping Gorge").get_by_role("button", name="Go to Tiger Leaping Gorge")
    card.click()
    opener = there.row(trip.stops["Tiger Leaping Gorge"]).locator(".stop-open")
    expect(opener).to_be_focused()
    expect(opener).to_be_in_viewport()

    mine.say("See https://example.com/gorge?a=1, <b>not</b> javascript:alert(1) or http://a@example.com")
    row = theirs.row("See")
    expect(row.locator(".msg-text")).to_contain_text("<b>not</b> javascript:alert(1)")
    link = row.get_by_role("link")
    expect(link).to_have_count(1)
    expect(link).to_have_attribute("href", "https://example.com/gorge?a=1")
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_attribute("rel", re.compile(r"noopener noreferrer"))


SECRET = "only for members"


def frames(page: Page) -> list[str]:
    """What the server says to this window over its sockets, from now on."""
    heard: list[str] = []

    def keep(data: str | bytes) -> None:
        heard.append(data if isinstance(data, str) else data.decode())

    page.on("websocket", lambda socket: socket.on("framereceived", keep))
    return heard


def test_a_spectator_of_a_public_trip_sees_no_talk(people: People) -> None:
    """Not on the screen, not over the socket, not by asking for it."""
    ann = people.guest("Ann")
    trip = people.trip(ann)
    ann.api("PATCH", f"/api/trips/{trip.id}", {"visibility": "public"})
    post(ann, trip, f"{SECRET} 1")
    about = {"t": "stop", "id": trip.stops["Old Town"]}
    post(ann, trip, f"{SECRET} 2", channel="comment", about=about)

    visitor = people.person("Visitor", 1)
    heard = frames(visitor.page)
    room = Room.enter(visitor, trip)
    post(ann, trip, f"{SECRET} 3")
    change = {"kind": "stop.set_fields", "id": trip.stops["Old Town"], "fields": {"name": "Dayan"}}
    operate(ann, trip, change)
    # What was said before it has passed this window by.
    room.expect_plan(trip, [["Dayan", "Black Dragon Pool"], ["Tiger Leaping Gorge"]])

    for name in ("Talk", "Assistant", "History", re.compile("^Comments on")):
        expect(room.page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    expect(room.page.get_by_test_id("unread")).to_have_count(0)
    assert any("Dayan" in each for each in heard)
    assert not any(SECRET in each for each in heard)
    assert SECRET not in room.page.content()
    for path in ("messages?channel=chat", "threads", "proposals?ids=x"):
        answer = visitor.context.request.get(f"{visitor.origin}/api/trips/{trip.id}/{path}")
        assert answer.status == 403 and SECRET not in answer.text()


def test_comments_on_a_stop_a_day_and_a_note(people: People) -> None:
    """They count where they belong, are resolved and opened again, and stand in the timeline."""
    ann, bo, trip = people.pair()
    stop, day = trip.stops["Old Town"], trip.days[0]
    operate(ann, trip, {"kind": "stop.set_fields", "id": stop, "fields": {"notes": "Bring cash"}})
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    mine, theirs = Threads(here), Threads(there)
    on_stop, on_day = f"stop:{stop}", f"day:{day}"

    mine.button(on_stop).first.hover()
    mine.button(on_stop).first.click()
    mine.write("New comment", "Open on Mondays?")
    mine.close()
    mine.button(on_day).first.hover()
    mine.button(on_day).first.click()
    mine.write("New comment", "Too full a day")
    mine.close()
    count = theirs.button(on_stop).first
    expect(count).to_have_accessible_name("Comments on Old Town, 1 open comment")
    expect(theirs.button(on_day).first).to_have_accessible_name(
        re.compile("^Comments on .*, 1 open comment$")
    )

    # On the note, from the stop's editor; it counts where the stop stands.
    here.open(stop)
    here.editor.get_by_role("button", name="Comments on Old Town · Notes").click()
    mine.panel.get_by_role("button", name="New comment", exact=True).click()
    mine.write("New comment", "How much cash?")
    mine.close()
    expect(count).to_have_accessible_name("Comments on Old Town, 2 open comments")

    count.click()
    expect(theirs.panel.locator(".msg-text")).to_have_text(["Open on Mondays?", "How much cash?"])
    note = theirs.panel.get_by_role("article").filter(has_text="How much cash?")
    expect(note).to_contain_text("on the notes")
    question = theirs.panel.get_by_role("article").filter(has_text="Open on Mondays?")
    question.get_by_label("Reply", exact=True).fill("Yes, all week")
    question.get_by_label("Reply", exact=True).press("Enter")
    mine.button(on_stop).first.click()
    answered = mine.panel.get_by_role("article").filter(has_text="Open on Mondays?")
    expect(answered.locator(".msg-text")).to_have_text(["Open on Mondays?", "Yes, all week"])

    answered.get_by_test_id("resolve").click()
    expect(count).to_have_accessible_name("Comments on Old Town, 1 open comment")
    theirs.panel.get_by_role("button", name="1 resolved").click()
    expect(question).to_contain_text("Resolved by Ann")
    question.get_by_role("button", name="Open again").click()
    expect(mine.button(on_stop).first).to_have_accessible_name("Comments on Old Town, 2 open comments")
    mine.close()

    here.page.get_by_role("button", name="History", exact=True).click()
    history = here.page.get_by_test_id("history")
    told = [
        "Bo opened a comment on Old Town again",
        "Ann resolved a comment on Old Town",
        "Bo replied to a comment on Old Town",
        "Ann commented on Old Town",
        "Ann commented on Day 1 · Sat 1 May",
        "Ann commented on Old Town",
    ]
    expect(history.locator(".entry-head > span").filter(has_text="comment")).to_have_text(told)
    history.get_by_role("button", name="Too full a day").click()
    expect(mine.panel.locator(".msg-text")).to_have_text(["Too full a day"])
