"""What locust loads: the users of the chosen profile, and the stage that they share.

Owns nothing; started by `loadtests.run`, which says in the environment in which folder profile and seats
lie. One locust process only: the ledger and the clock are shared by all users.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import User, events
from locust.env import Environment

from loadtests.seats import PROFILE, SEATS, Seats
from loadtests.stage import Stage
from loadtests.targets import Kind, Profile
from loadtests.users.asker import Asker
from loadtests.users.member import Member
from loadtests.users.rest_client import RestClient
from loadtests.users.spectator import Spectator
from loadtests.users.storm import StormMember

folder = Path(os.environ["LOAD_FOLDER"])
profile = msgspec.json.decode((folder / PROFILE).read_bytes(), type=Profile)

USERS: dict[Kind, type[User]] = {
    "member": Member,
    "spectator": Spectator,
    "asker": Asker,
    "rest": RestClient,
    "storm": StormMember,
}


def call_in() -> None:
    """Exactly those of the profile: a kind without count and weight does not take part."""
    for kind, user in USERS.items():
        user.fixed_count = profile.of(kind)
        user.weight = 0


call_in()


@events.init.add_listener
def make_stage(environment: Environment, **_: Any) -> None:
    environment.stage = Stage(environment, profile, Seats.read(folder / SEATS), folder)


@events.test_start.add_listener
def raise_curtain(environment: Environment, **_: Any) -> None:
    gevent.spawn(environment.stage.play)
