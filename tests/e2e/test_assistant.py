"""The assistant in a room: its answer grows in front of everybody, on any process, and ends clearly.

Rules R9.1 to R9.5 and R9.8, as people at different processes see them. The language model is aimock, behind a
tap that can hold its answer where a test wants to look, and sees who hangs up.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Request, expect

from tests.e2e.assistant_screens import PATIENCE, Assistant, asked_with, expect_grown, watch
from tests.e2e.cluster import Cluster
from tests.e2e.people import NETWORK, People
from tests.e2e.screens import Room
from tests.services.aimock import CHINESE, ENGLISH, SLOW, THOUGHT, Aimock, says
from tests.services.tap import Tap

pytestmark = pytest.mark.timeout(120)

# Ends when the database holds an answer as far as these words. For a process that does not make the answer.
KEPT = """async ([path, words]) => {
  const kept = async () => (await (await fetch(path)).json()).text.includes(words);
  while (!(await kept())) await new Promise((resolve) => setTimeout(resolve, 100));
}"""


def test_everybody_sees_the_same_answer_grow(people: People, model: Aimock, tap: Tap) -> None:
    """One reloads in the middle, one comes late; in the next answer one who did not ask stops it."""
    ann, bo, trip = people.pair()
    cy = people.guest("Cy", 1)
    trip.invite(cy, "viewer")
    mine, theirs = Assistant.open(Room.enter(ann, trip)), Assistant.open(Room.enter(bo, trip))
    watch(theirs.page)
    tap.hold(after="第120步")
    mine.ask("#slow Which steps?")
    theirs.answer("#slow Which steps?").expect_growing("第105步")
    mine.answer().expect_growing("第105步")
    mine.page.reload()
    late = Assistant.open(Room.enter(cy, trip))
    for window in (mine, late):
        window.answer().expect_growing("第100步。第101步。第102步。第103步。第104步。第105步")
        watch(window.page)
    tap.release()
    for window in (mine, theirs, late):
        window.answer().expect_done(SLOW)
        # What was held came at once afterwards.
        expect_grown(window.page, SLOW, steps=5 if window is theirs else 2)
    mine.page.reload()
    mine.answer().expect_done(SLOW)

    tap.hold(after="第105步")
    mine.ask("#slow And then?")
    theirs.answer("#slow And then?").expect_growing("第101步")
    late.answer("#slow And then?").expect_growing("第101步")
    expect(late.answer().stop).to_have_count(0)
    theirs.answer().stop.click()
    for window in (mine, theirs, late):
        window.answer().expect_status("stopped")
        expect(window.answer().end).to_contain_text("Stopped before the end.")
    texts = {window.answer().text.inner_text() for window in (mine, theirs, late)}
    assert len(texts) == 1 and SLOW.startswith(partial := texts.pop()) and "第101步" in partial
    tap.wait(lambda seen: [each.closed_early for each in asked_with("And then?", seen)] == [True])
    (stopped,) = asked_with("And then?", tap.exchanges)
    assert not stopped.finished


def test_an_answer_ends_when_its_process_is_killed(
    people: People, cluster: Cluster, model: Aimock, tap: Tap
) -> None:
    """What was there stays, marked as cut off, and can be tried again."""
    ann, bo, trip = people.pair()
    mine, theirs = Assistant.open(Room.enter(ann, trip)), Assistant.open(Room.enter(bo, trip))
    ann.excuse(NETWORK)
    tap.hold(after="第105步")
    mine.ask("#slow Which steps?")
    theirs.answer().expect_growing("第103步")
    # Of what only its process knew, the last seconds may be lost; what the database has must stay.
    (message,) = theirs.panel.locator(".exchange").evaluate_all(
        "all => all.map((each) => each.dataset.message)"
    )
    theirs.page.evaluate(KEPT, [f"/api/trips/{trip.id}/ai/answers/{message}", "第103步"])
    cluster.servers[0].kill()
    tap.release()
    # The lease of the process that died has to run out first.
    theirs.answer().expect_status("interrupted", timeout=60_000)
    expect(theirs.answer().end).to_contain_text("The answer was cut off.")
    expect(theirs.answer().end).to_contain_text("The server that was answering was lost.")
    partial = theirs.answer().text.inner_text()
    assert "第103步" in partial and SLOW.startswith(partial) and partial != SLOW

    cluster.start()
    mine.room.expect_state("live")
    mine.answer().expect_status("interrupted")
    expect(mine.answer().text).to_have_text(partial)
    model.declare(says("#slow", ENGLISH, chunkSize=8))
    theirs.answer().retry.click()
    for window in (mine, theirs):
        window.answer().expect_done(ENGLISH)
        expect(window.answers).to_have_count(2)


def test_faults_of_the_service_are_told_and_can_be_tried_again(people: People, model: Aimock) -> None:
    """Each in the reader's language, with what there was of the answer."""
    ann = people.guest("Ann")
    bo = people.guest("Bo", 1, locale="zh-CN")
    trip = people.trip(ann)
    trip.invite(bo)
    mine, theirs = Assistant.open(Room.enter(ann, trip)), Assistant.open(Room.enter(bo, trip), "助手")
    for question in ("#429", "#503", "#cut", "#401"):
        mine.ask(question)
    faults = {
        "#429": ("failed", "is asked too much right now", "ai_rate_limited"),
        "#503": ("failed", "cannot be reached right now", "ai_unavailable"),
        "#cut": ("failed", "broke off", "ai_cut"),
        "#401": ("failed", "does not accept this site's key", "ai_unauthorized"),
    }
    for question, (status, words, _) in faults.items():
        answer = mine.answer(question)
        answer.expect_status(status)
        expect(answer.end).to_contain_text(words)
        expect(answer.retry).to_be_enabled(timeout=PATIENCE)
        expect(theirs.answer(question).box).to_have_attribute("data-status", status)
    expect(theirs.answer("#cut").end).to_contain_text("与助手服务的连接中断了。")
    partial = mine.answer("#cut").text.inner_text()
    assert partial and CHINESE.startswith(partial) and partial != CHINESE
    expect(theirs.answer("#cut").text).to_have_text(partial)
    for question in ("#429", "#503", "#401"):
        expect(mine.answer(question).text).to_have_count(0)

    model.declare(says("#cut", ENGLISH, chunkSize=8))
    mine.answer("#cut").retry.click()
    for window in (mine, theirs):
        window.answer("#cut").expect_done(ENGLISH)
    # The one that failed still stands there.
    expect(mine.answers).to_have_count(5)


EVIL = """**Plan** for you

<script>window.ran = "script"</script>

<img src="http://evil.example/x.png" onerror="window.ran = 'onerror'">

![pixel](http://evil.example/y.png)

[press here](javascript:window.ran='link') and [the gorge](https://example.com/gorge)
"""


def test_thoughts_are_apart_and_what_a_model_writes_does_no_harm(people: People, model: Aimock) -> None:
    model.declare(says("#evil", EVIL, chunkSize=7))
    ann = people.guest("Ann")
    assistant = Assistant.open(Room.enter(ann, people.trip(ann)))
    page = assistant.page
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))

    assistant.ask("#think Where to?")
    thoughtful = assistant.answer("#think")
    thoughtful.expect_done(CHINESE)
    expect(thoughtful.box).not_to_contain_text(THOUGHT, use_inner_text=True)
    thoughtful.box.get_by_text("Its thoughts", exact=True).click()
    expect(thoughtful.box.get_by_role("region", name="Its thoughts")).to_have_text(THOUGHT)

    assistant.ask("#evil Where to?")
    answer = assistant.answer("#evil")
    answer.expect_status("done")
    expect(answer.text.locator("strong")).to_have_text("Plan")
    expect(answer.text).to_contain_text('<script>window.ran = "script"</script>')
    expect(answer.text.locator("img, script, iframe, [onerror]")).to_have_count(0)
    links = answer.text.get_by_role("link")
    expect(links).to_have_count(2)
    for link, address in (
        (links.first, "http://evil.example/y.png"),
        (links.last, "https://example.com/gorge"),
    ):
        expect(link).to_have_attribute("href", address)
        expect(link).to_have_attribute("rel", re.compile("noopener noreferrer"))
    answer.text.get_by_text("press here").click()
    assert page.evaluate("window.ran") is None
    assert [each.url for each in asked if not each.url.startswith(ann.origin)] == []


def test_without_a_key_the_screen_says_how_to_set_one(people: People, cluster: Cluster) -> None:
    server = cluster.another()
    try:
        ann = people.guest("Ann", server.start().url)
        # The window outlives its server.
        ann.excuse("WebSocket connection to")
        trip = people.trip(ann)
        room = Room.enter(ann, trip)
        room.page.get_by_role("button", name="Assistant", exact=True).click()
        off = room.page.get_by_test_id("assistant-off")
        expect(off).to_contain_text("set AI_API_KEY in the file .env")
        expect(room.page.get_by_test_id("ask")).to_have_count(0)
        # Asking from the chat leads to the same place.
        room.page.get_by_test_id("talk-button").click()
        expect(off).to_have_count(0)
        room.page.get_by_role("button", name="Ask the assistant").click()
        expect(off).to_be_visible()
        for path in (f"/api/trips/{trip.id}/ai/chat", "/api/ai/chat"):
            answer = ann.call("POST", path, {"text": "Where to?", "locale": "en"})
            assert answer.status == 503 and answer.json()["error"]["code"] == "ai_off"
    finally:
        server.remove()
