"""`python -m loadtests`: the benchmark."""

from loadtests.bench import main

main()
