"""Who is in one room and where: the state of presence, without clocks, sockets or Redis.

Owns the people of this process (`local`), those of others as far as heard (`remote`), departures
that wait to be announced, and what has changed since it was last told. Pure: times come in as
arguments. Called by `realtime.presence`.

A tab has one connection. Where its network broke without a word, the process that had it takes it for
connected for a while after it has come back to another one: so each process says since when it has a tab, and
where it came last is where it is. Clocks differ, and what a process said before it was killed is read for a
while: so a tab that is said to be elsewhere is not forgotten while it is connected here. It is here again as
soon as it does something, or nothing is heard of it from there any more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import msgspec

from domain.entities import AccessRole
from realtime.protocol import Focus, Person, Pointer

MAX_POINTERS = 64
"""Pointers in one `cursors` message; the rest wait for the next."""
GRACE = 5.0
"""Seconds in which a stored state may be older than what was heard directly."""


TALK_FIELDS = frozenset({"chat", "comment"})
"""Fields of `Focus` that are talk, which spectators know nothing of."""


class Stored(msgspec.Struct, frozen=True, array_like=True):
    """A person as kept in the store: the process that has them, how they look, and since when they are
    there."""

    node: str
    person: Person
    since: int = 0


def without_talk(person: Person) -> Person:
    """The person as spectators see them: neither in the chat nor writing a comment."""
    looks = person.looking is not None and person.looking.field in TALK_FIELDS
    edits = person.editing is not None and person.editing.field in TALK_FIELDS
    if not (looks or edits):
        return person
    return msgspec.structs.replace(
        person,
        looking=None if looks else person.looking,
        editing=None if edits else person.editing,
        typing=False if edits else person.typing,
    )


@dataclass
class _Local:
    person: Person
    since: int
    connections: set[Hashable]


@dataclass
class _Remote:
    node: str
    person: Person
    seen: float
    since: int


@dataclass(frozen=True)
class Told:
    """Differences since the last time, for clients (`put`, `gone`, `named` both), and those that
    other processes have to hear from this one (`our_put`, `our_gone`; `since` is of those in `our_put`)."""

    put: list[Person]
    gone: list[str]
    named: set[str]
    our_put: list[Person]
    our_gone: list[str]
    since: dict[str, int]


class RoomPresence:
    """See the module. `leave_after`: how late a departure is announced; `ttl`: how long somebody
    of another process is believed in without a sign of life."""

    def __init__(self, node: str, ttl: float, leave_after: float) -> None:
        self._node = node
        self._ttl = ttl
        self._leave_after = leave_after
        self._local: dict[str, _Local] = {}
        self._remote: dict[str, _Remote] = {}
        self._elsewhere: dict[str, _Local] = {}
        """Tabs that are connected here, and said to have come to another process since."""
        self._leaving: dict[str, float] = {}
        self._left: dict[str, float] = {}
        self._changed: set[str] = set()
        self._ours: set[str] = set()
        self._pointers: dict[str, Pointer] = {}
        self._our_pointers: set[str] = set()

    # --- people of this process -------------------------------------------------------------

    def enter(self, person: Person, since: int = 0, connection: Hashable = None) -> None:
        """A connection of a tab, at `since` (milliseconds of this process's clock); a tab that comes back in
        time keeps what it was looking at."""
        sid = person.session
        other = self._remote.get(sid)
        if other is not None:
            since = max(since, other.since + 1)  # it comes after that, whatever the clocks say
        known = self.find(sid)
        if known is not None:
            person = msgspec.structs.replace(
                person, looking=known.looking, editing=known.editing, typing=known.typing
            )
        here = self._elsewhere.pop(sid, None) or self._local.get(sid)
        connections = set() if here is None or sid in self._leaving else here.connections
        self._local[sid] = _Local(person, since, connections | {connection})
        self._leaving.pop(sid, None)
        self._remote.pop(sid, None)
        self._left.pop(sid, None)
        self._ours.add(sid)
        if known != person:
            self._changed.add(sid)

    def update(self, sid: str, looking: Focus | None, editing: Focus | None, typing: bool) -> None:
        """What a tab says about itself; saying the same again changes nothing."""
        here = self._local.get(sid) or self._come_back(sid)
        if here is not None:
            self._replace(
                here, msgspec.structs.replace(here.person, looking=looking, editing=editing, typing=typing)
            )

    def restyle(
        self, user_id: str, role: AccessRole | None = None, name: str | None = None, color: int | None = None
    ) -> None:
        """How a member is called or what they may do has changed."""
        for here in (*self._local.values(), *self._elsewhere.values()):
            if here.person.user == user_id:
                old = here.person
                new = msgspec.structs.replace(
                    old,
                    role=role or old.role,
                    name=name if name is not None else old.name,
                    color=color if color is not None else old.color,
                )
                self._replace(here, new)

    def _replace(self, here: _Local, person: Person) -> None:
        if person != here.person:
            here.person = person
            if person.session in self._local:
                self._changed.add(person.session)
                self._ours.add(person.session)

    def _come_back(self, sid: str) -> _Local | None:
        """A tab that was said to be elsewhere is here."""
        here = self._elsewhere.pop(sid, None)
        if here is None:
            return None
        other = self._remote.pop(sid, None)
        if other is not None:
            there = other.person
            here.person = msgspec.structs.replace(
                here.person, looking=there.looking, editing=there.editing, typing=there.typing
            )
            here.since = max(here.since, other.since + 1)
        if other is None or other.person != here.person:
            self._changed.add(sid)
        self._local[sid] = here
        self._left.pop(sid, None)
        self._ours.add(sid)
        return here

    def leave(self, sid: str, now: float, connection: Hashable = None) -> None:
        """One connection of a tab has ended; announced later, unless the tab comes back."""
        here = self._local.get(sid) or self._elsewhere.get(sid)
        if here is None or connection not in here.connections:
            return  # of a tab that has left, and perhaps come back by another one
        here.connections.discard(connection)
        if here.connections:
            return
        if self._elsewhere.pop(sid, None) is None:
            self._leaving[sid] = now + self._leave_after

    def drop_user(self, user_id: str, now: float) -> None:
        """Somebody may not be here any more: no waiting."""
        self._elsewhere = {s: here for s, here in self._elsewhere.items() if here.person.user != user_id}
        for sid in [sid for sid, here in self._local.items() if here.person.user == user_id]:
            self._depart(sid, now)

    def settle(self, now: float) -> None:
        """Announce departures that are due, and forget people of silent processes."""
        for sid in [sid for sid, due in self._leaving.items() if due <= now]:
            self._depart(sid, now)
        for sid in [sid for sid, other in self._remote.items() if other.seen + self._ttl < now]:
            self._miss(sid, now)
        self._left = {sid: at for sid, at in self._left.items() if at + GRACE > now}

    def _depart(self, sid: str, now: float) -> None:
        self._leaving.pop(sid, None)
        if self._local.pop(sid, None) is not None:
            self._ours.add(sid)
            self._forget(sid, now)

    def _miss(self, sid: str, now: float) -> None:
        """Nothing is heard of a tab of another process any more."""
        if self._come_back(sid) is None:
            self._forget(sid, now)

    def _forget(self, sid: str, now: float) -> None:
        self._remote.pop(sid, None)
        self._pointers.pop(sid, None)
        self._changed.add(sid)
        self._left[sid] = now

    # --- people of other processes ----------------------------------------------------------

    def hear(
        self, node: str, put: list[Person], gone: list[str], now: float, since: dict[str, int] | None = None
    ) -> None:
        """What another process told about its people."""
        since = since or {}
        for person in put:
            sid, at = person.session, since.get(person.session, 0)
            here = self._local.get(sid)
            if here is not None and sid not in self._leaving and at <= here.since:
                if at < here.since:
                    self._ours.add(sid)  # the tab has come here since: say so
                continue
            self._believe(node, person, now, at)
            self._left.pop(sid, None)
        for sid in gone:
            other = self._remote.get(sid)
            if other is not None and other.node == node:
                self._forget(sid, now)
            elif sid in self._local and sid not in self._leaving:
                self._ours.add(sid)  # it is still here: say so

    def reconcile(self, stored: dict[str, Stored], now: float) -> None:
        """Take what the store holds about other processes as the truth, but for fresh news."""
        for sid, entry in stored.items():
            here = self._local.get(sid)
            if entry.node == self._node or sid in self._left:
                continue
            if here is None or entry.since > here.since:
                self._believe(entry.node, entry.person, now, entry.since)
            elif entry.since < here.since:
                self._ours.add(sid)  # the tab has come here since: say so
        for sid, other in list(self._remote.items()):
            if sid not in stored and other.seen + GRACE < now:
                self._miss(sid, now)

    def _believe(self, node: str, person: Person, now: float, since: int) -> None:
        sid = person.session
        other = self._remote.get(sid)
        if other is not None and other.node != node and other.since > since:
            return  # the tab is elsewhere by now
        known = self.find(sid)
        # If it was here, it is not any more, whatever its connection still looks like: see the module.
        here = self._local.pop(sid, None)
        if here is not None and sid not in self._leaving:
            self._elsewhere[sid] = here
        self._leaving.pop(sid, None)
        self._remote[sid] = _Remote(node, person, now, since)
        if known != person:
            self._changed.add(sid)

    # --- pointers ---------------------------------------------------------------------------

    def point(self, pointer: Pointer, ours: bool) -> None:
        """The latest position of a tab's pointer."""
        if ours and pointer.session not in self._local and self._come_back(pointer.session) is None:
            return
        self._pointers[pointer.session] = pointer
        if ours:
            self._our_pointers.add(pointer.session)

    def take_pointers(self) -> tuple[list[Pointer], list[Pointer]]:
        """(for clients, for other processes): the oldest waiting, at most `MAX_POINTERS`."""
        sids = list(self._pointers)[:MAX_POINTERS]
        taken = [self._pointers.pop(sid) for sid in sids]
        ours = [pointer for pointer in taken if pointer.session in self._our_pointers]
        self._our_pointers.difference_update(sids)
        return taken, ours

    # --- telling ----------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """There is something to tell."""
        return bool(self._changed or self._ours or self._pointers)

    def find(self, sid: str) -> Person | None:
        here = self._local.get(sid)
        if here is not None:
            return here.person
        other = self._remote.get(sid)
        return None if other is None else other.person

    def people(self) -> list[Person]:
        """Everybody, here and elsewhere."""
        return [entry.person for entry in self._everybody()]

    def local(self) -> list[Person]:
        """The people whom this process answers for."""
        return [here.person for here in self._local.values()]

    def stored(self) -> dict[str, Stored]:
        """The same, as they are to be kept, by session."""
        return {sid: Stored(self._node, here.person, here.since) for sid, here in self._local.items()}

    def _everybody(self) -> Iterator[_Local | _Remote]:
        yield from self._local.values()
        yield from self._remote.values()

    def look_up(self, sids: set[str]) -> tuple[list[Person], list[str]]:
        """(those who are here, those who are not) of `sids`."""
        found = {sid: self.find(sid) for sid in sids}
        return (
            [person for person in found.values() if person is not None],
            [sid for sid, person in found.items() if person is None],
        )

    def take(self) -> Told:
        """The differences since the last call."""
        named, self._changed = self._changed, set()
        ours, self._ours = self._ours, set()
        put, gone = self.look_up(named)
        our_put = [self._local[sid].person for sid in ours if sid in self._local]
        # Gone from here only matters to others when the tab is not connected elsewhere by now.
        our_gone = [sid for sid in ours if sid not in self._local and sid not in self._remote]
        since = {person.session: self._local[person.session].since for person in our_put}
        return Told(put, gone, named, our_put, our_gone, since)
