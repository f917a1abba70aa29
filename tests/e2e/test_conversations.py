"""Private conversations with the assistant: asked, read as server-sent events, kept, deleted.

Rules R9.6 and R9.7. The browser's own `fetch` reads the events, through a reload, on another process than the
one that makes the answer, and through the death of that process.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Request, expect

from tests.e2e.assistant_screens import PATIENCE, Answer, expect_grown, watch
from tests.e2e.cluster import Cluster
from tests.e2e.people import NETWORK, People
from tests.services.aimock import CHINESE, SLOW, Aimock
from tests.services.tap import Tap

pytestmark = pytest.mark.timeout(120)


class Conversation:
    """The page of private conversations in one window."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.get_by_test_id("ask")
        self.list = page.get_by_role("navigation", name="Conversations").get_by_role("link")
        self.answer = Answer(page.get_by_test_id("answer").last)

    def ask(self, question: str) -> None:
        self.box.fill(question)
        self.box.press("Enter")
        expect(self.box).to_have_value("")


def test_an_answer_goes_on_exactly_where_the_connection_broke_off(
    people: People, cluster: Cluster, model: Aimock, tap: Tap
) -> None:
    ann = people.guest("Ann")
    ann.excuse(NETWORK)
    here = Conversation(ann.go("/assistant"))
    tap.hold(after="第105步")
    here.ask("#slow Where to?")
    expect(here.page).to_have_url(re.compile(r"/assistant/\w+$"))
    here.answer.expect_growing("第103步")
    here.page.reload()
    here.answer.expect_growing("第100步。第101步。第102步。第103步")
    watch(here.page)

    # Another window reads the same answer from the other process, which dies and comes back.
    there = Conversation(ann.context.new_page())
    ann.listen(there.page)
    asked: list[Request] = []
    there.page.on("request", lambda request: asked.append(request))
    there.page.goto(here.page.url.replace(cluster.urls[0], cluster.urls[1]))
    there.answer.expect_growing("第100步。第101步。第102步。第103步")
    watch(there.page)
    cluster.servers[1].kill()
    lost = there.page.get_by_text("The connection was lost. Trying again by itself.")
    expect(lost).to_be_visible()
    cluster.servers[1].start()
    tap.release()
    for window in (here, there):
        window.answer.expect_done(SLOW)
        expect_grown(window.page, SLOW, steps=2)
    expect(lost).to_have_count(0)
    # It asked for what came after the text that it had.
    last = [each.headers["last-event-id"] for each in asked if "last-event-id" in each.headers][-1]
    assert int(last.split(".")[1]) >= len("第100步。第101步。第102步。第103步")


def test_conversations_are_listed_opened_again_and_deleted(people: People, model: Aimock) -> None:
    ann, bo = people.guest("Ann"), people.guest("Bo", 1)
    talk = Conversation(ann.go("/assistant"))
    expect(talk.page.get_by_text("No conversations yet.")).to_be_visible()
    talk.ask("推荐 the north")
    talk.answer.expect_done(CHINESE)
    address = talk.page.url
    talk.ask("推荐 more")
    expect(talk.page.get_by_test_id("answer")).to_have_count(2)
    talk.answer.expect_done(CHINESE)
    talk.page.get_by_role("button", name="New conversation").click()
    talk.ask("#think The south")
    talk.answer.expect_done(CHINESE)
    expect(talk.list).to_have_count(2, timeout=PATIENCE)
    expect(talk.list.first).to_contain_text("#think The south")

    talk.list.last.click()
    expect(talk.page).to_have_url(address)
    expect(talk.page.get_by_test_id("conversation")).to_contain_text("推荐 the north")
    expect(talk.page.get_by_test_id("answer")).to_have_count(2)
    talk.page.reload()
    expect(talk.page.get_by_test_id("answer").locator(".md")).to_have_text([CHINESE, CHINESE])

    path = f"/api/ai/conversations/{address.rsplit('/', 1)[1]}"
    assert bo.call("GET", path).status == 404
    talk.page.get_by_role("button", name="Delete “推荐 the north”").click()
    talk.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(talk.list).to_have_count(1)
    assert ann.call("GET", path).status == 404
    talk.page.reload()
    expect(talk.list).to_have_count(1)
    expect(talk.list).to_contain_text("#think The south")
