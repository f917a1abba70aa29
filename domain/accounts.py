"""Accounts: people, their signed-in sessions, and throttles.

Owns the entities, the commands of `domain.services.accounts`, the rules of names and addresses,
and the port `AccountRepositories` (which also keeps invitations, see `domain.membership`). Never
sees a password or a secret token: the handlers hash both before they build a command. Times are
UTC, ISO 8601 with milliseconds and `Z`, so that they compare as text.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import msgspec
from email_validator import EmailNotValidError, validate_email

from domain.commands import Actor
from domain.errors import Invalid
from domain.membership import Invite, TripSummary

if TYPE_CHECKING:
    from domain.sweeping import Step

SESSION_DAYS = 30
"""A session ends this long after it was last refreshed."""
REFRESH_AFTER_HOURS = 24
"""A used session is prolonged at most this often."""
MAX_NAME = 60
MAX_EMAIL_KEY = 320
"""Characters. One of an address may become eighteen of its key (NFKC)."""
Locale = Literal["zh", "en"]

_USERNAME = re.compile(r"[\w][\w.\-]{1,31}")


# --- entities -----------------------------------------------------------------------------


class User(msgspec.Struct, frozen=True):
    """A person. A guest has a name and nothing to sign in with.

    `username` and `email` are kept as typed; `username_key` and `email_key` (see `login_key`) are
    unique among all users. `email_confirmed_at`: when a link that was sent there was opened; None: nobody
    has shown that its mail reaches them.
    """

    id: str
    name: str
    created_at: str
    locale: Locale = "zh"
    is_guest: bool = False
    username: str | None = None
    username_key: str | None = None
    email: str | None = None
    email_key: str | None = None
    password_hash: str | None = None
    email_confirmed_at: str | None = None


class AuthSession(msgspec.Struct, frozen=True):
    """One signed-in browser. Only the SHA-256 of its secret is kept; `id` is not secret."""

    id: str
    user_id: str
    token_hash: str
    created_at: str
    expires_at: str
    last_seen: str
    user_agent: str = ""


class Limit(msgspec.Struct, frozen=True):
    """At most `count` in each fixed window of `seconds`; or, of requests, a bucket of `count` tokens that
    fills in `seconds`."""

    count: int
    seconds: int


class Limits(msgspec.Struct, frozen=True):
    """Every throttle of accounts, documented in docs/. Per address unless the name says account."""

    login_account: Limit = Limit(10, 15 * 60)
    login_address: Limit = Limit(30, 15 * 60)
    register_address: Limit = Limit(20, 60 * 60)
    guest_address: Limit = Limit(60, 60 * 60)
    demo_address: Limit = Limit(20, 60 * 60)
    trips_account: Limit = Limit(100, 60 * 60)
    # What the operator pays for: a guest costs nothing to make, so addresses are bounded, too.
    answers_account: Limit = Limit(60, 60 * 60)
    answers_address: Limit = Limit(300, 60 * 60)
    exports_account: Limit = Limit(60, 60 * 60)
    photos_account: Limit = Limit(300, 60 * 60)
    photos_address: Limit = Limit(600, 60 * 60)
    # Requests of any kind, over all processes; see `handlers.rates`.
    reads_user: Limit = Limit(1200, 60)
    reads_address: Limit = Limit(12_000, 60)
    writes_user: Limit = Limit(300, 60)
    writes_address: Limit = Limit(3_000, 60)
    # Mail: nobody's mailbox, and nobody's good name as a sender, is to suffer. An account is what was typed.
    reset_account: Limit = Limit(5, 60 * 60)
    reset_address: Limit = Limit(20, 60 * 60)
    # Links that are tried, for a new password or an address.
    reset_use_address: Limit = Limit(30, 15 * 60)
    email_account: Limit = Limit(10, 24 * 60 * 60)
    email_address: Limit = Limit(20, 60 * 60)
    email_recipient: Limit = Limit(5, 24 * 60 * 60)
    # Whatever anybody can have sent to a mailbox by naming it or its account: links for new passwords and for
    # addresses together, whoever asked. What is beyond is not sent, and nobody is told.
    link_mails_recipient: Limit = Limit(10, 24 * 60 * 60)
    # Else strangers could keep somebody from a new password all day. Only to addresses that an account has.
    more_resets_recipient: Limit = Limit(1, 60 * 60)
    # Who has an account with an address need not be who reads its mail.
    notice_mails_recipient: Limit = Limit(5, 24 * 60 * 60)
    invite_mails_account: Limit = Limit(60, 24 * 60 * 60)
    invite_mails_address: Limit = Limit(120, 24 * 60 * 60)
    invite_mails_trip: Limit = Limit(60, 24 * 60 * 60)
    invite_mails_recipient: Limit = Limit(5, 24 * 60 * 60)

    def times(self, factor: int) -> Limits:
        """All counts multiplied: for a school behind one address, or a load test."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return Limits(**{name: Limit(each.count * factor, each.seconds) for name, each in fields.items()})


# --- rules of names -----------------------------------------------------------------------


def new_id() -> str:
    """A fresh identifier: 80 random bits that survive case-insensitive comparison."""
    return secrets.token_hex(10)


def new_token() -> str:
    """A fresh 256-bit secret for a cookie or a link."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is stored of a secret. It has 256 random bits, so a plain fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def timestamp(moment: datetime) -> str:
    """UTC, ISO 8601 with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def later(at: str, **span: float) -> str:
    """`at` plus a `timedelta(**span)`."""
    return timestamp(datetime.fromisoformat(at) + timedelta(**span))


def login_key(text: str) -> str:
    """The form in which user names and e-mail addresses are compared."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def mailbox_key(address: str) -> str:
    """Whose mailbox it is, for what limits mails: `login_key` without the tag behind a `+`, for most servers
    deliver that to the same mailbox (RFC 5233 calls it the detail). Accounts are told apart by the whole."""
    user, at, host = login_key(address).rpartition("@")
    return f"{user.partition('+')[0] or user}{at}{host}"


def clean_name(text: str) -> str:
    """A display name: one line, no control characters, 1 to `MAX_NAME`. Raises `Invalid`."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > MAX_NAME or any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise Invalid(f"a name has 1 to {MAX_NAME} characters", field="name")
    return name


def clean_username(text: str) -> str:
    """Letters (of any script), digits, `_`, `.`, `-`; 2 to 32 characters. Raises `Invalid`."""
    name = unicodedata.normalize("NFKC", text).strip()
    if not _USERNAME.fullmatch(name):
        raise Invalid("a user name has 2 to 32 letters, digits, '_', '.' or '-'", field="username")
    return name


def clean_email(text: str) -> str:
    """A well-formed address; whether it receives mail is not asked. Raises `Invalid`.

    What a header would take for an encoded word (RFC 2047) is refused: decoded, it is another address.
    """
    try:
        address = validate_email(text.strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        address = "=?"
    if "=?" in address or len(login_key(address)) > MAX_EMAIL_KEY:
        raise Invalid("this is not an e-mail address", field="email")
    return address


# --- locked accounts ----------------------------------------------------------------------

LOCKED = "!"
"""Before the hash of a locked account's password: no password fits what follows."""


def is_locked(user: User) -> bool:
    """An operator has locked this account."""
    return user.password_hash is not None and user.password_hash.startswith(LOCKED)


def lock(user: User) -> User:
    """The same account, locked."""
    if user.password_hash is None or is_locked(user):
        return user
    return msgspec.structs.replace(user, password_hash=LOCKED + user.password_hash)


def unlock(user: User) -> User:
    """The same account, with its password as it was."""
    if user.password_hash is None or not is_locked(user):
        return user
    return msgspec.structs.replace(user, password_hash=user.password_hash.removeprefix(LOCKED))


# --- commands of accounts -----------------------------------------------------------------


class NewSession(msgspec.Struct, frozen=True):
    """A session to be made: ids and secrets are chosen by the caller, so a retry is the same."""

    id: str
    token_hash: str
    user_agent: str = ""


class SignedIn(msgspec.Struct, frozen=True):
    """Who a session belongs to. `stale`: it was not prolonged for a day; see `RefreshSession`."""

    auth_id: str
    user: User
    stale: bool = False

    @property
    def actor(self) -> Actor:
        return Actor(self.user.id, self.user.name, self.user.is_guest, self.auth_id)


class ResolveSession(msgspec.Struct, frozen=True):
    reads_only: ClassVar[bool] = True
    token_hash: str
    at: str


class RefreshSession(msgspec.Struct, frozen=True):
    """Prolong a session that is in use."""

    auth_id: str
    at: str


class ValidSessions(msgspec.Struct, frozen=True):
    reads_only: ClassVar[bool] = True
    auth_ids: list[str]
    at: str


class Register(msgspec.Struct, frozen=True):
    """Make an account, or turn the guest `guest_id` into one. One of user name and e-mail."""

    user_id: str
    session: NewSession
    name: str
    username: str | None
    email: str | None
    password_hash: str
    locale: Locale
    at: str
    guest_id: str | None = None


class StartLogin(msgspec.Struct, frozen=True):
    """Count one attempt and read what the password is checked against."""

    login: str
    address: str
    limits: Limits
    at: str


class Candidate(msgspec.Struct, frozen=True):
    """Whose password is to be checked; None when there is no such user (or it has none)."""

    user_id: str | None
    password_hash: str | None
    name: str = ""


class FinishLogin(msgspec.Struct, frozen=True):
    """The password fits `verified_hash`. `old_auth_id`: the session that the new one replaces."""

    user_id: str
    verified_hash: str
    login: str
    address: str
    session: NewSession
    limits: Limits
    at: str
    new_password_hash: str | None = None
    old_auth_id: str | None = None


class SessionChange(msgspec.Struct, frozen=True):
    """A user with a new session; `ended` are the sessions that it replaced."""

    user: User
    ended: list[str]


class CreateGuest(msgspec.Struct, frozen=True):
    user_id: str
    session: NewSession
    name: str
    locale: Locale
    at: str


class Logout(msgspec.Struct, frozen=True):
    auth_id: str


class LogoutAll(msgspec.Struct, frozen=True):
    user_id: str


class ForgiveGuesses(msgspec.Struct, frozen=True):
    user_id: str
    limits: Limits
    at: str


class StartPasswordChange(msgspec.Struct, frozen=True):
    user_id: str
    limits: Limits
    at: str


class FinishPasswordChange(msgspec.Struct, frozen=True):
    """`notice_id`: of the mail about it; None where no mail is sent."""

    user_id: str
    auth_id: str
    verified_hash: str
    password_hash: str
    limits: Limits
    at: str
    notice_id: str | None = None


class ChangeProfile(msgspec.Struct, frozen=True):
    user_id: str
    name: str | None = None
    locale: Locale | None = None


class Count(msgspec.Struct, frozen=True):
    """Count one event against a limit, alone; raises `Throttled`."""

    key: str
    limit: Limit
    at: str


class Draw(msgspec.Struct, frozen=True):
    """Take `count` tokens at once from the bucket `key` of `limit`; raises `Throttled`."""

    key: str
    limit: Limit
    count: int
    at: str


# --- ports --------------------------------------------------------------------------------


class AccountRepositories(Protocol):
    """Accounts inside one unit of work; `storage` implements it over SQL and in memory."""

    def add_user(self, user: User) -> None:
        """Raises `Conflict` (code `taken`) when a key is in use."""

    def update_user(self, user: User) -> None:
        """Replace the user of the same id. Raises `Conflict` (code `taken`)."""

    def user(self, user_id: str) -> User | None: ...

    def hold_user(self, user_id: str) -> User | None:
        """The same, and nobody else changes or holds this user until the end of the unit of work: before a
        password is set, or believed."""

    def user_by_login(self, key: str) -> User | None:
        """The user whose `username_key` or `email_key` is `key`."""

    def find_users(self, text: str, limit: int) -> list[User]:
        """Users whose id is `text`, or whose user name, address or name contains it; newest first."""

    def add_session(self, session: AuthSession) -> None: ...

    def sessions_of(self, user_id: str) -> list[AuthSession]:
        """All sessions of a user, expired or not, last used first."""

    def holder_of(self, token_hash: str) -> tuple[AuthSession, User] | None:
        """The session of a token, expired or not, and whose it is."""

    def touch_session(self, auth_id: str, last_seen: str, expires_at: str) -> None: ...

    def remove_sessions(self, auth_ids: Collection[str]) -> None: ...

    def remove_sessions_of(self, user_id: str, keep: str | None = None) -> list[str]:
        """End all sessions of a user but `keep`; returns the ids that ended."""

    def remove_sessions_before(self, at: str, guests: bool, limit: int) -> list[str]:
        """End at most `limit` sessions that were made by `at`, those of guests only if `guests`; returns the
        ids that ended."""

    def remove_expired_sessions(self, user_id: str, at: str) -> None: ...

    def sweep_sessions(self, at: str, after: str, limit: int) -> Step:
        """Remove those that have expired by `at`, among `limit` sessions with ids behind `after`."""

    def valid_sessions(self, auth_ids: Collection[str], at: str) -> set[str]:
        """Those of `auth_ids` that exist and have not expired."""

    def hit(self, key: str, window: int) -> int:
        """Count one more under `key` in the fixed window numbered `window`; returns the count.

        Counts of the key's earlier windows are forgotten. Where the next window was counted in already, by
        somebody whose clock is a little ahead, this is one more of it: else two who do not agree on the time
        would forget each other's counts at each turn. Safe against concurrent callers.
        """

    def forgive(self, key: str, window: int, count: int | None = None) -> None:
        """Take `count` back (None: all) of what was counted, never below zero."""

    def draw(self, key: str, now: int, cost: int, room: int) -> int:
        """Take from a bucket that is empty when it is `room` milliseconds ahead of `now`, and full when it
        is not ahead; `cost` is put on it. 0, or the milliseconds to wait: then nothing was taken. Safe
        against concurrent callers. (The generic cell rate algorithm: a bucket is one number.) One that is
        ahead by more than twice `room` was written by a clock that was wrong, and begins anew."""

    def sweep_throttles(self, idle: Sequence[tuple[int, int]], after: str, limit: int) -> Step:
        """Remove those whose window (or bucket) lies in one of the ranges, among `limit` behind `after`."""

    def add_invite(self, invite: Invite) -> None: ...

    def invite_by_token(self, token_hash: str) -> Invite | None:
        """The invitation of this link, be it the one that was shown or one that was mailed."""

    def add_invite_link(self, token_hash: str, invite_id: str) -> None:
        """A further link of an invitation."""

    def invites_of(self, trip_id: str) -> list[Invite]:
        """All invitations of a trip, newest first."""

    def revoke_invite(self, trip_id: str, invite_id: str) -> bool:
        """False when the trip has no such invitation."""

    def remove_invites(self, trip_id: str, invite_ids: Collection[str]) -> None: ...

    def sweep_invites(self, before: str, after: str, limit: int) -> Step:
        """Remove those that expired by `before`, or were made by then and are revoked, among `limit` with
        ids behind `after`."""

    def trips_of(self, user_id: str, deleted: bool) -> list[TripSummary]:
        """Trips whose live member the user is, last changed first, in a bounded number of
        queries that does not depend on how many trips there are."""
