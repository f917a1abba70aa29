"""The browser of the end-to-end tests.

Owns where it is and how it is started quietly. Never downloads one. Called by the fixture `chromium_path` and
by the end-to-end tests, which pass both to Playwright's `chromium.launch`.
"""

import os

from tests.services.find import ensure

# No sandbox for root only, who can't have one; the rest keeps the browser from calling home.
LAUNCH_ARGUMENTS = [
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_executable() -> str:
    """The path of Chromium, with fonts for Chinese and emoji beside it; installed first where missing."""
    return ensure("chromium", "chinese-font", "emoji-font")["chromium"]
