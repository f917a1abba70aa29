"""`loadtests.bench`: deliveries are counted exactly, aims judged, and nothing is left out silently."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtests.bench import aims, main, profiling, report
from loadtests.bench.figures import FanOut, Findings, Flat, Memory, Operations
from loadtests.bench.stands import OURS, leave, peer
from loadtests.bench.traffic import Group, Traffic
from loadtests.bench.wires import Ours, Plain, SocketIO
from loadtests.peers import BARE_HANDLER, PEERS, PICOWS, WRITE_MESSAGE, install
from loadtests.sink import Client
from realtime import protocol


def test_every_message_is_counted_once_at_every_member_of_its_room_alone() -> None:
    with peer(WRITE_MESSAGE) as stand:
        groups = stand.groups(2, 3, everybody_sends=True)
        first = Traffic(groups, stand.wire.message, 4).run(0.05)
        again = Traffic(groups, stand.wire.message, 1).run(0.05)
        leave(groups)
    for outcome in (first, again):
        assert outcome.messages > 0
        assert outcome.deliveries == 3 * outcome.messages
        assert len(outcome.latencies) == outcome.messages
    assert all(group.seen == 3 * group.sent for group in groups)


def test_an_event_is_counted_however_the_reads_cut_it() -> None:
    here, there = socket.socketpair()
    with here, there:
        client = Client.__new__(Client)
        client.socket, client.tail = here, b""
        group = Group([client], [client])
        said = b'..{"op_id":"1"}..{"op_id":"2"}'

        def message() -> bytes:
            # Both answers are in one frame; every read gets a single byte.
            return b"x"

        class Slow:
            """A socket that hands out one byte a read."""

            def __getattr__(self, name: str) -> object:
                return getattr(here, name)

            def recv(self, _: int) -> bytes:
                return here.recv(1)

        client.socket = Slow()  # type: ignore[assignment]
        there.sendall(said)
        group.sent = 1  # one event more than was sent now
        outcome = Traffic([group], message, 2).run(0)
    assert (outcome.messages, outcome.deliveries, group.unseen) == (1, 2, 0)


def test_frames_of_ours_are_what_the_protocol_says() -> None:
    wire = Ours()
    joined = protocol.decode(wire.join("a-room"))
    first, second = (protocol.decode(wire.message()) for _ in range(2))
    assert isinstance(joined, protocol.Join)
    assert isinstance(first, protocol.Submit) and isinstance(second, protocol.Submit)
    assert first.op_id != second.op_id


def test_frames_for_the_peers_are_json() -> None:
    assert json.loads(Plain().message())["op_id"]
    assert json.loads(SocketIO().message().removeprefix(b"42"))[0] == "m"


def fan_out(who: str, shape: str, mode: str, cpu: float) -> FanOut:
    return FanOut(who, 1, shape, mode, 1, 1e6 / cpu, cpu, 0, 0, 1, 1, 1, 1, 0)


def test_aims_are_ratios_of_one_run() -> None:
    findings = Findings(
        fan_out=[
            fan_out(OURS, "room of 100", "one at a time", 2.6),
            fan_out(PICOWS.name, "room of 100", "one at a time", 2.0),
            fan_out(OURS, "room of 100", "under load", 2.0),
            fan_out(PICOWS.name, "room of 100", "under load", 2.0),
            fan_out(WRITE_MESSAGE.name, "room of 100", "under load", 12.0),
        ],
        operations=[
            Operations("one hot room", 599, 1, 1),
            Operations("bare transactions, 1 connection", 1000, 1, 1),
        ],
        flat=[Flat(10, 100, 90, 10, 1), Flat(1000, 100_000, 100, 11, 1)],
        memory=[Memory(OURS, 18.0), Memory(BARE_HANDLER.name, 16.0)],
    )
    met = [each.met for each in aims.judge(findings)]
    # At most 1.3 exactly; not below 1; 6 times; 59.9 %; 11 % more; 2 KiB exactly.
    assert met == [True, False, True, False, False, True]


def test_a_message_and_its_deliveries_are_told_apart() -> None:
    # 200 us a message and 3 a member.
    rooms = [("room of 10", 23.0), ("room of 100", 5.0), ("room of 1,000", 3.2)]
    found = Findings(fan_out=[fan_out("Somebody", shape, "one at a time", cpu) for shape, cpu in rooms])
    assert "| Somebody | 200 | 3.0 |" in report.render(found)


def test_what_was_not_measured_is_not_judged() -> None:
    assert aims.judge(Findings(fan_out=[fan_out(OURS, "room of 100", "under load", 2.0)])) == []


def test_a_peer_that_cannot_be_installed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> list[str]:
        raise install.NotInstalled("no such package")

    monkeypatch.setattr(install, "command", fail)
    findings = Findings()
    with ExitStack() as stack:
        assert main.start_peers(stack, PEERS, True, findings) == []
    assert set(findings.missing) == {each.name for each in PEERS}
    assert "not installed: no such package" in report.render(findings)


def test_a_profile_is_summed_up_without_the_waiting(tmp_path: Path) -> None:
    frames = [
        {"name": name, "file": f"/somewhere/realtime/{name}.py"} for name in ("flush", "write", "_worker")
    ]
    samples = {"samples": [[0, 1], [0, 1], [0, 1], [0], [2], [2]], "weights": [1.0] * 6}
    path = tmp_path / "x.speedscope.json"
    path.write_text(json.dumps({"shared": {"frames": frames}, "profiles": [samples]}), "utf-8")
    found = [(spent.function, spent.share) for spent in profiling.spent_on(path)]
    assert found == [("write (realtime/write.py)", 0.75), ("flush (realtime/flush.py)", 0.25)]


def test_tables_replace_those_of_the_last_run_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n", "utf-8")
    report.put_into(page, "new")
    report.put_into(page, "newer")
    text = page.read_text("utf-8")
    assert text.startswith("above\n") and text.endswith("\nbelow\n")
    assert "newer" in text and "old" not in text


def test_peers_are_pinned_and_their_lockfile_names_no_host() -> None:
    for path in (install.HERE / "requirements").glob("*.txt"):
        lines = path.read_text("ascii").split()
        assert lines and all("==" in line for line in lines), path.name
    lock = json.loads((install.HERE / "node" / "package-lock.json").read_text("utf-8"))
    assert not [name for name, each in lock["packages"].items() if "resolved" in each]
    wanted = json.loads((install.HERE / "node" / "package.json").read_text("utf-8"))["dependencies"]
    assert all(version[0].isdigit() for version in wanted.values())
