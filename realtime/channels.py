"""Messages between the processes that belong to no room: channels of other parts, and control.

Owns who listens to which channel in this process, and the rule that a message reaches listeners
here at once and without the bus. Delivery is at most once, as in `realtime.broker`. Never looks
into payloads. Called by `realtime.hub`, and by parts of `realtime` that have channels of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from realtime.broker import Broker
from realtime.envelope import CONTROL_CHANNEL, FORMAT, Envelope, seal

log = logging.getLogger(__name__)

OnData = Callable[[bytes], None]
"""Synchronous and cheap; an exception in it is logged, never spread."""
OnControl = Callable[[str, bytes], None]
"""`(kind, payload)`, under the same rules."""
_PART = "part:"


class Channels:
    """See the module. `on_control` hears every control message, those of this process too."""

    def __init__(self, node: str, broker: Broker) -> None:
        self.on_control: OnControl | None = None
        self._node = node
        self._broker = broker
        self._listeners: dict[str, list[OnData]] = {}

    # --- channels ---------------------------------------------------------------------------

    async def subscribe(self, channel: str, listener: OnData) -> None:
        """Hear `channel` (such as ``answer:<id>``), also what this process says on it. Several may
        listen. Returns when other processes are heard, or the bus is down."""
        self._listeners.setdefault(channel, []).append(listener)
        await self._broker.subscribe(_PART + channel)

    def unsubscribe(self, channel: str, listener: OnData) -> None:
        """`listener` hears no more of it; does nothing when it does not listen."""
        listeners = self._listeners.get(channel, [])
        if listener not in listeners:
            return
        listeners.remove(listener)
        if not listeners:
            del self._listeners[channel]
            self._broker.unsubscribe(_PART + channel)

    def publish(self, channel: str, payload: bytes) -> None:
        """Say something to whoever listens, here and elsewhere. Never blocks or raises."""
        self._hear(channel, payload)
        self._broker.publish(_PART + channel, seal(Envelope(FORMAT, "part", self._node), payload))

    # --- control ----------------------------------------------------------------------------

    def publish_control(self, kind: str, payload: bytes) -> None:
        """Say something to every process, this one included; `kind` is one word."""
        self._obey(kind, payload)
        data = kind.encode() + b"\n" + payload
        self._broker.publish(CONTROL_CHANNEL, seal(Envelope(FORMAT, "control", self._node), data))

    # --- from the broker --------------------------------------------------------------------

    def receive(self, channel: str, envelope: Envelope, payload: bytes) -> bool:
        """Take a message of another process; False: it is none of these."""
        if envelope.kind == "part" and channel.startswith(_PART):
            if envelope.node != self._node:
                self._hear(channel.removeprefix(_PART), payload)
            return True
        if envelope.kind == "control" and channel == CONTROL_CHANNEL:
            if envelope.node != self._node:
                kind, _, data = payload.partition(b"\n")
                self._obey(kind.decode(), data)
            return True
        return False

    def _hear(self, channel: str, payload: bytes) -> None:
        for listener in list(self._listeners.get(channel, ())):
            try:
                listener(payload)
            except Exception:
                log.exception("a listener of %s failed", channel)

    def _obey(self, kind: str, payload: bytes) -> None:
        if self.on_control is None:
            return
        try:
            self.on_control(kind, payload)
        except Exception:
            log.exception("control message %s failed", kind)
