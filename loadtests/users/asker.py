"""Somebody who asks the assistant, in a trip or in private, and reads the answer as it grows.

Owns the measurement of the first token and of the whole answer. A question that a server refuses because it
restarts is sent again with the same key, and an answer that a restart interrupted is asked for again
(docs/PROTOCOL.md R9.5, R9.8); other failed answers are errors.
"""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Iterator
from typing import Any, Literal

import gevent
from locust import task

from loadtests.users.person import Caller

QUESTIONS = (
    "两天怎么玩？",
    "Where is a good place for lunch on day two?",
    "下雨的话改去哪里？",
    "How far is the lake from the old town?",
)


Fate = Literal["over", "refused", "interrupted"]
TRIES = 5
PAUSE = 1.0


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
        key, began = secrets.token_hex(10), self.stage.now()
        for _ in range(TRIES):
            fate, again = self._read(path, body, key, began)
            if fate == "over":
                return
            if fate == "interrupted":
                body, key = again | {"stream": True}, secrets.token_hex(10)
            self.stage.counts[f"questions {fate} and asked again"] += 1
            gevent.sleep(PAUSE)
        self.stage.report("AI", "whole answer", 0, f"no answer in {TRIES} tries")

    def _read(self, path: str, body: dict[str, Any], key: str, began: float) -> tuple[Fate, dict[str, Any]]:
        """Read one answer to its end: what became of it, and how to ask again where it was interrupted."""
        headers = self._headers() | {"Accept": "text/event-stream", "Idempotency-Key": key}
        first, end, size = False, None, 0
        opened: dict[str, Any] = {}
        with self.client.request(
            "POST", path, name="ask", json=body, headers=headers, stream=True, catch_response=True
        ) as answer:
            if answer.status_code != 200:
                said = answer.text or ""
                if answer.status_code == 503 and '"retryable":true' in said:
                    answer.success()
                    return "refused", {}
                answer.failure(f"{answer.status_code} {said[:200]} {answer.error or ''}")
                return "over", {}
            answer.success()
            for name, data in _events(answer.stream.readline):
                size += len(data)
                if name == "open":
                    opened = json.loads(data)
                elif name == "delta" and not first and json.loads(data).get("text"):
                    first = True
                    self.stage.report("AI", "first token", self.stage.now() - began)
                elif name == "end":
                    end = json.loads(data)
        if end is not None and end["status"] == "interrupted":
            where = {"conversation": opened["conversation"]} if opened.get("conversation") else {}
            return "interrupted", where | {"retry_of": end["answer"]}
        problem = "the stream ended early" if end is None else f"{end['status']} {end.get('fault')}"
        failed = end is None or end["status"] != "done"
        self.stage.report("AI", "whole answer", self.stage.now() - began, problem if failed else None, size)
        return "over", {}


def _events(read: Callable[[bytes], bytes]) -> Iterator[tuple[str, str]]:
    """(name, data) of each server-sent event, as soon as it is there: reading by size would wait for more."""
    while block := read(b"\n\n"):
        lines = dict(line.partition(": ")[::2] for line in block.decode().splitlines())
        if "event" in lines:
            yield lines["event"], lines.get("data", "")
