"""What a field's type lets through is exactly what every database stores: nothing cut, nothing folded."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from domain.operations import decode_operation
from realtime.protocol import OpId

STOP = {"kind": "stop.add", "id": "s1", "fields": {"name": "x"}}


def stop(**fields: Any) -> dict[str, Any]:
    return STOP | {"fields": {"name": "x"} | fields}


@pytest.mark.parametrize(
    "op",
    [
        STOP | {"id": "a" * 40 + "\n"},
        stop(start_time="10:00\n"),
        stop(start_time="10:0\u0663"),
        stop(cost_currency="CNY\n"),
        stop(links={"k\n": {"url": "https://example.org"}}),
        stop(links={"k": {"url": "https://example.org\n"}}),
        {"kind": "trip.set_dates", "start_date": "2026-05-0\uff11", "end_date": "2026-05-02"},
        {"kind": "trip.set_dates", "start_date": "2026-05-01\n", "end_date": "2026-05-02"},
        {"kind": "undo", "seq": -(10**30)},
        {"kind": "undo", "seq": 10**30},
    ],
)
def test_no_final_newline_no_other_scripts_digits_no_number_beyond_a_seq(op: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_operation(json.dumps(op).encode())


def test_an_op_id_ends_where_it_ends() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'"op-000001\\n"', type=OpId)
    assert msgspec.json.decode(b'"op-000001"', type=OpId) == "op-000001"
