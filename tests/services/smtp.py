"""A real SMTP server in this process, with a thread of its own: a mailbox for tests.

Owns what it took, what it is told to answer, TLS and the login. Serves tests with and without an event loop,
and other processes. Never passes anything on.
"""

import asyncio
import email.policy
import ssl
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from tests.services.find import require
from tests.services.process import HOST, ServiceError, free_port

PATIENCE = 60.0
TAKEN = "250 2.0.0 taken"


@dataclass
class Received:
    """One mail as it was handed over. `login`: as whom the client had signed in; `secure`: over TLS."""

    sender: str
    recipients: list[str]
    raw: bytes
    login: str
    secure: bool
    message: EmailMessage = field(init=False)

    def __post_init__(self) -> None:
        parsed = message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.message = parsed

    def part(self, kind: str) -> str:
        """The text of one of its bodies, `plain` or `html`."""
        body = self.message.get_body((kind,))
        assert body is not None, f"no {kind} body"
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass(frozen=True)
class Certificate:
    """One that nobody but its holder signed, good for 127.0.0.1 and localhost."""

    file: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """For a server that shows it."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.file, self.key)
        return made


def make_certificate(folder: Path) -> Certificate:
    """A fresh one, in this folder."""
    made = Certificate(folder / "smtp.pem", folder / "smtp.key")
    command = [
        *(require("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        *("-keyout", str(made.key), "-out", str(made.file)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(f"openssl failed:\n{done.stderr[-2000:]}")
    return made


class Mailbox:
    """The server. `login`: the one user and password that it lets in; with a certificate it insists on
    STARTTLS, or with `implicit` speaks TLS from the start. `rude`: it does not say goodbye as it should."""

    def __init__(
        self,
        login: tuple[str, str] | None = None,
        certificate: Certificate | None = None,
        implicit: bool = False,
    ) -> None:
        self.port = free_port()
        self.received: list[Received] = []
        self.tries = 0
        self.rude = False
        self._answers: deque[str] = deque()
        self._silent = threading.Event()
        self._changed = threading.Condition()
        self._login = login
        context = None if certificate is None else certificate.context()
        given: dict[str, Any] = {"hostname": HOST, "port": self.port, "timeout": 60}
        if implicit:
            given["ssl_context"] = context
        elif context is not None:
            given |= {"tls_context": context, "require_starttls": True}
        if login is not None:
            given |= {"auth_required": True, "auth_require_tls": context is not None and not implicit}
            given["authenticator"] = self._authenticate
        self._controller = Controller(self, enable_SMTPUTF8=True, **given)

    def url(self, scheme: str = "smtp", login: str = "", options: str = "") -> str:
        """MAIL_URL for it."""
        return f"{scheme}://{login}{'@' if login else ''}{HOST}:{self.port}{options}"

    # What the server answers.

    def answer(self, *replies: str) -> None:
        """To the next recipients that are named, one each: `450 4.2.1 later`. Then it takes mail again."""
        self._answers.extend(replies)

    def fall_silent(self) -> None:
        """From now on it takes mail, and does not say so."""
        self._silent.set()

    def speak(self) -> None:
        """What it took meanwhile is acknowledged, where somebody still listens."""
        self._silent.clear()

    async def handle_RCPT(
        self, _server: Server, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """A hook of aiosmtpd."""
        with self._changed:
            self.tries += 1
            self._changed.notify_all()
        if self._answers:
            return self._answers.popleft()
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        """A hook of aiosmtpd."""
        assert isinstance(envelope.content, bytes)
        login = session.auth_data.decode() if isinstance(session.auth_data, bytes) else ""
        taken = Received(
            envelope.mail_from or "",
            list(envelope.rcpt_tos),
            envelope.content,
            login,
            session.ssl is not None or self._controller.ssl_context is not None,
        )
        with self._changed:
            self.received.append(taken)
            self._changed.notify_all()
        while self._silent.is_set():  # noqa: ASYNC110  # another thread says when
            await asyncio.sleep(0.01)
        return TAKEN

    async def handle_QUIT(self, _server: Server, _session: Session, _envelope: Envelope) -> str:
        """A hook of aiosmtpd."""
        return "451 4.0.0 not now" if self.rude else "221 2.0.0 bye"

    def _authenticate(
        self, _server: Server, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        fits = self._login == (given.login.decode(), given.password.decode())
        return AuthResult(success=fits, handled=False, auth_data=given.login if fits else None)

    # What tests ask.

    def wait(self, count: int = 1) -> list[Received]:
        """Wait until so many mails have been taken; all of them."""
        self._until(lambda: len(self.received) >= count, f"{count} mail(s)")
        return self.received

    def wait_for_tries(self, count: int) -> None:
        """Wait until so many recipients have been named, taken or not."""
        self._until(lambda: self.tries >= count, f"{count} attempt(s)")

    def _until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not true():
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(f"waited {PATIENCE:.0f} s for {what}; there were {self.tries}")

    def start(self) -> Self:
        """Listen."""
        self._controller.start()
        return self

    def stop(self) -> None:
        """Hang up on everybody, and listen no more."""
        self._silent.clear()
        self._controller.stop(no_assert=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
