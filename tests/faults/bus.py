"""Pub/Sub messages of Redis that get lost, come twice, or come out of order.

Owns just enough RESP2 to know where one reply ends and which of them are published messages; everything else
passes untouched. A `filter` for `tests.faults.proxy`, one for each connection. `BusFaults` is shared by all
connections of a proxy and may change at any time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

MESSAGE = b"*3\r\n$7\r\nmessage\r\n"


@dataclass
class BusFaults:
    """Probabilities for each published message; `rng` decides. `spared` are never touched: a part of the
    name of a channel, such as that of the beacons, by which a process knows that it hears anything."""

    rng: random.Random
    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    spared: bytes = b":beacon:"
    counts: dict[str, int] = field(default_factory=lambda: {"drop": 0, "duplicate": 0, "reorder": 0})

    def filter(self) -> PubSubFilter:
        """For `Proxy(filter=...)`."""
        return PubSubFilter(self)

    def quiet(self) -> None:
        """No faults any more."""
        self.drop = self.duplicate = self.reorder = 0.0


class PubSubFilter:
    """See `tests.faults.proxy.Filter`."""

    def __init__(self, faults: BusFaults) -> None:
        self._faults = faults
        self._received = b""
        self._held: bytes | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Whole replies only; one that is reordered comes behind the next."""
        self._received += data
        while end := end_of_reply(self._received):
            reply, self._received = self._received[:end], self._received[end:]
            yield from self._judge(reply)

    def _judge(self, reply: bytes) -> Iterator[bytes]:
        faults = self._faults
        touched = reply.startswith(MESSAGE) and faults.spared not in reply.split(b"\r\n", 5)[4]
        held, self._held = self._held, None
        if touched and faults.rng.random() < faults.drop:
            faults.counts["drop"] += 1
        elif touched and held is None and faults.rng.random() < faults.reorder:
            faults.counts["reorder"] += 1
            self._held = reply
        else:
            yield reply
            if touched and faults.rng.random() < faults.duplicate:
                faults.counts["duplicate"] += 1
                yield reply
        if held is not None:
            yield held


def end_of_reply(data: bytes, start: int = 0) -> int:
    """Where the RESP2 reply at `start` ends; 0 while it is not complete. ValueError for anything else."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return 0
    kind, rest = data[start : start + 1], data[start + 1 : line]
    end = line + 2
    if kind in b"+-:":
        return end
    size = int(rest)
    if kind == b"$":
        end += size + 2 if size >= 0 else 0
        return end if end <= len(data) else 0
    if kind != b"*":
        raise ValueError(f"not RESP2: {data[start : start + 20]!r}")
    for _ in range(size):
        end = end_of_reply(data, end)
        if not end:
            return 0
    return end
