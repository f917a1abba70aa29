"""Whoever starts supervisord gives it every value that `supervisord.conf` asks for: it has no defaults of its
own, and does not start without one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def wanted() -> set[str]:
    return set(re.findall(r"%\(ENV_(\w+)\)", (ROOT / "supervisord.conf").read_text("utf-8")))


def test_the_image_gives_all_of_them() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    (block,) = re.findall(r"(?m)^ENV ((?:.*\\\n)*.*)$", text)
    assert wanted() <= set(re.findall(r"(\w+)=", block))


def test_make_serve_gives_all_of_them() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    given = set(re.findall(r"(?m)^serve: export (\w+)", text)) | set(
        re.findall(r"export (TONGYOU_\w+)=", text)
    )
    assert wanted() <= given
