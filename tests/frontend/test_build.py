"""The web app's packages are installed when they are not what the lockfile says, and only then."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WANTED = {"dependencies": {"react": "19.0.0"}, "devDependencies": {"vite": "8.0.0"}}
PACKAGES = {
    "node_modules/react": {"version": "19.0.0", "integrity": "sha512-a"},
    "node_modules/vite": {"version": "8.0.0", "integrity": "sha512-b", "dev": True},
    "node_modules/vite/node_modules/ws": {"version": "8.0.0", "integrity": "sha512-c", "dev": True},
}
ELSEWHERE = {"node_modules/fsevents": {"version": "2.0.0", "optional": True}}


class Frontend:
    """A folder like frontend/, where `npm` copies the lockfile as npm does."""

    def __init__(self, folder: Path, build: Any) -> None:
        self.folder, self.build = folder, build
        self.calls: list[str] = []
        self.fails = False
        self.lock(PACKAGES)

    def write(self, name: str, content: Any) -> None:
        """One JSON file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    def lock(self, packages: dict[str, Any], wanted: dict[str, Any] = WANTED) -> None:
        """What package.json and the lockfile say."""
        self.write("package.json", {"name": "app", **wanted})
        everything = {"": {"name": "app", **wanted}, **packages, **ELSEWHERE}
        self.write("package-lock.json", {"packages": everything})

    def npm(self, command: list[str], _: dict[str, str] | None = None) -> None:
        """`npm ci`: empties the folder, fills it, and says last what is there."""
        self.calls.append(" ".join(command))
        modules = self.folder / "node_modules"
        modules.mkdir(exist_ok=True)
        for each in modules.iterdir():
            if self.fails:  # with empty folders and the note of the installation before
                raise self.build.BuildError("npm was cut short")
            if each.name != ".package-lock.json":
                shutil.rmtree(each)
        packages = json.loads((self.folder / "package-lock.json").read_text("utf-8"))["packages"]
        here = {name: each for name, each in packages.items() if name and not each.get("optional")}
        for name in here:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.write("node_modules/.package-lock.json", {"packages": here})

    def install(self) -> int:
        """How often npm is asked to install when somebody builds."""
        before = len(self.calls)
        self.build.install_packages({})
        return len(self.calls) - before


@pytest.fixture
def frontend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Frontend:
    spec = importlib.util.spec_from_file_location("build", ROOT / "frontend" / "build.py")
    assert spec is not None and spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    made = Frontend(tmp_path, build)
    monkeypatch.setattr(build, "FRONTEND", tmp_path)
    monkeypatch.setattr(build, "INSTALLED", tmp_path / "node_modules" / ".package-lock.json")
    monkeypatch.setattr(build, "step", made.npm)
    return made


def test_a_fresh_clone_installs_once(frontend: Frontend) -> None:
    assert frontend.install() == 1
    assert frontend.calls == ["npm ci"]
    assert frontend.install() == 0


def test_a_checkout_that_makes_files_new_installs_nothing(frontend: Frontend) -> None:
    frontend.install()
    later = (frontend.folder / "node_modules" / ".package-lock.json").stat().st_mtime + 60
    for name in ("package.json", "package-lock.json"):
        os.utime(frontend.folder / name, (later, later))
    assert frontend.install() == 0


def _newer(frontend: Frontend) -> None:
    frontend.lock({**PACKAGES, "node_modules/react": {"version": "19.0.0", "integrity": "sha512-other"}})


def _more(frontend: Frontend) -> None:
    frontend.lock({**PACKAGES, "node_modules/idb": {"version": "8.0.0"}})


def _less(frontend: Frontend) -> None:
    frontend.lock({name: each for name, each in PACKAGES.items() if not name.endswith("/ws")})


def _wanted(frontend: Frontend) -> None:
    frontend.write("package.json", {"name": "app", "dependencies": {"react": "19.0.1"}})


def _removed(frontend: Frontend) -> None:
    shutil.rmtree(frontend.folder / "node_modules")


def _partly_removed(frontend: Frontend) -> None:
    shutil.rmtree(frontend.folder / "node_modules" / "vite" / "node_modules")


@pytest.mark.parametrize("change", [_newer, _more, _less, _wanted, _removed, _partly_removed])
def test_what_changed_is_installed_even_when_the_files_are_old(
    frontend: Frontend, change: Callable[[Frontend], None]
) -> None:
    frontend.install()
    change(frontend)
    for name in ("package.json", "package-lock.json"):
        os.utime(frontend.folder / name, (1, 1))
    assert frontend.install() == 1


def test_an_installation_that_was_cut_short_is_done_again(frontend: Frontend) -> None:
    frontend.install()
    _newer(frontend)
    frontend.fails = True
    with pytest.raises(frontend.build.BuildError):
        frontend.install()
    # Back to what was there before: the note of that time must not count.
    frontend.lock(PACKAGES)
    frontend.fails = False
    assert frontend.install() == 1
    assert frontend.install() == 0
