"""One line an event: JSON for machines, colours at a terminal, and never personal data."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from services.infra import contacts
from services.infra.contacts import without_addresses

QUIET: Final = {
    "aiokafka": logging.WARNING,
    "asyncio": logging.WARNING,
    "faust": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "mode": logging.WARNING,
    "uvicorn": logging.WARNING,
    "uvicorn.access": logging.CRITICAL,  # metrics count the requests
}
"""Libraries say at info what only their authors need."""

REMOVED: Final = contacts.REMOVED.decode()

_SECRET_FIELDS: Final = re.compile(
    r"(?i)^(account|authorization|body|case|customer|dsn|email|hash_key|identit(y|ies)|key|order|password|person"
    r"|phone|record|subject|text|token|value)$"
)
"""Fields that would carry a person or a secret, whatever their value."""

_SCRUBS: Final = (
    # What asyncpg and Postgres append to a message: the offending row.
    (re.compile(r"(?im)^[ \t]*+(DETAIL|CONTEXT):.*$"), rf"\1: {REMOVED}"),
    (re.compile(r"((?<!\w)\w++://[^\s:/@]{0,256}+):[^\s@]{1,256}+@"), rf"\1:{REMOVED}@"),
    (
        re.compile(
            r"\b(customer|loyalty|email|phone|email_hash|phone_hash|anonymous|device|x-[\w-]{1,30}+)"
            r":(?!\s|/)[^\s'\",)\]}]+"
        ),
        rf"\1:{REMOVED}",
    ),
)
"""Patterns of persons and secrets inside longer words, such as a library's message or a traceback; each walks a run of
letters once or is bounded, so that a long word costs no more than its length."""

_STRING_MAX: Final = 8192
"""A traceback of 60 frames; a field beyond it is cut, so that one line stays one line."""

_WORD_MAX: Final = 512
"""What begins before the cut is scrubbed to its end."""


def _scrub(words: str) -> str:
    scrubbed = words[: _STRING_MAX + _WORD_MAX]
    for pattern, instead in _SCRUBS:
        scrubbed = pattern.sub(instead, scrubbed)
    if "@" in scrubbed:
        scrubbed = without_addresses(scrubbed.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    return scrubbed if len(words) <= _STRING_MAX else scrubbed[:_STRING_MAX] + "…"


def scrub(_logger: Any, _method: str, event_dict: EventDict) -> EventDict:  # noqa: ANN401 - structlog's signature
    """Take persons and secrets out of a line: the last processor before it is written."""
    for name, value in event_dict.items():
        if _SECRET_FIELDS.match(name):
            event_dict[name] = REMOVED
        elif isinstance(value, str):
            event_dict[name] = _scrub(value)
        elif not isinstance(value, bool | int | float | None):
            event_dict[name] = _scrub(repr(value))
    return event_dict


def _is_ours(record: logging.LogRecord) -> bool:
    """Drop what Faust's services tell of themselves under the names of our modules, unless it is a warning."""
    told = record.msg if isinstance(record.msg, str) else ""
    return record.levelno >= logging.WARNING or not told.startswith("[^")


def _flatten_record(
    _logger: Any,  # noqa: ANN401 - structlog's signature
    _method: str,
    event_dict: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Drop what structlog keeps for its own formatter."""
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(_logger, _method, event_dict)


def configure_logs(level: str, *, stream: TextIO | None = None) -> None:
    """Route structlog and standard logging to one stream (standard error) in one format."""
    target = stream if stream is not None else sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if target.isatty()
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(target)
    handler.addFilter(_is_ours)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_flatten_record, scrub, renderer])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in QUIET.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(least)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Give a logger; `configure_logs` may come later."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
