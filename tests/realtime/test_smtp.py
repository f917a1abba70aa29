"""The door to SMTP, against a real server: TLS, login, refusals, silence."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from realtime.jobs.mail_server import MailServer, read_mail_url, read_sender
from realtime.jobs.smtp import SmtpClient, Undelivered, greeting
from tests.services.process import HOST, free_port
from tests.services.smtp import Certificate, Mailbox, make_certificate

SENDER, ANN = "mail@example.org", "ann@example.net"
LOGIN = ("robot", "p@ss:word/ü")
WRITTEN = "robot:p%40ss%3Aword%2F%C3%BC"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as made:
        yield made


def a_mail(to: str = ANN) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, to, "你好 🏔️"
    message["Message-ID"] = "<j1@example.org>"
    message.set_content("云南\n.\n..two dots\n")
    return message


def client(url: str, certificate: Certificate | None = None, **limits: float) -> SmtpClient:
    context = None if certificate is None else ssl.create_default_context(cafile=str(certificate.file))
    return SmtpClient(read_mail_url(url), "example.org", context, **limits)


async def fault(sending: SmtpClient) -> Undelivered:
    with pytest.raises(Undelivered) as raised:
        await sending(a_mail(), SENDER, ANN)
    assert raised.value.code.isascii() and len(raised.value.code) <= 40
    # What a server says, and our own password, are in no traceback.
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
    return raised.value


async def test_a_mail_arrives_as_it_was_written(mailbox: Mailbox) -> None:
    await client(mailbox.url())(a_mail(), SENDER, ANN)
    (taken,) = mailbox.received
    assert (taken.sender, taken.recipients, taken.secure, taken.login) == (SENDER, [ANN], False, "")
    assert taken.message["Subject"] == "你好 🏔️" and taken.message["Message-ID"] == "<j1@example.org>"
    assert taken.part("plain") == "云南\n.\n..two dots\n"
    await client(mailbox.url()).check()
    assert len(mailbox.received) == 1, "a check sends nothing"


async def test_starttls_and_login(certificate: Certificate) -> None:
    with Mailbox(LOGIN, certificate) as mailbox:
        url = mailbox.url(login=WRITTEN, options="?starttls=require")
        await client(url, certificate)(a_mail(), SENDER, ANN)
        (taken,) = mailbox.received
        assert taken.secure and taken.login == "robot"
        await client(url, certificate).check()
        # A certificate that nobody vouches for.
        assert (await fault(client(url))).code == "mail_tls"
        # A password that is wrong may be mended: later attempts are worth it.
        wrong = await fault(client(mailbox.url(login="robot:x", options="?starttls=require"), certificate))
        assert (wrong.code, wrong.final) == ("mail_login", False)
        assert len(mailbox.received) == 1


# The server of the tests means the lack of STARTTLS.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_tls_from_the_start(certificate: Certificate) -> None:
    with Mailbox(LOGIN, certificate, implicit=True) as mailbox:
        await client(mailbox.url("smtps", WRITTEN), certificate)(a_mail(), SENDER, ANN)
        assert mailbox.received[0].secure
        assert (await fault(client(mailbox.url("smtps", WRITTEN)))).code == "mail_tls"


async def test_where_starttls_is_wanted_nothing_is_sent_without_it(mailbox: Mailbox) -> None:
    refused = await fault(client(mailbox.url(options="?starttls=require")))
    assert (refused.code, refused.final) == ("mail_tls", False)
    assert mailbox.received == [] and mailbox.tries == 0


@pytest.mark.parametrize(
    ("reply", "code", "final"),
    [
        ("450 4.2.1 mailbox busy", "smtp_450", False),
        ("421 4.3.2 closing", "smtp_421", False),
        ("550 5.1.1 no such ann@example.net", "smtp_550", True),
        ("552 5.2.2 full", "smtp_552", True),
    ],
)
async def test_a_refusal_is_for_now_or_for_good(mailbox: Mailbox, reply: str, code: str, final: bool) -> None:
    mailbox.answer(reply)
    refused = await fault(client(mailbox.url()))
    assert (refused.code, refused.final) == (code, final)
    await client(mailbox.url())(a_mail(), SENDER, ANN)
    assert len(mailbox.received) == 1


async def test_a_server_that_is_away_silent_or_no_mail_server() -> None:
    away = await fault(client(f"smtp://{HOST}:{free_port()}"))
    assert (away.code, away.final) == ("mail_unreachable", False)
    assert (await fault(client("smtp://no-such-host.invalid"))).code == "mail_unreachable"
    with socket.create_server((HOST, 0)) as silent:
        url = f"smtp://{HOST}:{silent.getsockname()[1]}"
        assert (await fault(client(url, step=0.2))).code == "mail_timeout"
        assert (await fault(client(url, total=0.2))).code == "mail_timeout"

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    assert (await fault(client(f"smtp://{HOST}:{port}"))).code in ("mail_unreachable", "mail_cut")
    server.close()
    await server.wait_closed()


async def test_a_mail_that_was_taken_without_a_word_is_not_known_to_be_sent(mailbox: Mailbox) -> None:
    mailbox.fall_silent()
    refused = await fault(client(mailbox.url(), step=0.3))
    assert (refused.code, refused.final) == ("mail_timeout", False)
    assert len(mailbox.received) == 1


async def test_what_comes_after_the_mail_was_taken_is_no_fault(mailbox: Mailbox) -> None:
    mailbox.rude = True
    await client(mailbox.url())(a_mail(), SENDER, ANN)
    assert len(mailbox.received) == 1


async def test_addresses_of_any_script(mailbox: Mailbox) -> None:
    to = "用户@例子.example"
    message = a_mail()
    del message["To"]
    message["To"] = to
    await client(mailbox.url())(message, SENDER, to)
    assert mailbox.received[0].recipients == [to]


def test_settings_of_the_server() -> None:
    assert read_mail_url("smtp://mx.example") == MailServer("mx.example", 587, "starttls")
    assert read_mail_url("smtps://mx.example") == MailServer("mx.example", 465, "implicit")
    assert read_mail_url("smtp://localhost:25").tls == "none"
    assert read_mail_url("smtp://[::1]:2525/").tls == "none"
    assert read_mail_url("smtp://127.0.0.1?starttls=require").tls == "starttls"
    assert read_mail_url("smtp://10.0.0.5:25?starttls=off").tls == "none"
    full = read_mail_url(f"smtp://{WRITTEN}@mx.example:2587")
    assert full == MailServer("mx.example", 2587, "starttls", *LOGIN)
    assert LOGIN[1] not in repr(full) and LOGIN[1] not in full.shown
    assert full.shown == "mx.example:2587 as robot, STARTTLS"


@pytest.mark.parametrize(
    "url",
    [
        "mx.example", "http://mx.example", "smtp://", "smtp://mx.example:99999", "smtp://mx.example:x",
        "smtp://mx.example?starttls=maybe", "smtp://mx.example?tls=1", "smtps://mx.example?starttls=off",
        "smtp://robot@mx.example", "smtp://mx.example/path", "smtp://robot:secret-word@10.0.0.5?starttls=off",
    ],
)  # fmt: skip
def test_settings_that_are_wrong_say_so_without_the_password(url: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_mail_url(url)
    assert "secret-word" not in str(raised.value)


def test_the_sender() -> None:
    assert read_sender("mail@example.org") == ("", "mail@example.org")
    assert read_sender("同游 <mail@example.org>") == ("同游", "mail@example.org")
    for wrong in ("", "Tongyou", "a@b@c", "a@example.org\r\nBcc: x@example.org", "ü@example.org"):
        with pytest.raises(ValueError):
            read_sender(wrong)


def test_the_name_that_we_greet_with() -> None:
    assert greeting("https://trips.example:8443") == "trips.example"
    assert greeting("http://10.0.0.5:8000") == "[10.0.0.5]" and greeting("http://[::1]") == "[IPv6:::1]"
