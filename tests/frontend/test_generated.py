"""The client's types are what the contract says: frontend/src/protocol.gen.ts does not drift."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, get_args

from domain.operations import Operation
from realtime import close_codes, protocol
from tests.frontend import decisions

ROOT = Path(__file__).resolve().parents[2]


def _generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "frontend" / "gen" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_on_disk_is_up_to_date() -> None:
    generator = _generator()
    assert generator.TARGET.read_text(encoding="utf-8") == generator.make(), (
        "run: python frontend/gen/generate.py"
    )


def test_check_fails_on_drift(tmp_path: Path) -> None:
    generator = _generator()
    generator.TARGET = tmp_path / "protocol.gen.ts"
    generator.ROOT = tmp_path
    assert generator.main(["--check"]) == 1
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    generator.TARGET.write_text("// older\n", encoding="utf-8")
    assert generator.main(["--check"]) == 1


def test_every_message_operation_and_close_code_is_named() -> None:
    text = _generator().make()
    for union, tag in (
        (protocol.ClientMessage, "t"),
        (protocol.ServerMessage, "t"),
        (Operation, "kind"),
    ):
        for cls in get_args(union):
            assert f"  {tag}: '{cls.__struct_config__.tag}'\n" in text
    for row in close_codes.TABLE.values():
        assert f"  {row.code}: {{ reason: '{row.reason}', resume: {str(row.resume).lower()} }},\n" in text


def test_the_decisions_that_predictions_are_measured_by_are_up_to_date() -> None:
    assert decisions.TARGET.read_text(encoding="utf-8") == decisions.make(), (
        "run: python -m tests.frontend.decisions"
    )
