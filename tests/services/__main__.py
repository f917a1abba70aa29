"""`python -m tests.services`: make sure that every outside program the tests need is there.

Owns nothing; prints one line per program. Called by `tests/run.py` before the tests.
"""

import sys

from tests.services.find import MissingProgram, ensure


def main() -> int:
    """Install what is missing; return the exit status."""
    try:
        found = ensure()
    except MissingProgram as error:
        print(error, file=sys.stderr)
        return 1
    for name, path in found.items():
        print(f"{name}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
