"""Who does the jobs. Used by processes and workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from domain.ports import Run
from realtime.clock import utc_now
from realtime.jobs.postman import Postman
from realtime.jobs.render import render
from realtime.jobs.worker import Worker
from settings import Settings
from wiring.mail import make_post


def make_worker(settings: Settings, run: Run, computing: ThreadPoolExecutor) -> Worker:
    """It renders in `computing`, and sends mail where there is a mail server."""
    post = make_post(settings)
    postman = None if post is None else Postman(run, post, utc_now)
    return Worker(run, render, computing, utc_now, postman=postman)
