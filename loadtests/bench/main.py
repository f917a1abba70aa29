"""`make bench`: the parts in order, the aims, and where the results go.

Owns the command line. Always ends with 0 when it could measure; `make bench` judges nothing else.
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from loadtests.bench import aims, durable, fan_out, flat, machine, memory, report
from loadtests.bench.figures import Findings
from loadtests.bench.profiling import Profiler
from loadtests.bench.stands import Stand, application, peer
from loadtests.peers import PEERS, Peer
from loadtests.peers.install import NotInstalled
from tests.services.mariadb import MariaDB
from tests.services.process import ServiceError
from tests.services.server import ROOT

RESULTS = ROOT / "loadtests" / "results" / "bench"
DOCS = ROOT / "docs" / "BENCHMARKS.md"
PARTS = ("fan-out", "operations", "flat", "memory")
TRIPS = 203 + 64 + 1 + 9 + 2 + 13
"""That all parts together need in one process."""
TRIPS_OF_TWO = 203


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, judge, print, write."""
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts: {', '.join(PARTS)}")
    parser.add_argument("--peers", help="only peers whose names hold one of these, comma between")
    parser.add_argument("--quick", action="store_true", help="one short round of everything, in one process")
    parser.add_argument("--profile", action="store_true", help="py-spy writes a profile of each part")
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/BENCHMARKS.md")
    given = parser.parse_args(arguments)
    parts = given.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    _raise_limits()
    # An end from outside is an end like others: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    RESULTS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    profiler = Profiler(given.profile, RESULTS)
    chosen = [
        each
        for each in PEERS
        if given.peers is None or any(name.lower() in each.name.lower() for name in given.peers.split(","))
    ]
    findings = Findings(machine=machine.describe())
    try:
        _measure(findings, parts, chosen, given.quick, profiler)
    except BaseException as error:
        # Half a run is worth its tables, too, and says that it is one.
        findings.missing["the rest"] = f"the run was broken off ({type(error).__name__}: {error})"
        raise
    finally:
        findings.seconds = time.monotonic() - began
        findings.profiles = profiler.written
        if profiler.problem:
            findings.missing["profile"] = profiler.problem
        _publish(findings, given.docs)


def _publish(findings: Findings, into_docs: bool) -> None:
    findings.aims = aims.judge(findings)
    text = report.render(findings)
    (RESULTS / "report.md").write_text(text, "utf-8")
    (RESULTS / "bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(findings)))
    if into_docs:
        report.put_into(DOCS, text)
    where = RESULTS.relative_to(ROOT)
    print(f"\n{text}\n{findings.seconds:.0f} s. Figures and profiles: {where}/", flush=True)


def _measure(
    findings: Findings, parts: Sequence[str], peers: Sequence[Peer], quick: bool, profiler: Profiler
) -> None:
    """Every part on servers that are started once."""
    rounds, seconds = (1, 0.3) if quick else (3, 0.4)
    with ExitStack() as stack:
        print("starting MariaDB, the application and its peers ...", flush=True)
        database = stack.enter_context(MariaDB())
        ours = stack.enter_context(application(database, 1, TRIPS))
        stands = [ours]
        if {"fan-out", "memory"} & set(parts):
            single = quick or "fan-out" not in parts
            if not single:
                stands.append(stack.enter_context(application(database, 2, TRIPS_OF_TWO)))
            stands += start_peers(stack, peers, single, findings)
        # First, for memory that other parts have given back would be used again, unseen.
        if "memory" in parts:
            _add(findings, memory.measure([stand for stand in stands if stand.processes == 1]))
        if "operations" in parts:
            _add(findings, durable.measure(ours, ours.database_url, rounds, 5 * seconds, profiler))
        if "flat" in parts:
            sizes = (flat.SMALL, (100, 5_000) if quick else flat.LARGE)
            _add(findings, flat.measure(ours, ours.database_url, sizes, 2 * rounds, 2 * seconds, profiler))
        if "fan-out" in parts:
            only_memory = {each.name for each in PEERS if each.memory_only}
            racing = [stand for stand in stands if stand.name not in only_memory]
            for shape in fan_out.SHAPES:
                _add(findings, fan_out.measure(racing, [shape], rounds, seconds, profiler))


def start_peers(stack: ExitStack, peers: Sequence[Peer], single: bool, findings: Findings) -> list[Stand]:
    """The peers, also in two processes where they can (unless `single`). Who cannot be had is `missing`."""
    stands = []
    for each in peers:
        for processes in (1,) if single or each.redis == "never" else (1, 2):
            try:
                stands.append(stack.enter_context(peer(each, processes)))
            except NotInstalled as error:
                findings.missing[each.name] = f"not installed: {error}"
            except ServiceError as error:
                findings.missing[each.name] = f"does not start: {str(error)[-300:]}"
    return stands


def _add(findings: Findings, more: Findings) -> None:
    findings.fan_out += more.fan_out
    findings.operations += more.operations
    findings.flat += more.flat
    findings.memory += more.memory
    findings.missing |= more.missing


def _raise_limits() -> None:
    """Each connection is a file descriptor here and in the servers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
