"""The door to SMTP: hands one mail to the server, and says in a word what became of it.

Owns the connection, TLS, the login, every limit of time, and which refusals are worth another attempt.
What a server says is never repeated: it may hold addresses. Knows nothing of jobs. Chosen by the
composition root.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Protocol
from urllib.parse import urlsplit

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from realtime.jobs.mail_server import MailServer

STEP_SECONDS = 15.0
"""For one answer of the server, the first included."""
TOTAL_SECONDS = 60.0
"""For one mail."""
QUIT_SECONDS = 3.0
"""For a goodbye."""


class Undelivered(Exception):
    """The server did not take the mail. `code` is stable, ASCII, and at most 40 characters: `smtp_` and the
    server's own code (RFC 5321 section 4.2), or one of `mail_unreachable`, `mail_timeout`, `mail_tls`,
    `mail_login`, `mail_cut`, `mail_address`. `final`: another attempt would not help."""

    def __init__(self, code: str, *, final: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.final = final


class Send(Protocol):
    """Hands over one mail. Raises `Undelivered`."""

    async def __call__(self, message: EmailMessage, sender: str, recipient: str) -> None: ...


class SmtpClient:
    """Implements `Send`; one connection a mail, because mails are few and servers close idle ones.
    `greeting`: the name that it says it has (EHLO). `context`: other authorities than the machine's."""

    def __init__(
        self,
        server: MailServer,
        greeting: str,
        context: ssl.SSLContext | None = None,
        step: float = STEP_SECONDS,
        total: float = TOTAL_SECONDS,
    ) -> None:
        self._server = server
        self._greeting = greeting
        # Once: it reads the authorities of the machine from files.
        wanted = context or (ssl.create_default_context() if server.tls != "none" else None)
        self._context = None if server.tls == "none" else wanted
        self._step = step
        self._total = total

    async def __call__(self, message: EmailMessage, sender: str, recipient: str) -> None:
        async with self._conversation() as client:
            try:
                await client.send_message(message, sender=sender, recipients=[recipient])
            except SMTPRecipientsRefused as error:
                raise _refused(error.recipients[0].code) from None
            except SMTPNotSupported:
                # The address is not ASCII, and the server does not know it (RFC 6531).
                raise Undelivered("mail_address", final=True) from None

    async def check(self) -> None:
        """Connect, say who we are, and log in, but send nothing. Raises `Undelivered`."""
        async with self._conversation() as client:
            await client.noop()

    @asynccontextmanager
    async def _conversation(self) -> AsyncIterator[SMTP]:
        """A connection to talk on; what goes wrong beside the talk itself, in our words."""
        client = self._client()
        try:
            async with asyncio.timeout(self._total):
                await self._open(client)
                yield client
            # The mail was taken: whatever the server does now must not call for another one.
            with contextlib.suppress(SMTPException, OSError):
                await client.quit(timeout=QUIT_SECONDS)
        except TimeoutError:  # SMTPTimeoutError is one
            raise Undelivered("mail_timeout") from None
        except SMTPResponseException as error:
            raise _refused(error.code) from None
        except (SMTPException, OSError, ValueError):
            # Perhaps it was taken: the next attempt sends the same Message-ID.
            raise Undelivered("mail_cut") from None
        finally:
            client.close()

    def _client(self) -> SMTP:
        server = self._server
        return SMTP(
            hostname=server.host,
            port=server.port,
            timeout=self._step,
            use_tls=server.tls == "implicit",
            start_tls=False,
            tls_context=self._context,
            local_hostname=self._greeting,
        )

    async def _open(self, client: SMTP) -> None:
        try:
            await client.connect()
        except TimeoutError:
            raise
        except SMTPResponseException as error:  # it greets with a refusal: ours to mend, not this mail's
            raise Undelivered(_refused(error.code).code) from None
        except SMTPException as error:
            broken = isinstance(error.__cause__ or error.__context__, ssl.SSLError)
            raise Undelivered("mail_tls" if broken else "mail_unreachable") from None
        if self._server.tls == "starttls":
            try:
                await client.starttls(tls_context=self._context)
            except TimeoutError:
                raise
            except (SMTPException, OSError):  # not offered, refused, or a certificate that is not good
                raise Undelivered("mail_tls") from None
        if self._server.user:
            try:
                await client.login(self._server.user, self._server.password)
            except (TimeoutError, SMTPServerDisconnected):
                raise
            except SMTPException:
                # Refused, or not offered: ours to mend, and no fault of this mail. It is tried again.
                raise Undelivered("mail_login") from None


async def fault_of(trying: Awaitable[None]) -> str | None:
    """The code of what went wrong; None when nothing did."""
    try:
        await trying
    except Undelivered as error:
        return error.code
    return None


def greeting(site: str) -> str:
    """The name to greet with (RFC 5321 section 4.1.1.1): of the site, or its address as a literal."""
    host = urlsplit(site).hostname or "localhost"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"


def _refused(code: int) -> Undelivered:
    if not 200 <= code < 600:  # no SMTP at all
        return Undelivered("mail_cut")
    return Undelivered(f"smtp_{code}", final=code >= 500)
