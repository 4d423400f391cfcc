"""Text and JSON of any form, within limits that bound the work of storing them."""

from __future__ import annotations

import math
from typing import Annotated, Final

from pydantic import AfterValidator, Field, JsonValue, StringConstraints
from pydantic_core import PydanticCustomError

from schemas.limits import DEPTH_MAX

TEXT_CHARS_MAX: Final = 8000
"""A long review has 5,000 characters; an event has 32 KiB in all."""

PROPERTIES_MAX: Final = 128
"""The widest payload seen among vendors has 90 fields at its top."""

PROPERTY_VALUES_MAX: Final = 1024
"""All values inside `properties`, at any depth: bounds the work of checking and of storing an event."""

PROPERTY_DEPTH_MAX: Final = DEPTH_MAX - 3
"""The event itself, its data and the properties are three levels; so many are left inside them."""

INTEGER_MAX: Final = 2**63 - 1
"""Larger integers fit neither Postgres nor most JSON readers; they are sent as strings."""


def _refuse(reason: str) -> PydanticCustomError:
    return PydanticCustomError("freeform", "{reason}", {"reason": reason})


def _check_text(text: str) -> str:
    if "\0" in text:
        raise _refuse("must not contain the character U+0000")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _refuse("must not contain half a surrogate pair") from None
    return text


def _check_scalar(value: JsonValue) -> None:
    # No match statement: this runs for every value of every event, and class patterns take twice as long.
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int):
        if not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
            raise _refuse("must hold integers of at most 64 bits: send longer ones as strings")
    elif isinstance(value, float) and not math.isfinite(value):
        raise _refuse("must hold finite numbers")


def _check_names(values: dict[str, JsonValue]) -> list[JsonValue]:
    for name in values:
        _check_text(name)
    return list(values.values())


def _bounded(properties: dict[str, JsonValue]) -> dict[str, JsonValue]:
    level = _check_names(properties)
    seen = 0
    for depth in range(PROPERTY_DEPTH_MAX + 1):
        seen += len(level)
        if seen > PROPERTY_VALUES_MAX:
            raise _refuse(f"must hold at most {PROPERTY_VALUES_MAX} values in all")
        below: list[JsonValue] = []
        for value in level:
            if isinstance(value, dict | list) and depth == PROPERTY_DEPTH_MAX:
                raise _refuse(f"must nest at most {PROPERTY_DEPTH_MAX} deep")
            if isinstance(value, dict):
                below += _check_names(value)
            elif isinstance(value, list):
                below += value
            else:
                _check_scalar(value)
        level = below
    return properties


Text = Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX), AfterValidator(_check_text)]
Properties = Annotated[dict[str, JsonValue], Field(max_length=PROPERTIES_MAX), AfterValidator(_bounded)]
