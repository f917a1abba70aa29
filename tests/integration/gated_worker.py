"""A worker process as `server.py worker` is, but one that makes its files when a test says so.

JOBS_GATE names a folder: `began-PID` appears in it when a file is about to be made, and the work waits until
`open` is there; `left-PID` appears when the worker is done with a job, whatever became of it. The file's name
tells who made it. Such a worker also notices sooner than others that Redis is away, or back. Started by
`tests.integration.test_jobs`.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

import server
from domain.jobs import File, Job, Material
from domain.photos import Thumbnails
from realtime.jobs import doorbell_celery, listening
from realtime.jobs.beats_redis import RedisBeats
from realtime.jobs.render import render
from realtime.jobs.thumbnails import make_thumbnails
from realtime.jobs.worker import Worker
from wiring import jobs, worker

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
    # Five ticks without a sign are silence, as in the real one.
    doorbell_celery.TICK_SECONDS, listening.SILENT_SECONDS = 0.6, 3.0
    worker.RedisBeats = partial(RedisBeats, beat=1.0)  # type: ignore[misc, assignment]
    sys.exit(server.main(["worker"]))
