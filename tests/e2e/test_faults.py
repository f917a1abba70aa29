"""A window that loses its network, its page or its server: nothing is lost and nobody reloads.

Promises R1.3 (acknowledged = durable), R1.4 (exactly once), R3.3 and R3.4, as a person sees them.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.cluster import Cluster
from tests.e2e.people import NETWORK, Line, People
from tests.e2e.screens import Room

pytestmark = pytest.mark.timeout(120)

# Ends when the device keeps a copy of a trip: the app writes one a moment after it got it.
COPY_KEPT = """async () => {
  const db = await new Promise((resolve, reject) => {
    const opening = indexedDB.open("tongyou");
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  const copies = () => new Promise((resolve) => {
    const counting = db.transaction("rooms").objectStore("rooms").count();
    counting.onsuccess = () => resolve(counting.result);
  });
  while (await copies() === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  db.close();
}"""


def test_edits_made_offline_wait_and_arrive_when_the_network_returns(people: People) -> None:
    ann, bo, trip = people.pair()
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    ann.excuse(NETWORK)

    ann.context.set_offline(True)
    here.expect_state("offline")
    here.edit(trip.stops["Old Town"], "Name", "Shuhe")
    here.add(trip.days[1], "Yak butter tea")
    here.expect_state("offline", pending=2)
    expect(here.pill).to_contain_text("2 changes waiting")
    # What Bo does meanwhile reaches the database; what Ann did has not.
    there.edit(trip.stops["Old Town"], "Start", "08:15")
    there.expect_state("live", pending=0)
    before = [["Old Town", "Black Dragon Pool"], ["Tiger Leaping Gorge"]]
    assert trip.truth(bo) == before
    there.expect_plan(trip, before)

    ann.context.set_offline(False)
    here.expect_state("live", pending=0)
    plan = [["Shuhe", "Black Dragon Pool"], ["Tiger Leaping Gorge", "Yak butter tea"]]
    here.expect_plan(trip, plan)
    there.expect_plan(trip, plan)
    expect(here.field("Start")).to_have_value("08:15")
    assert trip.truth() == plan


def test_edits_made_offline_survive_a_reload(people: People) -> None:
    """What waits is kept on the device, with the trip itself."""
    ann, bo, trip = people.pair()
    line = Line(ann.page)
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    ann.excuse(NETWORK)
    here.page.evaluate(COPY_KEPT)
    ann.context.set_offline(True)
    here.edit(trip.stops["Old Town"], "Name", "Shuhe")
    here.expect_state("offline", pending=1)

    # A reload needs the server's page; only the socket stays out of reach, so nothing can be sent.
    line.reachable = False
    ann.context.set_offline(False)
    here.page.reload()
    plan = [["Shuhe", "Black Dragon Pool"], ["Tiger Leaping Gorge"]]
    here.expect_plan(trip, plan)
    expect(here.pill).to_contain_text("1 change waiting")
    there.expect_plan(trip, [["Old Town", "Black Dragon Pool"], ["Tiger Leaping Gorge"]])

    line.reachable = True
    there.expect_plan(trip, plan)
    here.expect_state("live", pending=0)
    here.expect_plan(trip, plan)


def test_a_killed_server_process_loses_nothing_and_nobody_reloads(people: People, cluster: Cluster) -> None:
    ann, bo, trip = people.pair()
    here, there = Room.enter(ann, trip), Room.enter(bo, trip)
    for room in (here, there):
        room.page.evaluate("window.e2eMarker = 'same page'")
    ann.excuse(NETWORK)
    here.add(trip.days[0], "Ann 1")
    there.add(trip.days[1], "Bo 1")

    cluster.servers[0].kill()
    here.add(trip.days[0], "Ann 2")
    there.add(trip.days[1], "Bo 2")
    expect(here.pill).not_to_have_attribute("data-state", "live")
    here.edit(trip.stops["Old Town"], "Name", "Shuhe")
    there.edit(trip.stops["Old Town"], "Start", "08:15")
    there.expect_state("live", pending=0)
    expect(here.pill).to_contain_text("changes waiting")

    cluster.servers[0].start()
    plan = [["Shuhe", "Black Dragon Pool", "Ann 1", "Ann 2"], ["Tiger Leaping Gorge", "Bo 1", "Bo 2"]]
    for room in (here, there):
        room.expect_state("live", pending=0)
        room.expect_plan(trip, plan)
        assert room.page.evaluate("window.e2eMarker") == "same page"
        expect(room.field("Start")).to_have_value("08:15")
    assert trip.truth() == trip.truth(bo) == plan
    assert here.shown() == there.shown()
    here.expect_people(2)
    there.expect_people(2)
