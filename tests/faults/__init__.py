"""Bad networks for tests and for hands: a TCP proxy with faults, and one that understands Redis Pub/Sub.

Owns nothing of the product. Called by tests, by the stress suite in `tests/chaos`, by load tests, and from
the command line (`python -m tests.faults.proxy --help`).
"""
