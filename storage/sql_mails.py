"""`Mails` over SQL, for SQLite, MySQL and MariaDB.

Owns every query of mails, and of links for new passwords and for addresses. Everything is written at once,
behind the `fence` of the unit of work. Made by `storage.unit_of_work`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from domain.addresses import EmailChange
from domain.mail import Mail, ResetLink
from storage.tables_mail import email_changes, email_links, mails, reset_links
from storage.trips_buffer import is_id

_MAIL = [mails.c[name] for name in Mail.__struct_fields__]
_LINK = [reset_links.c[name] for name in ResetLink.__struct_fields__]
_CHANGE = [email_changes.c[name] for name in EmailChange.__struct_fields__]


class SqlMails:
    """One transaction's view of mails."""

    def __init__(self, connection: Connection, fence: Callable[[], None]) -> None:
        self._connection = connection
        self._fence = fence

    def _write(self, statement: Any) -> int:
        self._fence()
        return self._connection.execute(statement).rowcount

    def add(self, mail: Mail) -> None:
        self._write(insert(mails).values(**msgspec.structs.asdict(mail)))

    def mail(self, job_id: str) -> Mail | None:
        if not is_id(job_id):
            return None
        row = self._connection.execute(select(*_MAIL).where(mails.c.job_id == job_id)).first()
        return None if row is None else Mail(*row)

    def hold(self, job_id: str, not_before: str) -> None:
        self._write(update(mails).where(mails.c.job_id == job_id).values(not_before=not_before))

    def remove(self, job_ids: Sequence[str]) -> None:
        if job_ids:
            self._write(delete(mails).where(mails.c.job_id.in_(job_ids)))

    def add_reset(self, link: ResetLink) -> None:
        self._write(insert(reset_links).values(**msgspec.structs.asdict(link)))

    def reset(self, token_hash: str) -> ResetLink | None:
        row = self._connection.execute(select(*_LINK).where(reset_links.c.token_hash == token_hash)).first()
        return None if row is None else ResetLink(*row)

    def resets_of(self, user_id: str) -> list[ResetLink]:
        query = (
            select(*_LINK)
            .where(reset_links.c.user_id == user_id)
            .order_by(reset_links.c.asked_at.desc(), reset_links.c.token_hash)
        )
        return [ResetLink(*row) for row in self._connection.execute(query)]

    def use_resets(self, user_id: str) -> bool:
        unused = (reset_links.c.user_id == user_id, reset_links.c.used.is_(False))
        return self._write(update(reset_links).where(*unused).values(used=True)) > 0

    def set_email_change(self, change: EmailChange) -> None:
        values = msgspec.structs.asdict(change)
        user_id = values.pop("user_id")
        known = update(email_changes).where(email_changes.c.user_id == user_id).values(**values)
        if not self._write(known):
            self._write(insert(email_changes).values(user_id=user_id, **values))

    def email_change(self, user_id: str) -> EmailChange | None:
        row = self._connection.execute(select(*_CHANGE).where(email_changes.c.user_id == user_id)).first()
        return None if row is None else EmailChange(*row)

    def end_email_change(self, user_id: str, job_id: str | None = None) -> bool:
        ended = delete(email_changes).where(email_changes.c.user_id == user_id)
        if job_id is not None:
            ended = ended.where(email_changes.c.job_id == job_id)
        return self._write(ended) > 0

    def add_email_link(self, token_hash: str, job_id: str) -> None:
        self._write(insert(email_links).values(token_hash=token_hash, job_id=job_id))

    def email_change_of(self, token_hash: str) -> EmailChange | None:
        query = (
            select(*_CHANGE)
            .join(email_links, email_links.c.job_id == email_changes.c.job_id)
            .where(email_links.c.token_hash == token_hash)
        )
        row = self._connection.execute(query).first()
        return None if row is None else EmailChange(*row)
