"""A member of a trip: logs in, looks at the list, opens a trip, edits at a human pace, points, chats, goes
away and comes back.

Owns the mix of what a member does. Only touches stops that nobody removes, so that every operation must
succeed.
"""

from __future__ import annotations

import random
import secrets

import gevent
from locust import task
from locust.env import Environment

from loadtests.users.person import Caller
from loadtests.users.tab import Tab

WORDS = "出发 早点 雨 带伞 lunch by the lake 洱海骑行 old town café 🚲 sunset 民宿 check-in at three"
MOST_STOPS = 3
"""Stops that one member adds at most, or a long run would measure ever longer trips."""


def words(least: int = 3, most: int = 20) -> str:
    """Some text as people write it."""
    return " ".join(random.choices(WORDS.split(), k=random.randint(least, most)))


class Member(Caller):
    """See the module."""

    kind = "member"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.added = 0
        self.tab: Tab | None = None

    def wait_time(self) -> float:
        low, high = self.stage.profile.think_seconds
        # Never a constant pace: it would herd everybody into the same moment.
        return random.uniform(low, high)

    def on_start(self) -> None:
        self._visit()
        self.stage.settled_in += 1

    def _visit(self) -> None:
        """What opening the web page does."""
        self.sign_in()
        self.call("GET", "/api/trips", "list trips")
        self.tab = Tab(self.stage, self.host or "", self.room, self.person, "member")
        self.tab.open()
        self.call("GET", f"/api/trips/{self.room.id}/messages", "page of messages")

    def _here(self) -> Tab | None:
        """The tab, when there is something to do with it."""
        tab = self.tab
        if tab is None or self.stage.quiet:
            # Silence until the end, but for the heartbeat.
            gevent.sleep(1)
            tab = None
        if self.tab is not None:
            self.tab.keep_alive()
        return tab

    @task(10)
    def edit(self) -> None:
        """Change a stop: first seen to edit it, then the change."""
        if tab := self._here():
            stop = random.choice(self.room.stops)
            tab.say({"t": "presence", "editing": {"t": "stop", "id": stop, "field": "notes"}})
            self.stage.pause(random.uniform(0.2, 1.5))
            if not self.stage.quiet:
                fields = random.choice([{"notes": words()}, {"name": words(1, 4)}, {"cost_amount": 1200}])
                tab.submit({"kind": "stop.set_fields", "id": stop, "fields": fields})
            tab.say({"t": "presence", "looking": {"t": "stop", "id": stop}})

    @task(2)
    def move(self) -> None:
        """Drag a stop to another day."""
        if tab := self._here():
            stop, day = random.choice(self.room.stops), random.choice(self.room.days)
            tab.submit({"kind": "stop.move", "ids": [stop], "day": day})

    @task(1)
    def add(self) -> None:
        """Add a stop, and leave it there."""
        if tab := self._here():
            if self.added >= MOST_STOPS:
                return
            self.added += 1
            day = random.choice(self.room.days)
            tab.submit(
                {"kind": "stop.add", "id": secrets.token_hex(8), "day": day, "fields": {"name": words(1, 4)}}
            )

    @task(5)
    def chat(self) -> None:
        """Type, then say something."""
        if tab := self._here():
            tab.say({"t": "presence", "typing": True, "looking": {"t": "trip", "id": self.room.id}})
            self.stage.pause(random.uniform(0.5, 2))
            if not self.stage.quiet:
                tab.submit({"kind": "message.post", "id": secrets.token_hex(8), "text": words()})
            tab.say({"t": "read", "seq": max(1, tab.reader.seq or 1)})

    @task(6)
    def point(self) -> None:
        """Move the pointer over the board for a second or two."""
        if tab := self._here():
            for _ in range(random.randint(5, 15)):
                where = {"x": round(random.random(), 3), "y": round(random.random(), 3)}
                tab.say({"t": "cursor", "surface": "board", "anchor": self.room.days[0], **where})
                gevent.sleep(0.1)

    @task(1)
    def go_away(self) -> None:
        """Leave, politely or not, and come back to the same tab; sometimes to a new one."""
        if tab := self._here():
            if not tab.idle:
                return
            new_page = random.random() < 0.3
            if new_page:
                self.tab = None
                tab.close()
            else:
                tab.leave(politely=random.random() < 0.5)
            self.stage.pause(random.uniform(1, 8))
            if new_page:
                self._visit()
            else:
                tab.come_back()
