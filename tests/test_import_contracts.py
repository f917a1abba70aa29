"""Every implementation is protected in `.importlinter`: only the composition root imports it."""

import configparser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_implementation_is_listed() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    listed = set(contracts["importlinter:contract:implementations"]["protected_modules"].split())
    there = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("realtime", "storage")
        for pattern in ("*_memory.py", "*_redis*.py", "openai_client.py")
        for path in (ROOT / package).rglob(pattern)
    }
    assert there - listed == set(), "add these to protected_modules in .importlinter"
