"""Committed events -> one encoded message -> local sessions, and the broker for other processes.

Owns the order: local delivery first and without the broker. Called by storage's runner after each
commit, on the loop, in the order of the commits of one trip.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.events import Committed
from realtime.authority import touches_authority
from realtime.broker import Broker
from realtime.envelope import FORMAT, Envelope, room_channel, seal
from realtime.hub import Hub
from realtime.protocol import encode_events
from realtime.room import Batch


class Publisher:
    """Publishes what has been committed, and nothing else."""

    def __init__(self, hub: Hub, broker: Broker) -> None:
        self._hub = hub
        self._broker = broker

    def publish(self, trip_id: str, epoch: str, committed: Sequence[Committed]) -> None:
        """One commit's events of one trip, with consecutive seq. Never raises for a bus that is
        away: other processes then find the events by themselves."""
        if not committed:
            return
        bodies: list[bytes] = []
        authority = talk = False
        for entry in committed:
            event = entry.event
            bodies.append(entry.body)
            authority = authority or touches_authority(event)
            talk = talk or bool(event.talk) or event.suggested is not None
        payload = encode_events(epoch, bodies)
        batch = Batch(epoch, committed[0].event.seq, bodies, authority, payload, talk)
        self._hub.deliver(trip_id, batch)
        envelope = Envelope(FORMAT, "events", self._hub.node, epoch, batch.first, batch.last, authority, talk)
        self._broker.publish(room_channel(trip_id), seal(envelope, payload))
