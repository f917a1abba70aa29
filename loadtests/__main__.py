"""`python -m loadtests`: the benchmark."""

from loadtests.bench.main import main

main()
