"""Read CloudEvents 1.0 over HTTP in its binary mode: the event's attributes are headers, the body is its data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from schemas.touchpoint import ATTRIBUTE_NAME
from services.infra.http.problems import Refused

PREFIX: Final = "ce-"

REQUIRED: Final = ("specversion", "id", "source", "type")
"""What CloudEvents asks of every event."""

_ESCAPE: Final = re.compile(r"\\(.)")


def is_binary(names: Iterable[str]) -> bool:
    """Tell whether headers carry an event."""
    return any(name.startswith(PREFIX) for name in names)


def attributes(headers: Iterable[tuple[str, str]]) -> dict[str, str] | Refused:
    """Return the event's attributes; header names are in small letters, values as latin-1 text."""
    found: dict[str, str] = {}
    for header, value in headers:
        if not header.startswith(PREFIX):
            continue
        name = header.removeprefix(PREFIX)
        text = _decoded(value)
        if name in found or text is None or name == "datacontenttype" or not ATTRIBUTE_NAME.fullmatch(name):
            return Refused("malformed-event")
        found[name] = text
    if any(name not in found for name in REQUIRED):
        return Refused("malformed-event")
    return found


def _decoded(value: str) -> str | None:
    """Undo the older specification's quotes and the present one's percent-encoding; None when that is no text."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPE.sub(r"\1", value[1:-1])
    try:
        return unquote_to_bytes(value.encode("latin-1")).decode()
    except UnicodeDecodeError:
        return None
