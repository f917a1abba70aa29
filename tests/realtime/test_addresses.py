"""The address of an account end to end in one process: asked for, confirmed by what came by mail, told to the
former one; and how many mails with links a mailbox gets. As `tests/realtime/test_mail.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from domain.accounts import FinishPasswordChange, User, hash_token, lock, new_id
from domain.addresses import (
    EMAIL_HOURS,
    CancelEmail,
    ConfirmEmail,
    EmailState,
    ReadEmail,
    ReadEmailLink,
    RemoveEmail,
    RequestEmail,
    ResendEmail,
)
from domain.administration import LockUser, SetPassword, UnlockUser
from domain.errors import Conflict, Forbidden, Gone, Invalid, Throttled
from domain.mail import MAIL_KEEP_HOURS
from domain.ports import UnitOfWork
from domain.services import accounts, addresses, administration, mailing
from realtime.jobs.smtp import SmtpClient
from tests.realtime.test_mail import SITE, Desk, link_of, secret_of
from tests.services.smtp import Mailbox, Received

NEW = "new@example.net"


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    with Mailbox() as mailbox:
        made = Desk(mailbox)
        made.run.state.sessions.clear()
        yield made
        await made.run.aclose()
        made.threads.shutdown()


async def wish(desk: Desk, email: str = NEW, who: str = "ann", address: str = "192.0.2.1") -> EmailState:
    command = RequestEmail(who, new_id(), email, "$old", address, desk.limits, desk.clock())
    state: EmailState = await desk.run(addresses.request_email, command)
    return state


async def mailed(desk: Desk, email: str = NEW, who: str = "ann") -> str:
    """Ask, let it be sent, and read the secret in the link."""
    await wish(desk, email, who)
    await desk.work()
    return secret_of(desk.mailbox.received[-1])


async def confirm(desk: Desk, secret: str) -> User:
    command = ConfirmEmail(hash_token(secret), new_id(), desk.limits, desk.clock())
    user: User = await desk.run(addresses.confirm_email, command)
    return user


async def remove(desk: Desk, who: str = "ann") -> EmailState:
    command = RemoveEmail(who, "$old", new_id(), desk.limits, desk.clock())
    state: EmailState = await desk.run(addresses.remove_email, command)
    return state


async def resend(desk: Desk, who: str = "ann") -> EmailState:
    command = ResendEmail(who, new_id(), "192.0.2.1", desk.limits, desk.clock())
    state: EmailState = await desk.run(addresses.resend_email, command)
    return state


async def state_of(desk: Desk, who: str = "ann") -> EmailState:
    state: EmailState = await desk.run(addresses.read_email, ReadEmail(who, desk.clock()))
    return state


async def expect_dead(desk: Desk, secret: str) -> None:
    for service, command in (
        (addresses.read_email_link, ReadEmailLink(hash_token(secret), desk.clock())),
        (addresses.confirm_email, ConfirmEmail(hash_token(secret), new_id(), desk.limits, desk.clock())),
    ):
        with pytest.raises(Gone) as raised:
            await desk.run(service, command)  # type: ignore[arg-type]
        assert raised.value.code == "link_expired"


def subjects(desk: Desk) -> list[tuple[str, str]]:
    return [(mail.recipients[0], str(mail.message["Subject"])) for mail in desk.mailbox.received]


# --- from the wish to the address ---------------------------------------------------------


async def test_an_account_without_an_address_gets_one(desk: Desk) -> None:
    state = await wish(desk, " New@Example.net ", "cyd")
    assert state.email is None and state.pending is not None
    assert (state.pending.email, state.pending.delivery) == ("New@example.net", "sending")
    await desk.work()
    (sent,) = desk.mailbox.received
    assert sent.recipients == ["New@example.net"] and sent.message["Subject"] == "确认你的同游邮箱"
    secret = secret_of(sent)
    assert link_of(sent) == f"{SITE}/confirm#{secret}"
    waits = (await state_of(desk, "cyd")).pending
    assert waits is not None and waits.delivery == "sent"
    assert desk.run.state.users["cyd"].email is None, "not before the link is opened"
    offer = await desk.run(addresses.read_email_link, ReadEmailLink(hash_token(secret), desk.clock()))
    assert (offer.user.id, offer.email) == ("cyd", "New@example.net")
    assert (await confirm(desk, secret)).email == "New@example.net"
    assert await state_of(desk, "cyd") == EmailState("New@example.net", True, True, None)
    await desk.work()
    assert len(desk.mailbox.received) == 1, "there is no former address to tell"
    # What it is for: a forgotten password.
    await desk.worker().work(await desk.forgot("cyd"))
    assert desk.mailbox.received[-1].recipients == ["New@example.net"]
    await expect_dead(desk, secret)


async def test_another_address_takes_the_place_of_the_old_one_which_is_told(desk: Desk) -> None:
    reset = await desk.mailed()
    secret = await mailed(desk)
    assert subjects(desk)[-1] == (NEW, "Confirm your e-mail address for Tongyou")
    assert desk.run.state.users["ann"].email == "Ann@example.net"
    await confirm(desk, secret)
    await desk.work()
    notice = desk.mailbox.received[-1]
    assert subjects(desk)[-1] == ("Ann@example.net", "Your Tongyou account has another e-mail address")
    assert link_of(notice) == f"{SITE}/login" and NEW not in notice.part("plain") + notice.part("html")
    with pytest.raises(Gone):
        await desk.reset(reset)  # it lies in the former mailbox
    await desk.worker().work(await desk.forgot("ann@example.net"))
    assert len(desk.mailbox.received) == 3, "which is nobody's now"
    await desk.worker().work(await desk.forgot("ann"))
    assert desk.mailbox.received[-1].recipients == [NEW]


async def test_an_address_is_removed_and_told(desk: Desk) -> None:
    reset, secret = await desk.mailed(), await mailed(desk)
    assert await remove(desk) == EmailState(None, False, False, None)
    await desk.work()
    assert subjects(desk)[-1] == ("Ann@example.net", "Your Tongyou account has no e-mail address any more")
    with pytest.raises(Gone):
        await desk.reset(reset)
    await expect_dead(desk, secret)
    sent = len(desk.mailbox.received)
    assert await remove(desk) == EmailState(None, False, False, None)
    await desk.worker().work(await desk.forgot("ann"))
    await desk.work()
    assert len(desk.mailbox.received) == sent
    with pytest.raises(Conflict) as raised:
        await remove(desk, "bob")
    assert raised.value.code == "only_login", "he has no other name to sign in with"
    assert not (await state_of(desk, "bob")).removable


async def test_an_address_of_sign_up_is_confirmed_where_it_is(desk: Desk) -> None:
    assert await state_of(desk) == EmailState("Ann@example.net", False, True, None)
    await resend(desk)
    await desk.work()
    assert subjects(desk)[-1][0] == "Ann@example.net"
    reset = await desk.mailed()
    await confirm(desk, secret_of(desk.mailbox.received[0]))
    assert (await state_of(desk)).confirmed
    await desk.work()
    assert len(desk.mailbox.received) == 2, "nothing has changed that a notice could say"
    await desk.reset(reset)
    for refused in (wish(desk, "Ann@example.net"), resend(desk)):
        with pytest.raises((Conflict, Forbidden)):
            await refused


async def test_a_link_for_a_new_password_confirms_the_address_that_it_came_to(desk: Desk) -> None:
    done = await desk.reset(await desk.mailed())
    assert done.user.email_confirmed_at == desk.clock() and (await state_of(desk)).confirmed
    first = done.user.email_confirmed_at
    desk.wait(minutes=2)
    assert (await desk.reset(await desk.mailed())).user.email_confirmed_at == first
    await desk.run(administration.set_password, SetPassword("cyd", "$new"))
    assert desk.run.state.users["cyd"].email_confirmed_at is None


# --- what ends a link ---------------------------------------------------------------------


async def test_a_newer_wish_ends_the_older_link(desk: Desk) -> None:
    first = await mailed(desk)
    second = await mailed(desk, "newer@example.net")
    await expect_dead(desk, first)
    again = await resend(desk)
    assert again.pending is not None and again.pending.email == "newer@example.net"
    await desk.work()
    await expect_dead(desk, second)
    await confirm(desk, secret_of(desk.mailbox.received[-1]))
    assert desk.run.state.users["ann"].email == "newer@example.net"


async def test_an_older_mail_that_comes_late_is_not_sent(desk: Desk) -> None:
    await wish(desk)
    (older,) = desk.waiting
    before = desk.job(older)
    await wish(desk, "newer@example.net")
    assert older not in desk.waiting
    # Somebody has it in his hands while it is replaced.
    state = desk.run.store.jobs.state
    state.jobs[older] = before
    state.mails[older] = next(iter(state.mails.values()))
    state.mails[older] = msgspec.structs.replace(state.mails[older], job_id=older)
    await desk.worker().work(older)
    assert (desk.job(older).status, desk.job(older).error) == ("failed", "superseded")
    await desk.work()
    assert [to for to, _ in subjects(desk)] == ["newer@example.net"]


async def by_the_owner(desk: Desk) -> None:
    command = FinishPasswordChange("ann", "s1", "$old", "$new", desk.limits, desk.clock())
    await desk.run(accounts.finish_password_change, command)


async def by_an_operator(desk: Desk) -> None:
    await desk.run(administration.set_password, SetPassword("ann", "$new"))


async def by_mail(desk: Desk) -> None:
    await desk.reset(await desk.mailed())


async def by_a_lock(desk: Desk) -> None:
    await desk.run(administration.lock_user, LockUser("ann"))
    await desk.run(administration.unlock_user, UnlockUser("ann"))


async def by_a_change_of_mind(desk: Desk) -> None:
    await desk.run(addresses.cancel_email, CancelEmail("ann"))
    await desk.run(addresses.cancel_email, CancelEmail("ann"))


@pytest.mark.parametrize("end", [by_the_owner, by_an_operator, by_mail, by_a_lock, by_a_change_of_mind])
async def test_what_ends_a_link(desk: Desk, end: Any) -> None:
    secret = await mailed(desk)
    await end(desk)
    await expect_dead(desk, secret)
    assert (await state_of(desk)).pending is None
    assert desk.run.state.users["ann"].email == "Ann@example.net"


async def test_nobody_confirms_for_a_locked_account(desk: Desk) -> None:
    secret = await mailed(desk)
    desk.run.state.users["ann"] = lock(desk.run.state.users["ann"])
    await expect_dead(desk, secret)


async def test_a_link_works_for_a_day(desk: Desk) -> None:
    secret = await mailed(desk)
    desk.wait(hours=EMAIL_HOURS, seconds=-1)
    await desk.run(addresses.read_email_link, ReadEmailLink(hash_token(secret), desk.clock()))
    assert await desk.look() == []
    desk.wait(seconds=1)
    assert (await state_of(desk)).pending is None
    await expect_dead(desk, secret)
    await expect_dead(desk, "never made")
    # The address goes from the store with the job of its mail, which is kept at least as long as its link.
    assert MAIL_KEEP_HOURS >= EMAIL_HOURS
    desk.wait(hours=MAIL_KEEP_HOURS)
    await desk.look()
    assert NEW not in repr(desk.run.store.jobs.state)


async def test_no_secret_is_ever_stored(desk: Desk) -> None:
    secret = await mailed(desk)
    kept = repr((desk.run.store.jobs.state, desk.run.store.accounts))
    assert secret not in kept and hash_token(secret) in kept


# --- whom it may not tell -----------------------------------------------------------------


async def test_an_address_of_another_account_is_told_to_its_mailbox_only(desk: Desk) -> None:
    taken, free = await wish(desk, "BOB@example.net"), await wish(desk, "free@example.net", "cyd")
    plain = msgspec.json.encode(taken.pending).replace(b"BOB@", b"free@")
    assert plain == msgspec.json.encode(free.pending)
    await desk.work()
    assert (await state_of(desk)).pending is not None
    mails: dict[str, Received] = {mail.recipients[0]: mail for mail in desk.mailbox.received}
    told = mails["BOB@example.net"]
    assert told.message["Subject"] == "This address belongs to a Tongyou account already"
    assert link_of(told) == f"{SITE}/forgot" and "sign in to Bob" in told.part("plain")
    assert "Ann" not in told.part("plain"), "nor is it told who asked"
    waits = [(await state_of(desk, who)).pending for who in ("ann", "cyd")]
    assert [each and each.delivery for each in waits] == ["sent", "sent"]


async def test_who_is_first_to_confirm_an_address_has_it(desk: Desk) -> None:
    first = await mailed(desk, who="cyd")
    second = await mailed(desk, NEW.upper())
    await confirm(desk, first)
    with pytest.raises(Conflict) as raised:
        await confirm(desk, second)
    assert raised.value.code == "email_taken"
    assert desk.run.state.users["ann"].email == "Ann@example.net"


async def test_a_mailbox_that_does_not_exist_is_said(desk: Desk) -> None:
    desk.mailbox.answer("550 5.1.1 no such user")
    await wish(desk)
    await desk.work()
    waits = (await state_of(desk)).pending
    assert waits is not None and waits.delivery == "failed"
    await resend(desk)
    await desk.work()
    await confirm(desk, secret_of(desk.mailbox.received[-1]))


async def test_what_is_no_wish(desk: Desk) -> None:
    for refused, kind in (
        (wish(desk, "no address"), Invalid),
        (wish(desk, NEW, "gus"), Forbidden),
        (remove(desk, "gus"), Forbidden),
        (resend(desk, "cyd"), Conflict),
    ):
        with pytest.raises(kind):
            await refused
    assert desk.waiting == []


# --- how often ----------------------------------------------------------------------------


async def test_how_often_one_may_ask(desk: Desk) -> None:
    for _ in range(desk.limits.email_recipient.count):
        await wish(desk)
    for refused in (wish(desk, NEW.upper(), "cyd", "192.0.2.9"), resend(desk)):
        with pytest.raises(Throttled) as raised:
            await refused
        assert raised.value.code == "mail_throttled"
    for n in range(desk.limits.email_account.count - desk.limits.email_recipient.count):
        await wish(desk, f"p{n}@example.net")
    with pytest.raises(Throttled):
        await wish(desk, "other@example.net")
    for n in range(desk.limits.email_address.count - desk.limits.email_account.count):
        desk.run.state.users[f"u{n}"] = desk.account(f"u{n}", username=f"u{n}")
        await wish(desk, f"u{n}@example.net", f"u{n}")
    with pytest.raises(Throttled):
        await wish(desk, "cyd@example.net", "cyd")
    await wish(desk, "cyd@example.net", "cyd", address="192.0.2.9")
    desk.wait(days=1)
    await wish(desk)


async def test_a_mailbox_gets_so_many_links_a_day_whoever_asks_and_however(desk: Desk) -> None:
    """Its owner by name, strangers by address, and accounts that want it: one number for all, and nobody who
    asks can see that it was reached. Then a link for a new password every hour: nobody is locked out by
    others who ask."""
    most = desk.limits.link_mails_recipient.count
    sent = 0
    for n in range(4 * most):
        if n % 10 == 9:
            await wish(desk, "ann@EXAMPLE.net", "bob" if n < 20 else "cyd", f"192.0.2.{n}")
        else:
            await desk.forgot(("ann", "ANN@example.net")[n % 2], address=f"192.0.2.{n}")
        await desk.work()
        sent += n <= most or n % 4 == 0  # the first of an hour
        assert len(desk.mailbox.received) == sent, n
        desk.wait(minutes=15)
    waits = (await state_of(desk, "cyd")).pending
    assert waits is not None and waits.delivery == "sent"
    # Other mailboxes have theirs, and so have notices, which no stranger can cause.
    await desk.worker().work(await desk.forgot("bob@example.net", address="192.0.2.200"))
    await remove(desk)
    await desk.work()
    assert [to for to, _ in subjects(desk)][sent:] == ["bob@example.net", "Ann@example.net"]
    desk.wait(days=1)
    secret = await mailed(desk, "ann@example.net")
    await confirm(desk, secret)


async def test_a_mailbox_is_one_whatever_tag_is_written_behind_it(desk: Desk) -> None:
    most = desk.limits.link_mails_recipient.count
    for who in ("ann", "bob", "cyd"):
        for n in range(most // 2 + 1):
            try:
                await wish(desk, f"Victim+{who}{n}@example.net", who, f"192.0.2.{n}")
            except Throttled:
                assert n == desk.limits.email_recipient.count or who != "ann"
            await desk.work()
    assert 0 < len(desk.mailbox.received) <= most
    desk.wait(days=1)
    await confirm(desk, await mailed(desk, "ann+tongyou@example.net"))
    assert desk.run.state.users["ann"].email == "ann+tongyou@example.net"


async def test_a_mail_that_is_being_sent_keeps_its_link(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker for 59 minutes and 50 s; then one takes it, and the mail server is slow."""
    await wish(desk)
    desk.wait(minutes=59, seconds=50)
    send = SmtpClient.__call__

    async def slow(self: SmtpClient, *given: Any) -> None:
        await send(self, *given)
        desk.wait(seconds=20)
        assert await desk.look() == []

    monkeypatch.setattr(SmtpClient, "__call__", slow)
    await desk.work()
    await confirm(desk, secret_of(desk.mailbox.received[-1]))


async def test_a_letter_of_a_version_to_come_is_left_for_it(desk: Desk) -> None:
    job_id = new_id()

    def put(at: str, uow: UnitOfWork) -> None:
        letter: Any = "to come"
        mailing.queue_mail(uow, job_id, letter, "en", at, recipient=NEW, about="ann", user_id="ann")

    await desk.run(put, desk.clock())
    await desk.worker().work(job_id)
    assert (desk.job(job_id).status, desk.job(job_id).attempts, desk.mailbox.received) == ("queued", 1, [])


async def test_a_mail_that_is_tried_again_counts_once(desk: Desk) -> None:
    most = desk.limits.link_mails_recipient.count
    desk.mailbox.answer(*["450 4.2.1 busy"] * 3)
    await wish(desk)
    for minutes in (1, 2, 4, 0):
        await desk.work()
        desk.wait(minutes=minutes)
    assert len(desk.mailbox.received) == 1
    for n in range(most - 1):
        desk.run.state.users[f"u{n}"] = desk.account(f"u{n}", username=f"u{n}", email=NEW if n == 0 else None)
        await desk.forgot("u0", address=f"192.0.2.{n}")
        await desk.work()
        desk.wait(minutes=15)
    assert len(desk.mailbox.received) == most


async def test_the_notices_of_a_day_are_few(desk: Desk) -> None:
    for n in range(desk.limits.notice_mails_recipient.count + 2):
        user = desk.run.state.users["ann"]
        desk.run.state.users["ann"] = msgspec.structs.replace(
            user, email="Ann@example.net", email_key="ann@example.net"
        )
        await remove(desk)
        desk.wait(minutes=n)
    await desk.work()
    assert len(desk.mailbox.received) == desk.limits.notice_mails_recipient.count
