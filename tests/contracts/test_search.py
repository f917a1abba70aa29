"""Retrieval with known answers, the same on memory, SQLite and MariaDB. Rule R9.9."""

from __future__ import annotations

from domain import operations as ops
from domain.operations import StopFields
from domain.search import FindTrips, IndexTrips
from domain.services.search import find_trips, index_trips
from domain.talk import Source
from storage.unit import UnitFactory
from tests.storage.support import Store, do, make_trip

CORPUS: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "yunnan": (
        "云南六日",
        [
            ("大理古城", "Dali Old Town", "人民路上有很多小店"),
            ("洱海环湖", "Erhai Lake", "租一辆自行车，从喜洲骑到双廊"),
            ("沙溪古镇", "Shaxi", "周五有集市，马帮的老驿站"),
        ],
    ),
    "beijing": (
        "北京周末",
        [("故宫", "Forbidden City", "提前七天预约门票"), ("北海公园", "Beihai Park", "可以划船，看白塔")],
    ),
    "tokyo": (
        "東京の旅",
        [
            ("浅草寺", "Sensoji", "雷門から仲見世通りへ"),
            ("築地場外市場", "Tsukiji", "朝早く行って寿司を食べる"),
        ],
    ),
    "lijiang": (
        "Lijiang and around",
        [
            ("丽江古城", "Lijiang Old Town", "水从玉龙雪山流下来"),
            ("束河古城", "Shuhe", "早上安静"),
            ("Tiger Leaping Gorge", "虎跳峡", "Two days on foot"),
        ],
    ),
    "rainy": ("Café hopping", [("Café Müller", "", "the best rainy afternoon, 咖啡很好")]),
}
KNOWN: list[tuple[str, list[str]]] = [
    ("大理有什么好玩的？", ["yunnan"]),
    ("想去洱海骑自行车", ["yunnan"]),
    ("故宫门票怎么预约", ["beijing"]),
    ("哪里可以划船", ["beijing"]),
    ("古城", ["lijiang", "yunnan"]),
    ("丽江的古城值得去吗", ["lijiang", "yunnan"]),
    ("虎跳峡徒步", ["lijiang"]),
    ("築地で寿司", ["tokyo"]),
    ("Where is the old town of Dali?", ["yunnan", "lijiang"]),
    ("ERHAI lake", ["yunnan"]),
    ("café", ["rainy"]),
    ("咖啡", ["rainy"]),
    ("冰岛极光", []),
    ("?!", []),
]


def publish(units: UnitFactory) -> dict[str, str]:
    """The corpus as public trips; names by trip id."""
    made: dict[str, str] = {}
    for name, (title, stops) in CORPUS.items():
        trip_id = make_trip(units, title=title)
        made[trip_id] = name
        for n, (stop, alt, notes) in enumerate(stops):
            do(units, trip_id, ops.AddStop(f"s{n}", StopFields(name=stop, name_alt=alt, notes=notes)))
        do(units, trip_id, ops.SetTripVisibility("public"))
    return made


def index(units: UnitFactory) -> int:
    count = 0
    while True:
        with units(True) as unit:
            done = index_trips(IndexTrips(2), unit)
            unit.commit()
        count += done
        if not done:
            return count


def find(units: UnitFactory, text: str, limit: int = 4, except_trip: str | None = None) -> list[Source]:
    with units(False) as unit:
        return find_trips(FindTrips(text, limit, except_trip), unit).sources


def test_known_questions_find_known_trips(store: Store) -> None:
    units = store.process()
    names = publish(units)
    assert index(units) == len(CORPUS)
    assert index(units) == 0
    found = {text: [names[source.trip_id] for source in find(units, text)] for text, _ in KNOWN}
    assert found == dict(KNOWN)


def test_a_source_shows_what_fits(store: Store) -> None:
    units = store.process()
    publish(units)
    index(units)
    [source] = find(units, "洱海骑自行车")
    assert source.title == "云南六日"
    assert (source.records[0].t, source.records[0].name) == ("stop", "洱海环湖")
    assert "自行车" in source.excerpt
    assert find(units, "洱海", except_trip=source.trip_id) == []
    assert len(find(units, "古城", limit=1)) == 1


def test_what_is_private_or_deleted_is_not_found_from_that_moment_on(store: Store) -> None:
    units = store.process()
    names = {name: trip_id for trip_id, name in publish(units).items()}
    private = make_trip(units, title="大理的秘密")
    index(units)
    assert private not in {source.trip_id for source in find(units, "大理")}
    do(units, names["yunnan"], ops.SetTripVisibility("private"))
    do(units, names["beijing"], ops.DeleteTrip())
    assert find(units, "洱海") == [] and find(units, "故宫") == []
    assert index(units) == 2
    do(units, names["beijing"], ops.RestoreTrip())
    assert find(units, "故宫") == []
    index(units)
    assert len(find(units, "故宫")) == 1


def test_changes_are_found_after_the_next_round(store: Store) -> None:
    units = store.process()
    trip_id = {name: trip_id for trip_id, name in publish(units).items()}["rainy"]
    index(units)
    do(units, trip_id, ops.SetStopFields("s0", StopFields(name="茶馆", notes="")))
    assert index(units) == 1
    assert find(units, "咖啡") == []
    assert [source.trip_id for source in find(units, "茶馆")] == [trip_id]


def test_two_processes_index_at_once(store: Store) -> None:
    one, two = store.process(), store.process()
    publish(one)
    index(one)
    index(two)
    assert len(find(two, "古城")) == 2
