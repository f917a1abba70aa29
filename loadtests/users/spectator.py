"""Somebody without an account who reads a public trip live, as one does who was sent a link.

Owns nothing but looking: what they must not see (talk) comes as `hidden` events, and those count, too.
"""

from __future__ import annotations

import random

from locust import User, task
from locust.env import Environment

from loadtests import stage
from loadtests.users.tab import Tab


class Spectator(User):
    """See the module."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.stage = stage.of(environment)
        seat = self.stage.seats.take("spectator")
        self.tab = Tab(self.stage, self.host or "", seat.room, seat.person, "spectator")

    def wait_time(self) -> float:
        return random.uniform(3, 10)

    def on_start(self) -> None:
        self.tab.open()
        self.stage.settled_in += 1

    @task(20)
    def look(self) -> None:
        self.tab.keep_alive()

    @task(1)
    def go_away(self) -> None:
        if self.stage.quiet:
            return
        self.tab.leave(politely=random.random() < 0.5)
        self.stage.pause(random.uniform(1, 8))
        self.tab.come_back()
