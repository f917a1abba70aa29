"""A worker process as `server.py worker` is, but one that makes its files when a test says so.

JOBS_GATE names a folder: `began-PID` appears in it when a file is about to be made, and the work waits until
`open` is there; `left-PID` appears when the worker is done with a job, whatever became of it. The file's name
tells who made it. Started by `tests.integration.test_jobs`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

import server
from domain.jobs import File, Job, Material
from domain.photos import Thumbnails
from realtime.jobs.render import render
from realtime.jobs.thumbnails import make_thumbnails
from realtime.jobs.worker import Worker
from wiring import jobs

GATE = Path(os.environ["JOBS_GATE"])
ME = os.getpid()


def _wait() -> None:
    (GATE / f"began-{ME}").touch()
    while not (GATE / "open").exists():
        time.sleep(0.02)


def gated(job: Job, material: Material) -> File:
    _wait()
    return msgspec.structs.replace(render(job, material), name=f"{ME}.json")


def gated_shrink(original: bytes) -> Thumbnails:
    _wait()
    return make_thumbnails(original)


class GatedWorker(Worker):
    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more, shrink=gated_shrink)

    async def work(self, job_id: str) -> None:
        await super().work(job_id)
        (GATE / f"left-{ME}").touch()


if __name__ == "__main__":
    jobs.render = gated
    jobs.Worker = GatedWorker  # type: ignore[misc]
    sys.exit(server.main(["worker"]))
