"""What operators do to people and trips, on the in-memory unit of work."""

from __future__ import annotations

from typing import Any

import pytest

from domain.accounts import AuthSession, Limits, StartLogin, User, is_locked, later
from domain.administration import (
    OPERATOR,
    DeleteTripAsOperator,
    LockUser,
    ReadTrip,
    ReadUser,
    RestoreTripAsOperator,
    SetPassword,
    TransferTrip,
    UnlockUser,
)
from domain.errors import Conflict, Gone, NotFound
from domain.events import decode_event
from domain.operations import DeleteTrip
from domain.services.accounts import start_login
from domain.services.administration import (
    delete_trip,
    lock_user,
    read_trip,
    read_user,
    restore_trip,
    set_password,
    transfer_trip,
    unlock_user,
)
from storage.unit_of_work_memory import MemoryStore, MemoryUnits
from tests.storage.support import AT, do, make_trip


@pytest.fixture
def units() -> MemoryUnits:
    """Ann owns a trip, Bob edits it, Cem is a stranger; Ann is signed in twice, Guy is a guest."""
    made = MemoryUnits(MemoryStore(), None)
    with made(True) as unit:
        for name in ("ann", "bob", "cem"):
            user = User(
                name, name.title(), AT, username=name, username_key=name, password_hash=f"$hash-{name}"
            )
            unit.accounts.add_user(user)
        unit.accounts.add_user(User("guy", "Guy", AT, is_guest=True))
        for n, name in enumerate(("ann", "ann", "bob")):
            session = AuthSession(f"s{n}", name, f"token{n}", AT, later(AT, days=30), AT)
            unit.accounts.add_session(session)
        unit.commit()
    return made


def run(units: MemoryUnits, service: Any, command: Any) -> Any:
    with units(not getattr(command, "reads_only", False)) as unit:
        done = service(command, unit)
        unit.commit()
    return done


def roles(units: MemoryUnits, trip_id: str) -> dict[str, str]:
    return {member.id: member.role for member in run(units, read_trip, ReadTrip(trip_id)).members}


def events(units: MemoryUnits, trip_id: str, after: int) -> list[tuple[str, str]]:
    with units(False) as unit:
        found = [decode_event(body) for body in unit.trips.events_after(trip_id, after, 100)]
    return [(event.kind, event.actor) for event in found]


def candidate(units: MemoryUnits, login: str) -> str | None:
    found: str | None = run(units, start_login, StartLogin(login, "1.2.3.4", Limits(), AT)).password_hash
    return found


def test_a_user_is_found_by_id_and_by_any_login(units: MemoryUnits) -> None:
    trip_id = make_trip(units)
    for who in ("ann", "ANN"):
        report = run(units, read_user, ReadUser(who))
        assert report.user.id == "ann" and [trip.id for trip in report.trips] == [trip_id]
        assert {session.id for session in report.sessions} == {"s0", "s1"}
    for who in ("nobody", "没有人"):
        with pytest.raises(NotFound):
            run(units, read_user, ReadUser(who))


def test_a_new_password_ends_all_sessions(units: MemoryUnits) -> None:
    assert sorted(run(units, set_password, SetPassword("ann", "$new"))) == ["s0", "s1"]
    assert candidate(units, "ann") == "$new"
    assert run(units, read_user, ReadUser("ann")).sessions == []
    assert len(run(units, read_user, ReadUser("bob")).sessions) == 1


def test_a_locked_user_cannot_sign_in_and_unlocked_has_the_old_password(units: MemoryUnits) -> None:
    for ended in (["s0", "s1"], []):  # again is fine
        assert sorted(run(units, lock_user, LockUser("ann"))) == ended
        assert candidate(units, "ann") is None, "a locked account looks like one that does not exist"
        assert is_locked(run(units, read_user, ReadUser("ann")).user)
    with pytest.raises(Conflict, match="locked"):
        run(units, set_password, SetPassword("ann", "$new"))
    for _ in range(2):
        run(units, unlock_user, UnlockUser("ann"))
        assert candidate(units, "ann") == "$hash-ann"


@pytest.mark.parametrize("command", [LockUser("guy"), UnlockUser("guy"), SetPassword("guy", "$new")])
def test_a_guest_has_nothing_to_lock(units: MemoryUnits, command: Any) -> None:
    services = {LockUser: lock_user, UnlockUser: unlock_user, SetPassword: set_password}
    with pytest.raises(Conflict, match="guest"):
        run(units, services[type(command)], command)


def test_a_trip_passes_to_an_editor_and_the_owner_becomes_one(units: MemoryUnits) -> None:
    trip_id = make_trip(units)
    for _ in range(2):  # again is fine
        run(units, transfer_trip, TransferTrip(trip_id, "bob", "op-1", AT))
        assert roles(units, trip_id) == {"ann": "editor", "bob": "owner"}
        assert events(units, trip_id, 2) == [("member.set_role", OPERATOR)] * 2


def test_a_trip_passes_to_a_stranger_who_joins(units: MemoryUnits) -> None:
    trip_id = make_trip(units)
    run(units, transfer_trip, TransferTrip(trip_id, "cem", "op-1", AT))
    assert roles(units, trip_id) == {"ann": "editor", "bob": "editor", "cem": "owner"}
    assert events(units, trip_id, 2) == [("member.join", "cem"), ("member.set_role", OPERATOR)]


def test_a_trip_passes_to_nobody(units: MemoryUnits) -> None:
    trip_id = make_trip(units)
    with pytest.raises(NotFound):
        run(units, transfer_trip, TransferTrip(trip_id, "nobody", "op-1", AT))
    do(units, trip_id, DeleteTrip())
    with pytest.raises(Gone):
        run(units, transfer_trip, TransferTrip(trip_id, "bob", "op-1", AT))


def test_a_trip_is_deleted_and_restored(units: MemoryUnits) -> None:
    trip_id = make_trip(units)
    assert run(units, delete_trip, DeleteTripAsOperator(trip_id, "op-1", AT))
    assert not run(units, delete_trip, DeleteTripAsOperator(trip_id, "op-2", AT))
    assert run(units, read_trip, ReadTrip(trip_id)).trip.deleted
    assert run(units, restore_trip, RestoreTripAsOperator(trip_id, "op-3", AT))
    assert not run(units, restore_trip, RestoreTripAsOperator(trip_id, "op-4", AT))
    assert not run(units, read_trip, ReadTrip(trip_id)).trip.deleted
    assert events(units, trip_id, 2) == [("trip.delete", OPERATOR), ("trip.restore", OPERATOR)]
