"""Search: what is indexed of mixed text, and in which order trips are found."""

from __future__ import annotations

import pytest

from domain import operations as ops
from domain.operations import StopFields
from domain.search import MAX_GRAM, Posting, excerpt, grams, postings_of, query_grams, rank
from tests.domain.rooms import Room


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("大理古城", ["大", "理", "古", "城", "大理", "理古", "古城"]),
        ("Dali Old-Town", ["dali", "old", "town"]),
        ("去Dali玩3天", ["去", "dali", "玩", "3", "天"]),
        ("ＤＡＬＩ ｶﾌｪ", ["dali", "カ", "フ", "ェ", "カフ", "フェ"]),
        ("𠮷野家", ["𠮷", "野", "家", "𠮷野", "野家"]),
        ("—，。!🏔️", []),
        ("x" * 100, ["x" * MAX_GRAM]),
    ],
)
def test_grams(text: str, expected: list[str]) -> None:
    assert list(grams(text)) == expected


def test_a_question_is_asked_by_what_it_is_about() -> None:
    assert query_grams("请问大理有什么好吃的？") == ["大理", "好吃"]
    assert query_grams("What should we do in Lijiang on day 2?") == ["lijiang"]
    assert query_grams("山") == ["山"]
    assert query_grams("？!") == []
    assert len(query_grams(" ".join(f"w{n}" for n in range(500)))) == 64


def found(question: str, **trips: dict[str, str]) -> list[str]:
    """Ids of trips (texts by record id) in the order in which they are found."""
    postings: list[Posting] = []
    for trip_id, records in trips.items():
        for record_id, text in records.items():
            kept = list(grams(text))
            postings += [Posting(g, trip_id, "stop", record_id, kept.count(g)) for g in dict.fromkeys(kept)]
    wanted = query_grams(question)
    asked = [posting for posting in postings if posting.gram in wanted]
    return [hit.trip_id for hit in rank(wanted, asked, 100)]


def test_the_rarer_word_and_the_better_cover_come_first() -> None:
    trips = {
        "a": {"1": "大理古城 洱海"},
        "b": {"1": "大理 大理 大理"},
        "c": {"1": "丽江古城"},
        "d": {"1": "北京故宫"},
    }
    assert found("大理的洱海", **trips) == ["a", "b"]
    assert found("丽江古城", **trips)[:2] == ["c", "a"]
    assert found("上海", **trips) == []


def test_more_of_the_words_beats_one_word_often() -> None:
    others = {f"o{n}": {"1": "lake temple"[5 * (n % 2) :][:6]} for n in range(10)}
    trips = {"both": {"1": "lake", "2": "temple"}, "one": {"1": "market market market"}}
    assert found("lake temple market", **trips, **others)[:2] == ["both", "one"]


def test_equal_trips_come_in_one_order() -> None:
    trips = {name: {"1": "shuhe"} for name in ("z", "m", "a")}
    assert found("Shuhe", **trips) == ["a", "m", "z"]


def test_the_trip_is_indexed_with_its_days_and_stops_but_not_what_was_removed() -> None:
    room = Room()
    room.do(ops.AddStop("s1", StopFields(name="沙溪", name_alt="Shaxi", notes="Friday market")))
    room.do(ops.AddStop("s2", StopFields(name="Gone")))
    room.do(ops.RemoveStop("s2"))
    grams_of = {(p.gram, p.t, p.record_id): p.weight for p in postings_of(room.trip)}
    assert grams_of["沙溪", "stop", "s1"] == grams_of["shaxi", "stop", "s1"] == 4
    assert grams_of["market", "stop", "s1"] == 1
    assert ("云南", "trip", "t1") in grams_of
    assert not any(gram == "gone" for gram, *_ in grams_of)


def test_an_excerpt_shows_the_place() -> None:
    text = "x " * 200 + "the famous noodle shop" + " y" * 200
    assert "famous noodle" in excerpt(text, ["noodle"])
    assert excerpt("short", ["none"]) == "short"
