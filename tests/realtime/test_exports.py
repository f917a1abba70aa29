"""What an export holds, in each format and both languages; calendars are read back by the library."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from icalendar import Calendar

from domain.entities import Stop
from domain.jobs import Job
from realtime.jobs.calendar import make_calendar
from realtime.jobs.page import make_page
from realtime.jobs.render import file_name, make_data, render
from realtime.jobs.texts import TEXTS, show_cost, show_date, show_range
from tests.realtime.exports import AT, a_material


def events(material: Any = None) -> dict[str, Any]:
    calendar = Calendar.from_ical(make_calendar(material or a_material()))
    assert not calendar.errors and all(not event.errors for event in calendar.events)
    return {str(event["uid"]).removesuffix(".t1@tongyou"): event for event in calendar.events}


def test_days_and_stops_with_a_time_are_events() -> None:
    found = events()
    assert set(found) == {"day.d1", "day.d2", "stop.s1", "stop.s2", "stop.s4", "stop.s5"}
    day = found["day.d1"]
    assert day["dtstart"].dt == date(2026, 10, 24) and day["dtend"].dt == date(2026, 10, 25)
    assert day["summary"] == "第 1 天 · 大理 <b>"
    assert day["description"] == '带伞; "a, b"\n第二行 & \n\n- 随便走走'
    assert found["day.d2"]["summary"] == "第 2 天 · 云南 & Paris 🏔️"
    assert "description" not in found["day.d2"]


def test_times_keep_their_zones() -> None:
    found = events()
    town = found["stop.s1"]
    assert town["dtstart"].params["TZID"] == "Asia/Shanghai"
    assert town["dtstart"].dt.astimezone(UTC) == datetime(2026, 10, 24, 1, 0, tzinfo=UTC)
    assert town["dtend"].dt - town["dtstart"].dt == timedelta(minutes=90)
    train = found["stop.s2"]
    assert train["dtend"].dt.date() == date(2026, 10, 25), "an end before the start is on the next day"
    louvre = found["stop.s4"]
    assert louvre["dtstart"].params["TZID"] == "Europe/Paris"
    assert louvre["dtstart"].dt.astimezone(UTC) == datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    # The clocks go back in between: 02:30 would be said twice.
    assert louvre["duration"].dt == timedelta(hours=2) and "dtend" not in louvre
    assert "dtend" not in found["stop.s5"] and "duration" not in found["stop.s5"]


def test_the_rules_of_every_zone_come_along() -> None:
    calendar = Calendar.from_ical(make_calendar(a_material()))
    assert {str(zone["tzid"]) for zone in calendar.timezones} == {"Asia/Shanghai", "Europe/Paris"}
    assert str(calendar["prodid"]) and calendar["version"] == "2.0"
    assert not calendar.get_missing_tzids()


def test_an_event_says_what_the_stop_says() -> None:
    town = events()["stop.s1"]
    assert town["summary"] == "古城 · Old town" and town["location"] == "大理市, 一塔路"
    assert town["status"] == "CONFIRMED" and town["sequence"] == 42
    assert town["geo"].to_ical() == "25.69;100.16"
    assert town["categories"].cats == ["景点"]
    expected = "慢慢走 🏔️\n\n花费：CNY 123.45\n\n官网 https://example.com/?a=1&b=2"
    assert town["description"] == expected
    assert events()["stop.s2"]["status"] == "CANCELLED"
    english = events(a_material(locale="en"))
    assert english["stop.s1"]["categories"].cats == ["Sight"]
    assert "Cost: CNY 123.45" in english["stop.s1"]["description"]
    assert english["stop.s1"]["summary"] == "Old town · 古城"
    assert english["day.d2"]["summary"].startswith("Day 2 · ")


def test_lines_are_as_rfc_5545_wants_them() -> None:
    body = make_calendar(a_material())
    lines = body.split(b"\r\n")
    assert lines[0] == b"BEGIN:VCALENDAR" and lines[-2:] == [b"END:VCALENDAR", b""]
    assert max(map(len, lines)) <= 75
    assert not any(byte < 32 for line in lines for byte in line)


def test_a_trip_without_dates_is_an_empty_calendar() -> None:
    material = a_material()
    material.snapshot.days.clear()
    assert events(material) == {} or Calendar.from_ical(make_calendar(material)).events == []


class Reader(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.language = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.language = given.get("lang") or self.language
        if tag == "a":
            self.links.append(given["href"] or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(" ".join(data.split()))


@pytest.mark.parametrize(
    ("locale", "language", "expected"),
    [
        ("zh", "zh-CN", ["2026年10月24日 – 2026年10月25日", "同行：安、Bob", "10月24日 周六",
                         "时间均为 Asia/Shanghai",
                         "第 1 天 · 大理 <b>", "第 2 天", "未定日期", "想法", "景点 · 已预订 · CNY 123.45",
                         "交通 · 已取消", "01:30 (120 分钟)", "地图 25.69000,100.16000", "古城 · Old town",
                         "导出于 2026-05-01 08:00（UTC），同游"]),
        ("en", "en", ["24 Oct 2026 – 25 Oct 2026", "Travelling together: 安, Bob",
                      "All times are in Asia/Shanghai",
                      "Sat 24 Oct", "Day 1 · 大理 <b>", "Day 2", "No date yet", "Ideas",
                      "Sight · Booked · CNY 123.45", "Transport · Cancelled", "01:30 (120 min)",
                      "Map 25.69000,100.16000", "Old town · 古城", "Exported 2026-05-01 08:00 UTC, Tongyou"]),
    ],
)  # fmt: skip
def test_the_page_reads_in_its_language(locale: Any, language: str, expected: list[str]) -> None:
    page = Reader(make_page(a_material(locale=locale)))
    assert page.language == language
    for text in [*expected, "云南 & Paris 🏔️", "09:00 – 10:30", "Europe/Paris", "慢慢走 🏔️",
                 "随便走走", "Nowhere yet", "An idea"]:  # fmt: skip
        assert text in page.texts, text
    assert "Gone" not in page.texts


def test_the_page_runs_nothing_and_loads_nothing() -> None:
    page = Reader(make_page(a_material()))
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)
    assert "</style><script>alert(1)</script>" in page.texts
    assert page.links[1] == "https://example.com/?a=1&b=2"
    assert all(link.startswith(("https://", "http://")) for link in page.links)
    assert b"default-src 'none'" in make_page(a_material())


def test_the_data_is_what_one_may_see() -> None:
    member = json.loads(make_data(a_material()))
    assert member["trip"]["title"] == "云南 & Paris 🏔️" and member["seq"] == 42
    assert len(member["days"]) == 3 and len(member["stops"]) == 7
    assert [message["text"] for message in member["messages"]] == ["走？"] and member["proposals"] == []
    spectator = json.loads(make_data(a_material(role="spectator")))
    assert "messages" not in spectator and "proposals" not in spectator


def test_files_have_the_trips_name() -> None:
    job = Job("j1", "ann", "t1", "page", "zh", AT, AT, AT)
    file = render(job, a_material())
    assert (file.name, file.media_type) == ("云南 & Paris 🏔️.html", "text/html; charset=utf-8")
    assert file.for_member and not render(job, a_material(role="spectator")).for_member
    assert (
        file_name('a/b\\c:"d"\n..') == "a b c d" and file_name("../..") == "trip" and file_name("") == "trip"
    )
    assert len(file_name("长" * 200)) == 80


def test_both_languages_have_the_same_words() -> None:
    assert TEXTS["zh"].keys() == TEXTS["en"].keys()
    for name in ("kind", "status"):
        assert TEXTS["zh"][name].keys() == TEXTS["en"][name].keys()
    assert show_date("2026-10-25", "zh") == "10月25日 周日" and show_date("2026-10-25", "en") == "Sun 25 Oct"
    assert (
        show_range("2026-10-24", "2026-10-24", "en") == "24 Oct 2026" and show_range(None, None, "zh") == ""
    )
    assert show_cost(Stop("s", cost_amount=1500, cost_currency="JPY"), "CNY") == "JPY 1,500"
    assert show_cost(Stop("s", cost_amount=5), "CNY") == "CNY 0.05" and show_cost(Stop("s"), "CNY") == ""
    assert show_cost(Stop("s", cost_amount=0), "CNY") == "", "as the board has it"


@pytest.mark.parametrize("day", ["0001-01-01", "0003-01-01", "9996-12-31", "9999-12-31"])
def test_a_day_at_the_end_of_time_fails_no_calendar(day: str) -> None:
    material = a_material()
    material.snapshot.days[1].date = day
    kept = day in ("0003-01-01", "9996-12-31")
    events = Calendar.from_ical(make_calendar(material)).walk("VEVENT")
    uids = {str(event["uid"]) for event in events}
    assert "day.d1.t1@tongyou" in uids
    assert ("day.d2.t1@tongyou" in uids) is kept
