"""The benchmark: `make bench`.

Owns every figure of docs/BENCHMARKS.md. Measures the whole application beside peers (`loadtests.peers`) in
one run, with one generator (`bench.traffic`), and judges ratios against aims (`bench.aims`). Everything binds
127.0.0.1 and is bounded in count and time. A benchmark is not a test: a missed aim is reported, not raised.
"""
