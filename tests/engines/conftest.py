"""Tests of further engines: collected by `make test-engines` alone, which names the engines."""

import os

collect_ignore_glob = [] if "galera" in os.environ.get("TEST_ENGINES", "") else ["test_*.py"]
