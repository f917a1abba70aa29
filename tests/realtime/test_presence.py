"""Who is here: tabs, flicker, conflation, other processes, outages. Rules R4.1 to R4.4."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from realtime.presence import PresenceTimes
from realtime.protocol import Focus, Person, Pointer
from realtime.room_presence import GRACE, MAX_POINTERS, RoomPresence, Stored
from tests.realtime.world import NEVER, QUIET, ROOM, Client, World, turns, until


def person(session: str, user: str = "ann", **more: Any) -> Person:
    return Person(session, user, user.title(), 1, "editor", **more)


def room() -> RoomPresence:
    return RoomPresence("me", ttl=60, leave_after=10)


# --- the state, with times as arguments -----------------------------------------------------


def test_a_departure_is_announced_late_and_a_return_in_time_not_at_all() -> None:
    state = room()
    state.enter(person("a"))
    state.take()
    state.leave("a", now=100)
    state.settle(now=109.9)
    assert not state.busy
    state.enter(person("a"))
    state.settle(now=200)
    told = state.take()
    assert told.gone == [] and told.put == [], "clients hear nothing at all"
    state.leave("a", now=300)
    state.settle(now=310)
    told = state.take()
    assert told.gone == ["a"] == told.our_gone


def test_who_comes_back_keeps_what_they_were_looking_at() -> None:
    state = room()
    focus = Focus("stop", "s1", "notes")
    state.enter(person("a"))
    state.update("a", None, focus, True)
    state.leave("a", now=0)
    state.enter(person("a"))
    assert state.people() == [person("a", editing=focus, typing=True)]


AHEAD = 9_000_000_000_000
"""A moment by a clock that is wrong."""


def test_a_killed_process_with_a_fast_clock_hides_nobody() -> None:
    """Its entry is read here after the tab has come back, and seems to be newer."""
    state, focus = room(), Focus("stop", "s1", "name")
    state.enter(person("a"), since=1_000, connection="here")
    state.reconcile({"a": Stored("killed", person("a"), AHEAD)}, now=0)
    state.take()
    state.update("a", None, focus, True)
    told = state.take()
    assert told.put == [person("a", editing=focus, typing=True)] == told.our_put
    assert told.since["a"] > AHEAD, "and the others believe it"
    state.reconcile({}, now=60)
    assert state.people() == [person("a", editing=focus, typing=True)]
    state.leave("a", now=60, connection="here")
    state.settle(now=70)
    assert state.take().gone == ["a"]


def test_who_does_nothing_is_here_again_when_nothing_is_heard_from_there() -> None:
    for silence in ("store", "ttl"):
        state = room()
        state.enter(person("a"), since=1_000, connection="here")
        state.hear("other", [person("a")], [], now=0, since={"a": AHEAD})
        state.take()
        if silence == "store":
            state.reconcile({}, now=GRACE + 1)
        else:
            state.settle(now=61)
        told = state.take()
        assert state.people() == [person("a")] == told.our_put and told.gone == [], silence


def test_a_pointer_says_where_a_tab_is() -> None:
    state = room()
    state.enter(person("a"), since=1_000, connection="here")
    state.hear("other", [person("a")], [], now=0, since={"a": AHEAD})
    state.take()
    state.point(Pointer("a", "board", 0.5, 0.5, None), ours=True)
    assert state.take().our_put == [person("a")]


def test_a_connection_that_breaks_elsewhere_is_no_ghost() -> None:
    """The tab went to another process, left there, and its connection here was found dead only then."""
    state = room()
    state.enter(person("a"), since=1_000, connection="dead")
    state.hear("other", [person("a")], [], now=0, since={"a": 2_000})
    state.hear("other", [], ["a"], now=10)
    assert state.people() == []
    state.leave("a", now=35, connection="dead")
    state.settle(now=100)
    assert state.people() == [] and state.take().our_put == []
    state.enter(person("b"), since=1_000, connection="dead")
    state.hear("other", [person("b")], [], now=0, since={"b": 2_000})
    state.drop_user("ann", now=1)
    state.update("b", None, None, True)
    assert state.local() == [], "who was removed does not come back"


def test_a_duplicated_tab_leaves_only_with_its_last_connection() -> None:
    state = room()
    state.enter(person("a"), connection="one")
    state.enter(person("a"), connection="two")
    state.leave("a", now=0, connection="one")
    state.settle(now=1000)
    assert state.people() == [person("a")]
    state.leave("a", now=1000, connection="two")
    state.settle(now=1010)
    assert state.people() == []


def test_saying_the_same_again_is_no_news() -> None:
    state = room()
    state.enter(person("a"))
    state.update("a", None, None, True)
    assert state.take().put == [person("a", typing=True)]
    state.update("a", None, None, True)
    assert not state.busy


def test_a_tab_that_moved_to_another_process_is_not_announced_as_gone() -> None:
    state = room()
    state.enter(person("a"))
    state.leave("a", now=0)
    state.take()
    state.hear("other", [person("a")], [], now=5)
    state.settle(now=20)
    told = state.take()
    assert (told.put, told.gone, told.our_gone) == ([], [], [])
    assert state.people() == [person("a")] and state.local() == []


def test_a_tab_is_where_it_came_last_whatever_an_old_connection_still_looks_like() -> None:
    old, new, third = room(), RoomPresence("new", 60, 10), RoomPresence("third", 60, 10)
    here, there = person("a"), person("a", looking=Focus("stop", "s1"))

    def tell(teller: RoomPresence, *others: RoomPresence) -> None:
        told = teller.take()
        for other in others:
            other.hear(teller._node, told.our_put, told.our_gone, 0, told.since)

    old.enter(here, since=100, connection="broken")
    tell(old, new, third)
    new.enter(here, since=90, connection="good")  # by a clock that is late
    new.update("a", there.looking, None, False)
    tell(new, old, third)
    assert [state.people() for state in (old, new, third)] == [[there]] * 3 and old.local() == []
    assert old.take().our_gone == []
    # An old word of the one that had it, from the bus and from the store.
    for state in (new, third):
        state.hear("me", [here], [], 1, {"a": 100})
        state.reconcile({"a": Stored("me", here, 100)}, 1)
        assert state.people() == [there]
    assert new.take().our_put == [there], "contradicted at once"
    # It comes back to the first; only then the connection that was broken is found to be so.
    old.enter(here, since=200, connection="again")
    old.leave("a", now=2, connection="broken")
    tell(old, new, third)
    new.leave("a", now=3, connection="good")
    for state in (old, new, third):
        state.settle(now=20)
        assert state.people() == [there]


def test_a_tab_that_moved_is_found_in_the_store_when_no_message_came() -> None:
    state = room()
    state.enter(person("a"), since=100)
    state.reconcile({"a": Stored("other", person("a"), 100)}, now=1)
    assert state.local() == [person("a")]
    state.reconcile({"a": Stored("other", person("a"), 101)}, now=1)
    assert state.local() == [] and state.people() == [person("a")]
    state.enter(person("a"), since=300)
    state.take()
    state.reconcile({"a": Stored("other", person("a"), 101)}, now=1)
    assert state.take().our_put == [person("a")], "contradicted at once"


def test_a_departure_counts_only_from_the_process_that_has_the_tab() -> None:
    state = room()
    state.hear("other", [person("a")], [], now=0)
    state.hear("third", [], ["a"], now=1)
    assert state.people() == [person("a")]
    state.enter(person("b"))
    state.take()
    state.hear("third", [], ["b"], now=1)
    assert state.take().our_put == [person("b")], "contradicted at once"


def test_people_of_a_silent_process_vanish() -> None:
    state = room()
    state.hear("other", [person("a")], [], now=0)
    state.settle(now=59)
    assert state.people() != []
    state.settle(now=61)
    assert state.people() == [] and state.take().gone == ["a"]


def test_the_store_is_believed_but_not_against_fresh_news() -> None:
    state = room()
    state.hear("other", [person("a"), person("b")], [], now=0)
    state.hear("other", [], ["b"], now=1)
    stale = {sid: Stored("other", person(sid)) for sid in ("b", "c")} | {"x": Stored("me", person("x"))}
    state.reconcile(stale, now=2)  # read before b left and a was saved
    assert {p.session for p in state.people()} == {"a", "c"}
    state.reconcile({"c": Stored("other", person("c"))}, now=3 + GRACE)
    assert {p.session for p in state.people()} == {"c"}


def test_only_the_latest_position_of_a_pointer_is_told_and_in_portions() -> None:
    state = room()
    for n in range(MAX_POINTERS + 5):
        state.enter(person(f"p{n}"))
        for x in range(3):
            state.point(Pointer(f"p{n}", "map", x, 0), ours=True)
    state.point(Pointer("stranger", "map", 1, 1), ours=True)
    first, ours = state.take_pointers()
    assert len(first) == MAX_POINTERS == len(ours) and {p.x for p in first} == {2}
    rest, _ = state.take_pointers()
    assert [p.session for p in rest] == [f"p{n}" for n in range(MAX_POINTERS, MAX_POINTERS + 5)]


# --- clients and processes ------------------------------------------------------------------


def gone(watcher: Client) -> list[str]:
    return [sid for message in watcher.of("people") for sid in message.get("gone", [])]


async def test_only_differences_travel(world: World) -> None:
    node = await world.node()
    ann = await node.client("ann", "ta").join()
    bob = await node.client("bob", "tb").join()
    assert bob.people() == {"ann.ta", "bob.tb"}
    await until(lambda: "bob.tb" in ann.people())
    await bob.send({"t": "presence", "editing": {"t": "stop", "id": "s1", "field": "notes"}, "typing": True})
    await until(lambda: any(p.get("typing") for m in ann.of("people") for p in m["put"]))
    last = ann.of("people")[-1]
    assert [p["session"] for p in last["put"]] == ["bob.tb"] and "gone" not in last


async def test_one_user_cannot_take_anothers_place(world: World) -> None:
    node = await world.node()
    ann = await node.client("ann", "tab").join()
    await node.client("bob", "tab").join()
    await until(lambda: ann.people() == {"ann.tab", "bob.tab"})


async def test_cursors_are_conflated_to_one_message_a_tick(world: World) -> None:
    node = await world.node(replace(QUIET, presence=PresenceTimes(tick=0.05, refresh=NEVER)))
    ann, bob = await node.client("ann", "ta").join(), await node.client("bob", "tb").join()
    node.hub.presence.tell()
    for n in range(30):
        await ann.send({"t": "cursor", "surface": "map", "x": n, "y": 1})
        await bob.send({"t": "cursor", "surface": "map", "x": -n, "y": 1})
    await until(lambda: bool(ann.of("cursors")))
    assert len(ann.of("cursors")) == 1
    assert {(c["session"], c["x"]) for c in ann.of("cursors")[0]["cursors"]} == {
        ("ann.ta", 29),
        ("bob.tb", -29),
    }
    assert ann.transport.written[-1] is bob.transport.written[-1]


async def test_people_and_cursors_cross_processes(world: World) -> None:
    here, there = await world.node(), await world.node()
    ann, bob = await here.client("ann", "ta").join(), await there.client("bob", "tb").join()
    await until(lambda: ann.people() == bob.people() == {"ann.ta", "bob.tb"})
    await ann.send({"t": "cursor", "surface": "board", "x": 0.5, "y": 0.5, "anchor": "day1"})
    await until(lambda: bool(bob.of("cursors")))
    assert bob.of("cursors")[0]["cursors"][0] == {
        "session": "ann.ta", "surface": "board", "x": 0.5, "y": 0.5, "anchor": "day1",
    }  # fmt: skip
    ann.session.left()
    await here.hub.sweep()
    await until(lambda: bob.people() == {"bob.tb"})


async def test_a_process_that_starts_later_learns_from_the_store(world: World) -> None:
    here = await world.node()
    await here.client("ann", "ta").join()
    await turns()
    await asyncio.sleep(4 * QUIET.presence.tick)
    there = await world.node()
    bob = await there.client("bob", "tb").join()
    await until(lambda: bob.people() == {"ann.ta", "bob.tb"})


async def test_people_of_a_killed_process_vanish_within_the_expiry(world: World) -> None:
    times = replace(QUIET, presence=PresenceTimes(tick=0.005, refresh=NEVER, ttl=0.05, leave=0.0))
    here, there = await world.node(times), await world.node(times)
    await here.client("ann", "ta").join()
    bob = await there.client("bob", "tb").join()
    await until(lambda: "ann.ta" in bob.people())
    world.bus.brokers.discard(here.broker)  # killed: it says and writes nothing any more
    async with asyncio.timeout(10):
        while "ann.ta" in bob.people():
            await there.hub.sweep()
            await asyncio.sleep(0.01)
    assert "bob.tb" in bob.people()


class BrokenStore:
    """A store that cannot be reached until `works`."""

    def __init__(self) -> None:
        self.works = False
        self.puts: dict[tuple[str, str], bytes] = {}

    async def write(self, puts: list[tuple[str, str, bytes]], removes: list[tuple[str, str]]) -> bool:
        if self.works:
            self.puts |= {(room_id, sid): body for room_id, sid, body in puts}
        return self.works

    async def read(self, rooms: list[str]) -> dict[str, dict[str, bytes]] | None:
        if not self.works:
            return None
        return {r: {sid: body for (r2, sid), body in self.puts.items() if r2 == r} for r in rooms}

    async def aclose(self) -> None: ...


async def test_without_store_and_bus_presence_is_local_and_heals(world: World) -> None:
    store = world.store = BrokenStore()
    world.bus.down()
    here, there = await world.node(), await world.node()
    ann, bob = await here.client("ann", "ta").join(), await there.client("bob", "tb").join()
    carl = await here.client("carl", "tc").join()
    await until(lambda: ann.people() == {"ann.ta", "carl.tc"})
    assert bob.people() == {"bob.tb"}
    store.works = True
    await here.hub.presence.refresh()
    await there.hub.presence.refresh()
    await here.hub.presence.refresh()
    everybody = {"ann.ta", "bob.tb", "carl.tc"}
    await until(lambda: ann.people() == bob.people() == carl.people() == everybody)


async def test_a_tab_that_moved_while_nobody_could_say_so_is_shown_where_it_is(world: World) -> None:
    here, there = await world.node(), await world.node()
    broken, bob = await here.client("ann", "ta").join(), await here.client("bob", "tb").join()
    await until(lambda: bob.people() == {"ann.ta", "bob.tb"})
    world.bus.down()
    moved = await there.client("ann", "ta").join()  # and the old connection does not know it yet
    await moved.send({"t": "presence", "looking": {"t": "stop", "id": "s1"}})
    await asyncio.sleep(4 * QUIET.presence.tick)
    for node in (here, there, here):
        await node.hub.presence.refresh()

    def looking() -> list[str]:
        puts = [p for message in bob.of("people") for p in message.get("put", []) if p["session"] == "ann.ta"]
        return [p["looking"]["id"] for p in puts if "looking" in p]

    await until(lambda: looking() == ["s1"])
    broken.session.left()
    await here.hub.sweep()
    assert bob.people() == {"ann.ta", "bob.tb"}


async def test_a_reconnect_of_the_same_tab_does_not_flicker(world: World) -> None:
    node = await world.node(replace(QUIET, presence=PresenceTimes(tick=0.005, refresh=NEVER, leave=NEVER)))
    watcher = await node.client("bob", "tb").join()
    ann = await node.client("ann", "ta").join()
    await until(lambda: "ann.ta" in watcher.people())
    before = len(watcher.of("people"))
    ann.session.left()
    await node.hub.sweep()
    await node.client("ann", "ta").join()
    await node.hub.sweep()
    await asyncio.sleep(4 * QUIET.presence.tick)
    assert len(watcher.of("people")) == before and gone(watcher) == []
    assert [p.session for p in node.hub.presence.people(ROOM)].count("ann.ta") == 1
