"""How mail is sent. Used by processes, workers and operators' commands."""

from __future__ import annotations

from operations import MailDoor
from realtime.jobs.mail_server import read_sender
from realtime.jobs.postman import Post, send_trial
from realtime.jobs.smtp import SmtpClient, fault_of, greeting
from settings import Settings


def make_post(settings: Settings) -> Post | None:
    """How mail is sent; None where it is not."""
    if settings.mail is None:
        return None
    send = SmtpClient(settings.mail, greeting(settings.site_url))
    return Post(send, settings.site_url.rstrip("/"), read_sender(settings.mail_from), settings.limits)


def make_mail_door(settings: Settings) -> MailDoor | None:
    server, post = settings.mail, make_post(settings)
    if server is None or post is None:
        return None
    client = SmtpClient(server, greeting(settings.site_url))
    return MailDoor(
        server.shown,
        settings.mail_from,
        check=lambda: fault_of(client.check()),
        send=lambda address: fault_of(send_trial(post, address)),
    )
