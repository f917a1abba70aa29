"""The assistant of a room as a test sees it: questions, answers as they grow, and what can be done with them.

Owns where things are on the screen, and watching a text while it grows. Never waits for a time, only for a
state. Called by the end-to-end tests.
"""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.e2e.screens import Room
from tests.services.tap import Exchange

PATIENCE = 30_000

# Keeps every text that the last answer of the page has shown, each once, in order.
WATCH = """() => {
  window.e2eShown = [];
  const look = () => {
    const answer = [...document.querySelectorAll("[data-testid=answer]")].at(-1);
    const text = answer?.querySelector(".md")?.textContent ?? "";
    if (text !== window.e2eShown.at(-1)) window.e2eShown.push(text);
  };
  look();
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


class Assistant:
    """The assistant's panel in one window."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.page = room.page
        self.panel = self.page.get_by_test_id("assistant")
        self.box = self.page.get_by_test_id("ask")
        self.answers = self.page.get_by_test_id("answer")

    @classmethod
    def open(cls, room: Room, name: str = "Assistant") -> Assistant:
        """Open the panel beside the board."""
        assistant = cls(room)
        room.page.get_by_role("button", name=name, exact=True).click()
        expect(assistant.box).to_be_visible()
        return assistant

    def ask(self, question: str) -> None:
        self.box.fill(question)
        self.box.press("Enter")
        expect(self.box).to_have_value("")

    def answer(self, question: str = "") -> Answer:
        """The last answer, or the last one to a question with these words."""
        exchange = self.panel.locator(".exchange")
        if question:
            exchange = exchange.filter(has=self.page.locator(".question-text", has_text=question))
        return Answer(exchange.last.get_by_test_id("answer"))


class Answer:
    """One answer, wherever it is shown."""

    def __init__(self, box: Locator) -> None:
        self.box = box
        self.text = box.locator(".md")
        self.end = box.locator(".answer-end")
        self.stop = box.get_by_role("button", name="Stop", exact=True)
        self.retry = box.get_by_role("button", name="Try again", exact=True)

    def expect_status(self, status: str, timeout: int = PATIENCE) -> None:
        expect(self.box).to_have_attribute("data-status", status, timeout=timeout)

    def expect_done(self, text: str) -> None:
        """Wait until it has ended well with exactly this text."""
        self.expect_status("done")
        expect(self.text).to_have_text(text)

    def expect_growing(self, words: str) -> None:
        """Wait until so much of it is there while it goes on."""
        expect(self.text).to_contain_text(words, timeout=PATIENCE)
        self.expect_status("streaming")


def watch(page: Page) -> None:
    """Keep what the last answer shows from now on."""
    page.evaluate(WATCH)


def expect_grown(page: Page, whole: str, steps: int) -> None:
    """While it was watched the answer grew in at least so many steps and never showed anything else."""
    shown: list[str] = page.evaluate("window.e2eShown")
    wrong = [text for text in shown if not whole.startswith(text)]
    assert not wrong, f"not a beginning of the answer: {wrong[0]!r}"
    assert shown == sorted(shown, key=len) and len(shown) >= steps, shown


def asked_with(words: str, exchanges: list[Exchange]) -> list[Exchange]:
    """The questions to the language model in which these words occur."""
    return [each for each in exchanges if words.encode() in each.request]
