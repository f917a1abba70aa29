"""What every HTTP handler shares: headers, errors, CSRF, JSON in and out, the signed-in person.

Owns the translation between HTTP and the domain at its plainest; holds no rule of a noun. Every
handler of this package derives from `BaseHandler` (pages, health) or `ApiHandler` (JSON).
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from structlog.contextvars import bind_contextvars
from tornado.web import HTTPError, RequestHandler

from domain.accounts import SESSION_DAYS, SignedIn
from domain.commands import Actor
from domain.errors import DomainError, Forbidden, Invalid, Unauthenticated
from handlers.body_limit import is_too_big, limit_of, refusal
from handlers.deps import Deps
from handlers.errors import DEFAULT_RETRY_AFTER, ErrorEnvelope, envelope_for, envelope_of, status_of
from handlers.proxies import is_secure, request_id, throttle_address
from handlers.sessions import COOKIE
from realtime.protocol import OpId

MAX_BODY = 256 * 1024
LOGGED = ("trip_id", "answer_id", "conversation_id", "export_id", "photo_id")
"""Segments of paths that stand in log lines; others may be secrets, such as an invite's token."""
T = TypeVar("T")
log = logging.getLogger("tongyou.http")

_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_WHERE = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_op_id = msgspec.json.Decoder(OpId)


class BaseHandler(RequestHandler):
    """Headers, errors and CSRF. GET never changes state."""

    deps: Deps
    request_id: str
    route = "unknown"
    """The path of its `Route`, or one word: what logs and metrics call this request."""

    def initialize(self, deps: Deps, route: str | None = None) -> None:
        self.deps = deps
        self.route = route or self.route
        self.request_id = request_id(self.request, deps.trusted_proxies)
        self.set_header("X-Request-ID", self.request_id)
        self.set_header("Content-Security-Policy", self._policy())

    # --- headers ----------------------------------------------------------------------------

    def set_default_headers(self) -> None:
        if not hasattr(self, "request_id"):
            self.request_id = secrets.token_hex(8)
        self.clear_header("Server")
        self.set_header("X-Request-ID", self.request_id)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "strict-origin-when-cross-origin")
        self.set_header("X-Frame-Options", "DENY")
        if hasattr(self, "deps"):  # Tornado calls this once before `initialize` has run
            self.set_header("Content-Security-Policy", self._policy())

    def _policy(self) -> str:
        # Older Safari does not count ws://host as 'self', so this host's sockets are named.
        host = self.request.headers.get("Host", "")
        sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
        # A tile server in the house may speak plain http, which only a plain page can show.
        images = "https:" if self.secure else "https: http:"
        return (
            "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
            f"img-src 'self' data: blob: {images}; font-src 'self' data:; worker-src 'self' blob:; "
            f"connect-src 'self'{sockets}; object-src 'none'; base-uri 'self'; form-action 'self'; "
            "frame-ancestors 'none'"
        )

    @property
    def secure(self) -> bool:
        """The browser speaks https."""
        return is_secure(self.request, self.deps.trusted_proxies)

    @property
    def address(self) -> str:
        """What throttles by address count by."""
        return throttle_address(self.request, self.deps.trusted_proxies)

    def set_cookie(self, name: str, value: str | bytes, *args: Any, **kwargs: Any) -> None:
        """Every cookie is SameSite=Lax, and Secure where the browser speaks https."""
        kwargs.setdefault("secure", self.secure)
        kwargs.setdefault("samesite", "Lax")
        super().set_cookie(name, value, *args, **kwargs)

    # --- requests ---------------------------------------------------------------------------

    def prepare(self) -> Awaitable[None] | None:
        """Runs before any verb, in the context of this request alone: its ids go into each log line."""
        ids = {name: value for name, value in self.path_kwargs.items() if name in LOGGED}
        bind_contextvars(request_id=self.request_id, **ids)
        self._check_size()
        return None

    def _check_size(self) -> None:
        if is_too_big(self.request):
            raise refusal(limit_of(self.request.method or "", self.request.path))

    def check_xsrf_cookie(self) -> None:
        """Runs before any unsafe method: no foreign site, and the token in the header."""
        if self.request.method not in self._verbs():
            return  # 405 comes next
        self._check_size()
        if self.request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise Forbidden("requests from another site are refused", code="cross_site")
        try:
            super().check_xsrf_cookie()
        except HTTPError:
            message = "the X-XSRFToken header must repeat the _xsrf cookie: GET /api/me sets it"
            raise Forbidden(message, code="csrf") from None

    # --- errors -----------------------------------------------------------------------------

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, DomainError):
            status_code = status_of(error)
            self.set_status(status_code)
            if error.retryable and status_code in (429, 503):
                self.set_header("Retry-After", str(error.details.get("retry_after", DEFAULT_RETRY_AFTER)))
            self._finish_error(envelope_of(error))
        else:
            if status_code == 405:
                self.set_header("Allow", ", ".join(self._verbs()))
            reason = "something went wrong here" if status_code >= 500 else self._reason
            self._finish_error(envelope_for(status_code, reason))

    @classmethod
    def _verbs(cls) -> list[str]:
        """The methods that are answered here, which a 405 must name (RFC 9110 section 15.5.6)."""
        missing = RequestHandler._unimplemented_method
        return [verb for verb in cls.SUPPORTED_METHODS if getattr(cls, verb.lower()) is not missing]

    def _finish_error(self, envelope: ErrorEnvelope) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(msgspec.json.encode(envelope))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Refusals are answers, not faults: only real faults reach the log with a traceback."""
        if isinstance(value, DomainError):
            return
        if isinstance(value, HTTPError) and value.status_code < 500:
            return
        exc_info = None if typ is None or value is None else (typ, value, tb)
        log.error(
            "request %s failed: %s %s", self.request_id, self.request.method, self.route, exc_info=exc_info
        )


class ApiHandler(BaseHandler):
    """A JSON endpoint. `prepare` has resolved who is signed in before any verb runs."""

    signed_in: SignedIn | None = None

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    async def prepare(self) -> None:
        super().prepare()
        if len(self.request.body) > MAX_BODY:
            raise refusal(MAX_BODY)
        verb, rates = self.request.method, self.deps.rates
        if rates is not None:  # before anything is looked up for whoever it is
            await rates.count_address(verb, self.address)
        self.signed_in = await self.deps.sessions.resolve(self.get_cookie(COOKIE))
        if rates is not None and self.signed_in is not None:
            await rates.count_user(verb, self.signed_in.user.id)
        if self.signed_in is not None and self.signed_in.stale:
            await self.deps.sessions.refresh(self.signed_in)
            self.set_session_cookie(self.get_cookie(COOKIE) or "")
        if self.signed_in is not None:
            bind_contextvars(user_id=self.signed_in.user.id)

    # --- who --------------------------------------------------------------------------------

    @property
    def person(self) -> SignedIn:
        """Who is signed in. Raises `Unauthenticated`."""
        if self.signed_in is None:
            raise Unauthenticated("sign in first")
        return self.signed_in

    @property
    def actor(self) -> Actor:
        """Who is signed in, as commands name them. Raises `Unauthenticated`."""
        return self.person.actor

    @property
    def visitor(self) -> Actor:
        """Who asks, signed in or not."""
        return Actor(None) if self.signed_in is None else self.signed_in.actor

    def set_session_cookie(self, token: str) -> None:
        self.set_cookie(COOKIE, token, max_age=SESSION_DAYS * 86400, httponly=True)

    def clear_session_cookie(self) -> None:
        self.clear_cookie(COOKIE, httponly=True)

    async def end_sessions(self, auth_ids: list[str], user_id: str | None = None) -> None:
        """Make ended sessions felt: in this process's cache, and on open sockets everywhere."""
        self.deps.sessions.forget(auth_ids=auth_ids, user_id=user_id)
        if auth_ids or user_id is not None:
            await self.deps.revoke(auth_ids=auth_ids, user_id=user_id)

    # --- in and out -------------------------------------------------------------------------

    def read_body(self, kind: type[T]) -> T:
        """The JSON body as a struct. Raises `Invalid` naming the field; 415 for other types."""
        media = self.request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if media != "application/json":
            raise HTTPError(415, reason="send application/json")
        return decode_json(self.request.body, kind)

    def read_query(self, kind: type[T]) -> T:
        """The query's arguments as a struct; the last of repeated ones counts."""
        given = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise invalid(error) from None

    def read_op_id(self, fallback: str) -> str:
        """The Idempotency-Key header, or `fallback`."""
        key = self.request.headers.get("Idempotency-Key")
        try:
            op_id = fallback if key is None else _op_id.decode(msgspec.json.encode(key[:65]))
        except msgspec.ValidationError:
            message = "an Idempotency-Key has 8 to 64 letters, digits, '_', ':' or '-'"
            raise Invalid(message, field="Idempotency-Key") from None
        if op_id:
            bind_contextvars(op_id=op_id)
        return op_id

    def reply(self, answer: Any, status: int = 200) -> None:
        """Send a struct (or anything that msgspec encodes) as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(msgspec.json.encode(answer))


def decode_json(raw: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Raises `Invalid`, with the path of the offending field where there is one."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("the body is not JSON", field="") from None


def invalid(error: msgspec.ValidationError) -> Invalid:
    """What msgspec found wrong, with the path of the field."""
    text = str(error)
    where = _WHERE.search(text)
    message = text[: where.start()] if where else text
    missing = re.search(r"field `([^`]+)`", message)
    path = where.group(1) if where else ""
    if missing:
        path = f"{path}.{missing.group(1)}".strip(".")
    return Invalid(f"{path}: {message}" if path else message, field=path)
