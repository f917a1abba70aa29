"""The tools of the model: one for each kind of operation that may be proposed, and nothing else.

Owns the functions' names and schemas (made from the operations' own declarations), the decoding of
calls by the codec that also decodes members' operations, and the answers to the model. Nothing is
applied here: operations are tried on a copy of the trip, and `Kit.ops` is what may be proposed.
Called by `realtime.assistant.answering`, in a thread: trying out a large trip takes a while.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

import msgspec

from domain.accounts import new_id
from domain.answers import TripContext
from domain.intent import Intent
from domain.operations import (
    MAX_PIECES,
    AddDay,
    AddStop,
    Proposable,
    RestoreStop,
    decode_operation,
    kind_of,
)
from domain.proposals import build
from domain.talk import ASSISTANT
from domain.trip import TripAggregate
from realtime.assistant.completions import ChatMessage, ToolCall, ToolSpec

MAX_CALLS = 100
"""Calls in one answer that are looked at; a model that goes on is told to stop."""

_DESCRIPTIONS = {
    "trip.set_fields": "Propose another title, description, time zone or currency of the trip.",
    "trip.set_dates": (
        "Propose new first and last dates, both included (both null: none). mode shift: day 1 stays day 1; "
        "keep: days keep their dates. Days that this would add have no id yet: nothing can be put there now."
    ),
    "day.add": "Propose one more day at the end, without a date. Give an id to use it in later calls.",
    "day.set_fields": "Propose another title or other notes of a day; notes are replaced as a whole.",
    "day.move": "Propose to put a day behind another (after null: first).",
    "day.remove": "Propose to remove a day; its stops become ideas.",
    "stop.add": (
        "Propose a new stop on a day (day null: an idea), behind another stop (after null: first there). "
        "Give lat and lng when you are sure of them. Amounts are in minor units. Times are HH:MM, local."
    ),
    "stop.set_fields": "Propose changes of some fields of a stop; fields left out stay, null clears.",
    "stop.move": "Propose to move stops, in this order, to a day (null: ideas), behind a stop (null: first).",
    "stop.remove": "Propose to remove a stop.",
}
# The model is not told of removed stops, so it could name none.
_LEFT_OUT = (RestoreStop,)


def function_name(kind: str) -> str:
    """The name of the function for a kind of operation; a point is not allowed in it."""
    return kind.replace(".", "_")


@cache
def _kinds() -> dict[str, str]:
    """The kind of operation of each function."""
    return {function_name(kind): kind for kind in _DESCRIPTIONS}


@cache
def specs() -> tuple[ToolSpec, ...]:
    """All functions, in the order of the descriptions."""
    kinds: dict[str, Any] = {
        kind.__struct_config__.tag: kind for kind in get_args(Proposable) if kind not in _LEFT_OUT
    }
    assert kinds.keys() == _DESCRIPTIONS.keys(), "a kind of operation has no description here"
    return tuple(
        ToolSpec(function_name(kind), text, _parameters(kinds[kind])) for kind, text in _DESCRIPTIONS.items()
    )


def _parameters(kind: Any) -> dict[str, Any]:
    """The operation's JSON schema as one object, without references, which some servers refuse."""
    schema = msgspec.json.schema(kind)
    made: dict[str, Any] = _plain(schema, schema["$defs"])
    made["properties"].pop("kind")
    made["required"] = [name for name in made["required"] if name != "kind"]
    if kind in (AddDay, AddStop):
        made["required"].remove("id")
    for name in ("title", "description"):
        made.pop(name, None)
    return made


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _plain(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    made = {key: _plain(value, definitions) for key, value in node.items() if key != "$defs"}
    if isinstance(made.get("pattern"), str):
        # Servers that make the model keep to a pattern know no look-ahead.
        made["pattern"] = made["pattern"].replace(r"(?!\n)", "")
    return made


class Kit:
    """The tools in the hands of one answer. `ops` are those that could be applied, in order."""

    def __init__(self, context: TripContext) -> None:
        self.ops: list[Proposable] = []
        self._calls = 0
        snapshot = context.snapshot
        self._trip = TripAggregate(
            snapshot.trip, "", context.seq, snapshot.days, snapshot.stops, snapshot.members
        )

    def take(self, calls: list[ToolCall]) -> list[ChatMessage]:
        """What the model is answered, one message a call."""
        answers: dict[int, dict[str, Any]] = {}
        wanted: list[tuple[int, Proposable]] = []
        for number, call in enumerate(calls):
            self._calls += 1
            decoded = self._decode(call)
            if isinstance(decoded, str):
                answers[number] = _refusal("invalid", decoded)
            elif len(self.ops) + len(wanted) >= MAX_PIECES:
                answers[number] = _refusal("limit", f"a proposal has at most {MAX_PIECES} changes")
            else:
                wanted.append((number, decoded))
        for (number, op), refusal in zip(wanted, self._try([op for _, op in wanted]), strict=True):
            answers[number] = refusal or _acceptance(op)
        return [
            ChatMessage("tool", msgspec.json.encode(answers[n]).decode(), tool_call_id=call.id)
            for n, call in enumerate(calls)
        ]

    def _decode(self, call: ToolCall) -> Proposable | str:
        """The operation, or what is wrong with the call."""
        kind = _kinds().get(call.name)
        if kind is None:
            return f"there is no function {call.name[:60]}"
        if self._calls > MAX_CALLS:
            return f"at most {MAX_CALLS} calls: say what you have proposed so far"
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
            if kind in ("day.add", "stop.add") and not arguments.get("id"):
                arguments["id"] = new_id()
            # The kind comes last: no argument can make another operation of it.
            op = decode_operation(msgspec.json.encode(arguments | {"kind": kind}))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return str(error)[:300]
        assert isinstance(op, Proposable)
        return op

    def _try(self, wanted: list[Proposable]) -> list[dict[str, Any] | None]:
        """On top of what was accepted before: for each operation its refusal, if any."""
        if not wanted:
            return []
        carrier = Intent(AddDay(id="none"), "trial", ASSISTANT, self._trip.seq, self._trip.seq + 1, "")
        before = len(self.ops)
        _, refused = build(self._trip, [*self.ops, *wanted], carrier)
        errors = {number - before: error for number, error in refused}
        self.ops += [op for number, op in enumerate(wanted) if number not in errors]
        return [
            _refusal(errors[number].code, errors[number].message) if number in errors else None
            for number in range(len(wanted))
        ]


def _acceptance(op: Proposable) -> dict[str, Any]:
    made = {"id": op.id} if isinstance(op, AddDay | AddStop) else {}
    return {"ok": True, "change": kind_of(op), **made, "status": "waits for a member's yes"}


def _refusal(code: str, message: str) -> dict[str, Any]:
    return {"ok": False, "error": code, "message": message}
