"""Who sent what, what was answered, and what arrived where: loss and duplicates are counted, not assumed.

Owns the matching of operations with their acknowledgements and with their arrival at every reader of the
room, and the verdict on each reader's stream of `seq`. Pure: no network, no clock (times are given, in
seconds of one monotonic clock), no locust. Called by the users of `loadtests.users`; proven by feeding it
lost, doubled and swapped messages (tests/loadtests/test_ledger.py).

What a reader must get (docs/PROTOCOL.md R3): after its first join at seq `n`, each of `n+1, n+2 ...`
exactly once and in order over its whole life, whether live or by resuming with `since`. A snapshot stands
for everything up to its seq. So nobody has to know who was in the room when: gaps and repeats show at the
reader itself, and its missing end shows when the run is over, since the room's head is known from all that
anybody was told.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MAX_EXAMPLES = 20
LOSS = ("gap", "missing at the end", "behind the head", "unanswered")
DUPLICATES = ("seq twice", "operation twice")
DISORDER = ("out of order", "two operations with one seq", "snapshot from the past")


@dataclass
class Operation:
    """One operation that a user asked for. `seq` is None until it is known."""

    room: str
    by: object
    at: float
    seq: int | None = None
    answered: bool = False


@dataclass(eq=False)
class Reader:
    """One tab in one room. `seq` is the last that it has, None before its first join.

    `here_since`: since when its person has been looking, in the ledger's time; None while they are away on
    purpose. Being thrown out by a restart is no absence: what is late then is late for them.
    """

    name: str
    room: str
    seq: int | None = None
    here_since: float | None = None
    missing: set[int] = field(default_factory=set)


@dataclass
class Room:
    """What anybody was told about one room."""

    head: int = 0
    ops: dict[int, str] = field(default_factory=dict)


class Ledger:
    """See the module. `faults` counts what went wrong by kind; `examples` say where, the first of each."""

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self.readers: dict[Reader, None] = {}
        """Open tabs, in the order in which they were opened."""
        self.rooms: dict[str, Room] = {}
        self.faults: Counter[str] = Counter()
        self.examples: list[str] = []
        self.arrivals = 0
        self.caught_up = 0
        self.snapshots = 0

    # --- sending ----------------------------------------------------------------------------

    def submitted(self, op_id: str, room: str, by: object, at: float) -> None:
        """A user asks for an operation (the first time: sending it again is no new operation)."""
        self.operations[op_id] = Operation(room, by, at)

    def answered(self, op_id: str, seq: int, at: float) -> float | None:
        """The sender learned that its operation is event `seq`. The first time: seconds since it was
        submitted."""
        operation = self.operations.get(op_id)
        if operation is None:
            return None
        self._place(operation.room, seq, op_id)
        if operation.answered:
            return None
        operation.answered = True
        return at - operation.at

    def refused(self, op_id: str) -> None:
        """The sender learned that its operation will not be applied."""
        self.operations.pop(op_id, None)

    # --- reading ----------------------------------------------------------------------------

    def reader(self, name: str, room: str) -> Reader:
        """A new tab, which has nothing yet."""
        made = Reader(name, room)
        self.readers[made] = None
        return made

    def joined(self, reader: Reader, seq: int, recovered: bool, at: float) -> None:
        """The answer to a join, before its events are counted. Without `recovered`, a snapshot at `seq`."""
        if reader.here_since is None:
            reader.here_since = at
        room = self._room(reader.room)
        room.head = max(room.head, seq)
        if recovered and reader.seq is not None:
            return
        self.snapshots += 1
        if reader.seq is not None and seq < reader.seq:
            self._fault("snapshot from the past", f"{reader.name}: had {reader.seq}, snapshot at {seq}")
        reader.seq = seq
        reader.missing.clear()

    def arrived(self, reader: Reader, seq: int, op_id: str, at: float) -> float | None:
        """One event came. Seconds from submit to seen, where that can be said: somebody else's operation,
        submitted while this reader was there. `op_id` is empty where the event is hidden from spectators."""
        self.arrivals += 1
        if not self._take(reader, seq):
            return None
        if op_id:
            self._place(reader.room, seq, op_id)
        else:
            room = self._room(reader.room)
            room.head = max(room.head, seq)
        operation = self.operations.get(op_id)
        if operation is None or operation.by is reader:
            return None
        if reader.here_since is None or reader.here_since > operation.at:
            self.caught_up += 1
            return None
        return at - operation.at

    def told_head(self, reader: Reader, seq: int) -> bool:
        """The server says on this socket that the room stands at `seq`. False when the reader, who should
        have everything up to there, has not: something on the way was lost, and it has to join again."""
        room = self._room(reader.room)
        room.head = max(room.head, seq)
        if reader.seq is None or reader.seq >= seq:
            return True
        self._fault("behind the head", f"{reader.name}: has {reader.seq}, head {seq}")
        return False

    def left(self, reader: Reader) -> None:
        """Its person goes away on purpose; the tab may come back."""
        reader.here_since = None

    def closed(self, reader: Reader) -> None:
        """The tab is closed for good: nothing more is owed to it, but the gaps it had stay."""
        del self.readers[reader]
        self._count_missing(reader)

    def is_current(self, reader: Reader) -> bool:
        """Has everything that anybody was told of its room."""
        return reader.seq is not None and reader.seq >= self._room(reader.room).head

    def head(self, room: str) -> int:
        """The highest seq of a room that anybody was told."""
        return self._room(room).head

    # --- the end ----------------------------------------------------------------------------

    def unanswered(self) -> list[str]:
        """Operations that nobody has told the fate of."""
        return [op_id for op_id, operation in self.operations.items() if not operation.answered]

    def finish(self) -> None:
        """Count what is still owed. Call once, when everybody is back and had time to become current."""
        for op_id in self.unanswered():
            self._fault("unanswered", f"{op_id} in {self.operations[op_id].room}")
        for reader in self.readers:
            self._count_missing(reader)
            head, has = self._room(reader.room).head, reader.seq or 0
            for seq in range(has + 1, head + 1):
                self._fault("missing at the end", f"{reader.name}: {seq} (has {has} of {head})")

    def _count_missing(self, reader: Reader) -> None:
        for seq in sorted(reader.missing):
            self._fault("gap", f"{reader.name}: {seq} never came")
        reader.missing.clear()

    @property
    def lost(self) -> int:
        return sum(self.faults[kind] for kind in LOSS)

    @property
    def duplicates(self) -> int:
        return sum(self.faults[kind] for kind in DUPLICATES)

    @property
    def disordered(self) -> int:
        return sum(self.faults[kind] for kind in DISORDER)

    @property
    def gaps(self) -> int:
        """What is missing right now in the middle of readers' streams (counted as faults at the end)."""
        return sum(len(reader.missing) for reader in self.readers)

    # --- inside -----------------------------------------------------------------------------

    def _room(self, name: str) -> Room:
        return self.rooms.setdefault(name, Room())

    def _take(self, reader: Reader, seq: int) -> bool:
        """Put one seq into a reader's stream; False when it had it."""
        has = reader.seq
        if has is None:
            self._fault("out of order", f"{reader.name}: event {seq} before the join was answered")
            return False
        if seq > has:
            reader.missing.update(range(has + 1, seq))
            reader.seq = seq
            return True
        if seq in reader.missing:
            reader.missing.discard(seq)
            self._fault("out of order", f"{reader.name}: {seq} came after {has}")
            return True
        self._fault("seq twice", f"{reader.name}: {seq} again (had {has})")
        return False

    def _place(self, name: str, seq: int, op_id: str) -> None:
        """Learn that an operation is event `seq` of a room."""
        room = self._room(name)
        room.head = max(room.head, seq)
        known = room.ops.setdefault(seq, op_id)
        if known != op_id:
            self._fault("two operations with one seq", f"{name} {seq}: {known} and {op_id}")
        operation = self.operations.get(op_id)
        if operation is None:
            return
        if operation.seq is None:
            operation.seq = seq
        elif operation.seq != seq:
            self._fault("operation twice", f"{op_id} is {operation.seq} and {seq} of {name}")

    def _fault(self, kind: str, where: str) -> None:
        self.faults[kind] += 1
        if self.faults[kind] <= MAX_EXAMPLES:
            self.examples.append(f"{kind}: {where}")
