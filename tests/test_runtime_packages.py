"""Whatever the application imports is a package that setup.py names, or comes with one."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Every module of ours, and the transport that Celery looks up by the URL of its broker.
IMPORT_ALL = """
from tests.bare import forget_other_packages
forget_other_packages()
import importlib, pkgutil
import server
for package in ("domain", "handlers", "operations", "realtime", "storage"):
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if "migrations.versions" not in found.name and not found.name.endswith("migrations.env"):
            importlib.import_module(found.name)
from kombu.transport import get_transport_cls
get_transport_cls("redis")
"""


def test_nothing_is_imported_that_only_the_tools_for_tests_brought() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
