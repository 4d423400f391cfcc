"""Load a map file; every problem names the line and what to write there."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import yaml

from schemas.touchpoint import CHANNEL_PATTERN, KIND_PATTERN, TOUCHPOINT_PATTERN
from services.commands.line_map import IdentityRule, LineMap, Rule, Scalar, Value
from services.infra.catalogue.yaml_nodes import LOADER, Field, open_yaml
from services.infra.errors import ConfigurationError
from services.infra.near import nearest

MAPS: Final = Path(__file__).with_name("maps")
"""The maps that the project brings, each named after its file."""

_REST: Final = ("place", "case", "order", "account", "stake", "valence", "text")
_COMMON: Final = ("channel", *_REST, "rating", "properties")
_REQUIRED: Final = ("id", "time", "type", "identities", "types", "otherwise")
_VALUE: Final = ("table", "otherwise", "times", "slug", "before")

_STAND_IN: Final = Value(constant="x.unknown")
"""For what could not be read; the file's problems are raised before it can be used."""


def find_map(recording: Path, *, chosen: Path | None) -> Path:
    """The map for a file: the chosen one, or the project's own of the same name."""
    path = chosen if chosen is not None else MAPS / f"{stem(recording)}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in MAPS.glob("*.yaml")))
        raise ConfigurationError(
            f"no map file {path}: write one and name it with --map (the format stands in the head of "
            f"{MAPS}/support_incident_events.yaml); there are maps for {known}"
        )
    return path


def stem(path: Path) -> str:
    """A file's name without its extensions."""
    return path.name.split(".", maxsplit=1)[0] or path.name


def load_map(path: Path, *, touchpoints: Collection[str]) -> LineMap:
    """Read and check a map; `touchpoints` are the names the catalogue knows. Raises ConfigurationError."""
    file, root = open_yaml(path, fix="name a map file with --map")
    if root is None:
        raise ConfigurationError(f"{path}:1: is empty; a map needs {', '.join(_REQUIRED)}")
    line_map = _MapReader(touchpoints).line_map(root)
    file.check()
    if line_map is None:
        raise ConfigurationError(f"{path}:1: is no map; a map needs {', '.join(_REQUIRED)}")
    return line_map


class _MapReader:
    """Turns the nodes of a map file into a map; problems are reported where they stand, and reading goes on."""

    def __init__(self, touchpoints: Collection[str]) -> None:
        self._touchpoints = touchpoints

    def line_map(self, root: Field) -> LineMap | None:
        parts = root.record(required=_REQUIRED, optional=_COMMON)
        if not parts.keys() >= set(_REQUIRED):
            return None
        common = {name: part for name, part in parts.items() if name in _COMMON}
        types = parts["types"].mapping()
        return LineMap(
            id=_from_line(parts["id"]),
            time=_from_line(parts["time"]),
            type=_from_line(parts["type"]),
            identities=_identities(parts["identities"]),
            types={name: self._rule(part, common=common) for name, part in types.items()},
            otherwise=self._rule(parts["otherwise"], common=common),
        )

    def _rule(self, field: Field, *, common: Mapping[str, Field]) -> Rule:
        own = field.record(required=("touchpoint",), optional=_COMMON)
        parts = {**common, **own}
        if "channel" not in parts:
            field.wrong("has no channel; give it one here or for the whole file at the top")
        return Rule(
            touchpoint=self._touchpoint(parts["touchpoint"]) if "touchpoint" in parts else _STAND_IN,
            channel=_channel(parts["channel"]) if "channel" in parts else _STAND_IN,
            rest={name: _value(parts[name]) for name in _REST if name in parts},
            rating=_rating(parts["rating"]) if "rating" in parts else None,
            properties={**_values(common.get("properties")), **_values(own.get("properties"))},
        )

    def _touchpoint(self, field: Field) -> Value:
        value = _value(field)
        name = value.constant
        if name is None or str(name) in self._touchpoints:
            return value
        if not re.fullmatch(TOUCHPOINT_PATTERN, str(name)):
            field.wrong(f"{name!r} is no name of a touchpoint; write one such as case.opened")
        elif not str(name).startswith("x."):
            near = nearest(str(name), self._touchpoints)
            hint = f"did you mean {near}? " if near else ""
            field.wrong(f"the catalogue has no {name!r}; {hint}a name of your own starts with x.")
        return value


def _channel(field: Field) -> Value:
    value = _value(field)
    for name in (value.constant, value.otherwise):
        if name is not None and not re.fullmatch(CHANNEL_PATTERN, str(name)):
            field.wrong(f"{name!r} is no channel; write a name of a-z, 0-9, _ and -, such as contact_centre")
    return value


def _identities(field: Field) -> Sequence[IdentityRule]:
    node = field.node
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        field.wrong("must be a list of {kind, value}, strongest first")
        return ()
    return tuple(_identity(replace(field, node=entry, line=entry.start_mark.line + 1)) for entry in node.value)


def _identity(field: Field) -> IdentityRule:
    parts = field.record(required=("kind", "value"), optional=())
    kind = parts["kind"].text() if "kind" in parts else "customer"
    if not re.fullmatch(KIND_PATTERN, kind):
        parts["kind"].wrong(
            f"{kind!r} is no kind; write customer, loyalty, email, phone, anonymous, device, or x- and a name"
        )
    return IdentityRule(kind=kind, value=_from_line(parts["value"]) if "value" in parts else _STAND_IN)


def _rating(field: Field) -> tuple[str, Value] | None:
    parts = field.record(required=("scale", "value"), optional=())
    if parts.keys() != {"scale", "value"}:
        return None
    return parts["scale"].text(), _value(parts["value"])


def _values(field: Field | None) -> dict[str, Value]:
    return {} if field is None else {name: _value(part) for name, part in field.mapping().items()}


def _from_line(field: Field) -> Value:
    value = _value(field)
    if not value.path:
        field.wrong("must come from the line; write {field: its_name}")
    return value


def _value(field: Field) -> Value:
    if isinstance(field.node, yaml.ScalarNode):
        return Value(constant=_scalar(field))
    parts = field.record(required=("field",), optional=_VALUE)
    if "field" not in parts:
        return _STAND_IN
    return Value(
        path=tuple(parts["field"].text().split(".")),
        table={name: _scalar(part) for name, part in parts["table"].mapping().items()} if "table" in parts else None,
        otherwise=_scalar(parts["otherwise"]) if "otherwise" in parts else None,
        times=parts["times"].number(least=-1e12, most=1e12) if "times" in parts else None,
        slug=_truth(parts["slug"]) if "slug" in parts else False,
        before=parts["before"].text() if "before" in parts else "",
    )


def _truth(field: Field) -> bool:
    truth = _scalar(field)
    if not isinstance(truth, bool):
        field.wrong("must be true or false")
        return False
    return truth


def _scalar(field: Field) -> Scalar:
    """A text, a number or a truth value."""
    value: object = None
    if isinstance(field.node, yaml.ScalarNode):
        loader = LOADER("")
        try:
            value = loader.construct_object(field.node)
        except ValueError:  # such as a date that does not exist
            value = None
        finally:
            loader.dispose()
    if isinstance(value, str | int | float | bool):
        return value
    field.wrong("must be a text, a number, true or false; put quotes around dates and words such as null")
    return ""
