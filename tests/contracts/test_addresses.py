"""Addresses of accounts: the port, and several who want the same thing at once. One suite for memory, SQLite
and MariaDB.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from domain.accounts import ChangeProfile, Limits, NewSession, User, login_key
from domain.addresses import ConfirmEmail, EmailChange, RequestEmail
from domain.errors import Conflict, Gone
from domain.mail import FinishReset, PrepareMail
from domain.services import addresses, mail
from domain.services.accounts import change_profile
from storage.faults import Contention, fault_of
from storage.unit import UnitFactory
from tests.contracts.test_jobs import AT, FAR, LATER, call, put
from tests.contracts.test_mails import ADDRESS, a_link, a_mail, a_mail_job, ask
from tests.contracts.test_passwords import carried_out
from tests.storage.support import Store

PEOPLE = ("u1", "u2", "u3", "u4")


def an_account(user_id: str, email: str | None = None) -> User:
    return User(
        user_id, user_id, AT, username=user_id, username_key=login_key(user_id), password_hash="$old",
        email=email, email_key=None if email is None else login_key(email),
    )  # fmt: skip


def people(units: UnitFactory, *users: User) -> None:
    with units(True) as unit:
        for user in users:
            unit.accounts.add_user(user)
        unit.commit()


def a_change(user_id: str, job_id: str, **more: Any) -> EmailChange:
    return EmailChange(user_id, job_id, **({"email": ADDRESS, "asked_at": AT, "expires_at": FAR} | more))


def waiting(units: UnitFactory, user_id: str, job_id: str, **more: Any) -> EmailChange:
    """A change with a link `h-JOB`."""
    change = a_change(user_id, job_id, **more)
    put(units, a_mail_job(job_id, format="confirm"))
    ask(units, "set_email_change", change)
    ask(units, "add_email_link", f"h-{job_id}", job_id)
    return change


def confirming(token_hash: str) -> ConfirmEmail:
    return ConfirmEmail(token_hash, f"n-{token_hash}", Limits(), AT)


def done(units: UnitFactory, service: Any, command: Any) -> Any:
    with units(True) as unit:
        answer = service(command, unit)
        unit.commit()
    return answer


def outcome(units: UnitFactory, service: Any, command: Any) -> str:
    """As the runner would carry it out: again, when the database says that somebody was in the way."""
    while True:
        try:
            done(units, service, command)
        except (Conflict, Gone) as error:
            return error.code
        except Exception as error:
            if not isinstance(error, Contention) and fault_of(error) is None:
                raise
            continue
        return "done"


def test_an_account_has_one_change_at_most_and_its_links_are_found(store: Store) -> None:
    units = store.process()
    people(units, an_account("u1"), an_account("u2"))
    first = waiting(units, "u1", "j1")
    ask(units, "add_email_link", "h-again", "j1")
    other = waiting(units, "u2", "j2")
    with store.process()(False) as unit:
        assert unit.mails.email_change("u1") == first and unit.mails.email_change("u9") is None
        assert unit.mails.email_change_of("h-j1") == unit.mails.email_change_of("h-again") == first
        assert unit.mails.email_change_of("h-j2") == other, "an address may wait for several people"
        assert unit.mails.email_change_of("h9") is None
    newer = waiting(units, "u1", "j3", email="other@example.net", expires_at=LATER)
    with units(False) as unit:
        assert unit.mails.email_change("u1") == unit.mails.email_change_of("h-j3") == newer
        assert unit.mails.email_change_of("h-j1") is None, "a newer wish ends the links of the older one"
    assert not ask(units, "end_email_change", "u1", "j1")
    assert ask(units, "end_email_change", "u1", "j3") and not ask(units, "end_email_change", "u1")
    with units(False) as unit:
        assert unit.mails.email_change_of("h-j3") is None
        assert unit.mails.email_change("u2") == other


def test_a_change_goes_with_its_job(store: Store) -> None:
    units = store.process()
    people(units, an_account("u1"), an_account("u2"))
    waiting(units, "u1", "j1"), waiting(units, "u2", "j2")
    call(units, "remove", ["j1"])
    with units(False) as unit:
        assert unit.mails.email_change("u1") is None and unit.mails.email_change_of("h-j1") is None
        assert unit.mails.email_change("u2") is not None
    # Its links do not come back with a job of the same id.
    put(units, a_mail_job("j1"))
    ask(units, "set_email_change", a_change("u1", "j1"))
    with units(False) as unit:
        assert unit.mails.email_change_of("h-j1") is None


def test_of_accounts_that_confirm_the_same_address_at_once_one_gets_it(store: Store) -> None:
    processes = [store.process() for _ in PEOPLE]
    people(processes[0], *map(an_account, PEOPLE))
    addresses_wanted = [f"Round{n}@example.net" for n in range(5)]
    for n, email in enumerate(addresses_wanted):
        for user_id in PEOPLE:
            # In other letters each, for it is the key that is unique.
            waiting(
                processes[0], user_id, f"j{n}-{user_id}", email=email.upper() if user_id == "u2" else email
            )
        with ThreadPoolExecutor(len(PEOPLE)) as threads:
            said = list(
                threads.map(
                    lambda each, n=n: outcome(
                        each[0], addresses.confirm_email, confirming(f"h-j{n}-{each[1]}")
                    ),
                    zip(processes, PEOPLE, strict=True),
                )
            )
        assert sorted(said) == ["done", *["email_taken"] * (len(PEOPLE) - 1)], said
        with processes[0](False) as unit:
            holder = unit.accounts.user_by_login(login_key(email))
            assert holder is not None and holder.id == PEOPLE[said.index("done")]
            for loser in set(PEOPLE) - {holder.id}:
                left = unit.accounts.user(loser)
                assert left is not None and left.email_key != login_key(email)


def test_a_link_is_opened_once_by_however_many(store: Store) -> None:
    processes = [store.process() for _ in range(4)]
    people(processes[0], an_account("u1", "old@example.net"))
    waiting(processes[0], "u1", "j1")
    with ThreadPoolExecutor(4) as threads:
        said = list(
            threads.map(lambda units: outcome(units, addresses.confirm_email, confirming("h-j1")), processes)
        )
    assert sorted(said) == ["done", *["link_expired"] * 3]
    with processes[0](False) as unit:
        assert [job.format for job in unit.jobs.of_user("u1", "mail")] == ["moved"], "one notice"


RESET = FinishReset("h1", "u1", "$new", NewSession("s-new", "t-new"), "notice", Limits(), AT)
NEWER = RequestEmail("u1", "j-newer", "newer@example.net", "$old", "192.0.2.1", Limits(), AT)


@pytest.mark.parametrize(
    ("service", "command"),
    [(mail.finish_reset, RESET), (addresses.request_email, NEWER)],
    ids=["reset", "newer wish"],
)
@pytest.mark.parametrize("look", ["email_change_of", "end_email_change"])
def test_what_ends_a_link_comes_before_it_is_opened_or_after(
    store: Store, service: Any, command: Any, look: str
) -> None:
    """Between the look at the link and its use somebody sets a new password by mail, or asks for yet another
    address: never are both links good."""
    here, there = store.process(), store.process()
    people(here, an_account("u1", "old@example.net"))
    put(here, a_mail_job("j-reset"))
    ask(here, "add_reset", a_link("h1", "j-reset"))
    waiting(here, "u1", "j1")
    first = False
    try:
        with here(True) as unit:
            mails: Any = unit.mails
            real = getattr(mails, look)

            def interrupted(*arguments: Any) -> Any:
                nonlocal first
                found = real(*arguments) if look == "email_change_of" else None
                first = first or carried_out(there, service, command)
                return found if look == "email_change_of" else real(*arguments)

            setattr(mails, look, interrupted)
            addresses.confirm_email(confirming("h-j1"), unit)
            unit.commit()
        confirmed = "done"
    except Gone as error:
        confirmed = error.code
    except Exception as error:
        # In memory, and on SQLite, who comes second to a commit begins anew.
        if not isinstance(error, Contention) and fault_of(error) is None:
            raise
        confirmed = outcome(here, addresses.confirm_email, confirming("h-j1"))
    if first:
        assert confirmed == "link_expired"
    else:
        assert confirmed == "done"
        other = outcome(there, service, command)
        assert other == ("reset_expired" if service is mail.finish_reset else "done")
    with here(False) as unit:
        user = unit.accounts.user("u1")
        assert user is not None
        assert (user.email == ADDRESS) == (confirmed == "done")
        if service is mail.finish_reset:
            assert (user.password_hash == "$new") == (confirmed != "done")


def test_what_else_changes_at_that_moment_is_not_lost(store: Store) -> None:
    here, there = store.process(), store.process()
    people(here, an_account("u1"))
    waiting(here, "u1", "j1")
    rename = ChangeProfile("u1", name="Annabel")
    first = False
    try:
        with here(True) as unit:
            mails: Any = unit.mails
            real = mails.end_email_change

            def interrupted(*arguments: Any) -> Any:
                nonlocal first
                first = first or carried_out(there, change_profile, rename)
                return real(*arguments)

            mails.end_email_change = interrupted
            addresses.confirm_email(confirming("h-j1"), unit)
            unit.commit()
    except Exception as error:
        if not isinstance(error, Contention) and fault_of(error) is None:
            raise
        assert outcome(here, addresses.confirm_email, confirming("h-j1")) == "done"
    if not first:
        assert carried_out(there, change_profile, rename)
    with here(False) as unit:
        user = unit.accounts.user("u1")
        assert user is not None and (user.email, user.name) == (ADDRESS, "Annabel")


def test_no_link_goes_to_an_address_that_is_being_changed(store: Store) -> None:
    """While the mail with a link for a new password is prepared, somebody confirms another address."""
    here, there = store.process(), store.process()
    people(here, an_account("u1", "old@example.net"))
    put(here, a_mail_job("j-reset"))
    ask(here, "add", a_mail("j-reset", recipient="u1", about=""))
    call(here, "claim", "j-reset", "token", AT, FAR)
    waiting(here, "u1", "j1")
    first = False
    sent_to = None
    prepare = PrepareMail("j-reset", "token", "h1", Limits(), AT)
    try:
        with here(True) as unit:
            mails: Any = unit.mails
            real = mails.resets_of

            def interrupted(user_id: str) -> Any:
                nonlocal first
                first = first or carried_out(there, addresses.confirm_email, confirming("h-j1"))
                return real(user_id)

            mails.resets_of = interrupted
            prepared = mail.prepare_mail(prepare, unit)
            unit.commit()
        sent_to = None if prepared is None else prepared.to
    except Exception as error:
        if not isinstance(error, Contention) and fault_of(error) is None:
            raise
    if not first:
        assert outcome(there, addresses.confirm_email, confirming("h-j1")) == "done"
    with here(False) as unit:
        user = unit.accounts.user("u1")
        assert user is not None and user.email == ADDRESS
        link = unit.mails.reset("h1")
        assert link is None or link.used or sent_to == ADDRESS


def test_a_password_that_changes_meanwhile_asks_for_nothing(store: Store) -> None:
    units = store.process()
    people(units, an_account("u1"))
    with units(True) as unit, pytest.raises(Conflict):
        addresses.request_email(
            RequestEmail("u1", "j1", "a@example.net", "$other", "192.0.2.1", Limits(), AT), unit
        )
    with units(False) as unit:
        assert unit.mails.email_change("u1") is None and unit.jobs.job("j1") is None
