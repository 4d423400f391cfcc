"""What each line of somebody else's file is in our words: fields to touchpoints, declared, no code."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from schemas.instant import parse_instant

Scalar = str | int | float | bool
_SCALARS: Final = (str, int, float, bool)

_NUMBERS: Final = ("stake", "valence")
"""Parts of an event that are numbers; the other parts are text, also where a file writes them as numbers."""

EXACT_MAX: Final = 2.0**53
"""From here on different whole numbers are the same float."""

_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")


class Unreadable(NamedTuple):
    """Why a line cannot become an event."""

    reason: str


class Readable(NamedTuple):
    """A line as an event: its id, its own time, and what happened."""

    event_id: str
    occurred_at: datetime
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Where a value comes from: a constant, or a field and what is done to it.

    `table` translates what the field says, `otherwise` stands in where it says nothing or nothing known,
    `times` multiplies a number, `slug` makes a name of it and `before` is put in front.
    """

    constant: Scalar | None = None
    path: Sequence[str] = ()
    table: Mapping[str, Scalar] | None = None
    otherwise: Scalar | None = None
    times: float | None = None
    slug: bool = False
    before: str = ""

    def read(self, line: Mapping[str, object]) -> Scalar | None:
        """The value in this line; None when the line does not have it. Raises ValueError when it is no number."""
        if not self.path:
            return self.constant
        found = _at(line, self.path)
        if found is not None and self.table is not None:
            # 1.0 is found under "1", and under "1.0" as the file itself may write it.
            found = self.table.get(_written(found, path=self.path), self.table.get(str(found)))
        if found is None:
            return self.otherwise
        if self.times is not None:
            return _number(found, path=self.path) * self.times
        if self.slug or self.before:
            text = _written(found, path=self.path)
            return self.before + (_slug(text) if self.slug else text)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRule:
    """One way by which a line knows the person."""

    kind: str
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a type of line is."""

    touchpoint: Value
    channel: Value
    rest: Mapping[str, Value]
    rating: tuple[str, Value] | None
    properties: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMap:
    """How to read every line of a file."""

    id: Value
    time: Value
    type: Value
    identities: Sequence[IdentityRule]
    types: Mapping[str, Rule]
    otherwise: Rule

    def occurred_at(self, line: Mapping[str, object]) -> datetime:
        """The line's own time; raises ValueError when it has none."""
        return parse_instant(_text(self.time, line, name="time"))

    def read(self, line: Mapping[str, object]) -> Readable | Unreadable:
        """A line as an event, or why it cannot be one."""
        try:
            return Readable(
                event_id=_text(self.id, line, name="id"), occurred_at=self.occurred_at(line), body=self._body(line)
            )
        except ValueError as error:
            return Unreadable(str(error))

    def _body(self, line: Mapping[str, object]) -> Mapping[str, object]:
        rule = self.types.get(_text(self.type, line, name="type"), self.otherwise)
        body: dict[str, object] = {
            "touchpoint": _text(rule.touchpoint, line, name="touchpoint"),
            "channel": _text(rule.channel, line, name="channel"),
            "identities": self._identities(line),
        }
        for name, found in _present(rule.rest, line).items():
            read = _number if name in _NUMBERS else _written
            body[name] = read(found, path=rule.rest[name].path)
        if rule.rating is not None:
            scale, value = rule.rating
            answer = value.read(line)
            if answer is not None:
                body["rating"] = {"scale": scale, "value": _number(answer, path=value.path)}
        properties = _present(rule.properties, line)
        if properties:
            body["properties"] = properties
        return body

    def _identities(self, line: Mapping[str, object]) -> list[dict[str, str]]:
        named = [(rule, rule.value.read(line)) for rule in self.identities]
        identities = [
            {"kind": rule.kind, "value": _written(value, path=rule.value.path)}
            for rule, value in named
            if value is not None
        ]
        if not identities:
            fields = " or ".join(".".join(rule.value.path) for rule in self.identities)
            raise ValueError(f"names nobody: it has no {fields}")
        return identities


def _at(line: Mapping[str, object], path: Sequence[str]) -> Scalar | None:
    """What stands at this path; objects and lists are nothing that a value could be."""
    here: object = line
    for name in path:
        if not isinstance(here, dict):
            return None
        here = here.get(name)
    return here if isinstance(here, _SCALARS) else None


def _present(values: Mapping[str, Value], line: Mapping[str, object]) -> dict[str, Scalar]:
    read = {name: value.read(line) for name, value in values.items()}
    return {name: value for name, value in read.items() if value is not None}


def _text(value: Value, line: Mapping[str, object], *, name: str) -> str:
    found = value.read(line)
    if found is None:
        raise ValueError(f"has no {name}: the field {'.'.join(value.path)} is missing")
    return _written(found, path=value.path)


def _written(found: Scalar, *, path: Sequence[str]) -> str:
    """A value as JSON writes it, a whole number without its fraction: 17850 and 17850.0 are one customer.

    Raises ValueError for a number of which the file's own writer may have lost digits: it may stand for several.
    """
    match found:
        case bool():
            return "true" if found else "false"
        case float() if not math.isfinite(found) or abs(found) >= EXACT_MAX:
            raise ValueError(f"has a number in {'.'.join(path)} that is too large to be exact; write it as text")
        case float() if found.is_integer():
            return str(int(found))
        case _:
            return str(found)


def _number(found: Scalar, *, path: Sequence[str]) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError(f"has no number in {'.'.join(path)}")
    return float(found)


def _slug(text: str) -> str:
    """A name of small letters, digits and underscores; `unknown` when nothing of the text can be in one."""
    return _NOT_SLUG.sub("_", text.lower()).strip("_") or "unknown"
