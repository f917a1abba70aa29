"""Two servers and a client of each: one that speaks OpenAI's protocol, one that says what a test tells it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from realtime.assistant.openai_client import OpenAICompletions
from tests.integration.openai_client.asking import KEY
from tests.services.aimock import Aimock
from tests.services.tap import Tap


@pytest.fixture(scope="package")
def aimock_server() -> Iterator[Aimock]:
    with Aimock() as server:
        yield server


@pytest.fixture
def aimock(aimock_server: Aimock) -> Aimock:
    aimock_server.reset()
    return aimock_server


@pytest.fixture
async def model(aimock: Aimock) -> AsyncIterator[OpenAICompletions]:
    client = OpenAICompletions(aimock.base_url, KEY, "deepseek-chat")
    yield client
    await client.aclose()


@pytest.fixture
def tap() -> Iterator[Tap]:
    """Answers as it is told to."""
    with Tap() as tap:
        yield tap


@pytest.fixture
async def liar(tap: Tap) -> AsyncIterator[OpenAICompletions]:
    client = OpenAICompletions(tap.base_url, KEY, "deepseek-chat")
    yield client
    await client.aclose()
