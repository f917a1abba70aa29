"""Passwords that change while somebody signs in: one suite for memory, SQLite and MariaDB."""

from __future__ import annotations

from typing import Any

import pytest

from domain.accounts import FinishLogin, Limits, NewSession, User, is_locked, login_key
from domain.administration import LockUser, SetPassword
from domain.mail import FinishReset
from domain.services import mail
from domain.services.accounts import finish_login
from domain.services.administration import lock_user, set_password
from storage.faults import Contention, fault_of
from storage.unit import UnitFactory
from tests.contracts.test_jobs import AT, put
from tests.contracts.test_mails import a_link, a_mail_job, ask
from tests.storage.support import Store

LOGIN = FinishLogin(
    "u1", "$old", "ann", "192.0.2.1", NewSession("s-old", "t-old"), Limits(), AT, new_password_hash="$older"
)
RESET = FinishReset("h1", "u1", "$new", NewSession("s-new", "t-new"), "notice", Limits(), AT)


def an_account(units: UnitFactory) -> None:
    with units(True) as unit:
        unit.accounts.add_user(
            User("u1", "Ann", AT, username="ann", username_key=login_key("ann"), password_hash="$old")
        )
        unit.commit()
    put(units, a_mail_job("j1"))
    ask(units, "add_reset", a_link("h1", "j1"))


def carried_out(units: UnitFactory, service: Any, command: Any) -> bool:
    """False: it has to wait for somebody else."""
    try:
        with units(True) as unit:
            service(command, unit)
            unit.commit()
    except Exception as error:
        if not isinstance(error, Contention) and fault_of(error) is None:
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("service", "command", "sessions"),
    [
        (mail.finish_reset, RESET, {"s-new"}),
        (set_password, SetPassword("u1", "$new"), set()),
        (lock_user, LockUser("u1"), set()),
    ],
    ids=["reset", "operator", "lock"],
)
def test_who_signs_in_with_the_old_password_at_that_moment_is_not_in_afterwards(
    store: Store, service: Any, command: Any, sessions: set[str]
) -> None:
    """Between the look at the user and the new session, somebody else wants to end all sessions."""
    here, there = store.process(), store.process()
    an_account(here)
    done = False
    with here(True) as unit:
        accounts: Any = unit.accounts

        def interrupted(look: Any) -> Any:
            def act(user_id: str) -> Any:
                nonlocal done
                found = look(user_id)
                done = done or carried_out(there, service, command)
                return found

            return act

        for name in ("user", "hold_user"):
            setattr(accounts, name, interrupted(getattr(accounts, name)))
        finish_login(LOGIN, unit)
        unit.commit()
    assert done or carried_out(there, service, command)
    with here(False) as unit:
        user = unit.accounts.user("u1")
        assert user is not None
        assert user.password_hash == "$new" or is_locked(user)
        assert {each.id for each in unit.accounts.sessions_of("u1")} == sessions
