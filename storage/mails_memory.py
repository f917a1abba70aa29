"""`Mails` in memory: the same answers as SQL, for tests and benchmarks.

Keeps what it writes beside the jobs, with which it goes. Made by the in-memory unit of work.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.addresses import EmailChange
from domain.mail import Mail, ResetLink
from storage.drafts import Draft
from storage.jobs_memory import JobsState


class MemoryMails:
    """One unit of work's view of mails."""

    def __init__(self, draft: Draft[JobsState]) -> None:
        self._draft = draft

    def add(self, mail: Mail) -> None:
        self._draft.write().mails[mail.job_id] = mail

    def mail(self, job_id: str) -> Mail | None:
        return self._draft.seen.mails.get(job_id)

    def hold(self, job_id: str, not_before: str) -> None:
        mails = self._draft.write().mails
        if job_id in mails:
            mails[job_id] = msgspec.structs.replace(mails[job_id], not_before=not_before)

    def remove(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            self._draft.write().mails.pop(job_id, None)

    def add_reset(self, link: ResetLink) -> None:
        self._draft.write().reset_links[link.token_hash] = link

    def reset(self, token_hash: str) -> ResetLink | None:
        return self._draft.seen.reset_links.get(token_hash)

    def resets_of(self, user_id: str) -> list[ResetLink]:
        mine = [link for link in self._draft.seen.reset_links.values() if link.user_id == user_id]
        mine.sort(key=lambda link: link.token_hash)
        return sorted(mine, key=lambda link: link.asked_at, reverse=True)

    def use_resets(self, user_id: str) -> bool:
        links = self._draft.write().reset_links
        unused = [link for link in links.values() if link.user_id == user_id and not link.used]
        for link in unused:
            links[link.token_hash] = msgspec.structs.replace(link, used=True)
        return bool(unused)

    def set_email_change(self, change: EmailChange) -> None:
        self._draft.write().email_changes[change.user_id] = change

    def email_change(self, user_id: str) -> EmailChange | None:
        return self._draft.seen.email_changes.get(user_id)

    def end_email_change(self, user_id: str, job_id: str | None = None) -> bool:
        change = self.email_change(user_id)
        if change is None or job_id not in (None, change.job_id):
            return False
        del self._draft.write().email_changes[user_id]
        return True

    def add_email_link(self, token_hash: str, job_id: str) -> None:
        self._draft.write().email_links[token_hash] = job_id

    def email_change_of(self, token_hash: str) -> EmailChange | None:
        job_id = self._draft.seen.email_links.get(token_hash)
        return next((each for each in self._draft.seen.email_changes.values() if each.job_id == job_id), None)
