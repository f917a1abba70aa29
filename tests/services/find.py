"""Where the outside programs of the tests are, and how they get onto the machine.

Owns the list of programs with their Debian packages. Never starts a server. Called by the service classes of
this package and by `python -m tests.services`.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

# Servers live in sbin, which is not on the PATH of an ordinary user.
EXTRA_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/homebrew/bin", "/usr/local/bin")
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
LIBRARY_FOLDERS = ("/usr/lib/galera", "/usr/lib64/galera-4")
APT_PATIENCE = 300.0


class MissingProgram(RuntimeError):
    """Something the tests need is missing and can't be installed from here; the message says what to do."""


@dataclass(frozen=True)
class Program:
    """One thing to find: under any of these names, or as a font or library, from this Debian package."""

    name: str
    package: str
    commands: tuple[str, ...] = ()
    font_file: str = ""
    library: str = ""

    def find(self) -> str | None:
        """The path of the program, font or library, or None."""
        if self.library:
            return find_file(self.library, LIBRARY_FOLDERS)
        return find_font(self.font_file) if self.font_file else find_command(self.commands)


PROGRAMS = {
    program.name: program
    for program in (
        Program("mariadbd", "mariadb-server", ("mariadbd",)),
        Program("mariadb-install-db", "mariadb-server", ("mariadb-install-db",)),
        Program("redis-server", "redis-server", ("redis-server",)),
        Program("nginx", "nginx-light", ("nginx",)),
        Program("openssl", "openssl", ("openssl",)),
        Program(
            "chromium", "chromium", ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        ),
        # A reader of event streams that is not ours.
        Program("curl", "curl", ("curl",)),
        Program("rsync", "rsync", ("rsync",)),
        Program("libgalera", "galera-4", library="libgalera_smm.so"),
        # Without them Chinese text and flags are empty boxes in the screenshots.
        Program("chinese-font", "fonts-noto-cjk", font_file="NotoSansCJK*"),
        Program("emoji-font", "fonts-noto-color-emoji", font_file="NotoColorEmoji*"),
    )
}


def find_command(names: Iterable[str]) -> str | None:
    """The first of these commands on PATH or in the usual server folders."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *EXTRA_FOLDERS))
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def find_font(pattern: str) -> str | None:
    """The first font file with such a name."""
    return find_file(pattern, FONT_FOLDERS)


def find_file(pattern: str, folders: Iterable[str]) -> str | None:
    """The first file with such a name below one of these folders."""
    for folder in folders:
        found = next(Path(folder).expanduser().rglob(pattern), None)
        if found is not None:
            return str(found)
    return None


def ensure(*names: str) -> dict[str, str]:
    """Paths of these programs (all without names), installed first where missing. Raises MissingProgram."""
    wanted = [PROGRAMS[name] for name in names or PROGRAMS]
    missing = [program for program in wanted if program.find() is None]
    if missing:
        if not can_install():
            raise MissingProgram(missing_message(missing))
        apt_install(sorted({program.package for program in missing}))
    found = {program.name: program.find() for program in wanted}
    if lost := [program for program in wanted if found[program.name] is None]:
        raise MissingProgram(missing_message(lost))
    return {name: path for name, path in found.items() if path is not None}


def require(name: str) -> str:
    """The path of one program, installed first where it is missing."""
    return ensure(name)[name]


def can_install() -> bool:
    """Whether this process may install Debian packages."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def missing_message(programs: Iterable[Program]) -> str:
    """One message that says what is missing and the command that mends it."""
    programs = list(programs)
    names = ", ".join(program.name for program in programs)
    packages = " ".join(sorted({program.package for program in programs}))
    return (
        f"The tests need {names}, which this machine does not have. On Debian or Ubuntu:\n"
        f"    sudo apt-get update && sudo apt-get install -y --no-install-recommends {packages}\n"
        "Elsewhere install the same programs and put them on PATH; as root on Debian the tests install them."
    )


def apt_install(packages: list[str]) -> None:
    """Install Debian packages, waiting while somebody else holds the lock. Raises MissingProgram."""
    print(f"Installing {' '.join(packages)} (about half a minute) ...", file=sys.stderr, flush=True)
    apt(["update", "-q"])
    apt(["install", "-y", "-q", "--no-install-recommends", *packages])


def apt(
    arguments: list[str],
    run: Callable[..., "subprocess.CompletedProcess[str]"] = subprocess.run,
    pause: float = 3.0,
) -> None:
    """Run one apt-get command; only a held lock is a reason to try again."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    deadline = time.monotonic() + APT_PATIENCE
    while True:
        done = run(["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        held = "Could not get lock" in done.stderr or "Unable to lock" in done.stderr
        if not held or time.monotonic() > deadline:
            raise MissingProgram(f"apt-get {' '.join(arguments)} failed:\n{done.stderr.strip()[-2000:]}")
        time.sleep(pause)
