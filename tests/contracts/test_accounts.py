"""`AccountRepositories`: one suite for memory, SQLite and MariaDB."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, create_engine, event

from domain.accounts import AccountRepositories, AuthSession, User, later
from domain.errors import Conflict
from domain.membership import Invite
from domain.sweeping import Step, idle_windows
from storage import tables, tables_accounts
from storage.accounts_memory import AccountsState, MemoryAccounts
from storage.accounts_repository import SqlAccounts
from storage.metadata import metadata

AT = "2026-05-01T08:00:00.000Z"
Begin = Callable[[], AbstractContextManager[AccountRepositories]]
"""A unit of work that commits at its end."""


def _engine(url: str) -> Engine:
    engine = create_engine(url, isolation_level="READ COMMITTED" if "mysql" in url else None)
    if url.startswith("sqlite"):

        @event.listens_for(engine, "connect")
        def _connect(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # SQLAlchemy says BEGIN, not the driver

        @event.listens_for(engine, "begin")
        def _begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    metadata.create_all(engine)
    return engine


@pytest.fixture(params=["memory", "sqlite", "mariadb"])
def begin(request: pytest.FixtureRequest) -> Iterator[Begin]:
    if request.param == "memory":
        state = AccountsState()

        @contextmanager
        def memory() -> Iterator[AccountRepositories]:
            yield MemoryAccounts(state)

        yield memory
        return
    name = "tmp_sqlite_url" if request.param == "sqlite" else "mariadb_url"
    engine = _engine(request.getfixturevalue(name))

    @contextmanager
    def sql() -> Iterator[AccountRepositories]:
        with engine.begin() as connection:
            yield SqlAccounts(connection)

    yield sql
    engine.dispose()


def _user(n: int, **more: Any) -> User:
    return User(f"u{n}", f"User {n}", AT, **more)


def _session(n: int, user: str = "u1", **more: Any) -> AuthSession:
    return AuthSession(f"s{n}", user, f"hash{n}", AT, later(AT, days=30), AT, "Agent", **more)


def _invite(n: int, trip: str = "t1", **more: Any) -> Invite:
    at = later(AT, seconds=n)
    return Invite(f"i{n}", trip, f"token{n}", "editor", "u1", "王小明 🙂", at, n, **more)


def test_users_come_back_as_they_were(begin: Begin) -> None:
    full = _user(
        1, locale="en", username="王小明", username_key="王小明", email="A@b.org", email_key="a@b.org",
        password_hash="$argon2id$v=19$...",
    )  # fmt: skip
    guest = _user(2, is_guest=True)
    with begin() as accounts:
        accounts.add_user(full)
        accounts.add_user(guest)
    with begin() as accounts:
        assert accounts.user("u1") == full and accounts.user("u2") == guest
        assert accounts.user("u3") is None
        assert accounts.user_by_login("a@b.org") == full == accounts.user_by_login("王小明")
        assert accounts.user_by_login("nobody") is None
        changed = msgspec.structs.replace(guest, name="新", is_guest=False, username="x", username_key="x")
        accounts.update_user(changed)
    with begin() as accounts:
        assert accounts.user("u2") == changed


@pytest.mark.parametrize("field", ["username", "email"])
def test_keys_are_taken_once(begin: Begin, field: str) -> None:
    key = {"username": "ann", "email": "ann@b.org"}[field]
    with begin() as accounts:
        accounts.add_user(_user(1, **{field: key, f"{field}_key": key}))
        accounts.add_user(_user(2))
    for change in ("add", "update"):
        with pytest.raises(Conflict) as caught, begin() as accounts:
            taken = _user(3 if change == "add" else 2, **{field: key, f"{field}_key": key})
            (accounts.add_user if change == "add" else accounts.update_user)(taken)
        assert caught.value.code == "taken" and caught.value.details == {"field": field}
    with begin() as accounts:
        assert accounts.user("u3") is None
        mine = accounts.user("u1")
        assert mine is not None
        accounts.update_user(mine)  # one's own key is not taken


@pytest.mark.parametrize(("one", "other"), [("e", "é"), ("s", "ß"), ("a", "à"), ("の", "ノ")])
def test_keys_compare_bytewise(begin: Begin, one: str, other: str) -> None:
    with begin() as accounts:
        accounts.add_user(_user(1, username_key=one))
    with begin() as accounts:
        accounts.add_user(_user(2, username_key=other))
        found = accounts.user_by_login(other)
        assert found is not None and found.id == "u2"


def test_users_are_found_by_a_part_of_what_they_are_called(begin: Begin) -> None:
    ann = _user(1, username="Ann_1", username_key="ann_1")
    bob = msgspec.structs.replace(
        _user(2, email="Bob@b.org", email_key="bob@b.org"), name="小明", created_at=later(AT, days=1)
    )
    with begin() as accounts:
        for user in (ann, bob, _user(3, is_guest=True)):
            accounts.add_user(user)
        found = {
            text: [user.id for user in accounts.find_users(text, 10)]
            for text in ("ann", "ANN_", "b.org", "小明", "u3", "user 1", "%", "a_n", "nobody")
        }
        assert found == {
            "ann": ["u1"], "ANN_": ["u1"], "b.org": ["u2"], "小明": ["u2"], "u3": ["u3"], "user 1": ["u1"],
            "%": [], "a_n": [], "nobody": [],
        }  # fmt: skip
        assert [user.id for user in accounts.find_users("", 2)] == ["u2", "u1"], "newest first"


def test_sessions_of_one_user_come_last_used_first(begin: Begin) -> None:
    with begin() as accounts:
        accounts.add_user(_user(1))
        accounts.add_user(_user(2))
        for session in (_session(1), _session(2), _session(3, "u2")):
            accounts.add_session(session)
        accounts.touch_session("s2", later(AT, days=1), later(AT, days=31))
        assert [each.id for each in accounts.sessions_of("u1")] == ["s2", "s1"]
        assert accounts.sessions_of("u3") == []


def test_sessions(begin: Begin) -> None:
    with begin() as accounts:
        accounts.add_user(_user(1))
        accounts.add_user(_user(2))
        for session in (_session(1), _session(2), _session(3, "u2")):
            accounts.add_session(session)
    with begin() as accounts:
        assert accounts.holder_of("hash2") == (_session(2), _user(1))
        assert accounts.holder_of("hash3") == (_session(3, "u2"), _user(2))
        assert accounts.holder_of("hash9") is None
        accounts.touch_session("s1", later(AT, days=1), later(AT, days=31))
    with begin() as accounts:
        found = accounts.holder_of("hash1")
        assert found is not None
        touched = found[0]
        assert (touched.last_seen, touched.expires_at) == (later(AT, days=1), later(AT, days=31))
        asked = ["s1", "s2", "s3", "unknown"]
        assert accounts.valid_sessions(asked, AT) == {"s1", "s2", "s3"}
        assert accounts.valid_sessions(asked, later(AT, days=30)) == {"s1"}
        assert accounts.valid_sessions([], AT) == set()
        accounts.remove_expired_sessions("u1", later(AT, days=30))
        assert accounts.valid_sessions(asked, AT) == {"s1", "s3"}
        accounts.add_session(_session(4))
        assert sorted(accounts.remove_sessions_of("u1", keep="s4")) == ["s1"]
        assert accounts.remove_sessions_of("u1") == ["s4"]
        assert accounts.valid_sessions(asked, AT) == {"s3"}
        accounts.remove_sessions(["s3", "unknown"])
        assert accounts.valid_sessions(asked, AT) == set()


def test_sessions_of_everybody_end_in_pieces(begin: Begin) -> None:
    with begin() as accounts:
        accounts.add_user(_user(1))
        accounts.add_user(_user(2, is_guest=True))
        for n in range(5):
            accounts.add_session(_session(n, "u2" if n == 3 else "u1"))
        accounts.add_session(msgspec.structs.replace(_session(5), created_at=later(AT, seconds=1)))
    with begin() as accounts:
        assert accounts.remove_sessions_before(AT, False, 3) == ["s0", "s1", "s2"]
        assert accounts.remove_sessions_before(AT, False, 3) == ["s4"]
        assert accounts.remove_sessions_before(AT, False, 3) == [], "a guest, and one who came later"
    with begin() as accounts:
        assert accounts.remove_sessions_before(AT, True, 3) == ["s3"]
        assert [each.id for each in accounts.sessions_of("u1")] == ["s5"]


def test_many_sessions_at_once(begin: Begin) -> None:
    with begin() as accounts:
        accounts.add_user(_user(1))
        for n in range(1_201):
            accounts.add_session(_session(n))
        ids = [f"s{n}" for n in range(1_201)]
        assert accounts.valid_sessions(ids, AT) == set(ids)
        assert len(accounts.remove_sessions_of("u1")) == 1_201


def test_hits_are_counted_by_window(begin: Begin) -> None:
    with begin() as accounts:
        assert [accounts.hit("k", 7) for _ in range(3)] == [1, 2, 3]
        assert accounts.hit("other", 7) == 1
    with begin() as accounts:
        assert accounts.hit("k", 7) == 4
        assert [accounts.hit("k", 8) for _ in range(2)] == [1, 2]
        accounts.forgive("k", 7)  # a window that is over
        assert accounts.hit("k", 8) == 3
        accounts.forgive("k", 8, 2)
        assert accounts.hit("k", 8) == 2
        accounts.forgive("k", 8, 99)
        assert accounts.hit("k", 8) == 1
        accounts.forgive("k", 8)
        accounts.forgive("never", 8)
        assert accounts.hit("k", 8) == 1


def test_a_bucket_holds_so_much_and_fills_with_time(begin: Begin) -> None:
    now, room = 1_780_000_000_000, 60_000
    with begin() as accounts:
        assert [accounts.draw("k", now, 20_000, room) for _ in range(4)] == [0, 0, 0, 20_000]
        assert accounts.draw("other", now, 60_000, room) == 0
    with begin() as accounts:
        assert accounts.draw("k", now + 15_000, 20_000, room) == 5_000, "what was refused took nothing"
        assert accounts.draw("k", now + 20_000, 20_000, room) == 0
        assert accounts.draw("k", now + 900_000, 60_000, room) == 0, "no fuller than full"
        assert accounts.draw("k", now + 900_000, 1, room) == 1


def test_two_clocks_that_differ_at_the_turn_of_a_window_forget_nothing(begin: Begin) -> None:
    """A process that is a second behind another one must not give whoever guesses passwords a new count."""
    with begin() as accounts:
        assert [accounts.hit("k", window) for window in (7, 8, 7, 8, 7)] == [1, 1, 2, 3, 4]
        assert accounts.hit("k", 9) == 1
        assert accounts.hit("k", 7) == 1, "a clock that is so far off is wrong"


def test_a_clock_that_was_an_hour_ahead_shuts_nobody_out_for_an_hour(begin: Begin) -> None:
    now, room = 1_780_000_000_000, 60_000
    with begin() as accounts:
        assert accounts.draw("k", now + 3_600_000, 60_000, room) == 0
    with begin() as accounts:
        assert [accounts.draw("k", now, 20_000, room) for _ in range(4)] == [0, 0, 0, 20_000]
        assert accounts.draw("k", now - 5_000, 20_000, room) == 25_000, "some seconds are as they may be"


def test_concurrent_draws_take_no_more_than_there_is(begin: Begin, request: pytest.FixtureRequest) -> None:
    """Each thread a transaction of its own; the first draw from a bucket is the hard one."""
    threads = 1 if request.node.callspec.params["begin"] == "memory" else 4
    gate = threading.Barrier(threads)
    taken: list[int] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            gate.wait(10)
            for _ in range(8):
                with begin() as accounts:
                    taken.append(accounts.draw("k", 1_780_000_000_000, 10_000, 60_000))
        except Exception as error:
            errors.append(error)

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(30)
    assert errors == [] and taken.count(0) == 6 and len(taken) == 8 * threads


def test_concurrent_hits_are_all_counted(begin: Begin, request: pytest.FixtureRequest) -> None:
    """Each thread a transaction of its own; the first hit of a key is the hard one."""
    threads, each = 4, 5
    errors: list[Exception] = []
    gate = threading.Barrier(threads)

    def work() -> None:
        try:
            gate.wait(10)
            for _ in range(each):
                with begin() as accounts:
                    accounts.hit("k", 1)
        except Exception as error:
            errors.append(error)

    running = [threading.Thread(target=work) for _ in range(threads)]
    if request.node.callspec.params["begin"] == "memory":
        running = []  # one thread at a time, by the unit of work
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(30)
    assert errors == []
    with begin() as accounts:
        assert accounts.hit("k", 1) == len(running) * each + 1


def test_invitations(begin: Begin) -> None:
    invites = [_invite(1), _invite(2, expires_at=later(AT, hours=1)), _invite(3, trip="t2")]
    with begin() as accounts:
        for invite in invites:
            accounts.add_invite(invite)
    with begin() as accounts:
        assert accounts.invite_by_token("token2") == invites[1]
        assert accounts.invite_by_token("token9") is None
        assert accounts.invites_of("t1") == [invites[1], invites[0]], "newest first"
        assert not accounts.revoke_invite("t2", "i1"), "of another trip"
        assert accounts.revoke_invite("t1", "i1") and accounts.revoke_invite("t1", "i1")
    with begin() as accounts:
        revoked = accounts.invite_by_token("token1")
        assert revoked is not None and revoked.revoked
        assert [invite.revoked for invite in accounts.invites_of("t1")] == [False, True]


def test_invitations_are_removed_of_their_own_trip_only(begin: Begin) -> None:
    with begin() as accounts:
        for invite in (_invite(1), _invite(2), _invite(3, trip="t2")):
            accounts.add_invite(invite)
        accounts.remove_invites("t1", ["i1", "i3", "unknown"])
        accounts.remove_invites("t1", [])
    with begin() as accounts:
        assert [each.id for each in accounts.invites_of("t1")] == ["i2"]
        assert [each.id for each in accounts.invites_of("t2")] == ["i3"]


def _walk(step: Callable[[str, int], Step], size: int) -> list[int]:
    """What each step of a whole sweep removed."""
    removed, after = [], ""
    while True:
        done = step(after, size)
        removed.append(done.removed)
        if done.next is None:
            return removed
        assert done.next > after
        after = done.next


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_expired_sessions_are_swept_in_steps(begin: Begin, size: int) -> None:
    with begin() as accounts:
        accounts.add_user(_user(1))
        for n in range(8):
            accounts.add_session(_session(n))
            accounts.touch_session(f"s{n}", AT, later(AT, days=n))
    with begin() as accounts:
        removed = _walk(lambda after, limit: accounts.sweep_sessions(later(AT, days=4), after, limit), size)
        assert sum(removed) == 5 and len(removed) == 8 // size + 1
        assert accounts.sweep_sessions(later(AT, days=4), "", 100) == Step(0, None)
    with begin() as accounts:
        assert sorted(each.id for each in accounts.sessions_of("u1")) == ["s5", "s6", "s7"]


def test_dead_invitations_are_swept_when_they_are_old(begin: Begin) -> None:
    new = later(AT, days=20)
    kinds = [
        _invite(1), _invite(2, expires_at=later(AT, days=9)), _invite(3, expires_at=later(AT, days=11)),
        _invite(4, revoked=True), msgspec.structs.replace(_invite(5, revoked=True), created_at=new),
        _invite(6, revoked=True, expires_at=later(AT, days=11)),
    ]  # fmt: skip
    with begin() as accounts:
        for invite in kinds:
            accounts.add_invite(invite)
    with begin() as accounts:
        removed = _walk(lambda after, limit: accounts.sweep_invites(later(AT, days=10), after, limit), 4)
        assert removed == [2, 1]
    with begin() as accounts:
        assert sorted(each.id for each in accounts.invites_of("t1")) == ["i1", "i3", "i5"]


def test_counts_of_throttles_are_swept_when_their_time_is_over(begin: Begin) -> None:
    now = int(datetime.fromisoformat(AT).timestamp())
    with begin() as accounts:
        for seconds in (900, 3600):
            for ago in (0, 1, 2, 100):
                accounts.hit(f"{seconds}-{ago}", now // seconds - ago)
        accounts.draw("full", 1000 * now - 60_001, 60_000, 60_000)
        accounts.draw("filling", 1000 * now - 59_000, 60_000, 60_000)
    with begin() as accounts:
        idle = idle_windows(AT)
        assert sum(_walk(lambda after, limit: accounts.sweep_throttles(idle, after, limit), 3)) == 5
    with begin() as accounts:
        for seconds in (900, 3600):
            assert [accounts.hit(f"{seconds}-{ago}", now // seconds - ago) for ago in (0, 1, 2, 100)] == [
                2, 2, 1, 1,
            ]  # fmt: skip
        assert accounts.draw("filling", 1000 * now, 60_000, 60_000) == 1_000
        assert accounts.draw("full", 1000 * now, 60_000, 60_000) == 0


def test_every_account_table_is_declared() -> None:
    for table in (tables_accounts.users, tables_accounts.auth_sessions, tables_accounts.invites):
        assert metadata.tables[table.name] is table
    assert metadata.tables["trips"] is tables.trips
