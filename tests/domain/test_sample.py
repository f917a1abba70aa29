"""The sample trip that ships with the program: whole, plausible, in both languages."""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

from domain.entities import StopKind, StopStatus

SAMPLE = Path(__file__).parents[2] / "domain" / "samples" / "yunnan.json"
TRIP: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
DAYS: list[dict[str, Any]] = TRIP["days"]
PLANNED: list[dict[str, Any]] = [stop for day in DAYS for stop in day["stops"]]
IDEAS: list[dict[str, Any]] = TRIP["ideas"]
STOPS = PLANNED + IDEAS

SOUTH, NORTH, WEST, EAST = 21.1, 29.3, 97.5, 106.2
"""Yunnan's extent in degrees."""
TEXT_KEYS = ("name", "name_alt", "place_name", "notes_zh", "notes_en")
HAN = re.compile(r"[\u4e00-\u9fff]")
LATIN = re.compile(r"[A-Za-z]{2}")
TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def each(stops: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("stop", stops, ids=[stop["name"] for stop in stops])


def minutes(time: str) -> int:
    assert TIME.fullmatch(time), time
    return int(time[:2]) * 60 + int(time[3:])


def kilometres(one: dict[str, Any], other: dict[str, Any]) -> float:
    north = (one["lat"] - other["lat"]) * 111.2
    east = (one["lng"] - other["lng"]) * 111.2 * math.cos(math.radians(one["lat"]))
    return math.hypot(north, east)


def in_both_languages(record: dict[str, Any], *keys: str) -> None:
    for key in keys:
        assert HAN.search(record[f"{key}_zh"]), (key, record[f"{key}_zh"])
        assert LATIN.search(record[f"{key}_en"]), (key, record[f"{key}_en"])
        assert not HAN.search(record[f"{key}_en"]), (key, record[f"{key}_en"])


def test_trip_has_the_promised_size_and_both_languages() -> None:
    assert len(DAYS) == 6
    assert 24 <= len(PLANNED) <= 32
    assert 5 <= len(IDEAS) <= 7
    assert (TRIP["time_zone"], TRIP["currency"]) == ("Asia/Shanghai", "CNY")
    in_both_languages(TRIP, "title", "description")
    for day in DAYS:
        in_both_languages(day, "title", "notes")


@each(STOPS)
def test_stop_is_whole_and_in_both_languages(stop: dict[str, Any]) -> None:
    assert all(isinstance(stop[key], str) and stop[key] for key in TEXT_KEYS)
    assert LATIN.search(stop["name"]) and not HAN.search(stop["name"])
    assert HAN.search(stop["name_alt"])
    in_both_languages(stop, "notes")
    assert stop["kind"] in get_args(StopKind)
    assert stop["status"] in get_args(StopStatus)
    assert isinstance(stop["cost_amount"], int) and stop["cost_amount"] >= 0
    assert stop["cost_currency"] == "CNY"
    for link in stop["links"]:
        assert link["title"] and link["url"].startswith("https://")


@each(STOPS)
def test_stop_lies_in_yunnan(stop: dict[str, Any]) -> None:
    assert SOUTH < stop["lat"] < NORTH
    assert WEST < stop["lng"] < EAST


def test_names_are_different() -> None:
    assert len({stop["name"] for stop in STOPS}) == len(STOPS)
    assert len({stop["name_alt"] for stop in STOPS}) == len(STOPS)


@pytest.mark.parametrize("day", DAYS, ids=[day["title_en"] for day in DAYS])
def test_times_are_in_order_within_the_day(day: dict[str, Any]) -> None:
    earliest = minutes("06:00")
    for stop in day["stops"]:
        start, end = minutes(stop["start_time"]), minutes(stop["end_time"])
        assert earliest <= start < end <= minutes("23:00"), stop["name"]
        assert stop["duration_min"] == end - start, stop["name"]
        earliest = end


@each(IDEAS)
def test_ideas_have_no_times(stop: dict[str, Any]) -> None:
    assert stop["status"] == "idea"
    assert not {"start_time", "end_time", "duration_min"} & stop.keys()


@pytest.mark.parametrize("day", DAYS, ids=[day["title_en"] for day in DAYS])
def test_the_way_between_stops_can_be_travelled(day: dict[str, Any]) -> None:
    """A ride counts as time on the way; elsewhere the gap between two stops is all there is."""
    for one, other in pairwise(day["stops"]):
        leaving = one["start_time"] if one["kind"] == "transport" else one["end_time"]
        hours = (minutes(other["start_time"]) - minutes(leaving)) / 60
        way = kilometres(one, other)
        assert way < 1.5 or way < 110 * hours, (one["name"], other["name"], way, hours)


def test_each_morning_starts_where_the_evening_ended() -> None:
    for before, after in pairwise(DAYS):
        last, first = before["stops"][-1], after["stops"][0]
        assert kilometres(last, first) < 35, (last["name"], first["name"])
