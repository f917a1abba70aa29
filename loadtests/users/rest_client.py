"""A script or a phone's app that only knows REST: lists, reads, makes, changes and deletes trips, and edits a
shared one.

Owns the mix of calls. Its edits of the shared trip are in the ledger like everybody's: the members of that
room must see each of them.
"""

from __future__ import annotations

import random
import secrets

import gevent
from locust import task
from locust.env import Environment

from loadtests.users.member import words
from loadtests.users.person import Caller


class RestClient(Caller):
    """See the module."""

    kind = "rest"

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.mine: str | None = None

    def wait_time(self) -> float:
        return random.uniform(*self.stage.profile.rest_think_seconds)

    def on_start(self) -> None:
        self.call("GET", "/api/trips", "list trips")
        self.stage.settled_in += 1

    def _busy(self) -> bool:
        """False, after a pause, when all are silent."""
        if self.stage.quiet:
            gevent.sleep(1)
        return not self.stage.quiet

    @task(12)
    def list_trips(self) -> None:
        if self._busy():
            self.call("GET", "/api/trips", "list trips")

    @task(3)
    def read(self) -> None:
        if self._busy():
            self.call("GET", f"/api/trips/{self.room.id}", "read a trip")

    @task(2)
    def history(self) -> None:
        if self._busy():
            self.call("GET", f"/api/trips/{self.room.id}/history", "page of history")

    @task(2)
    def messages(self) -> None:
        if self._busy():
            self.call("GET", f"/api/trips/{self.room.id}/messages", "page of messages")

    @task(3)
    def own_trip(self) -> None:
        """One step in the life of a trip of one's own: make it, change it, delete it."""
        if not self._busy():
            return
        if self.mine is None:
            body = {"title": words(1, 4), "start_date": "2027-05-01", "end_date": "2027-05-03"}
            made = self.call("POST", "/api/trips", "create a trip", body)
            self.mine = made["trip"]["id"] if made else None
        elif random.random() < 0.6:
            self.call("PATCH", f"/api/trips/{self.mine}", "change a trip", {"description": words()})
        else:
            gone, self.mine = self.mine, None
            self.call("DELETE", f"/api/trips/{gone}", "delete a trip")

    @task(3)
    def edit(self) -> None:
        """One operation on the shared trip; sent again with the same id where it failed."""
        if not self._busy():
            return
        op_id, ledger = secrets.token_hex(10), self.stage.ledger
        op = {"kind": "stop.set_fields", "id": random.choice(self.room.stops), "fields": {"notes": words()}}
        ledger.submitted(op_id, self.room.id, self, self.stage.now())
        for _ in range(10):
            answer = self.call(
                "POST",
                f"/api/trips/{self.room.id}/operations",
                "apply an operation",
                {"op_id": op_id, "base": ledger.head(self.room.id), "op": op},
            )
            if answer:
                ledger.answered(op_id, answer["seq"], self.stage.now())
                return
            gevent.sleep(0.5)
