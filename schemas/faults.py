"""What is wrong with a refused input, in words that never repeat it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.touchpoint import MEANING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


class Fault(NamedTuple):
    """Where the input is wrong and what it must be."""

    field: str
    reason: str


WHOLE: Final = "event"
"""The field named when the input as a whole is wrong."""

_REASONS: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "has a field that the schema does not name; free values go into data.properties",
    "string_type": "must be a string",
    "string_unicode": "must be text without half surrogate pairs",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entry",
}
"""Our words for what pydantic finds; a type that is not here keeps pydantic's own sentence."""

_FREE: Final = "properties"
"""Names inside this map are the sender's, so the path stops at it."""

_UNION_MEMBER: Final = re.compile(r"[A-Z]")
"""Members of a union carry a tag in capitals; every field of the contract starts with a small letter."""

_FIELD_OF: Final[Mapping[str, str]] = {"identities": "data.identities"}
"""Where a rule over the whole event is best mended, by the rule's own error type."""


def _path(error: ErrorDetails) -> str:
    if error["type"] in _FIELD_OF:
        return _FIELD_OF[error["type"]]
    parts = list(error["loc"])
    if error["type"] == "extra_forbidden":
        parts = parts[:-1]
    if _FREE in parts:
        parts = parts[: parts.index(_FREE) + 1]
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not _UNION_MEMBER.match(part):
            path += f".{part}" if path else part
    return path or WHOLE


def _reason(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch":
        return MEANING.get(context["pattern"], "does not have the form of the schema")
    template = _REASONS.get(error["type"])
    if template is None:
        return error["msg"]
    return template.format_map(context)


def faults_of(error: ValidationError) -> list[Fault]:
    """Return every fault that validation found, in the order of the fields."""
    return [Fault(field=_path(detail), reason=_reason(detail)) for detail in error.errors(include_url=False)]


def fault_of(error: ValidationError) -> Fault:
    """Return the first fault that validation found."""
    return faults_of(error)[0]
