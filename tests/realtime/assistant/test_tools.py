"""Tools: the model's calls become operations by the members' own codec, or are told back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from domain import operations as ops
from domain.answers import TripContext
from domain.entities import Snapshot
from domain.operations import StopFields
from domain.talk import Message
from realtime.assistant.completions import ToolCall
from realtime.assistant.tools import MAX_CALLS, Kit, specs
from tests.domain.rooms import Room


def a_room() -> Room:
    room = Room(start_date="2026-05-01", end_date="2026-05-02")
    room.do(ops.AddStop("s1", StopFields(name="Dali"), room.day_ids()[0]))
    return room


def kit(room: Room | None = None) -> Kit:
    room = room or a_room()
    snapshot = msgspec.json.decode(room.trip.snapshot(), type=Snapshot)
    return Kit(TripContext(room.trip.seq, "owner", snapshot, Message("q"), []))


def take(tools: Kit, *calls: tuple[str, Any]) -> list[dict[str, Any]]:
    """The answers, as the model reads them."""
    given = [
        ToolCall(f"c{n}", name, arguments if isinstance(arguments, str) else json.dumps(arguments))
        for n, (name, arguments) in enumerate(calls)
    ]
    told = tools.take(given)
    assert [(m.role, m.tool_call_id) for m in told] == [("tool", call.id) for call in given]
    return [json.loads(message.content) for message in told]


def test_one_function_a_kind_and_nothing_about_people_or_access() -> None:
    names = {spec.name for spec in specs()}
    assert names == {
        "trip_set_fields", "trip_set_dates", "day_add", "day_set_fields", "day_move", "day_remove",
        "stop_add", "stop_set_fields", "stop_move", "stop_remove",
    }  # fmt: skip


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.name)
def test_schemas_are_plain(spec: Any) -> None:
    Draft202012Validator.check_schema(spec.parameters)
    text = json.dumps(spec.parameters)
    assert "$ref" not in text and "$defs" not in text and "?!" not in text
    assert spec.parameters["type"] == "object" and "kind" not in spec.parameters["properties"]
    needs_id = "id" in spec.parameters["required"]
    assert needs_id == (
        spec.name not in ("day_add", "stop_add", "trip_set_fields", "trip_set_dates", "stop_move")
    )


def test_accepted_calls_build_on_each_other_over_rounds() -> None:
    tools = kit()
    first = take(
        tools,
        ("day_add", {"id": "new1", "fields": {"title": "Shaxi"}}),
        ("stop_add", {"fields": {"name": "Market"}, "day": "new1"}),
    )
    assert [answer["ok"] for answer in first] == [True, True]
    assert first[0]["id"] == "new1" and len(first[1]["id"]) == 20
    second = take(tools, ("stop_move", {"ids": ["s1"], "day": "new1", "after": first[1]["id"]}))
    assert second[0]["ok"]
    assert [ops.kind_of(op) for op in tools.ops] == ["day.add", "stop.add", "stop.move"]


def test_refusals_say_why_and_leave_the_rest() -> None:
    tools = kit()
    answers = take(
        tools,
        ("stop_set_fields", {"id": "s1", "fields": {"start_time": "25:00"}}),
        ("stop_remove", {"id": "nowhere"}),
        ("stop_set_fields", {"id": "s1", "fields": {"start_time": "09:00"}}),
        ("stop_set_fields", {"id": "s1", "fields": {"name": "Dali"}}),
        ("member_remove", {"id": "ann"}),
        ("stop_add", "not json"),
        ("stop_add", "[1]"),
        ("stop_add", '{"fields": {"name": "\\ud83d"}}'),
        ("stop_add", {"fields": {"name": "x"}, "colour": "red"}),
    )
    codes = [answer.get("error") for answer in answers]
    assert codes == [
        "invalid", "not_found", None, "no_change", "invalid", "invalid", "invalid", "invalid", "invalid",
    ]  # fmt: skip
    assert "start_time" in answers[0]["message"]
    assert [ops.kind_of(op) for op in tools.ops] == ["stop.set_fields"]


def test_no_argument_makes_another_operation_of_a_call() -> None:
    tools = kit()
    answers = take(
        tools,
        ("stop_remove", {"kind": "member.remove", "id": "s1"}),
        ("trip_set_fields", {"kind": "trip.delete", "fields": {"title": "T"}}),
    )
    assert [answer["ok"] for answer in answers] == [True, True]
    assert [ops.kind_of(op) for op in tools.ops] == ["stop.remove", "trip.set_fields"]


def test_bounds_of_changes_and_of_calls() -> None:
    tools = kit()
    answers = take(tools, *[("stop_add", {"fields": {"name": f"n{n}"}}) for n in range(60)])
    assert [answer["ok"] for answer in answers] == [True] * 50 + [False] * 10
    assert answers[-1]["error"] == "limit" and len(tools.ops) == ops.MAX_PIECES
    again = take(tools, *[("stop_remove", {"id": "s1"})] * MAX_CALLS)
    assert "say what you have proposed" in again[-1]["message"]


def test_trying_out_changes_nothing() -> None:
    room = a_room()
    tools = kit(room)
    before = room.trip.snapshot()
    take(tools, ("stop_remove", {"id": "s1"}))
    take(tools, ("stop_remove", {"id": "s1"}))
    assert room.trip.snapshot() == before and len(tools.ops) == 1
