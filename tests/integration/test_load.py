"""A load run against a server that loses and repeats broadcasts fails, and says what it missed.

The run against the real server is a stage of `make test` of its own (`loadtests.run smoke`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.services.server import ROOT

pytestmark = pytest.mark.timeout(180)

FAULTY = ROOT / "tests" / "integration" / "faulty_server.py"


def test_a_server_that_loses_and_repeats_broadcasts_is_found_out() -> None:
    command = [sys.executable, "-m", "loadtests.run", "smoke", "--script", str(FAULTY)]
    faults = {"LOAD_FAULT_DROP": "40", "LOAD_FAULT_REPEAT": "55"}
    done = subprocess.run(
        [*command, "--seconds", "10", "--settle", "5", "--name", "faulty"],
        env=os.environ | faults,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^MISSED lost: at most 0, found [1-9]", done.stdout, re.M), done.stdout
    assert re.search(r"^MISSED duplicates: at most 0, found [1-9]", done.stdout, re.M), done.stdout
    assert "never came" in done.stdout and "again (had" in done.stdout
