"""What the rounds ask every few seconds, and each request for an export, uses an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from domain.accounts import User
from domain.addresses import EmailChange
from domain.jobs import File
from domain.membership import Invite
from storage.engine import make_engine
from storage.schema import upgrade
from storage.unit_of_work import SqlUnits
from tests.contracts.test_jobs import AT, FAR, LATER, SOON, a_job
from tests.contracts.test_mails import a_link, a_mail

MANY = 1_000
TABLES = "jobs, job_files, mails, reset_links, email_changes, email_links, users, invites, invite_links"


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.integration)])
def units(request: pytest.FixtureRequest) -> Iterator[SqlUnits]:
    name = "tmp_sqlite_url" if request.param == "sqlite" else "mariadb_url"
    url: str = request.getfixturevalue(name)
    upgrade(url)
    engine = make_engine(url, 2)
    yield SqlUnits(engine)
    engine.dispose()


def test_queries_of_jobs_use_their_indexes(units: SqlUnits) -> None:
    sqlite = units.engine.dialect.name == "sqlite"
    with units(True) as unit:
        for n in range(MANY):
            unit.jobs.add(a_job(f"d{n}", user_id=f"u{n}", status="done", expires_at=FAR))
            unit.mails.add(a_mail(f"d{n}"))
            unit.mails.add_reset(a_link(f"h{n}", f"d{n}", user_id=f"u{n}"))
            unit.accounts.add_user(User(f"u{n}", "Ann", AT))
            unit.mails.set_email_change(EmailChange(f"u{n}", f"d{n}", "ann@example.net", AT, FAR))
            unit.mails.add_email_link(f"e{n}", f"d{n}")
            unit.accounts.add_invite(Invite(f"i{n}", f"t{n}", f"s{n}", "viewer", "ann", "Ann", AT, 1))
            unit.accounts.add_invite_link(f"m{n}", f"i{n}")
        unit.jobs.add(a_job("waits"))
        unit.jobs.add(a_job("works", status="running", token="k", due_at=LATER))
        unit.commit()
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *more: Any) -> None:
        asked.append((statement, parameters))

    event.listen(units.engine, "before_cursor_execute", note)
    with units(True) as unit:
        jobs = unit.jobs
        assert [job.id for job in jobs.due(LATER, 100)] == ["waits"]
        jobs.counts(), jobs.job("d1"), jobs.of_user("u1", "export"), jobs.file("d1")
        assert jobs.claim("waits", "t", AT, SOON) and jobs.renew("waits", "t", LATER)
        jobs.finish("waits", "t", File("x", "text/plain", b"x", True), LATER, FAR)
        jobs.remove(["d1", "d2"])
        mails = unit.mails
        mails.mail("d3"), mails.hold("d3", LATER), mails.remove(["d3"])
        mails.reset("h4"), mails.resets_of("u4"), mails.use_resets("u4")
        assert mails.email_change("u6") is not None and mails.email_change_of("e7") is not None
        mails.set_email_change(EmailChange("u8", "d8", "bob@example.net", AT, FAR))
        assert mails.end_email_change("u9", "d9") and mails.end_email_change("u10")
        assert unit.accounts.invite_by_token("m5") is not None
    event.remove(units.engine, "before_cursor_execute", note)
    asked = [each for each in asked if each[0].split()[0] in ("SELECT", "UPDATE", "DELETE")]
    assert len(asked) >= 27
    with units.engine.begin() as connection:
        connection.execute(text("ANALYZE" if sqlite else f"ANALYZE TABLE {TABLES}"))
        for statement, parameters in asked:
            if sqlite:
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
                    assert "INDEX" in row[3] or not row[3].startswith("SCAN"), (statement, row[3])
            else:
                for found in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings():
                    # No table: the index has said already that there is no such row.
                    by_index = found["key"] is not None and found["type"] != "ALL"
                    assert by_index or found["table"] is None, (statement, dict(found))
