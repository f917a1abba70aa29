"""Mails end to end in one process: who gets which, how often it is tried, and what its links do.

Real runner and unit of work in memory, a real SMTP server, mails as they arrived; the clock moves when a
test says so. Workers that are killed, and Redis: `tests/integration/test_mail.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from domain.accounts import (
    ChangeProfile,
    Limits,
    NewSession,
    SessionChange,
    User,
    hash_token,
    lock,
    login_key,
    new_id,
    timestamp,
)
from domain.administration import SetPassword
from domain.commands import Actor, ApplyOperation
from domain.errors import DomainError, Forbidden, Gone, NotFound, Throttled
from domain.jobs import Job, RequestExport
from domain.mail import (
    MAIL_KEEP_HOURS,
    MAX_MAIL_ATTEMPTS,
    Addressed,
    FinishReset,
    InviteByMail,
    ReadReset,
    RequestReset,
    backoff,
)
from domain.membership import CreateInvite, Invite, ReadInvite, RevokeInvite
from domain.operations import DeleteTrip, SetTripFields, TripFields
from domain.services import jobs, mail, members, rooms
from domain.services.accounts import change_profile
from domain.services.administration import set_password
from realtime.jobs.doorbell_local import LocalDoorbell
from realtime.jobs.mail_server import read_mail_url
from realtime.jobs.postman import Post, Postman
from realtime.jobs.render import render
from realtime.jobs.rounds import Rounds
from realtime.jobs.smtp import SmtpClient
from realtime.jobs.worker import Worker
from storage.unit_of_work_memory import MemoryUnits
from tests.handlers.memory import MemoryRun
from tests.services.smtp import Mailbox, Received
from tests.storage.support import make_trip, new_op

SITE = "https://trips.example"


class Desk:
    """A store with ann (user name and address), bob (an address) and a trip of ann's; workers that mail."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.run = MemoryRun()
        self.threads = ThreadPoolExecutor(1)
        self.now = datetime(2026, 5, 1, 8, tzinfo=UTC)
        self.limits = Limits()
        for user in (
            self.account("ann", username="Ann", email="Ann@example.net", locale="en"),
            self.account("bob", email="bob@example.net"),
            self.account("cyd", username="cyd"),
            User("gus", "Gus", self.clock(), is_guest=True),
        ):
            self.run.state.users[user.id] = user
        self.trip_id = make_trip(MemoryUnits(self.run.store))
        self.rung: list[str] = []

    def account(
        self, user_id: str, username: str | None = None, email: str | None = None, **more: Any
    ) -> User:
        return User(
            user_id, user_id.title(), self.clock(), username=username, email=email, password_hash="$old",
            username_key=None if username is None else login_key(username),
            email_key=None if email is None else login_key(email), **more,
        )  # fmt: skip

    def clock(self) -> str:
        return timestamp(self.now)

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)

    def worker(self, **more: Any) -> Worker:
        send = SmtpClient(read_mail_url(self.mailbox.url()), "trips.example")
        postman = Postman(self.run, Post(send, SITE, ("", "mail@trips.example")), self.clock)
        return Worker(self.run, render, self.threads, self.clock, postman=postman, **more)

    async def forgot(self, login: str, locale: Any = "en", address: str = "192.0.2.1") -> str:
        job_id = new_id()
        command = RequestReset(job_id, login, locale, address, self.limits, self.clock())
        await self.run(mail.request_reset, command)
        return job_id

    async def mailed(self, login: str = "ann") -> str:
        """Ask, let it be sent, and read the secret in the link."""
        await self.worker().work(await self.forgot(login))
        return secret_of(self.mailbox.received[-1])

    async def reset(self, secret: str, user_id: str = "ann") -> SessionChange:
        command = FinishReset(
            hash_token(secret), user_id, "$new", NewSession(new_id(), new_id()), "notice" + new_id(),
            self.limits, self.clock(),
        )  # fmt: skip
        done: SessionChange = await self.run(mail.finish_reset, command)
        return done

    async def invite(self, *addresses: str, by: Actor | None = None, locale: Any = "en") -> Invite:
        create = CreateInvite(
            self.trip_id, by or Actor("ann", "Ann"), new_id(), new_id(), "editor", None, self.clock()
        )
        to = [Addressed(new_id(), address) for address in addresses]
        command = InviteByMail(self.trip_id, create, to, locale, "192.0.2.1", self.limits)
        made: Invite = await self.run(mail.invite_by_mail, command)
        return made

    async def do(self, op: Any) -> None:
        command = ApplyOperation(self.trip_id, new_op(), Actor("ann"), op, 2**40, self.clock())
        await self.run(rooms.apply_operation, command)

    def job(self, job_id: str) -> Job:
        return self.run.store.jobs.state.jobs[job_id]

    @property
    def waiting(self) -> list[str]:
        return [job.id for job in self.run.store.jobs.state.jobs.values() if job.status == "queued"]

    async def work(self) -> None:
        """Do everything that waits, once."""
        for job_id in self.waiting:
            await self.worker().work(job_id)

    async def look(self) -> list[str]:
        return await Rounds(self.run, Silent(), self.clock).look()


class Silent:
    def ring(self, job_id: str, mail: bool = False) -> None: ...

    async def aclose(self) -> None: ...


def link_of(mail: Received) -> str:
    links = set(re.findall(r"https://trips\.example\S*", mail.part("plain")))
    assert len(links) == 1
    (link,) = links
    assert f'href="{link}"' in mail.part("html")
    return str(link)


def secret_of(mail: Received) -> str:
    secret = re.fullmatch(
        r"https://trips\.example/(?:(?:reset|confirm)#|invite/)([A-Za-z0-9_-]{43})", link_of(mail)
    )
    assert secret is not None
    return secret[1]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    with Mailbox() as mailbox:
        made = Desk(mailbox)
        yield made
        await made.run.aclose()
        made.threads.shutdown()


# --- a new password -----------------------------------------------------------------------


async def test_a_mail_with_a_link_sets_a_new_password(desk: Desk) -> None:
    desk.run.state.sessions.clear()
    secret = await desk.mailed()
    (sent,) = desk.mailbox.received
    assert sent.recipients == ["Ann@example.net"] and sent.sender == "mail@trips.example"
    assert link_of(sent) == f"{SITE}/reset#{secret}"
    assert sent.message["Subject"] == "Set a new password for Tongyou"
    assert "Hello Ann" in sent.part("plain") and "Hello Ann" in sent.part("html")
    offer = await desk.run(mail.read_reset, ReadReset(hash_token(secret), desk.clock()))
    assert offer.user.id == "ann"
    done = await desk.reset(secret)
    assert done.user.password_hash == desk.run.state.users["ann"].password_hash == "$new"
    assert [session.user_id for session in desk.run.state.sessions.values()] == ["ann"]


async def test_no_secret_is_ever_stored_and_the_address_goes_with_the_end(desk: Desk) -> None:
    secret = await desk.mailed()
    store = desk.run.store
    kept = repr((store.jobs.state, store.accounts))
    assert secret not in kept and hash_token(secret) in kept
    assert store.jobs.state.mails == {} and "example.net" not in repr(store.jobs.state)


@pytest.mark.parametrize("login", ["ann", "ANN ", "ann@example.net", "ａｎｎ"])
async def test_a_name_or_an_address_will_do(desk: Desk, login: str) -> None:
    await desk.worker().work(await desk.forgot(login))
    assert len(desk.mailbox.received) == 1


@pytest.mark.parametrize("login", ["nobody", "nobody@example.net", "cyd", "gus", "Gus", "bob", "", "x" * 254])
async def test_whoever_cannot_be_written_to_looks_like_everybody_else(desk: Desk, login: str) -> None:
    """Neither the answer nor what is stored says whether there is such an account."""
    unknown, known = await desk.forgot(login), await desk.forgot("ann")
    state = desk.run.store.jobs.state
    plain = msgspec.structs.replace(state.jobs[known], id=unknown)
    assert state.jobs[unknown] == plain
    worker = desk.worker()
    await worker.work(unknown)
    assert desk.mailbox.received == [] and desk.job(unknown).status == "done"
    assert unknown not in desk.run.store.jobs.state.mails and worker.mails["nobody"] == 1


async def test_a_locked_account_stays_locked(desk: Desk) -> None:
    secret = await desk.mailed()
    desk.run.state.users["ann"] = lock(desk.run.state.users["ann"])
    with pytest.raises(Gone):
        await desk.reset(secret)
    await desk.worker().work(await desk.forgot("ann"))
    assert len(desk.mailbox.received) == 1


async def test_a_link_works_once(desk: Desk) -> None:
    secret = await desk.mailed()
    await desk.reset(secret)
    for read in (desk.reset(secret), desk.run(mail.read_reset, ReadReset(hash_token(secret), desk.clock()))):
        with pytest.raises(Gone) as raised:
            await read
        assert raised.value.code == "reset_expired"


async def test_a_link_works_for_an_hour_and_for_its_owner(desk: Desk) -> None:
    secret = await desk.mailed()
    with pytest.raises(Gone):
        await desk.reset(secret, "bob")
    desk.wait(minutes=59, seconds=59)
    await desk.run(mail.read_reset, ReadReset(hash_token(secret), desk.clock()))
    desk.wait(seconds=1)
    with pytest.raises(Gone):
        await desk.reset(secret)
    with pytest.raises(Gone):
        await desk.reset("never made")


async def test_a_newer_mail_ends_the_older_link(desk: Desk) -> None:
    first = await desk.mailed()
    desk.wait(seconds=1)
    second = await desk.mailed("ann@example.net")
    with pytest.raises(Gone):
        await desk.reset(first)
    await desk.reset(second)


async def test_an_older_mail_that_comes_late_is_not_sent(desk: Desk) -> None:
    older = await desk.forgot("ann")
    desk.wait(seconds=1)
    secret = await desk.mailed()
    worker = desk.worker()
    await worker.work(older)
    assert len(desk.mailbox.received) == 1
    assert (desk.job(older).status, desk.job(older).error) == ("failed", "superseded")
    await desk.reset(secret)


async def test_another_way_to_a_new_password_ends_the_link(desk: Desk) -> None:
    secret = await desk.mailed()
    await desk.run(set_password, SetPassword("ann", "$by an operator"))
    with pytest.raises(Gone):
        await desk.reset(secret)


async def test_every_session_ends_and_a_notice_is_written(desk: Desk) -> None:
    await desk.run(change_profile, ChangeProfile("ann", locale="zh"))
    secret = await desk.mailed()
    first = await desk.reset(secret)
    assert first.ended == []
    await desk.work()
    notice = desk.mailbox.received[-1]
    assert notice.message["Subject"] == "你的同游密码已更改" and notice.recipients == ["Ann@example.net"]
    assert link_of(notice) == f"{SITE}/login"
    desk.wait(minutes=2)
    again = await desk.reset(await desk.mailed())
    assert len(again.ended) == 1 and len(desk.run.state.sessions) == 1


async def test_how_often_one_may_ask(desk: Desk) -> None:
    for _ in range(desk.limits.reset_account.count):
        await desk.forgot("nobody")
    with pytest.raises(Throttled) as raised:
        await desk.forgot("NOBODY ")
    assert raised.value.code == "mail_throttled" and raised.value.details["retry_after"] > 0
    for n in range(desk.limits.reset_address.count - desk.limits.reset_account.count):
        await desk.forgot(f"somebody{n}")
    with pytest.raises(Throttled):
        await desk.forgot("ann")
    await desk.forgot("ann", address="192.0.2.2")


# --- how often a mail is tried ------------------------------------------------------------


async def test_what_is_refused_for_now_is_tried_again_later(desk: Desk) -> None:
    desk.mailbox.answer("450 4.2.1 busy", "421 4.3.2 closing")
    job_id = await desk.forgot("ann")
    worker = desk.worker()
    for attempt, code in ((1, "smtp_450"), (2, "smtp_421")):
        await worker.work(job_id)
        assert (desk.job(job_id).status, desk.job(job_id).attempts) == ("queued", attempt), code
        desk.wait(seconds=backoff(attempt) - 1)
        # Rung out of time, it is left alone, and nobody calls it out.
        assert await desk.look() == []
        await worker.work(job_id)
        assert desk.job(job_id).attempts == attempt
        desk.wait(seconds=2)
        assert await desk.look() == [job_id]
    await worker.work(job_id)
    assert (desk.job(job_id).status, desk.job(job_id).attempts) == ("done", 3)
    assert len(desk.mailbox.received) == 1
    assert worker.mails == {"sent": 1, "nobody": 0, "deferred": 2, "refused": 0}
    await desk.reset(secret_of(desk.mailbox.received[0]))


async def test_after_so_many_attempts_it_is_given_up(desk: Desk) -> None:
    desk.mailbox.answer(*["450 4.2.1 busy"] * MAX_MAIL_ATTEMPTS)
    job_id, began = await desk.forgot("bob@example.net"), desk.now
    worker = desk.worker()
    for attempt in range(1, MAX_MAIL_ATTEMPTS + 1):
        await worker.work(job_id)
        assert desk.job(job_id).attempts == attempt
        desk.wait(seconds=backoff(attempt))
    assert (desk.job(job_id).status, desk.job(job_id).error) == ("failed", "smtp_450")
    assert desk.run.store.jobs.state.mails == {}, "the address is not kept"
    assert desk.mailbox.tries == MAX_MAIL_ATTEMPTS
    last = desk.now - timedelta(seconds=backoff(MAX_MAIL_ATTEMPTS))
    assert last - began == timedelta(minutes=31, seconds=30)
    desk.wait(hours=MAIL_KEEP_HOURS)
    await desk.look()
    assert desk.run.store.jobs.state.jobs == {} and desk.run.store.jobs.state.reset_links == {}


async def test_what_is_refused_for_good_is_not_tried_again(desk: Desk, caplog: Any) -> None:
    desk.mailbox.answer("550 5.1.1 no such user bob@example.net at 10.0.0.7")
    job_id = await desk.forgot("bob@example.net")
    worker = desk.worker()
    await worker.work(job_id)
    assert (desk.job(job_id).status, desk.job(job_id).error) == ("failed", "smtp_550")
    assert worker.mails["refused"] == 1 and worker.counts["failed"] == 1
    assert "smtp_550" in caplog.text
    for secret in ("bob@", "10.0.0.7", "no such user"):
        assert secret not in caplog.text + repr(desk.run.store.jobs.state)


async def test_a_mail_that_nobody_sends_in_time_is_not_sent(desk: Desk) -> None:
    job_id = await desk.forgot("ann")
    desk.wait(hours=1)
    await desk.worker().work(job_id)
    assert desk.mailbox.received == []
    desk.wait(seconds=1)
    await desk.look()
    assert desk.run.store.jobs.state.jobs == {} and desk.run.store.jobs.state.mails == {}


async def test_without_a_mail_server_any_more_it_waits(desk: Desk) -> None:
    job_id = await desk.forgot("ann")
    await Worker(desk.run, render, desk.threads, desk.clock).work(job_id)
    assert (desk.job(job_id).status, desk.job(job_id).attempts) == ("queued", 1)


async def test_a_mail_that_is_sent_twice_is_the_same_mail_with_one_effect(desk: Desk) -> None:
    """The server took it, and the worker did not live to record it."""
    job_id = await desk.forgot("ann")
    real = desk.run

    async def dies(service: Any, command: Any) -> Any:
        if service is mail.finish_mail:
            raise BaseExceptionGroup("killed", [SystemExit()])
        return await real(service, command)

    worker = desk.worker()
    assert worker._postman is not None
    worker._postman._run = dies  # type: ignore[assignment]
    with pytest.raises(BaseExceptionGroup):
        await worker.work(job_id)
    assert desk.job(job_id).status == "running"
    desk.wait(seconds=31)
    assert await desk.look() == [job_id]
    await desk.worker().work(job_id)
    first, second = desk.mailbox.received
    for header in ("Message-ID", "Date", "Subject", "To", "From"):
        assert first.message[header] == second.message[header]
    assert first.message["Message-ID"] == f"<{job_id}@trips.example>"
    assert desk.job(job_id).status == "done"
    # Whichever of the two a mail program shows, its link is good; together they are good for once.
    assert secret_of(first) != secret_of(second)
    for each in (first, second):
        await desk.run(mail.read_reset, ReadReset(hash_token(secret_of(each)), desk.clock()))
    await desk.reset(secret_of(first))
    with pytest.raises(Gone):
        await desk.reset(secret_of(second))


async def test_a_worker_that_lost_its_lease_sends_nothing(desk: Desk) -> None:
    job_id = await desk.forgot("ann")
    worker = desk.worker()
    real = desk.run

    async def slow(service: Any, command: Any) -> Any:
        if service is mail.prepare_mail:
            desk.wait(seconds=31)
            assert await desk.look() == [job_id]
        return await real(service, command)

    assert worker._postman is not None
    worker._postman._run = slow  # type: ignore[assignment]
    await worker.work(job_id)
    assert desk.mailbox.received == [] and worker.counts["lost"] == 1
    await desk.worker().work(job_id)
    assert len(desk.mailbox.received) == 1


# --- invitations --------------------------------------------------------------------------


async def test_an_invitation_is_sent_to_each_with_a_link_of_its_own(desk: Desk) -> None:
    invite = await desk.invite("dan@example.net", "eva@example.net")
    await desk.work()
    sent = desk.mailbox.received
    assert [each.recipients for each in sent] == [["dan@example.net"], ["eva@example.net"]]
    assert {each.message["To"] for each in sent} == {"dan@example.net", "eva@example.net"}, "alone in To"
    secrets = [secret_of(each) for each in sent]
    assert len(set(secrets)) == 2
    assert sent[0].message["Subject"] == "Ann invites you to plan “Yunnan 云南”"
    assert "edit everything in it" in sent[0].part("plain")
    for secret in secrets:
        offer = await desk.run(members.read_invite, ReadInvite(hash_token(secret), Actor(None), desk.clock()))
        assert offer.trip_id == desk.trip_id and offer.role == "editor"
    assert "example.net" not in repr(desk.run.store.jobs.state)
    await desk.run(members.revoke_invite, RevokeInvite(desk.trip_id, Actor("ann"), invite.id))
    for secret in secrets:
        with pytest.raises(NotFound):
            await desk.run(members.read_invite, ReadInvite(hash_token(secret), Actor(None), desk.clock()))


async def test_what_was_withdrawn_meanwhile_is_not_sent(desk: Desk) -> None:
    invite = await desk.invite("dan@example.net")
    await desk.run(members.revoke_invite, RevokeInvite(desk.trip_id, Actor("ann"), invite.id))
    (job_id,) = desk.waiting
    await desk.work()
    assert (desk.job(job_id).status, desk.job(job_id).error) == ("failed", "withdrawn")
    await desk.invite("dan@example.net")
    await desk.do(DeleteTrip())
    await desk.work()
    assert desk.mailbox.received == []


async def test_who_may_send_invitations(desk: Desk) -> None:
    for who, refusal in ((Actor("bob"), Forbidden), (Actor("zoe"), NotFound)):
        with pytest.raises(refusal):
            await desk.invite("dan@example.net", by=who)
    with pytest.raises(Forbidden) as raised:
        await desk.invite("dan@example.net", by=Actor("ann", "Ann", is_guest=True))
    assert raised.value.code == "guest"
    with pytest.raises(DomainError) as refused:
        await desk.invite(*(f"p{n}@example.net" for n in range(21)))
    assert refused.value.code == "limit"
    assert desk.waiting == [] and desk.run.state.invites == {}, "a refusal has made nothing"


async def test_how_many_invitations_may_be_sent(desk: Desk) -> None:
    for _ in range(desk.limits.invite_mails_recipient.count):
        await desk.invite("dan@example.net")
    with pytest.raises(Throttled) as raised:
        await desk.invite("eva@example.net", "DAN@example.net")
    assert raised.value.code == "mail_throttled"
    made = len(desk.run.state.invites)
    sent = desk.limits.invite_mails_recipient.count
    while sent < desk.limits.invite_mails_account.count:
        await desk.invite(f"p{sent}@example.net")
        sent += 1
    with pytest.raises(Throttled):
        await desk.invite("fay@example.net")
    assert len(desk.waiting) == sent and len(desk.run.state.invites) == made + sent - 5
    desk.wait(days=1)
    await desk.invite("dan@example.net")


async def test_what_people_wrote_is_words_and_nothing_else(desk: Desk) -> None:
    """No markup, no header of its own, and nothing that a mail program would make a link of."""
    title = "<b>WIN</b> http://evil.example/x?y now@evil.example\r\nBcc: x@evil.example " + "long " * 40
    await desk.do(SetTripFields(TripFields(title=title[:200].replace("\r\n", " "))))
    name = '"><script>alert(1)</script>\u202e www.evil.example'
    await desk.invite("dan@example.net", by=Actor("ann", name))
    await desk.work()
    (sent,) = desk.mailbox.received
    html, plain, subject = sent.part("html"), sent.part("plain"), str(sent.message["Subject"])
    assert "<script" not in html and "<b>" not in html
    assert "&lt;b&gt;WIN&lt;" in html and "&lt;script&gt;alert(1)" in html
    assert set(sent.message.keys()) == {
        "Message-ID", "Date", "From", "To", "Subject", "Content-Language", "Auto-Submitted",
        "X-Auto-Response-Suppress", "MIME-Version", "Content-Type",
    }  # fmt: skip
    for text in (html, plain, subject):
        for bait in ("evil.example", "://evil", "now@evil", "\u202e"):
            assert bait not in text, bait
    found = re.findall(r"https?://[^/\"<\s]+", html)
    assert set(found) == {SITE, "http://www.w3.org"}
    assert len(subject) < 220
    secret_of(sent)


# --- beside other work --------------------------------------------------------------------


async def test_a_mail_server_that_does_not_answer_holds_up_nothing_else(desk: Desk) -> None:
    desk.mailbox.fall_silent()
    doorbell = LocalDoorbell(desk.worker().work)
    stuck = await desk.forgot("ann")
    doorbell.ring(stuck, mail=True)
    await asyncio.to_thread(desk.mailbox.wait, 1)
    command = RequestExport("j1", Actor("ann"), desk.trip_id, "data", "en", desk.clock())
    await desk.run(jobs.request_export, command)
    doorbell.ring("j1")
    async with asyncio.timeout(30):
        while desk.job("j1").status != "done":  # noqa: ASYNC110  # what is waited for stands in the store
            await asyncio.sleep(0.005)
    assert desk.job(stuck).status == "running"
    await doorbell.aclose()
    assert desk.job(stuck).status == "queued"
    # A process that ends says nothing about the server: no pause.
    desk.mailbox.speak()
    await desk.worker().work(stuck)
    assert desk.job(stuck).status == "done"
