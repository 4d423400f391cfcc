"""Read what a type of row is out of a map file's nodes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final, get_args

from schemas.freeform import PROPERTIES_MAX
from schemas.touchpoint import (
    CHANNEL_PATTERN,
    IDENTITIES_MAX,
    KIND_PATTERN,
    TOUCHPOINT_PATTERN,
    EventClass,
    Scale,
)
from services.infra.catalogue.undeclared import is_undeclared
from services.infra.catalogue.yaml_nodes import Field
from services.infra.mapping.event_map import IdentityRule, RatingRule, Rule
from services.infra.mapping.file_values import ITEMS_MAX, STAND_IN, condition_of, items_of, value_from_row, value_of
from services.infra.mapping.values import Scalar, Value
from services.infra.near import hint, nearest

REST: Final = ("place", "case", "order", "account", "stake", "valence", "text", "class")
COMMON: Final = ("channel", *REST, "rating", "properties")
_OWN: Final = (*COMMON, "identities", "when")

_CLASSES: Final[Sequence[str]] = get_args(EventClass)
_SCALES: Final[Sequence[str]] = get_args(Scale)
_BOUND: Final = 1e12
"""Of a scale's own values: beyond it nobody rates anything."""


class RuleReader:
    """Turns nodes into rules; problems are reported where they stand, and reading goes on."""

    def __init__(self, touchpoints: Collection[str] | None, *, common: Mapping[str, Field]) -> None:
        self._touchpoints = touchpoints
        self._common = common

    def rules(self, field: Field) -> Sequence[Rule]:
        """Read the events of a type of row: one, or a list of them."""
        items = items_of(field)
        if items is None:
            return (self._rule(field),)
        if not 0 < len(items) <= ITEMS_MAX:
            field.wrong(f"must be what the row is, or a list of 1 to {ITEMS_MAX} of those")
        return tuple(map(self._rule, items))

    def _rule(self, field: Field) -> Rule:
        own = field.record(required=("touchpoint",), optional=_OWN)
        parts = {**self._common, **own}
        properties = {**_properties(self._common.get("properties")), **_properties(own.get("properties"))}
        if len(properties) > PROPERTIES_MAX:
            field.wrong(f"has {len(properties)} properties, of which an event has at most {PROPERTIES_MAX}")
        return Rule(
            touchpoint=self._touchpoint(parts["touchpoint"]) if "touchpoint" in parts else STAND_IN,
            channel=_channel(parts["channel"]) if "channel" in parts else None,
            identities=_identities(parts["identities"]),
            rest={name: _rest(name, parts[name]) for name in REST if name in parts},
            rating=_rating(parts["rating"]) if "rating" in parts else None,
            properties=properties,
            when=condition_of(own["when"]) if "when" in own else None,
        )

    def _touchpoint(self, field: Field) -> Value:
        value = value_of(field)
        for name in _said(value):
            self._check_name(str(name), field)
        return value

    def _check_name(self, name: str, field: Field) -> None:
        if not re.fullmatch(TOUCHPOINT_PATTERN, name):
            field.wrong(f"{name!r} is no name of a touchpoint; write one such as case.opened")
        elif self._touchpoints is not None and is_undeclared(name, self._touchpoints):
            near = nearest(name, self._touchpoints)
            hint = f"did you mean {near}? " if near else ""
            field.wrong(f"the catalogue has no {name!r}; {hint}a name of your own starts with x.")


def _said(value: Value) -> list[Scalar]:
    """Everything that a value can be by the map's own words."""
    said = [value.constant, value.otherwise, *(value.table or {}).values()]
    return [one for one in said if one is not None]


def _channel(field: Field) -> Value:
    value = value_of(field)
    for name in _said(value):
        if not re.fullmatch(CHANNEL_PATTERN, str(name)):
            field.wrong(f"{name!r} is no channel; write a name of a-z, 0-9, _ and -, such as contact_centre")
    return value


def _rest(name: str, field: Field) -> Value:
    value = value_of(field)
    if name == "class":
        for one in _said(value):
            if one not in _CLASSES:
                instead = hint(str(one), _CLASSES, otherwise=f"write one of {', '.join(_CLASSES)}")
                field.wrong(f"{one!r} is no class; {instead}")
    return value


def _identities(field: Field) -> Sequence[IdentityRule]:
    items = items_of(field)
    if not items:
        field.wrong("must be a list of {kind, value}, strongest first")
        return ()
    if len(items) > IDENTITIES_MAX:
        field.wrong(f"has {len(items)} entries, of which an event has at most {IDENTITIES_MAX}")
    return tuple(map(_identity, items))


def _identity(field: Field) -> IdentityRule:
    parts = field.record(required=("kind", "value"), optional=())
    kind = parts["kind"].text() if "kind" in parts else "customer"
    if not re.fullmatch(KIND_PATTERN, kind):
        parts["kind"].wrong(
            f"{kind!r} is no kind; write customer, loyalty, email, phone, anonymous, device, or x- and a name"
        )
    return IdentityRule(kind=kind, value=value_from_row(parts["value"]) if "value" in parts else STAND_IN)


def _rating(field: Field) -> RatingRule | None:
    parts = field.record(required=("value",), optional=("scale",))
    if "value" not in parts:
        return None
    scale = parts.get("scale")
    return RatingRule(value=value_of(parts["value"]), scale=None if scale is None else _scale(scale))


def _scale(field: Field) -> str | Mapping[str, float]:
    if field.word() is not None:
        return field.choice(_SCALES)
    bounds = field.record(required=("lo", "mid", "hi"), optional=())
    values = {name: bound.number(least=-_BOUND, most=_BOUND) for name, bound in bounds.items()}
    if values.keys() == {"lo", "mid", "hi"} and not values["lo"] < values["mid"] < values["hi"]:
        field.wrong("must rise: lo < mid < hi")
    return values


def _properties(field: Field | None) -> dict[str, Value]:
    return {} if field is None else {name: value_of(part) for name, part in field.mapping().items()}
