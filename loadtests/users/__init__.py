"""The people of a load run, one kind a file; see each. They run under gevent, inside one locust process.

Own how a person behaves: in which order, at which pace. Never count loss or judge latency: they tell
`loadtests.ledger` and `loadtests.stage` what they sent and saw.
"""
