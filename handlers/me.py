"""Who am I: the signed-in person, their name and language, and what this installation offers."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from domain import accounts
from domain.accounts import ChangeProfile, Locale, clean_name
from domain.commands import ApplyOperation
from domain.errors import DomainError
from domain.membership import ListTrips
from domain.operations import SetMemberName
from domain.services.accounts import change_profile
from domain.services.rooms import apply_operation
from domain.services.trips import UNKNOWN_BASE, list_trips
from handlers.base import ApiHandler
from handlers.routes import Endpoint, Route

NameText = Annotated[str, Meta(min_length=1, max_length=200)]


class User(msgspec.Struct, frozen=True):
    """A person, as they see themselves."""

    id: str
    name: str
    username: str | None
    email: str | None
    is_guest: bool
    locale: Locale


class FeatureFlags(msgspec.Struct, frozen=True):
    """What this installation offers. `mail`: it can send mail. `tile_url` null: the built-in map."""

    assistant: bool
    assistant_model: str
    demo: bool
    guests: bool
    mail: bool
    registration: bool
    tile_url: str | None
    tile_attribution: str | None


class Me(msgspec.Struct, frozen=True):
    user: User | None
    features: FeatureFlags


class UserAnswer(msgspec.Struct, frozen=True):
    user: User


class ProfileBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays."""

    name: NameText | None = None
    locale: Locale | None = None


def user_view(user: accounts.User) -> User:
    """What a person may see of their own record."""
    return User(user.id, user.name, user.username, user.email, user.is_guest, user.locale)


class MeHandler(ApiHandler):
    """Answers everybody: nobody signed in is `user: null`. Sets the `_xsrf` cookie."""

    async def get(self) -> None:
        _ = self.xsrf_token  # reading it sets the cookie
        features = self.deps.features
        flags = FeatureFlags(
            assistant=features.assistant,
            assistant_model=features.assistant_model,
            demo=features.demo and self.deps.sample is not None,
            guests=features.guests,
            mail=features.mail,
            registration=features.registration,
            tile_url=features.tile_url or None,
            tile_attribution=features.tile_attribution or None,
        )
        user = None if self.signed_in is None else user_view(self.signed_in.user)
        self.reply(Me(user, flags))

    async def patch(self) -> None:
        person = self.person
        body = self.read_body(ProfileBody)
        name = None if body.name is None else clean_name(body.name)
        user = await self.deps.run(change_profile, ChangeProfile(person.user.id, name, body.locale))
        self.deps.sessions.forget(user_id=user.id)
        if user.name != person.user.name:
            await rename_in_trips(self, user)
        self.reply(UserAnswer(user_view(user)))


async def rename_in_trips(handler: ApiHandler, user: accounts.User) -> None:
    """Tell every trip of this person their new name; each is an operation of its own."""
    run = handler.deps.run
    for trip in await run(list_trips, ListTrips(user.id)):
        command = ApplyOperation(
            trip_id=trip.id,
            op_id=f"name-{accounts.new_id()}",
            actor=accounts.SignedIn("", user).actor,
            op=SetMemberName(name=user.name),
            base=UNKNOWN_BASE,
            at=handler.deps.clock(),
        )
        try:
            await run(apply_operation, command)
        except DomainError:
            # They left or lost this trip meanwhile; the others still want the name.
            continue


routes = [
    Route(
        "/api/me",
        MeHandler,
        {
            "GET": Endpoint("Who is signed in, and what is offered", Me, signed_in=False),
            "PATCH": Endpoint("Change name or language", UserAnswer, body=ProfileBody, errors=(400, 415)),
        },
    )
]
