"""The port of mails: one suite for memory, SQLite and MariaDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from domain.jobs import Job
from domain.mail import Mail, ResetLink
from domain.membership import Invite
from storage.faults import Contention, fault_of
from storage.unit import UnitFactory
from tests.contracts.test_jobs import AT, FAR, LATER, SOON, a_job, call, put
from tests.storage.support import Store

ADDRESS = "用户.ann+trip@例子.example"


def a_mail_job(job_id: str, **more: Any) -> Job:
    return a_job(job_id, **({"kind": "mail", "format": "reset", "user_id": "", "trip_id": ""} | more))


def a_mail(job_id: str, **more: Any) -> Mail:
    return Mail(job_id, **({"recipient": ADDRESS, "about": "u1", "not_before": AT} | more))


def a_link(token_hash: str, job_id: str, **more: Any) -> ResetLink:
    return ResetLink(token_hash, job_id, **({"user_id": "u1", "asked_at": AT, "expires_at": FAR} | more))


def ask(units: UnitFactory, name: str, *arguments: Any) -> Any:
    """One method of the port of mails in a transaction of its own."""
    with units(True) as unit:
        answer = getattr(unit.mails, name)(*arguments)
        unit.commit()
    return answer


def test_mails_come_back_until_they_are_forgotten(store: Store) -> None:
    units = store.process()
    put(units, a_mail_job("j1"), a_mail_job("j2"), a_job("j3"))
    for job_id in ("j1", "j2"):
        ask(units, "add", a_mail(job_id))
    ask(units, "hold", "j1", LATER)
    ask(units, "hold", "j9", LATER)
    with store.process()(False) as unit:
        assert unit.mails.mail("j1") == a_mail("j1", not_before=LATER)
        assert unit.mails.mail("j2") == a_mail("j2")
        for nobody in ("j3", "j9", "J1", "", "大理"):
            assert unit.mails.mail(nobody) is None
        assert [job.id for job in unit.jobs.of_user("", "mail")] == ["j1", "j2"]
        assert unit.jobs.of_user("", "export") == []
        assert [job.id for job in unit.jobs.of_user("ann", "export")] == ["j3"]
    ask(units, "remove", ["j1", "j9"])
    ask(units, "remove", [])
    with units(False) as unit:
        assert unit.mails.mail("j1") is None and unit.mails.mail("j2") is not None
        assert unit.jobs.job("j1") is not None, "the job stays"


def test_a_job_without_a_file_ends_once_and_by_its_holder(store: Store) -> None:
    units = store.process()
    put(units, a_mail_job("j1"))
    call(units, "claim", "j1", "dead", AT, SOON)
    call(units, "claim", "j1", "alive", LATER, FAR)
    assert not call(units, "end", "j1", "dead", LATER, FAR)
    assert call(units, "end", "j1", "alive", LATER, FAR)
    assert not call(units, "end", "j1", "alive", LATER, FAR)
    with units(False) as unit:
        done = a_mail_job("j1", status="done", attempts=2, due_at=FAR, finished_at=LATER)
        assert unit.jobs.job("j1") == done and unit.jobs.file("j1") in (None, b"")


def test_links_are_found_by_their_hash_and_by_whose_they_are(store: Store) -> None:
    units = store.process()
    put(units, a_mail_job("j1"), a_mail_job("j2"), a_mail_job("j3"))
    first, again = a_link("h1", "j1"), a_link("h2", "j1")
    newer, other = a_link("h3", "j2", asked_at=LATER), a_link("h4", "j3", user_id="u2")
    for link in (first, again, newer, other):
        ask(units, "add_reset", link)
    with units(False) as unit:
        assert unit.mails.reset("h1") == first and unit.mails.reset("h9") is None
        assert unit.mails.resets_of("u1") == [newer, first, again]
        assert unit.mails.resets_of("u9") == []


def test_links_are_used_once_together(store: Store) -> None:
    units = store.process()
    put(units, a_mail_job("j1"), a_mail_job("j2"))
    for link in (a_link("h1", "j1"), a_link("h2", "j1"), a_link("h3", "j2", user_id="u2")):
        ask(units, "add_reset", link)
    assert ask(units, "use_resets", "u1") and not ask(units, "use_resets", "u1")
    with store.process()(False) as unit:
        assert all(link.used for link in unit.mails.resets_of("u1"))
        assert unit.mails.reset("h3") == a_link("h3", "j2", user_id="u2")


def test_a_link_that_is_used_in_a_transaction_that_fails_is_not_used(store: Store) -> None:
    units = store.process()
    put(units, a_mail_job("j1"))
    ask(units, "add_reset", a_link("h1", "j1"))
    with units(True) as unit:
        assert unit.mails.use_resets("u1")
    assert ask(units, "use_resets", "u1")


def test_what_belongs_to_a_job_goes_with_it(store: Store) -> None:
    units = store.process()
    put(units, a_mail_job("j1"), a_mail_job("j2"))
    for job_id in ("j1", "j2"):
        ask(units, "add", a_mail(job_id))
        ask(units, "add_reset", a_link(f"h-{job_id}", job_id))
    call(units, "remove", ["j1"])
    with units(False) as unit:
        assert unit.mails.mail("j1") is None and unit.mails.reset("h-j1") is None
        assert unit.mails.mail("j2") == a_mail("j2") and unit.mails.reset("h-j2") is not None


def test_an_invitation_has_as_many_links_as_it_was_mailed(store: Store) -> None:
    units = store.process()
    invite = Invite("i1", "t1", "shown", "editor", "ann", "Ann", AT, 3)
    with units(True) as unit:
        unit.accounts.add_invite(invite)
        unit.accounts.add_invite(msgspec.structs.replace(invite, id="i2", token_hash="other"))
        unit.accounts.add_invite_link("mailed-1", "i1")
        unit.accounts.add_invite_link("mailed-2", "i1")
        unit.commit()
    with units(False) as unit:
        for token_hash in ("shown", "mailed-1", "mailed-2"):
            assert unit.accounts.invite_by_token(token_hash) == invite
        assert unit.accounts.invite_by_token("mailed-3") is None
        assert len(unit.accounts.invites_of("t1")) == 2
    with units(True) as unit:
        assert unit.accounts.revoke_invite("t1", "i1")
        unit.commit()
    with units(False) as unit:
        found = unit.accounts.invite_by_token("mailed-1")
        assert found is not None and found.revoked


def test_of_many_who_use_a_link_at_once_one_gets_it(store: Store) -> None:
    processes = [store.process() for _ in range(4)]
    put(processes[0], *(a_mail_job(f"j{n}") for n in range(10)))
    for n in range(10):
        ask(processes[0], "add_reset", a_link(f"h{n}", f"j{n}", user_id=f"u{n}"))

    def use(process: int) -> list[int]:
        got: list[int] = []
        for n in range(10):
            while True:
                try:
                    if ask(processes[process], "use_resets", f"u{n}"):
                        got.append(n)
                except Exception as error:
                    if not isinstance(error, Contention) and fault_of(error) is None:
                        raise
                    continue
                break
        return got

    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(use, range(4)))
    assert sorted(n for each in got for n in each) == list(range(10))
