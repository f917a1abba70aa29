"""The sample trip over REST: one call from nothing to a room full of life."""

from __future__ import annotations

from pathlib import Path

import msgspec

import domain
from domain.accounts import CreateGuest, Locale, clean_name, hash_token, new_id, new_token
from domain.commands import Actor
from domain.errors import Forbidden
from domain.services.demo import Sample, StartDemo, decode_sample, start_demo
from handlers.auth import AuthHandler
from handlers.me import NameText
from handlers.routes import Endpoint, Route


class DemoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name` is used when nobody is signed in: a guest of that name is made."""

    name: NameText
    locale: Locale


class DemoAnswer(msgspec.Struct, frozen=True):
    """`invite_url` lets somebody else in as an editor."""

    trip_id: str
    invite_url: str


def load_sample() -> Sample | None:
    """The sample that comes with the program; None when it was left out. Read once, at start."""
    path = Path(domain.__file__).parent / "samples" / "yunnan.json"
    return decode_sample(path.read_bytes()) if path.is_file() else None


class DemoHandler(AuthHandler):
    async def post(self) -> None:
        body = self.read_body(DemoBody)
        sample = self.deps.sample
        if sample is None or not self.deps.features.demo:
            raise Forbidden("there is no sample trip here", code="closed")
        if self.signed_in is None and not self.deps.features.guests:
            raise Forbidden("guests are not admitted here", code="closed")
        await self.count_here("demo", self.deps.limits.demo_address)
        guest: CreateGuest | None = None
        cookie = ""
        if self.signed_in is None:
            cookie, session = self.new_session()
            guest = CreateGuest(new_id(), session, clean_name(body.name), body.locale, self.deps.clock())
        token = new_token()
        command = StartDemo(
            trip_id=new_id(),
            actor=self.actor if guest is None else Actor(guest.user_id, guest.name, is_guest=True),
            guest=guest,
            epoch=new_id(),
            locale=body.locale,
            sample=sample,
            invite_id=new_id(),
            token_hash=hash_token(token),
            at=self.deps.clock(),
        )
        trip_id = await self.deps.run(start_demo, command)
        if guest is not None:
            self.set_session_cookie(cookie)
        self.reply(DemoAnswer(trip_id, f"/invite/{token}"))


routes = [
    Route(
        "/api/demo",
        DemoHandler,
        {
            "POST": Endpoint(
                "Make a sample trip to try things on",
                DemoAnswer,
                body=DemoBody,
                errors=(400, 403, 415, 429),
                signed_in=False,
            )
        },
    )
]
