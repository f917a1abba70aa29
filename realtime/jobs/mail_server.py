"""Where mail is handed in, and as whom it is sent: the settings MAIL_URL and MAIL_FROM, taken apart.

Owns the meaning of both and what is wrong with them. Plain data: speaks to nobody. Used by `settings`,
`realtime.jobs.smtp` and the composition root.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from email_validator import EmailNotValidError, validate_email

Tls = Literal["implicit", "starttls", "none"]
"""TLS from the first byte (RFC 8314); STARTTLS or nothing is sent (RFC 3207); plain."""
PORTS: dict[str, int] = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class MailServer:
    """An SMTP server that takes our mail. Without a user it is asked for no login."""

    host: str
    port: int
    tls: Tls
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """For people: without the password."""
        login = f" as {self.user}" if self.user else ""
        how = {"implicit": "TLS", "starttls": "STARTTLS", "none": "no TLS"}[self.tls]
        return f"{self.host}:{self.port}{login}, {how}"


def read_mail_url(url: str) -> MailServer:
    """`smtp://user:password@host:587`, `smtps://host:465`; `?starttls=require` or `off`. Raises `ValueError`
    with a line that does not repeat the password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is no address like smtp://user:password@host:587") from None
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.fragment:
        raise ValueError("is like smtp://user:password@host:587 or smtps://user:password@host:465")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    wanted = options.pop("starttls", None)
    if options or wanted not in (None, "require", "off"):
        raise ValueError("knows no other option than starttls=require or starttls=off")
    local = _is_local(parts.hostname)
    tls: Tls
    if parts.scheme == "smtps":
        if wanted is not None:
            raise ValueError("smtps:// is TLS from the start: leave starttls out")
        tls = "implicit"
    elif wanted is None:
        tls = "none" if local else "starttls"
    else:
        tls = "starttls" if wanted == "require" else "none"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise ValueError("needs a user and a password, or neither")
    if user and tls == "none" and not local:
        raise ValueError("would send a password without TLS: leave starttls=off out")
    return MailServer(parts.hostname, port or PORTS[parts.scheme], tls, user, password)


def read_sender(text: str) -> tuple[str, str]:
    """The name (or nothing) and the address of `Tongyou <mail@example.org>`. Raises `ValueError`."""
    name, address = parseaddr(text)
    if any(c in text for c in "\r\n\0"):
        raise ValueError("is one line")
    try:
        return name, validate_email(
            address, check_deliverability=False, test_environment=True, allow_smtputf8=False
        ).normalized
    except EmailNotValidError:
        raise ValueError("is like mail@example.org or Tongyou <mail@example.org>") from None


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
