"""Real servers for tests: found or installed, started privately, stopped by their own process id.

Owns everything a test needs to talk to a real MariaDB, Redis, Chromium or to the program itself. Never
touches a server that it did not start. Called by the fixtures of `tests/conftest.py`, by
`python -m tests.services` and by the load tests.
"""
