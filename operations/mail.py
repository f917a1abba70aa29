"""`tongyou mail ...`: whether mail leaves this machine.

Owns the arguments, and the words for what a mail server did. Speaks to the server through
`Installation.mail` alone. Called by `operations.commands` and `operations.checks`.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from domain.accounts import clean_email
from operations import Failed, Installation, MailDoor, journal

REASONS = {
    "mail_unreachable": ("does not answer", "start it, or mend the host and port in MAIL_URL; a firewall?"),
    "mail_timeout": ("does not answer in time", "mend MAIL_URL: port 465 wants smtps://, 587 smtp://"),
    "mail_tls": (
        "TLS does not succeed",
        "its certificate must be good for the host in MAIL_URL; no STARTTLS: smtps:// or ?starttls=off",
    ),
    "mail_login": ("refuses the login", "mend user and password in MAIL_URL (%40 for @, %2F for /)"),
    "mail_cut": ("hangs up", "mend MAIL_URL: is it a mail server? port 465 wants smtps://"),
    "mail_address": ("does not know addresses of this script", "use another address"),
}


def explain(code: str) -> tuple[str, str]:
    """What a server did, and what to do."""
    refusal = f"refuses: code {code.removeprefix('smtp_')}"
    return REASONS.get(code, (refusal, "its log says why; MAIL_FROM must be an address it may send as"))


def add(groups: Any) -> None:
    """Add the commands to the parser."""
    group = groups.add_parser("mail", help="try whether mail can be sent")
    acts = group.add_subparsers(title="what", metavar="WHAT", required=True)
    text = "send one mail to an address, at once and without the queue"
    made = acts.add_parser("test", help=text, description=text)
    made.add_argument("address", help="e-mail address")
    made.set_defaults(act=_test)


def _test(installation: Installation, given: argparse.Namespace) -> None:
    door = _door(installation)
    address = clean_email(given.address)
    with journal.act(installation, "mail test", to=address):
        code = asyncio.run(door.send(address))
        if code is not None:
            said, hint = explain(code)
            raise Failed(f"the mail server {said}: {hint} ({code})")
    print(f"{door.shown} has taken a mail to {address}. Look for it there, in the spam folder, too.")


def _door(installation: Installation) -> MailDoor:
    if installation.mail is None:
        raise Failed("MAIL_URL is not set, so no mail is sent; docs/OPERATIONS.md has a recipe")
    return installation.mail
