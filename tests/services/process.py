"""One private server process: a free port, a folder of its own, a log file, and an end by its own process id.

Owns starting, waiting, signals and clearing away. Never ends a process that it did not start. The base of
`MariaDB`, `Redis` and `ServerProcess`.
"""

import atexit
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
# Below the range of outgoing connections (from 32768 on Linux), so that no client socket can take the port
# while its server is stopped for a moment.
PORT_RANGE = (15000, 32000)
# Not the shared generator: tests seed that one, and equal seeds would mean equal ports in two test runs.
_dice = random.SystemRandom()
_known: "weakref.WeakSet[Service]" = weakref.WeakSet()


def marks() -> dict[Path, int]:
    """How long the log of each server is by now, in bytes, by its path; for `logs_since`."""
    return {each.log_path: each.log_path.stat().st_size for each in _known if each.log_path.exists()}


def logs_since(marks: dict[Path, int], lines: int = 40) -> list[tuple[str, str]]:
    """A name for each server that has printed something since, and the last `lines` of it."""
    found = []
    for each in _known:
        text = each.log(marks.get(each.log_path, 0)).splitlines()
        if text:
            found.append((f"{each.name} on {each.port}", "\n".join(text[-lines:])))
    return sorted(found)


def free_port() -> int:
    """A TCP port on which nobody listens now, outside the range of outgoing connections."""
    for _ in range(200):
        port = _dice.randint(*PORT_RANGE)
        with socket.socket() as probe:
            # As servers do: a port whose old connections linger in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise RuntimeError(f"no free port between {PORT_RANGE[0]} and {PORT_RANGE[1]}")


def free_ports(count: int) -> int:
    """The first of `count` ports in a row on which nobody listens now."""
    for _ in range(200):
        first = free_port()
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + count):
                stack.enter_context(socket.create_server((HOST, port)))
            return first
    raise RuntimeError(f"no {count} free ports in a row")


class ServiceError(RuntimeError):
    """A server did not start or stop as told; the message ends with its log."""


class Service(ABC):
    """A server process that can be started, killed and started again on the same port."""

    name = "service"
    start_timeout = 30.0
    stop_timeout = 30.0

    def __init__(self, port: int | None = None) -> None:
        self._port_is_ours = port is None
        self.port = port if port is not None else free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"tongyou-{self.name}-"))
        self.log_path = self.folder / "log.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self._prepared = False
        _known.add(self)
        atexit.register(self.remove)

    # What each kind of server says about itself.

    @abstractmethod
    def command(self) -> list[str]:
        """The command line, with the port of now."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers. May raise OSError while it does not."""

    def prepare(self) -> None:
        """What is done once, before the first start."""

    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        return dict(os.environ)

    def working_folder(self) -> Path:
        """The current folder of the process."""
        return self.folder

    # Its life.

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        if self.process is None:
            raise ServiceError(f"{self.name} does not run")
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives (it may be stopped by a signal)."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> Self:
        """Start it and wait until it answers. Raises ServiceError, with the log, when it does not."""
        if self.running:
            return self
        if not self._prepared:
            self.prepare()
        for attempt in range(3):
            self._spawn()
            try:
                self._wait_until_ready()
            except ServiceError:
                self.kill()
                # Another test run may have taken the port between the look and the start. Once it has run,
                # clients know the port, so it stays.
                if self._prepared or not self._port_is_ours or attempt == 2:
                    raise
                self.port = free_port()
            else:
                self._prepared = True
                return self
        raise AssertionError("unreachable")

    def _spawn(self) -> None:
        with self.log_path.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal ends the tests, which then end the server.
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                cwd=self.working_folder(),
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.start_timeout
        while time.monotonic() < deadline:
            if not self.running:
                raise ServiceError(f"{self.name} ended while starting:\n{self.log_tail()}")
            with contextlib.suppress(OSError):
                if self.is_ready():
                    return
            time.sleep(0.02)
        raise ServiceError(f"{self.name} did not answer in {self.start_timeout:.0f} s:\n{self.log_tail()}")

    def stop(self) -> int | None:
        """Ask it to end (SIGTERM) and wait; return the exit status. It can be started again."""
        if not self.running:
            return self.process.returncode if self.process else None
        self.sigcont()
        self.terminate()
        try:
            return self.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServiceError(
                f"{self.name} did not end {self.stop_timeout:.0f} s after SIGTERM:\n{self.log_tail()}"
            ) from None

    def restart(self) -> Self:
        """Stop it properly and start it on the same port with the same data."""
        self.stop()
        return self.start()

    def terminate(self) -> None:
        """Send SIGTERM and return at once."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: a crash. Its data stays; `start()` brings it back."""
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(10)

    def sigstop(self) -> None:
        """Freeze it: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def sigcont(self) -> None:
        """Thaw it."""
        self._signal(signal.SIGCONT)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return the exit status."""
        if self.process is None:
            raise ServiceError(f"{self.name} does not run")
        return self.process.wait(timeout)

    def remove(self) -> None:
        """End it and delete its folder. For the last moment: `stop()` keeps the data."""
        atexit.unregister(self.remove)
        try:
            self.stop()
        finally:
            _known.discard(self)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, number)

    def log(self, start: int = 0) -> str:
        """Everything it printed so far, from this byte on."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as log:
            log.seek(start)
            return log.read().decode("utf-8", "replace")

    def log_tail(self, lines: int = 30) -> str:
        """The last lines it printed."""
        return "\n".join(self.log().splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
