"""Logs: one JSON object a line for machines, coloured text for a person at a terminal.

Owns how records of Python's `logging` are rendered, which ids stand in each line, and the line of
each request. The ids (`request_id`, `connection_id`, `trip_id`, `op_id`, `answer_id`, `user_id`) are
bound to the running context with `structlog.contextvars`, and follow it through tasks, lanes and
executor threads. Never sees a body, a query, a header or a path: a request is named by its route.
Called by `server.py` (`configure`) and `handlers.application` (`log_request`).
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TextIO
from urllib.parse import quote

import structlog
from structlog.contextvars import merge_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest
    from tornado.web import RequestHandler

FORMATS = ("auto", "json", "text")
QUIET = ("openai", "httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "sqlalchemy", "alembic", "PIL")
"""Libraries whose own debugging shows headers, prompts, rows, or what cameras write into photos: they speak
from WARNING on."""
ROUTINE = ("/health/live", "/health/ready", "/metrics", "file")
"""Routes of probes and files, which would drown the rest: their requests are logged at DEBUG."""
VERBS = frozenset(("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS"))
"""Of Tornado, which would take a while to import."""
MASK = "[secret]"
access = logging.getLogger("tongyou.access")


class Lines(logging.StreamHandler[TextIO]):
    """Writes the lines, with `secrets` masked wherever they appear; `counts` says how many of each
    level there were, for metrics."""

    def __init__(self, stream: TextIO, secrets: Sequence[str] = ()) -> None:
        super().__init__(stream)
        self.counts: Counter[str] = Counter({"warning": 0, "error": 0, "critical": 0})
        # Shorter ones are no secrets, and would tear holes into every line.
        spelled = {each for secret in secrets if len(secret) >= 6 for each in _spellings(secret)}
        self._secrets = sorted(spelled, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, MASK)
        return line

    def emit(self, record: logging.LogRecord) -> None:
        self.counts[record.levelname.lower()] += 1
        super().emit(record)


def _spellings(secret: str) -> Iterator[str]:
    """As it is, in a URL, in Python's quotes, and each of these inside of JSON's."""
    for each in (secret, quote(secret, safe=""), repr(secret)[1:-1]):
        yield from (each, json.dumps(each, ensure_ascii=False)[1:-1])


def configure(
    level: str,
    style: str = "auto",
    *,
    stream: TextIO | None = None,
    process: int | None = None,
    secrets: Sequence[str] = (),
) -> Lines:
    """Send every record of this process to `stream` (stderr), and uncaught exceptions, too.

    `style` is one of `FORMATS`; `auto` is text on a terminal and JSON elsewhere. `process` stands
    in each JSON line. `secrets`: the keys and passwords of the settings.
    """
    stream = stream or sys.stderr
    as_text = style == "text" or (style == "auto" and stream.isatty())
    lines = Lines(stream, secrets)
    lines.setFormatter(_text(stream.isatty()) if as_text else _json(process))
    root = logging.getLogger()
    for other in list(root.handlers):
        root.removeHandler(other)
    root.addHandler(lines)
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    return lines


def _common(stamp: Processor) -> list[Processor]:
    return [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        stamp,
    ]


def _json(process: int | None) -> logging.Formatter:
    def arrange(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
        first = {name: entry.pop(name, "") for name in ("time", "level", "logger", "event")}
        return first | ({} if process is None else {"process": process}) | dict(entry)

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_common(structlog.processors.TimeStamper("iso", utc=True, key="time")),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # Without local variables: those may hold secrets, and what people wrote.
            structlog.processors.format_exc_info,
            arrange,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def _text(colours: bool) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_common(structlog.processors.TimeStamper("%H:%M:%S", utc=False, key="time")),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(
                colors=colours,
                exception_formatter=structlog.dev.plain_traceback,
                timestamp_key="time",
            ),
        ],
    )


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("tongyou").critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(said: threading.ExceptHookArgs) -> None:
    if said.exc_value is not None and not issubclass(said.exc_type, SystemExit):
        _uncaught(said.exc_type, said.exc_value, said.exc_traceback)


def verb_of(request: HTTPServerRequest) -> str:
    """The method, from a short list: whatever else somebody sends is `other`."""
    return request.method if request.method in VERBS else "other"


def log_request(handler: RequestHandler, route: str) -> None:
    """The line of a request that has been answered."""
    status = handler.get_status()
    level = logging.INFO
    if route in ROUTINE or status == 101:
        level = logging.DEBUG if status < 500 else logging.INFO
    elif status >= 500:
        # 503 asks somebody to come back: busy, draining, a part that is switched off.
        level = logging.WARNING if status == 503 else logging.ERROR
    access.log(
        level,
        "request",
        extra={
            "method": verb_of(handler.request),
            "route": route,
            "status": status,
            "ms": round(1000 * handler.request.request_time(), 1),
            # A connection that closes while it is answered ends outside of the request's context.
            "request_id": getattr(handler, "request_id", ""),
        },
    )
