"""Logs: one line of JSON each, with an allow-list of keys, so that no identifier can slip in.

Our own code logs fixed words and listed keys through structlog. Of other packages' records only
the template is kept ("Task %s failed"), never its arguments; a text that came without arguments
may have been filled in already, so only its place is kept. Of an exception we keep its type and
where it came from, never its text: a database error quotes values.
"""

import logging
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import structlog
from structlog.contextvars import get_contextvars

ALLOWED_KEYS = frozenset(
    {
        "at", "level", "logger", "event", "error", "where", "status_code", "route", "method",
        "task", "task_id", "process", "pid", "code", "seconds", "count", "state", "reason",
        "batch", "dispatch", "broadcast", "channel", "delivery", "newsletter", "request",
        "entry", "leaf",
        "request_id", "calls", "accepted", "doubts", "slowest", "leases", "expired", "finished",
        "given_up", "paused", "why", "probes", "table", "column", "epoch",
        "merged", "handled", "ok", "refused", "later",
        "import_id", "event_kind", "adapter", "attempt", "waiting", "sent", "version",
    }
)  # fmt: skip
# Loggers of our own code: it logs fixed words, so its texts are kept without arguments, too.
OURS = frozenset({"jawort", "config", "broadcasts", "subscriptions", "messengers", "privacy"})
FRAMES_SHOWN = 8
EventDict = MutableMapping[str, Any]


def logging_settings(level: str) -> dict[str, Any]:
    """Django's LOGGING: everything to standard error, as JSON."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "config.logs.JsonFormatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "mail.log": {"level": "WARNING"},
        },
    }


class JsonFormatter(logging.Formatter):
    """Writes any record, ours or another package's, with the allowed keys only."""

    def format(self, record: logging.LogRecord) -> str:
        line = _ours(record) if isinstance(record.msg, dict) else _foreign(record)
        line = {**get_contextvars(), **line}  # which request or task it was (request_ids.py)
        line["at"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line["level"] = record.levelname.lower()
        line["logger"] = record.name
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _where(record.exc_info[2])
        return str(structlog.processors.JSONRenderer(sort_keys=True)(None, "", allowed(line)))


def allowed(line: EventDict) -> EventDict:
    """Only the listed keys; a value may be a word, a number or a list of our own places."""
    return {key: value for key, value in line.items() if key in ALLOWED_KEYS}


def _ours(record: logging.LogRecord) -> EventDict:
    assert isinstance(record.msg, dict)
    return dict(record.msg)


def _foreign(record: logging.LogRecord) -> EventDict:
    line = _text(record)
    if isinstance(record.args, dict):  # Celery: %(name)s and %(id)s, beside arguments we leave out
        line["task"] = record.args.get("name")
        line["task_id"] = record.args.get("id")
    if hasattr(record, "status_code"):
        line["status_code"] = record.status_code
    request = getattr(record, "request", None)
    if match := getattr(request, "resolver_match", None):
        line["route"] = match.route
    return line


def _text(record: logging.LogRecord) -> EventDict:
    if record.args or record.name.partition(".")[0] in OURS:
        # Templates may run over many lines and repeat a message's body further down.
        return {"event": str(record.msg).partition("\n")[0]}
    return {"where": [f"{record.pathname}:{record.lineno} {record.funcName}"]}


def _where(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-FRAMES_SHOWN:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _hand_over(logger: Any, name: str, line: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    """structlog's last step: the whole line becomes the record's message, as a dict."""
    known = {"exc_info": line.pop("exc_info", None)}
    return (line,), known


def configure() -> None:
    """Make `structlog.get_logger(__name__)` speak through the handlers of `logging_settings`."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _hand_over],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


configure()
