"""The runner: what cannot be run is refused with a reason, and the runner stays free of gevent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from loadtests.run import main
from tests.services.server import ROOT


def test_an_unknown_profile_is_refused_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seeed"]) == 2
    assert "there is no profile 'seeed'" in capsys.readouterr().err


def test_neither_the_runner_nor_what_tests_import_patches_the_standard_library() -> None:
    code = "import loadtests.run, sys; sys.exit('gevent' in sys.modules or 'locust' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
