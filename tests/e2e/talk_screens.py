"""The talk of a room as a test sees it: the chat, and the comments on what is planned.

Owns where things are on the screen. Never waits for a time, only for a state. Called by the end-to-end tests.
"""

from __future__ import annotations

import secrets
from typing import Any

from playwright.sync_api import Locator, expect

from tests.e2e.people import Person, Trip
from tests.e2e.screens import Room


def post(person: Person, trip: Trip, text: str, **fields: Any) -> str:
    """Say something through REST; the id of the message."""
    message = secrets.token_hex(8)
    operate(person, trip, {"kind": "message.post", "id": message, "text": text, **fields})
    return message


def operate(person: Person, trip: Trip, op: dict[str, Any]) -> None:
    """An operation through REST."""
    body = {"op_id": secrets.token_hex(8), "base": 0, "op": op}
    person.api("POST", f"/api/trips/{trip.id}/operations", body)


def said(person: Person, trip: Trip) -> list[str]:
    """The newest texts of the chat, as the database has them, oldest first."""
    page = person.api("GET", f"/api/trips/{trip.id}/messages?channel=chat&limit=100")
    return [message.get("text", "") for message in reversed(page["messages"])]


class Chat:
    """The chat of a room in one window."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.page = room.page
        self.button = self.page.get_by_test_id("talk-button")
        self.unread = self.page.get_by_test_id("unread")
        self.box = self.page.get_by_test_id("composer-chat")
        self.list = self.page.get_by_role("region", name="Messages", exact=True)
        self.rows = self.list.locator("[data-message]")
        self.texts = self.list.locator(".msg-text")
        self.typing = self.page.get_by_test_id("chat").locator(".typing-line")

    @classmethod
    def open(cls, room: Room) -> Chat:
        """Open the talk beside the board."""
        chat = cls(room)
        chat.button.click()
        expect(chat.box).to_be_visible()
        return chat

    def close(self) -> None:
        self.button.click()
        expect(self.box).to_have_count(0)

    def say(self, text: str) -> None:
        self.box.fill(text)
        self.box.press("Enter")
        expect(self.box).to_have_value("")

    def row(self, text: str) -> Locator:
        """The last message with these words in its own text."""
        return self.rows.filter(has=self.page.locator(".msg-text", has_text=text)).last

    def act(self, text: str, item: str) -> None:
        """Choose from the menu of a message."""
        row = self.row(text)
        row.hover()
        row.get_by_role("button", name="Actions for the message of").click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    def reply_to(self, text: str, answer: str) -> None:
        row = self.row(text)
        row.hover()
        row.get_by_role("button", name="Reply", exact=True).click()
        expect(self.box).to_be_focused()
        self.say(answer)

    def react(self, text: str, emoji: str) -> None:
        row = self.row(text)
        row.hover()
        row.get_by_role("button", name="React", exact=True).first.click()
        self.page.get_by_role("dialog", name="React").get_by_role("button", name=emoji, exact=True).click()

    def expect_texts(self, texts: list[str]) -> None:
        expect(self.texts).to_have_text(texts, timeout=20_000)


class Threads:
    """The comments on one record, beside it on the board."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.page = room.page
        self.panel = self.page.get_by_test_id("threads")

    def button(self, record: str) -> Locator:
        """Opens the comments on `stop:<id>` or `day:<id>`, from the board."""
        return self.page.locator(f'[data-comments="{record}"]')

    def write(self, label: str, text: str) -> None:
        """Type a new comment, or a reply, and send it."""
        box = self.panel.get_by_label(label, exact=True)
        box.fill(text)
        box.press("Enter")
        expect(self.panel.locator(".msg-text", has_text=text)).to_be_visible()

    def close(self) -> None:
        self.page.keyboard.press("Escape")
        expect(self.panel).to_have_count(0)
