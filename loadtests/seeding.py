"""Before a load run: people and trips, made through the API like everybody's.

Owns who is in which room. Runs on asyncio, in the runner's process; the users get a file (`loadtests.seats`).
Most people are guests, because hashing thousands of passwords would take minutes and measure nothing; a share
of the members are accounts that log in with their password during the run.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from itertools import cycle, islice
from typing import TypeVar

from loadtests.seats import Person, Room, Seat, Seats
from loadtests.targets import KINDS, Kind, Profile
from tests.integration.room_client import Api

AT_ONCE = 12
"""Requests under way."""
STOPS = 6
DAYS = 3
PASSWORD = "three gates and a lake"

T = TypeVar("T")


async def seed(url: str, profile: Profile, progress: Callable[[str], None] = print) -> Seats:
    """Make everything that the profile needs on an empty server."""
    counts = {kind: profile.of(kind) for kind in KINDS}
    members = [kind for kind in KINDS if kind != "spectator" for _ in range(counts[kind])]
    accounts = counts["member"] * profile.accounts_percent // 100
    progress(f"making {len(members)} people ({accounts} with a password) and {profile.rooms} trips ...")
    # Owners are nobody's seat, so that a room has one however many sit in it.
    owners = await _all(_guest(url, f"Owner {n}") for n in range(profile.rooms))
    rooms = await _all(_trip(owner, n) for n, owner in enumerate(owners))
    made = 0

    def person(kind: Kind) -> Awaitable[tuple[Api, Person]]:
        nonlocal made
        made += 1
        # Spread over all, or those who come first would all log in at the same time.
        if kind == "member" and (made * profile.accounts_percent) % 100 < profile.accounts_percent:
            return _account(url, f"Traveller {made}")
        return _somebody(url, f"Traveller {made}")

    people = await _all(person(kind) for kind in members)
    # Kind after kind around the rooms: each room gets its share of each.
    seats: list[Seat] = []
    joining = []
    places = dict.fromkeys(KINDS, 0)
    for kind, (api, who) in zip(members, people, strict=True):
        room, link = rooms[places[kind] % len(rooms)]
        places[kind] += 1
        seats.append(Seat(kind, who, room))
        joining.append(api.ok("POST", f"/api/invites/{link}/accept"))
    await _all(joining)
    public = islice(cycle(room for room, _ in rooms), counts["spectator"])
    seats += [Seat("spectator", Person(name=f"Reader {n}"), room) for n, room in enumerate(public)]
    return Seats(seats)


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    """Their results in order, `AT_ONCE` at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[T]) -> T:
        async with gate:
            return await work

    return list(await asyncio.gather(*(one(work) for work in works)))


async def _guest(url: str, name: str) -> Api:
    return await Api(url).guest(name)


async def _somebody(url: str, name: str) -> tuple[Api, Person]:
    api = await Api(url).guest(name)
    return api, Person(api.user_id, name, api.cookies)


async def _account(url: str, name: str) -> tuple[Api, Person]:
    api = Api(url)
    await api.ok("GET", "/api/me")
    username = f"t{secrets.token_hex(8)}"
    body = {"username": username, "password": PASSWORD, "name": name}
    user = (await api.ok("POST", "/api/auth/register", body))["user"]
    return api, Person(user["id"], name, {}, username, PASSWORD)


async def _trip(owner: Api, n: int) -> tuple[Room, str]:
    """A public trip with days and stops, and the secret of its invitation."""
    body = {"title": f"大理 Dali {n}", "start_date": "2027-05-01", "end_date": f"2027-05-{DAYS:02d}"}
    trip = (await owner.ok("POST", "/api/trips", body))["trip"]["id"]
    snapshot = (await owner.ok("GET", f"/api/trips/{trip}"))["snapshot"]
    room = Room(trip, [day["id"] for day in snapshot["days"]], [f"s{k}" for k in range(STOPS)])
    for k, stop in enumerate(room.stops):
        op = {"kind": "stop.add", "id": stop, "day": room.days[k % DAYS], "fields": {"name": f"洱海 {k}"}}
        await owner.ok(
            "POST", f"/api/trips/{trip}/operations", {"op_id": secrets.token_hex(10), "base": 0, "op": op}
        )
    await owner.ok("PATCH", f"/api/trips/{trip}", {"visibility": "public"})
    link = (await owner.ok("POST", f"/api/trips/{trip}/invites", {"role": "editor"}))["url"]
    return room, str(link).rsplit("/", 1)[1]
