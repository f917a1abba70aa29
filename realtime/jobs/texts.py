"""The words of exports, in both languages, and dates and money as their readers write them.

Owns texts only; the web app has the same words in `frontend/src/i18n`. Used by the formats.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from domain.accounts import Locale
from domain.entities import Stop

_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")
# As in ISO 4217: where there are no hundredths.
_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "KWD": 3, "BHD": 3, "OMR": 3, "JOD": 3, "TND": 3}

TEXTS: dict[Locale, dict[str, Any]] = {
    "zh": {
        "kind": {
            "sight": "景点", "food": "美食", "lodging": "住宿", "transport": "交通",
            "activity": "活动", "shopping": "购物", "nature": "自然", "other": "其他",
        },
        "status": {
            "idea": "想法", "planned": "已计划", "booked": "已预订", "done": "已完成", "cancelled": "已取消",
        },
        "weekdays": "一二三四五六日",
        "day": "第 {n} 天", "unscheduled": "未定日期", "ideas": "想法", "with": "同行", "cost": "花费",
        "minutes": "{n} 分钟", "zone": "时间均为 {zone}", "made": "导出于 {at}（UTC），同游",
        "no_time": "未定时间", "map": "地图", "empty": "这一天还没有安排。", "and": "、", "colon": "：",
    },
    "en": {
        "kind": {
            "sight": "Sight", "food": "Food", "lodging": "Lodging", "transport": "Transport",
            "activity": "Activity", "shopping": "Shopping", "nature": "Nature", "other": "Other",
        },
        "status": {
            "idea": "Idea", "planned": "Planned", "booked": "Booked", "done": "Done",
            "cancelled": "Cancelled",
        },
        "weekdays": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        "day": "Day {n}", "unscheduled": "No date yet", "ideas": "Ideas", "with": "Travelling together",
        "cost": "Cost", "minutes": "{n} min", "zone": "All times are in {zone}",
        "made": "Exported {at} UTC, Tongyou", "no_time": "No time yet", "map": "Map",
        "empty": "Nothing is planned for this day.", "and": ", ", "colon": ": ",
    },
}  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def show_date(iso: str, locale: Locale) -> str:
    """ "6月1日 周一" or "Mon 1 Jun"."""
    day = date.fromisoformat(iso)
    weekday = TEXTS[locale]["weekdays"][day.weekday()]
    if locale == "zh":
        return f"{day.month}月{day.day}日 周{weekday}"
    return f"{weekday} {day.day} {_MONTHS[day.month - 1]}"


def show_range(start: str | None, end: str | None, locale: Locale) -> str:
    """Both with their years; nothing when there are none."""
    if start is None or end is None:
        return ""
    both = []
    for iso in (start, end):
        day = date.fromisoformat(iso)
        zh = f"{day.year}年{day.month}月{day.day}日"
        both.append(zh if locale == "zh" else f"{day.day} {_MONTHS[day.month - 1]} {day.year}")
    return both[0] if start == end else f"{both[0]} – {both[1]}"


def show_times(stop: Stop, locale: Locale) -> str:
    """ "09:00 – 10:30", "09:00 (90 min)", or nothing."""
    if stop.start_time and stop.end_time:
        return f"{stop.start_time} – {stop.end_time}"
    length = TEXTS[locale]["minutes"].format(n=stop.duration_min) if stop.duration_min else ""
    if stop.start_time and length:
        return f"{stop.start_time} ({length})"
    return stop.start_time or (f"– {stop.end_time}" if stop.end_time else length)


def show_cost(stop: Stop, currency: str) -> str:
    """Minor units as an amount with its currency; nothing where there is none, or it is free, as shown."""
    if not stop.cost_amount:
        return ""
    code = stop.cost_currency or currency
    digits = _DIGITS.get(code, 2)
    return f"{code} {stop.cost_amount / 10**digits:,.{digits}f}"


def show_name(stop: Stop, locale: Locale) -> str:
    """Both names, where there are two: first the one that the reader reads."""
    names = list(dict.fromkeys(name for name in (stop.name, stop.name_alt) if name))
    names.sort(key=lambda name: bool(_HAN.search(name)) != (locale == "zh"))
    return " · ".join(names)
