"""`python -m tests.chaos`, or `make chaos SEED= RUNS=`: many runs of the stress suite, or one of them again.

Owns the command line. Ends with 1, after the report of each, when a run broke a promise.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.defects import DEFECTS
from tests.chaos.schedule import make_schedule
from tests.chaos.story import Outcome, Story
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis

LIMIT = 180.0
"""Seconds on top of those of the schedule that a run may take at most."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Seeded stress runs.")
    parser.add_argument("--seed", type=int, help="the first seed; the following runs count up (default: any)")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0, help="of faults in each run")
    parser.add_argument(
        "--break", dest="defect", default="", choices=["", *DEFECTS], help="a defect built in"
    )
    parser.add_argument("--stop", action="store_true", help="after the first run that broke a promise")
    parser.add_argument("--verbose", action="store_true", help="print the timeline of good runs, too")
    parser.add_argument("--show", action="store_true", help="print the schedule and do nothing")
    return parser.parse_args(arguments)


async def run_one(seed: int, seconds: float, defect: str = "") -> Outcome:
    """One run on servers of its own."""
    mariadb, redis = MariaDB(), Redis()
    try:
        return await Story(seed, seconds, defect).run(mariadb, redis, seconds + LIMIT)
    finally:
        await asyncio.gather(asyncio.to_thread(mariadb.remove), asyncio.to_thread(redis.remove))


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit status."""
    options = parse(arguments)
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    failed: list[int] = []
    for seed in range(first, first + options.runs):
        if options.show:
            print(make_schedule(seed, options.seconds))
            continue
        began = time.monotonic()
        outcome = asyncio.run(run_one(seed, options.seconds, options.defect))
        took = f"{time.monotonic() - began:.0f} s"
        print(f"seed {seed}: {'BROKEN' if outcome.broken else 'ok'} in {took}, {outcome.figures}", flush=True)
        if options.verbose and not outcome.broken:
            print(outcome.report())
        if outcome.broken:
            failed.append(seed)
            folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
            (folder / "report.txt").write_text(outcome.report(), "utf-8")
            for name, text in outcome.logs.items():
                (folder / f"{name.replace(' ', '-')}.log").write_text(text, "utf-8")
            print(outcome.report(), f"logs: {folder}", sep="\n", flush=True)
            if options.stop:
                break
    print(
        f"{options.runs - len(failed)} of {options.runs} runs kept every promise; broken: {failed or 'none'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
