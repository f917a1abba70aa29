"""`tongyou trip ...`: show a trip, give it to somebody else, delete and restore it.

Owns the arguments and the lines. A change is an ordinary event of the trip's log: members see it at once
where Redis carries the word, else within the five seconds in which every process compares its rooms with
the database.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from domain.accounts import new_id
from domain.administration import (
    DeleteTripAsOperator,
    ReadTrip,
    ReadUser,
    RestoreTripAsOperator,
    TransferTrip,
    TripReport,
)
from domain.services.administration import delete_trip, read_trip, read_user, restore_trip, transfer_trip
from operations import Domain, Failed, Installation, journal


def add(groups: Any) -> None:
    """Add the commands to the parser."""
    trip = groups.add_parser("trip", help="show a trip, give it to somebody else, delete and restore it")
    acts = trip.add_subparsers(title="what", metavar="WHAT", required=True)
    for name, act, help_text in (
        ("show", _show, "what it is and who is in it"),
        ("transfer", _transfer, "make somebody its owner; the owners until now become editors"),
        ("delete", _delete, "delete it, as its owner would; it can be restored"),
        ("restore", _restore, "undo its deletion"),
    ):
        made = acts.add_parser(name, help=help_text, description=help_text)
        made.add_argument("trip", help="its id: the last part of its address")
        made.set_defaults(act=act)
        if act is _transfer:
            made.add_argument("who", help="id, user name or e-mail address of the new owner")


def _show(installation: Installation, given: argparse.Namespace) -> None:
    with journal.act(installation, "trip show", trip=given.trip):
        report = _act(installation, given.trip, None)
    _print(report)


def _transfer(installation: Installation, given: argparse.Namespace) -> None:
    async def act(domain: Domain) -> None:
        user = (await domain.run(read_user, ReadUser(given.who))).user
        with journal.act(installation, "trip transfer", trip=given.trip, user=user.id):
            command = TransferTrip(given.trip, user.id, _op_id(), domain.clock())
            await domain.run(transfer_trip, command)

    _print(_act(installation, given.trip, act))


def _delete(installation: Installation, given: argparse.Namespace) -> None:
    async def act(domain: Domain) -> None:
        with journal.act(installation, "trip delete", trip=given.trip):
            command = DeleteTripAsOperator(given.trip, _op_id(), domain.clock())
            if not await domain.run(delete_trip, command):
                print("It was deleted already.")

    _print(_act(installation, given.trip, act))


def _restore(installation: Installation, given: argparse.Namespace) -> None:
    async def act(domain: Domain) -> None:
        with journal.act(installation, "trip restore", trip=given.trip):
            command = RestoreTripAsOperator(given.trip, _op_id(), domain.clock())
            if not await domain.run(restore_trip, command):
                print("It was not deleted.")

    _print(_act(installation, given.trip, act))


def _act(
    installation: Installation, trip_id: str, act: Callable[[Domain], Awaitable[None]] | None
) -> TripReport:
    """Do it, and read what came of it."""

    if not trip_id.isascii():
        raise Failed(f"there is no trip {trip_id!r}")

    async def main() -> TripReport:
        async with installation.domain() as domain:
            if act is not None:
                await act(domain)
            return await domain.run(read_trip, ReadTrip(trip_id))

    return asyncio.run(main())


def _op_id() -> str:
    return f"operator-{new_id()}"


def _print(report: TripReport) -> None:
    trip = report.trip
    state = "deleted" if trip.deleted else trip.visibility
    print(f"{trip.id}  {trip.title}  ({state}, seq {report.seq}, since {trip.created_at})")
    print(f"{report.days} day(s), {report.stops} stop(s), {len(report.members)} member(s)")
    for member in report.members:
        print(f"  {member.id}  {member.role:<6}  {member.name}")
