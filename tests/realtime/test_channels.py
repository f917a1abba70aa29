"""Messages between processes that belong to no room. Rule R9.4 rests on them."""

from __future__ import annotations

import pytest

from realtime.envelope import CONTROL_CHANNEL, FORMAT, Envelope, seal
from tests.realtime.world import World, turns


async def test_a_channel_is_heard_here_at_once_and_elsewhere(world: World) -> None:
    here, there, deaf = await world.node(), await world.node(), await world.node()
    heard: list[tuple[str, bytes]] = []
    await here.hub.channels.subscribe("answer:a1", lambda data: heard.append(("here", data)))
    await there.hub.channels.subscribe("answer:a1", lambda data: heard.append(("there", data)))
    await deaf.hub.channels.subscribe("answer:a2", lambda data: heard.append(("deaf", data)))
    here.hub.channels.publish("answer:a1", b"one\ntwo")
    assert heard == [("here", b"one\ntwo")]
    await turns()
    assert heard == [("here", b"one\ntwo"), ("there", b"one\ntwo")], "once each"


async def test_without_the_bus_a_channel_works_inside_the_process(world: World) -> None:
    node = await world.node()
    heard: list[bytes] = []
    await node.hub.channels.subscribe("answer:a1", heard.append)
    world.bus.down()
    assert not node.hub.bus_up
    node.hub.channels.publish("answer:a1", b"x")
    assert heard == [b"x"]
    world.bus.restore()
    assert node.hub.bus_up


async def test_the_last_listener_to_go_ends_the_subscription(world: World) -> None:
    here, there = await world.node(), await world.node()
    one: list[bytes] = []
    two: list[bytes] = []
    channels = here.hub.channels
    await channels.subscribe("answer:a1", one.append)
    second = two.append
    await channels.subscribe("answer:a1", second)
    channels.unsubscribe("answer:a1", one.append)
    there.hub.channels.publish("answer:a1", b"x")
    await turns()
    assert (one, two) == ([], [b"x"])
    channels.unsubscribe("answer:a1", second)
    channels.unsubscribe("answer:a1", second)
    assert "part:answer:a1" not in here.broker.channels
    there.hub.channels.publish("answer:a1", b"y")
    await turns()
    assert two == [b"x"]


async def test_a_listener_that_fails_hurts_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    node = await world.node()
    heard: list[bytes] = []

    def fails(data: bytes) -> None:
        raise ZeroDivisionError("listener bug")

    def refuses(kind: str, data: bytes) -> None:
        raise ZeroDivisionError("control bug")

    await node.hub.channels.subscribe("answer:a1", fails)
    await node.hub.channels.subscribe("answer:a1", heard.append)
    node.hub.channels.on_control = refuses
    node.hub.channels.publish("answer:a1", b"x")
    node.hub.channels.publish_control("stop", b"a1")
    assert heard == [b"x"] and "listener bug" in caplog.text and "control bug" in caplog.text


async def test_control_reaches_every_process_this_one_included(world: World) -> None:
    nodes = [await world.node() for _ in range(3)]
    heard: list[tuple[int, str, bytes]] = []
    for n, node in enumerate(nodes):
        node.hub.channels.on_control = lambda kind, data, n=n: heard.append((n, kind, data))
    nodes[1].hub.channels.publish_control("stop", b'{"answer":"a1"}\n')
    assert heard == [(1, "stop", b'{"answer":"a1"}\n')]
    await turns()
    assert sorted(heard) == [(n, "stop", b'{"answer":"a1"}\n') for n in range(3)]


async def test_control_without_a_listener_and_in_a_wrong_place_is_nothing(world: World) -> None:
    here, there = await world.node(), await world.node()
    bob = await there.client("bob").join()
    heard: list[str] = []
    here.hub.channels.publish_control("stop", b"")
    await turns()
    there.hub.channels.on_control = lambda kind, _: heard.append(kind)
    for kind in ("part", "talk"):
        here.broker.publish(CONTROL_CHANNEL, seal(Envelope(FORMAT, kind, here.hub.node), b"stop\n"))
    here.broker.publish("room:trip1", seal(Envelope(FORMAT, "control", here.hub.node), b"stop\n"))
    await turns()
    assert heard == [] and bob.code is None
