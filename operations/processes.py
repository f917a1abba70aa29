"""`tongyou rolling-restart`: the processes under supervisord, one after the other.

Owns the order: nothing is touched unless this version's settings and schema are right; a process is
stopped (it drains), started, and must say on its own operators' port that it is ready before the next one
is touched. Stops at the first that does not come up: the others go on serving. Talks to supervisord over
its Unix socket, and never sends a signal itself.
"""

from __future__ import annotations

import argparse
import http.client
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xmlrpc.client import Error as RpcError
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from operations import Failed, Installation
from storage.engine import make_engine
from storage.revisions import check

PROGRAM = "tongyou"
WORKERS = "tongyou-worker"
FIRST_WORKER = 100
"""Workers are the processes from this number on, also by their operators' ports."""
READY_SECONDS = 60.0
POLL_SECONDS = 0.1
LOG_BYTES = 2_000
LOG_LINES = 10
_LIVING = ("STARTING", "RUNNING")


def add(groups: Any) -> None:
    """Add the command to the parser."""
    made: argparse.ArgumentParser = groups.add_parser(
        "rolling-restart",
        help="restart the processes under supervisord one by one, each when the one before is ready",
        description="Restarts one process at a time and waits until it is ready. Stops at the first that "
        "does not come up. Needs METRICS_PORT, where each process says whether it is ready.",
    )
    made.add_argument("--socket", metavar="PATH", help="supervisord's socket (default: var/supervisor.sock)")
    made.add_argument("--wait", type=float, default=READY_SECONDS, metavar="SECONDS",
                      help="how long one may take to become ready (default: %(default)g)")  # fmt: skip
    made.set_defaults(act=rolling_restart)


def rolling_restart(installation: Installation, given: argparse.Namespace) -> None:
    """Restart all processes, one by one: workers, then servers. Raises `Failed` at the first that is not
    ready in time."""
    if not installation.metrics_port:
        raise Failed(
            "METRICS_PORT is not set, so no process can be asked whether it is ready; "
            "use `make rolling-restart`, or set it as `make serve` had it"
        )
    engine = make_engine(installation.database_url, 1)
    try:
        check(engine)
    finally:
        engine.dispose()
    path = Path(given.socket or installation.root / "var" / "supervisor.sock")
    with _supervisord(path) as supervisord:
        if not _names(supervisord, PROGRAM):
            raise Failed(f"supervisord has no program called {PROGRAM}")
        # Workers first: old ones need not know what new servers tell them, and a version that does not start
        # is found where no page hangs on it.
        names = _names(supervisord, WORKERS, PROGRAM)
        for done, name in enumerate(names):
            began = time.monotonic()
            try:
                _restart(supervisord, name)
                _wait_until_ready(supervisord, installation, name, given.wait)
            except Failed as error:
                rest = len(names) - done - 1
                raise Failed(f"{error}\nNot restarted: {rest} further process(es), which go on.") from None
            print(f"{name}: ready after {time.monotonic() - began:.1f} s", flush=True)


def supervised(root: Path) -> Counter[str]:
    """How many processes of each program the running `make serve` of this folder has, running or not; none
    where none runs."""
    path = root / "var" / "supervisor.sock"
    if not path.exists():
        return Counter()
    try:
        with _supervisord(path) as supervisord:
            return Counter(str(each["group"]) for each in supervisord.getAllProcessInfo())
    except Failed:
        return Counter()


@contextmanager
def _supervisord(path: Path) -> Iterator[Any]:
    transport = SupervisorTransport(serverurl=f"unix://{path}")
    try:
        with ServerProxy("http://supervisord", transport=transport) as proxy:
            yield proxy.supervisor
    except (OSError, http.client.HTTPException, RpcError) as error:
        raise Failed(f"supervisord at {path} does not answer: {error}") from error


def _names(supervisord: Any, *programs: str) -> list[str]:
    """Full names of these programs' processes; those that do not run come first, for they serve nobody."""
    found = [each for each in supervisord.getAllProcessInfo() if each["group"] in programs]
    found.sort(key=lambda each: (each["statename"] in _LIVING, programs.index(each["group"]), each["name"]))
    return [f"{each['group']}:{each['name']}" for each in found]


def _restart(supervisord: Any, name: str) -> None:
    try:
        if supervisord.getProcessInfo(name)["statename"] in (*_LIVING, "BACKOFF"):
            supervisord.stopProcess(name, True)
        supervisord.startProcess(name, False)
    except Fault as fault:
        raise Failed(f"{name}: supervisord says {fault.faultString}. {_log(supervisord, name)}") from None


def _wait_until_ready(supervisord: Any, installation: Installation, name: str, seconds: float) -> None:
    first = FIRST_WORKER if name.startswith(f"{WORKERS}:") else 0
    port = installation.metrics_port + first + int(name.rsplit("_", 1)[1])
    until = time.monotonic() + seconds
    said = "it does not answer"
    while time.monotonic() < until:
        state = supervisord.getProcessInfo(name)["statename"]
        if state not in _LIVING:
            raise Failed(f"{name} does not come up ({state}). {_log(supervisord, name)}")
        ready, said = _ask(installation.metrics_host, port)
        if ready:
            return
        time.sleep(POLL_SECONDS)
    raise Failed(
        f"{name} is not ready after {seconds:g} s; port {port} says: {said}. {_log(supervisord, name)}"
    )


def _ask(host: str, port: int) -> tuple[bool, str]:
    """Whether the process behind this port is ready, and what it says."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(here, port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        return answer.status == 200, answer.read(1_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return False, str(error)
    finally:
        connection.close()


def _log(supervisord: Any, name: str) -> str:
    """Where the log of a process is, and its end."""
    path = supervisord.getProcessInfo(name)["logfile"]
    try:
        end = supervisord.readProcessStdoutLog(name, -LOG_BYTES, 0)
    except Fault:
        end = ""
    lines = "\n    ".join(end.splitlines()[-LOG_LINES:])
    return f"Its log is {path}" + (f" and ends:\n    {lines}" if lines else ".")
