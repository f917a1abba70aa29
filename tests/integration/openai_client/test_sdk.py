"""The SDK of OpenAI under the client: loaded late and off the loop, told nothing but what we say; the key."""

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest

from realtime.assistant.completions import UpstreamError
from realtime.assistant.openai_client import OpenAICompletions
from tests.integration.openai_client.asking import KEY, read, text_of
from tests.services.aimock import CHINESE, Aimock, fails
from tests.services.tap import STREAM, Tap, chunk


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    check = "import sys, realtime.assistant.openai_client; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


async def test_the_sdk_is_built_once_and_off_the_loop(
    aimock: Aimock, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    build = OpenAICompletions._build

    def spied(self: OpenAICompletions) -> Any:
        threads.append(threading.current_thread())
        return build(self)

    monkeypatch.setattr(OpenAICompletions, "_build", spied)
    client = OpenAICompletions(aimock.base_url, KEY, "deepseek-chat")
    await asyncio.gather(*(read(client, "推荐") for _ in range(3)))
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    await client.aclose()


async def test_the_environment_is_not_sent_along(
    tap: Tap, liar: OpenAICompletions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-somebody")
    tap.answer(STREAM, chunk("stop"))
    await read(liar)
    head = tap.exchanges[0].request.partition(b"\r\n\r\n")[0]
    assert b"of-somebody" not in head
    assert f"Bearer {KEY}".encode() in head


def test_the_key_is_not_shown(aimock: Aimock) -> None:
    client = OpenAICompletions(aimock.base_url, KEY, "deepseek-chat")
    assert KEY not in repr(client)
    assert KEY not in str(client)


async def test_an_empty_key_is_no_reason_to_fail(aimock: Aimock) -> None:
    client = OpenAICompletions(aimock.base_url, "", "llama")
    assert text_of(await read(client, "推荐")) == CHINESE
    aimock.declare(fails("推荐", 404, "there is none"))
    with pytest.raises(UpstreamError, match="there is none"):
        await read(client, "推荐")
    await client.aclose()
