"""Somebody who asks the assistant, in a trip or in private, and reads the answer as it grows.

Owns the measurement of the first token and of the whole answer. An answer that a restart interrupted is asked
for again, as people do (docs/PROTOCOL.md R9.5, R9.8); other failed answers are errors.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from locust import task

from loadtests.users.person import Caller

QUESTIONS = (
    "两天怎么玩？",
    "Where is a good place for lunch on day two?",
    "下雨的话改去哪里？",
    "How far is the lake from the old town?",
)


class Asker(Caller):
    """See the module."""

    kind = "asker"

    def wait_time(self) -> float:
        return random.uniform(*self.stage.profile.ask_think_seconds)

    def on_start(self) -> None:
        # A process that answers for the first time builds its client; that is not what is measured.
        self._ask("/api/ai/chat")
        self.stage.settled_in += 1

    @task(1)
    def ask_privately(self) -> None:
        self._ask("/api/ai/chat")

    @task(1)
    def ask_in_the_trip(self) -> None:
        self._ask(f"/api/trips/{self.room.id}/ai/chat")

    def _ask(self, path: str) -> None:
        if self.stage.quiet:
            self.stage.pause(1)
            return
        body: dict[str, Any] = {"text": random.choice(QUESTIONS), "locale": "en", "stream": True}
        for _ in range(5):
            interrupted = self._read(path, body)
            if interrupted is None:
                return
            self.stage.counts["answers interrupted and asked again"] += 1
            body = {"retry_of": interrupted, "stream": True}
            self.stage.pause(1)

    def _read(self, path: str, body: dict[str, Any]) -> str | None:
        """Read one answer to its end; the id of one that was interrupted, else None."""
        began = self.stage.now()
        headers = self._headers() | {"Accept": "text/event-stream"}
        first, end, size = False, None, 0
        with self.client.request(
            "POST", path, name="ask", json=body, headers=headers, stream=True, catch_response=True
        ) as answer:
            if answer.status_code != 200:
                answer.failure(answer.error or f"{answer.status_code} {answer.text[:200]}")
                return None
            answer.success()
            for name, data in _events(answer.stream.readline):
                size += len(data)
                if name == "delta" and not first and json.loads(data).get("text"):
                    first = True
                    self.stage.report("AI", "first token", self.stage.now() - began)
                elif name == "end":
                    end = json.loads(data)
        if end is not None and end["status"] == "done":
            self.stage.report("AI", "whole answer", self.stage.now() - began, size=size)
            return None
        if end is not None and end["status"] == "interrupted":
            return str(end["answer"])
        what = "the stream ended early" if end is None else f"{end['status']} {end.get('fault')}"
        self.stage.report("AI", "whole answer", self.stage.now() - began, what)
        return None


def _events(read: Callable[[bytes], bytes]) -> Iterator[tuple[str, str]]:
    """(name, data) of each server-sent event, as soon as it is there: reading by size would wait for more."""
    while block := read(b"\n\n"):
        lines = dict(line.partition(": ")[::2] for line in block.decode().splitlines())
        if "event" in lines:
            yield lines["event"], lines.get("data", "")
