"""What the assistant is told: everything where there is room, the important first where not."""

from __future__ import annotations

import msgspec
import pytest

from domain import operations as ops
from domain.answers import TripContext
from domain.assistant import Selection, _number, estimate_tokens, select
from domain.entities import Snapshot
from domain.operations import StopFields
from domain.talk import ASSISTANT, Answer, Message, Source, SourceRecord
from tests.domain.rooms import Room


def context(question: str = "What is missing?", stops: int = 6, messages: int = 3) -> TripContext:
    room = Room(start_date="2026-05-01", end_date="2026-05-03")
    for day_number, day in enumerate(room.day_ids(), start=1):
        room.do(
            ops.SetDayFields(
                day, ops.DayFields(title=f"Town {day_number}", notes=f"note of day {day_number} " * 20)
            )
        )
        for n in range(stops // 3):
            name = f"Stop {day_number}.{n}"
            fields = StopFields(name=name, notes=f"{name}: " + "long note " * 40, start_time="09:30")
            room.do(ops.AddStop(f"s{day_number}-{n}", fields, day))
    room.do(ops.AddStop("idea", StopFields(name="Bamboo temple")))
    talk = [Message(f"m{n}", n, author="ann", text=f"message {n}") for n in range(messages)]
    talk.append(Message("a1", 90, author=ASSISTANT, text="an answer", answer=Answer(status="done")))
    snapshot = msgspec.json.decode(room.trip.snapshot(), type=Snapshot)
    return TripContext(room.trip.seq, "owner", snapshot, Message("q", 99, text=question), talk)


SOURCES = [Source("t9", "Yunnan by train", "slow trains", [SourceRecord("stop", "s", "Shaxi")])]


def size(selection: Selection) -> int:
    return estimate_tokens(msgspec.json.encode(selection).decode())


def test_with_room_for_all_nothing_is_left_out() -> None:
    told = select(context(), SOURCES, 50_000)
    assert told.left_out == 0
    assert [day["number"] for day in told.days] == [1, 2, 3]
    assert [stop["id"] for stop in told.days[1]["stops"]] == ["s2-1", "s2-0"]
    assert told.days[1]["stops"][0]["notes"].startswith("Stop 2.1")
    assert [stop["name"] for stop in told.ideas] == ["Bamboo temple"]
    assert [line["text"] for line in told.messages] == ["message 0", "message 1", "message 2", "an answer"]
    assert told.messages[-1]["by"] == "assistant"
    assert told.sources == [{"title": "Yunnan by train", "excerpt": "slow trains", "places": ["Shaxi"]}]


@pytest.mark.parametrize("budget", [200, 500, 1_000, 2_000, 4_000])
def test_the_budget_holds_and_what_is_left_out_is_counted(budget: int) -> None:
    told = select(context(stops=90, messages=60), SOURCES, budget)
    frame = 300  # the frame itself is always told
    assert size(told) <= budget + frame
    assert told.left_out > 0


def test_what_the_question_names_keeps_its_notes() -> None:
    for question in ("What about day 2?", "第二天怎么样", "第 2 天"):
        told = select(context(question, stops=30, messages=0), [], 2_200)
        assert "notes" in told.days[1], question
        assert sum("notes" in stop for stop in told.days[1]["stops"]) > sum(
            "notes" in stop for stop in told.days[0]["stops"]
        ), question


def test_the_latest_talk_is_told_first() -> None:
    told = select(context(messages=200), [], 1_500)
    texts = [line["text"] for line in told.messages]
    assert texts[-1] == "an answer" and "message 199" in texts and "message 0" not in texts


def test_messages_without_room_are_counted() -> None:
    told = select(context(stops=0, messages=200), [], 1_000)
    assert told.left_out == 201 - len(told.messages) + 3 - sum("notes" in day for day in told.days)


def test_stops_of_the_day_that_is_asked_about_come_before_the_others() -> None:
    told = select(context("第三天", stops=90, messages=0), [], 700)
    assert len(told.days[2]["stops"]) > len(told.days[0]["stops"])


def test_the_same_question_selects_the_same() -> None:
    one, two = (select(context(stops=60), SOURCES, 2_000) for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("text", "number"), [("3", 3), ("三", 3), ("十", 10), ("十二", 12), ("二十一", 21), ("x", 0)]
)
def test_numbers(text: str, number: int) -> None:
    assert _number(text) == number


def test_tokens_are_not_underestimated_for_chinese() -> None:
    assert estimate_tokens("大理古城") == 4
    assert estimate_tokens("four") == 1
