"""A member in a crowd that loses its network all at once and returns all at once.

Owns the measurement of one return: from the moment of "all return" (the same for all) until this tab has
everything that anybody had been told by then. Between storms it edits, rarely.
"""

from __future__ import annotations

import random

import gevent
from locust import User, task
from locust.env import Environment

from loadtests import stage
from loadtests.users.member import words
from loadtests.users.tab import Tab

BACK = "storm: back and current"


class StormMember(User):
    """See the module."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.stage = stage.of(environment)
        seat = self.stage.seats.take("storm")
        self.room = seat.room
        self.tab = Tab(self.stage, self.host or "", seat.room, seat.person, "storm member")

    def on_start(self) -> None:
        self.tab.open()
        self.stage.settled_in += 1

    def wait_time(self) -> float:
        return 0.0

    @task
    def live(self) -> None:
        storm = self.stage.storm
        patience = random.uniform(10, 20)
        if storm.leave.wait(patience):
            self._weather(storm)
        elif self.stage.quiet:
            self.tab.keep_alive()
        else:
            self.tab.keep_alive()
            if random.random() < 0.3:
                stop = random.choice(self.room.stops)
                self.tab.submit({"kind": "stop.set_fields", "id": stop, "fields": {"notes": words()}})

    def _weather(self, storm: stage.Storm) -> None:
        """Leave, wait for the end of the storm, return."""
        self.tab.leave(politely=False)
        storm.back.wait()
        assert self.stage.profile.storms is not None
        gevent.sleep(random.uniform(0, self.stage.profile.storms.spread_seconds))
        self.tab.come_back("storm: join")
        while (self.tab.reader.seq or 0) < storm.heads.get(self.room.id, 0):
            gevent.sleep(0.01)
        now = self.stage.now()
        storm.returned += 1
        storm.last_at = max(storm.last_at, now)
        self.stage.report("WS", BACK, now - storm.back_at)
