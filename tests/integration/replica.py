"""What a client of the room protocol knows, written from docs/PROTOCOL.md alone.

Keeps its own copy of the room as plain dicts (it shares no code with `domain.trip`) and records
everything that a test may want to assert. Knows no network: `tests.integration.room_client` and
the convergence fuzz bring one. Never used by the product.
"""

from __future__ import annotations

import secrets
from typing import Any

Record = dict[str, Any]
Records = dict[tuple[str, str], Record]


class Replica:
    """One tab's state. Subclasses implement `_send` and `drop`."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.client_id = secrets.token_hex(8)
        self.epoch: str | None = None
        self.seq = 0
        self.role: str | None = None
        self.records: Records = {}
        self.people: dict[str, Record] = {}
        self.acked: dict[str, int] = {}
        self.rejected: dict[str, Record] = {}
        self.pending: dict[str, Record] = {}
        self.closings: list[Record] = []
        self.joins: list[Record] = []

    def _send(self, message: Record) -> None:
        raise NotImplementedError

    def drop(self) -> None:
        raise NotImplementedError

    def join_message(self) -> Record:
        """The first frame of a connection: resumes where there is something to resume."""
        join: Record = {"t": "join", "v": 1, "room": self.room, "client": self.client_id}
        if self.epoch is not None:
            join |= {"epoch": self.epoch, "since": self.seq}
        return join

    def submit(self, op: Record, op_id: str | None = None, base: int | None = None) -> str:
        """Queue an operation and send it; sent again until answered. Returns its id."""
        op_id = op_id or secrets.token_hex(10)
        self.pending[op_id] = {
            "t": "submit", "op_id": op_id, "base": self.seq if base is None else base, "op": op,
        }  # fmt: skip
        self._send(self.pending[op_id])
        return op_id

    def resend(self) -> None:
        """Send everything unanswered again."""
        for message in list(self.pending.values()):
            self._send(message)

    def receive(self, message: Record) -> None:
        """One message of the server."""
        kind = message["t"]
        if kind == "joined":
            self._joined(message)
        elif kind == "events":
            for event in message["events"]:
                self._apply(event)
        elif kind == "ack":
            self._confirm(message["op_id"], message["seq"])
        elif kind == "rejected":
            if not message.get("retryable"):
                self.pending.pop(message["op_id"], None)
                self.rejected[message["op_id"]] = message
        elif kind == "people":
            for person in message.get("put", []):
                self.people[person["session"]] = person
            for session in message.get("gone", []):
                self.people.pop(session, None)
        elif kind == "head" and message["seq"] > self.seq:
            self.drop()
        elif kind == "role":
            self.role = message["role"]
        elif kind == "closing":
            self.closings.append(message)

    def _joined(self, message: Record) -> None:
        self.role = message["role"]
        self.people = {person["session"]: person for person in message["people"]}
        if message["recovered"]:
            for event in message.get("events", []):
                self._apply(event)
        else:
            snapshot = message["snapshot"]
            self.records = {("trip", snapshot["trip"]["id"]): snapshot["trip"]}
            for t, key in (("day", "days"), ("stop", "stops"), ("member", "members")):
                self.records |= {(t, record["id"]): record for record in snapshot[key]}
            self.seq = message["seq"]
        assert self.seq == message["seq"], f"joined at {message['seq']}, have {self.seq}"
        self.epoch = message["epoch"]
        self.joins.append(message)
        self.resend()

    def _confirm(self, op_id: str, seq: int) -> None:
        assert self.acked.get(op_id, seq) == seq, f"{op_id} was applied twice"
        if self.pending.pop(op_id, None) is not None or op_id in self.acked:
            self.acked[op_id] = seq

    def _apply(self, event: Record) -> None:
        if event["seq"] <= self.seq:
            return
        assert event["seq"] == self.seq + 1, f"gap: at {self.seq}, got {event['seq']}"
        self.seq = event["seq"]
        for change in event["changes"]:
            record = self.records.setdefault((change["t"], change["id"]), {"id": change["id"]})
            for field, value in change["set"].items():
                if field.startswith("links."):
                    record.setdefault("links", {})
                    if value is None:
                        record["links"].pop(field[6:], None)
                    else:
                        record["links"][field[6:]] = value
                else:
                    record[field] = value
        self._confirm(event["op_id"], event["seq"])

    def view(self) -> dict[str, Any]:
        """Live records by (type, id): what a person would see; compare with `snapshot_view`."""
        return live(self.records)

    def stops(self, day: str | None = None) -> list[str]:
        """Names of a day's stops in order."""
        found = [r for (t, _), r in self.records.items() if t == "stop" and not r.get("deleted")]
        return [r["name"] for r in sorted(found, key=lambda r: (r["pos"], r["id"])) if r["day_id"] == day]


def live(records: Records) -> dict[str, Any]:
    return {
        f"{t}:{record_id}": record
        for (t, record_id), record in sorted(records.items())
        if t == "member" or not record.get("deleted")
    }
