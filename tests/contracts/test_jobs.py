"""The port of jobs: one suite for memory, SQLite and MariaDB."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from domain.jobs import File, Job
from storage.faults import Contention, fault_of
from storage.tables_jobs import PIECE
from storage.unit import UnitFactory
from tests.storage.support import Store

AT = "2026-05-01T08:00:00.000Z"
SOON = "2026-05-01T08:00:30.000Z"
LATER = "2026-05-01T08:05:00.000Z"
FAR = "2026-05-04T08:00:00.000Z"


def a_job(job_id: str, **more: Any) -> Job:
    given: dict[str, Any] = {
        "user_id": "ann", "trip_id": "t1", "format": "page", "locale": "zh",
        "created_at": AT, "due_at": SOON, "expires_at": FAR,
    }  # fmt: skip
    return Job(job_id, **(given | more))


def a_file(body: bytes = b"made", **more: Any) -> File:
    return File(
        **({"name": "云南 🏔️.html", "media_type": "text/html", "body": body, "for_member": True} | more)
    )


def put(units: UnitFactory, *jobs: Job) -> None:
    with units(True) as unit:
        for job in jobs:
            unit.jobs.add(job)
        unit.commit()


def call(units: UnitFactory, name: str, *arguments: Any) -> Any:
    """One method of the port in a transaction of its own."""
    with units(True) as unit:
        answer = getattr(unit.jobs, name)(*arguments)
        unit.commit()
    return answer


def read(units: UnitFactory, job_id: str) -> Job | None:
    with units(False) as unit:
        return unit.jobs.job(job_id)


def changed(job: Job, **fields: Any) -> Job:
    return msgspec.structs.replace(job, **fields)


def test_jobs_come_back_as_they_were_added(store: Store) -> None:
    units = store.process()
    full = a_job(
        "j1", status="failed", attempts=3, token="k", finished_at=LATER, error="internal", name="大理 🏔️",
        media_type="text/html", size=7, for_member=True,
    )  # fmt: skip
    put(units, full, a_job("j2", created_at=SOON), a_job("j3", user_id="bob"))
    with store.process()(False) as unit:
        assert unit.jobs.job("j1") == full and unit.jobs.job("j2") == a_job("j2", created_at=SOON)
        assert [job.id for job in unit.jobs.of_user("ann", "export")] == ["j1", "j2"]
        for nobody in ("J1", "j1 ", "j9", "", "大理"):
            assert unit.jobs.job(nobody) is None
        assert unit.jobs.counts() == {"queued": 2, "running": 0, "done": 0, "failed": 1}


def test_one_attempt_holds_a_job(store: Store) -> None:
    units = store.process()
    put(units, a_job("j1"))
    taken = call(units, "claim", "j1", "first", AT, SOON)
    assert taken == a_job("j1", status="running", token="first", due_at=SOON, attempts=1)
    assert call(units, "claim", "j1", "second", SOON, LATER) is None, "the lease holds until its end"
    assert call(units, "renew", "j1", "first", LATER) and not call(units, "renew", "j1", "second", FAR)
    assert call(units, "claim", "j1", "second", LATER, FAR) is None
    after = "2026-05-01T08:05:00.001Z"
    again = call(units, "claim", "j1", "second", after, FAR)
    assert again == a_job("j1", status="running", token="second", due_at=FAR, attempts=2)
    assert not call(units, "renew", "j1", "first", FAR), "the first attempt has lost it"
    assert call(units, "claim", "j9", "third", after, FAR) is None


def test_only_who_holds_the_lease_ends_a_job_and_only_once(store: Store) -> None:
    units = store.process()
    put(units, a_job("j1"))
    call(units, "claim", "j1", "dead", AT, SOON)
    call(units, "claim", "j1", "alive", LATER, FAR)
    assert not call(units, "finish", "j1", "dead", a_file(b"too late"), LATER, FAR)
    assert not call(units, "fail", "j1", "dead", "internal", LATER, FAR)
    assert not call(units, "release", "j1", "dead", LATER)
    assert call(units, "finish", "j1", "alive", a_file(), LATER, FAR)
    for name, arguments in (
        ("finish", (a_file(b"twice"), LATER, FAR)), ("fail", ("internal", LATER, FAR)), ("release", (LATER,)),
        ("renew", (FAR,)),
    ):  # fmt: skip
        assert not call(units, name, "j1", "alive", *arguments), name
    assert read(units, "j1") == a_job(
        "j1", status="done", attempts=2, due_at=FAR, finished_at=LATER, name="云南 🏔️.html",
        media_type="text/html", size=4, for_member=True,
    )  # fmt: skip
    with store.process()(False) as unit:
        assert unit.jobs.file("j1") == b"made" and unit.jobs.file("j9") is None


def test_a_large_file_comes_back_byte_for_byte(store: Store) -> None:
    units = store.process()
    body = bytes(range(256)) * (PIECE * 3 // 256) + "云南 🏔️ 'quote\" \\ % \0".encode()
    put(units, a_job("j1"), a_job("j2"))
    call(units, "claim", "j1", "k", AT, SOON)
    assert call(units, "finish", "j1", "k", a_file(body), LATER, FAR)
    call(units, "claim", "j2", "k", AT, SOON)
    assert call(units, "finish", "j2", "k", a_file(b""), LATER, FAR)
    with units(False) as unit:
        assert unit.jobs.file("j1") == body and unit.jobs.file("j2") == b""


def test_nothing_is_kept_of_an_end_that_is_not_committed(store: Store) -> None:
    units = store.process()
    put(units, a_job("j1"))
    call(units, "claim", "j1", "k", AT, SOON)
    with units(True) as unit:
        assert unit.jobs.finish("j1", "k", a_file(), LATER, FAR)
    with units(True) as unit:
        assert unit.jobs.file("j1") is None
        assert unit.jobs.finish("j1", "k", a_file(), LATER, FAR)
        unit.commit()


def test_failed_and_released_jobs(store: Store) -> None:
    units = store.process()
    put(units, a_job("j1"), a_job("j2"))
    for job_id in ("j1", "j2"):
        call(units, "claim", job_id, "k", AT, SOON)
    assert call(units, "fail", "j1", "k", "too_large", LATER, FAR)
    assert call(units, "release", "j2", "k", AT)
    failed = a_job("j1", status="failed", attempts=1, error="too_large", finished_at=LATER)
    assert read(units, "j1") == failed
    assert read(units, "j2") == a_job("j2", attempts=1, due_at=AT)
    assert call(units, "claim", "j1", "k2", FAR, FAR) is None
    assert call(units, "claim", "j2", "k2", AT, SOON).attempts == 2


def test_what_is_due_and_who_may_call_it_out(store: Store) -> None:
    units = store.process()
    put(
        units,
        a_job("waits", due_at=SOON),
        a_job("lost", status="running", token="k", attempts=1, due_at=SOON),
        a_job("worked-on", status="running", token="k", attempts=1, due_at=FAR),
        a_job("done", status="done", due_at=AT),
        a_job("old", status="done", due_at=FAR, expires_at=SOON),
        a_job("new", due_at=LATER),
    )
    with units(False) as unit:
        due = unit.jobs.due(LATER, 10)
        assert [job.id for job in due] == ["lost", "waits", "old"]
        assert len(unit.jobs.due(LATER, 2)) == 2 and unit.jobs.due(SOON, 10) == []
    lost, waits, _ = due
    assert call(units, "requeue", lost, FAR) and call(units, "requeue", waits, FAR)
    assert not call(units, "requeue", lost, FAR) and not call(units, "abandon", waits, "lost", LATER, FAR)
    assert read(units, "lost") == a_job("lost", attempts=1, due_at=FAR)
    assert not call(units, "renew", "lost", "k", FAR), "whoever had it has it no more"
    (again,) = [read(units, "worked-on")]
    assert again is not None and call(units, "abandon", again, "worker_lost", LATER, FAR)
    found = read(units, "worked-on")
    assert found is not None and (found.status, found.error) == ("failed", "worker_lost")


def test_removed_jobs_take_their_files_along(store: Store) -> None:
    units = store.process()
    put(units, a_job("j1"), a_job("j2"))
    for job_id in ("j1", "j2"):
        call(units, "claim", job_id, "k", AT, SOON)
        call(units, "finish", job_id, "k", a_file(), LATER, FAR)
    call(units, "remove", ["j1", "j9"])
    call(units, "remove", [])
    assert read(units, "j1") is None
    with units(False) as unit:
        assert unit.jobs.file("j1") is None and unit.jobs.file("j2") == b"made"
    put(units, a_job("j1"))


def test_of_many_who_claim_at_once_one_gets_it(store: Store) -> None:
    processes = [store.process() for _ in range(4)]
    put(processes[0], *(a_job(f"j{n}") for n in range(10)))

    def claim(worker: int) -> list[str]:
        got: list[str] = []
        for n in range(10):
            while True:
                try:
                    if call(processes[worker], "claim", f"j{n}", f"w{worker}", AT, SOON) is not None:
                        got.append(f"j{n}")
                except Exception as error:
                    if not isinstance(error, Contention) and fault_of(error) is None:
                        raise
                    continue
                break
        return got

    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(claim, range(4)))
    assert sorted(job_id for each in got for job_id in each) == sorted(f"j{n}" for n in range(10))


def test_a_command_that_only_reads_cannot_write(store: Store) -> None:
    with store.process()(False) as unit, pytest.raises(RuntimeError):
        unit.jobs.add(a_job("j1"))
