"""What the model is told: from what was selected to the messages of a request.

Owns the templates (`templates/*.j2`, Chinese and English) and the quoting of everything that people
have written: it enters as JSON in blocks that it cannot close. Pure; chooses nothing of a trip
(`domain.assistant` does) and asks nobody. Called by `realtime.assistant.answering`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from domain.accounts import Locale
from domain.answers import TripContext, Turn
from domain.assistant import Selection, estimate_tokens
from domain.entities import Snapshot
from domain.talk import ASSISTANT, Message, Source
from realtime.assistant.completions import ChatMessage

TEMPLATES = Path(__file__).with_name("templates")
QUOTED_TEXT = 2_000
"""Characters of the message that a question replies to."""
_WEEKDAYS: dict[Locale, tuple[str, ...]] = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
# Inside a JSON text these can only stand in strings, where the escape means the same.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def quoted(value: Any) -> str:
    """`value` as JSON on one line in which no tag can begin or end."""
    return msgspec.json.encode(value).decode().translate(_ESCAPES)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        auto_reload=False,  # else every prompt asks the disk for the age of its files
        autoescape=False,  # the result is a prompt; what people wrote goes through `quoted`
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["quoted"] = quoted
    return made


def _render(name: str, locale: Locale, **given: Any) -> str:
    return _environment().get_template(f"{name}.{locale}.j2").render(given).strip()


def trip_messages(context: TripContext, selection: Selection, locale: Locale, at: str) -> list[ChatMessage]:
    """The rules and the quoted data as one message, then the question alone in the asker's words.

    One system message and one of the user: templates of local models insist on roles that alternate.
    """
    asker = next((m for m in context.snapshot.members if m.id == context.question.author), None)
    system = _render(
        "trip",
        locale,
        now=_now(at, context.snapshot, locale),
        asker={"name": asker.name if asker else "", "role": context.role},
        trip=selection.trip,
        people=selection.members,
        days=selection.days,
        ideas=selection.ideas,
        chat=selection.messages,
        sources=selection.sources,
        left_out=selection.left_out,
        quoted=_replied_to(context),
    )
    return [ChatMessage("system", system), ChatMessage("user", context.question.text)]


def _replied_to(context: TripContext) -> dict[str, str] | None:
    found = next((m for m in context.messages if m.id == context.question.reply_to), None)
    if found is None:
        return None
    return {"by": _author(found, context.snapshot), "text": found.text[:QUOTED_TEXT]}


def _author(message: Message, snapshot: Snapshot) -> str:
    if message.author == ASSISTANT:
        return ASSISTANT
    return next((member.name for member in snapshot.members if member.id == message.author), "")


def _now(at: str, snapshot: Snapshot | None, locale: Locale) -> dict[str, Any]:
    """The moment of asking on the trip's clock; `day` is the number of today's day, or 0."""
    zone = snapshot.trip.time_zone if snapshot is not None else "UTC"
    moment = datetime.fromisoformat(at.replace("Z", "+00:00")).astimezone(_zone(zone))
    today = moment.date().isoformat()
    days = snapshot.days if snapshot is not None else []
    number = next((n for n, day in enumerate(days, start=1) if day.date == today), 0)
    return {
        "date": today,
        "time": f"{moment:%H:%M}",
        "weekday": _WEEKDAYS[locale][moment.weekday()],
        "zone": zone,
        "day": number,
    }


def _zone(name: str) -> ZoneInfo | Any:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def private_messages(
    turns: list[Turn], question_id: str, sources: list[Source], locale: Locale, at: str, budget: int
) -> list[ChatMessage]:
    """The conversation so far, as much of its end as fits into `budget` tokens, and the question."""
    told = [
        {"title": source.title, "excerpt": source.excerpt, "places": [r.name for r in source.records]}
        for source in sources
    ]
    system = _render("private", locale, now=_now(at, None, locale), sources=told)
    question = next(turn for turn in turns if turn.id == question_id)
    left = budget - estimate_tokens(system) - estimate_tokens(question.text)
    told_before: list[ChatMessage] = []
    for asked, answered in reversed(_exchanges(turns, question)):
        left -= estimate_tokens(asked.text) + estimate_tokens(answered.text)
        if left < 0:
            break
        told_before += [ChatMessage("assistant", answered.text), ChatMessage("user", asked.text)]
    return [ChatMessage("system", system), *told_before[::-1], ChatMessage("user", question.text)]


def _exchanges(turns: list[Turn], question: Turn) -> list[tuple[Turn, Turn]]:
    """Questions before this one with their finished answers; of several, the last."""
    found: dict[str, tuple[Turn, Turn]] = {}
    asked: Turn | None = None
    for turn in turns:
        if turn.n >= question.n:
            break
        if turn.role == "user":
            asked = turn
        elif asked is not None and turn.status == "done" and turn.text:
            found[asked.id] = (asked, turn)
    return list(found.values())
