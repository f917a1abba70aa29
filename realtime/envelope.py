"""What processes say to each other through the broker: a small header and an encoded payload.

Owns the inner format; clients never see it, and every process of a deployment must speak the same
`FORMAT`. Called by `realtime.publisher`, `realtime.hub`, `realtime.channels`, `realtime.presence`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from realtime.protocol import Person

FORMAT = 1
CONTROL_CHANNEL = "control"

Kind = Literal["events", "people", "cursors", "volatile", "talk", "revoke", "control", "part"]


def room_channel(trip_id: str) -> str:
    """The broker channel of one room."""
    return f"room:{trip_id}"


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """`node` is the sending process; `first`, `last`, `epoch`, `authority` and `talk` describe events.

    `authority`: some event changes who may be here, so receivers must look inside. `talk`: some
    event may hold talk, so spectators get another frame; a sender that does not say so may.
    Kind `talk` is a volatile message for members only.
    """

    format: int
    kind: Kind
    node: str
    epoch: str = ""
    first: int = 0
    last: int = 0
    authority: bool = False
    talk: bool = True


class Revoke(msgspec.Struct, frozen=True, omit_defaults=True):
    """End the sockets of some signed-in sessions, or of everything that a user has open."""

    auth_ids: list[str] = []
    user_id: str | None = None


class Diff(msgspec.Struct, frozen=True, omit_defaults=True):
    """People of the sending process who came, changed or left, for kind `people`. `since`: when each of
    those who are here came, see `realtime.room_presence`."""

    put: list[Person] = []
    gone: list[str] = []
    since: dict[str, int] = {}


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)


def seal(envelope: Envelope, payload: bytes) -> bytes:
    """Header, newline, payload (JSON headers hold no raw newline)."""
    return _encoder.encode(envelope) + b"\n" + payload


def unseal(data: bytes) -> tuple[Envelope, bytes]:
    """The inverse of `seal`. Raises `msgspec.DecodeError` or `ValueError` on foreign bytes."""
    header, separator, payload = data.partition(b"\n")
    if not separator:
        raise ValueError("not an envelope")
    envelope = _decoder.decode(header)
    if envelope.format != FORMAT:
        raise ValueError(f"envelope format {envelope.format}")
    return envelope, payload
