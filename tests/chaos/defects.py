"""Defects that may be built into a server process, to see that the suite goes red.

Owns nothing of the product; each one is a promise of docs/PROTOCOL.md broken on purpose, by replacing one
function. `python -m tests.chaos --break NAME` runs the suite with one of them. Called by `tests.chaos.entry`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from domain.commands import RoomState
from domain.services import answers, rooms
from realtime import close_codes, heads, hub, presence, protocol, room, room_presence, session
from realtime.assistant import keeping, streams
from storage import runner, unit_of_work

DEFECTS: dict[str, Callable[[], None]] = {}


def defect(install: Callable[[], None]) -> Callable[[], None]:
    DEFECTS[install.__name__.replace("_", "-")] = install
    return install


def build_in(name: str) -> None:
    """Install one of `DEFECTS`; nothing without a name. KeyError for an unknown one."""
    if name:
        DEFECTS[name]()


def _patch(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


@defect
def publish_before_commit() -> None:
    """R1.5: members see what may never become durable."""
    runners: list[tuple[asyncio.AbstractEventLoop, Any]] = []
    made, commit = runner.Runner.__init__, unit_of_work.SqlUnitOfWork.commit

    def remember(self: Any, units: Any, executor: Any, publish: Any, **more: Any) -> None:
        runners.append((asyncio.get_running_loop(), publish))
        made(self, units, executor, publish, **more)

    def early(self: Any) -> None:
        loop, publish = runners[0]
        for each in self._trips.recorded():
            loop.call_soon_threadsafe(publish, each.trip_id, each.epoch, each.events)
        commit(self)

    _patch(runner.Runner, "__init__", remember)
    _patch(unit_of_work.SqlUnitOfWork, "commit", early)


@defect
def ack_before_commit() -> None:
    """R1.3: an answer for what is not durable yet."""
    submit = session.Session._submit

    def early(self: Any, where: Any, message: Any) -> None:
        self.reply(protocol.Ack(message.op_id, where.head + 1))
        submit(self, where, message)

    _patch(session.Session, "_submit", early)


@defect
def no_dedupe() -> None:
    """R1.4: what was applied is judged again."""
    _patch(rooms, "repeat_of", lambda *_: None)


@defect
def doubt_is_no() -> None:
    """R1.3: a commit whose answer was lost is taken for one that did not happen."""
    _patch(runner, "fault_of", lambda error: None)


@defect
def no_gap_check() -> None:
    """R3.4: whatever comes next is shown next."""
    deliver = room.Room.deliver

    def blind(self: Any, batch: Any) -> None:
        if self.epoch == batch.epoch and batch.first > self.head + 1:
            self.head = batch.first - 1
        deliver(self, batch)

    _patch(room.Room, "deliver", blind)


@defect
def no_poll() -> None:
    """R3.5: a lost message is lost."""

    async def never(self: Any) -> None:
        return None

    _patch(heads.Heads, "poll", never)


@defect
def resume_without_events() -> None:
    """R3.2: a resume that says it is complete and is not."""
    open_room = rooms.open_room

    def forgetful(command: Any, uow: Any) -> RoomState:
        state = open_room(command, uow)
        return replace(state, events=state.events[:-1]) if state.events else state

    _patch(session, "open_room", forgetful)


@defect
def removed_members_stay() -> None:
    """R7.1: authority that waits for the next join."""
    _patch(session.Session, "obey", lambda self, said: None)


@defect
def wrong_close_code() -> None:
    """Section 6: a removed member is told that the trip does not exist."""
    _patch(close_codes, "FORBIDDEN", close_codes.NOT_FOUND)
    session._REFUSALS = dict.fromkeys(session._REFUSALS, close_codes.NOT_FOUND)


@defect
def leaked_task() -> None:
    """A task for each connection that outlives it."""
    left = session.Session.left
    kept: list[Any] = []

    def leave(self: Any) -> None:
        left(self)
        kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(3600)))

    _patch(session.Session, "left", leave)


@defect
def leaked_session() -> None:
    """A session that is never forgotten."""
    _patch(hub.Hub, "forget", lambda self, gone: None)


@defect
def leaked_connection() -> None:
    """One transaction of fifty keeps its connection of the pool."""
    end = unit_of_work.SqlUnitOfWork._end
    kept: list[Any] = []
    ended = itertools.count(1)

    def keep(self: Any) -> None:
        if next(ended) % 50 == 0 and len(kept) < 2:
            kept.append(self._connection)
        else:
            end(self)

    _patch(unit_of_work.SqlUnitOfWork, "_end", keep)


@defect
def a_tab_stays_where_it_was() -> None:
    """R4.1: a connection that is broken and does not know it counts as much as the new one."""
    enter = room_presence.RoomPresence.enter

    def always_first(self: Any, person: Any, since: int = 0, connection: Any = None) -> None:
        enter(self, person, 0, connection)
        self._local[person.session].since = 0

    _patch(room_presence.RoomPresence, "enter", always_first)


@defect
def presence_is_never_refreshed() -> None:
    """R4.2: a lost message about people is lost."""

    async def never(self: Any) -> None:
        return None

    _patch(presence.Presence, "refresh", never)


@defect
def a_word_twice() -> None:
    """R9.2: a piece of an answer stands where it was not said."""
    append = streams.Tape.append

    def stutter(self: Any, text: str) -> None:
        append(self, text[:4] + text)

    _patch(streams.Tape, "append", stutter)


@defect
def answers_are_forgotten() -> None:
    """R9.5: nobody ends the answers of a process that died."""

    async def never(self: Any) -> None:
        return None

    _patch(keeping.Keeper, "sweep", never)


@defect
def an_answer_ends_twice() -> None:
    """R9.1: the end of an answer is not the end."""
    record = answers._record

    def twice(uow: Any, trip: Any, op_id: str, actor: Any, at: str, kind: str, talk: Any) -> None:
        record(uow, trip, op_id, actor, at, kind, talk)
        if kind == "answer.finish":
            record(uow, trip, f"{op_id}/2", actor, at, kind, talk)

    _patch(answers, "_record", twice)
