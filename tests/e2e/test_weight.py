"""The first view of a room weighs less than 250 KiB, compressed, without the map, which loads after."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from tests.services.server import ROOT

DIST = ROOT / "frontend" / "dist"
LIMIT = 250 * 1024


def static_imports(assets: Path, name: str, seen: set[str]) -> None:
    """This file and all that it cannot start without. Files that are asked for later are not among them."""
    if name in seen:
        return
    seen.add(name)
    if name.endswith(".js"):
        text = (assets / name).read_text()
        for other in re.findall(r'(?:from|import)"\./([^"]+\.js)"', text):
            static_imports(assets, other, seen)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_first_view_of_a_room_is_light(language: str) -> None:
    assets = DIST / "assets"
    page = (DIST / "index.html").read_text()
    seen: set[str] = set()
    for name in re.findall(r"assets/([^\"]+)", page):
        static_imports(assets, name, seen)
    for pattern in ("RoomPage-*.js", "RoomPage-*.css", f"{language}-*.js"):
        (found,) = assets.glob(pattern)
        static_imports(assets, found.name, seen)
    sizes = {name: len(gzip.compress((assets / name).read_bytes())) for name in seen}
    assert not [name for name in seen if name.startswith(("map", "MapPane"))]
    heaviest = sorted(sizes.items(), key=lambda each: -each[1])[:8]
    assert sum(sizes.values()) < LIMIT, f"{sum(sizes.values()) / 1024:.0f} KiB, above all {heaviest}"
