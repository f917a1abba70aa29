"""Questions to a model as the assistant puts them, and how their answers ended.

Owns the key, which no error may repeat. Used by the tests of this folder only.
"""

from typing import Any

import pytest

from realtime.assistant.completions import (
    ChatMessage,
    ChatRequest,
    Completions,
    Piece,
    Text,
    UpstreamError,
    pieces,
)

KEY = "sk-tongyou-secret"


def ask(question: str, **more: Any) -> ChatRequest:
    return ChatRequest(
        messages=[ChatMessage("system", "You plan trips."), ChatMessage("user", question)],
        **{"max_tokens": 200, **more},
    )


async def read(client: Completions, question: str | ChatRequest = "?") -> list[Piece]:
    request = ask(question) if isinstance(question, str) else question
    async with pieces(client, request, attempts=1) as answer:
        return [piece async for piece in answer]


async def fail(client: Completions, question: str = "?") -> tuple[list[Piece], UpstreamError]:
    """What came before the failure, and the failure."""
    came: list[Piece] = []
    with pytest.raises(UpstreamError) as caught:
        async with pieces(client, ask(question), attempts=1) as answer:
            async for piece in answer:
                came.append(piece)
    assert KEY not in f"{caught.value!r} {caught.value.message}"
    return came, caught.value


def text_of(answer: list[Piece]) -> str:
    return "".join(piece.text for piece in answer if isinstance(piece, Text))
