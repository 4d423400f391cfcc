"""Load a map file; every problem names the line and what to write there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from services.infra.catalogue.yaml_nodes import Field, open_yaml
from services.infra.errors import ConfigurationError
from services.infra.mapping.event_map import CONTENT, EventMap, Rule
from services.infra.mapping.file_rules import COMMON, RuleReader
from services.infra.mapping.file_values import (
    ITEMS_MAX,
    condition_of,
    csv_form_of,
    expression_of,
    items_of,
    time_of,
    value_from_row,
)
from services.infra.mapping.values import Value

_NEEDS: Final = "id, identities, and types with type and otherwise, or event"
_REQUIRED: Final = ("id", "identities")
_OPTIONAL: Final = ("time", "type", "types", "otherwise", "event", "each", "when", "csv", *COMMON)

SKIP: Final = "skip"
"""Instead of what a row of any other type is: nothing."""


def load_map(path: Path, *, touchpoints: Collection[str] | None) -> EventMap:
    """Read and check a map; `touchpoints` are the names the catalogue knows, None where nobody asks it.

    Raises ConfigurationError with every problem.
    """
    file, root = open_yaml(path, fix="name a map file that is there")
    if root is None:
        raise ConfigurationError(f"{path}:1: is empty; a map needs {_NEEDS}")
    event_map = _map_of(root, touchpoints)
    file.check()
    if event_map is None:
        raise ConfigurationError(f"{path}:1: is no map; a map needs {_NEEDS}")
    return event_map


def _map_of(root: Field, touchpoints: Collection[str] | None) -> EventMap | None:
    parts = root.record(required=_REQUIRED, optional=_OPTIONAL)
    if not parts.keys() >= set(_REQUIRED) or not _is_complete(root, parts):
        return None
    rules = RuleReader(
        touchpoints, common={name: part for name, part in parts.items() if name in COMMON or name == "identities"}
    )
    types = parts["types"].mapping() if "types" in parts else {}
    return EventMap(
        id=_id(parts["id"]),
        time=time_of(parts["time"]) if "time" in parts else None,
        type=value_from_row(parts["type"]) if "type" in parts else None,
        types={name: rules.rules(part) for name, part in types.items()},
        otherwise=_otherwise(parts["event"] if "event" in parts else parts["otherwise"], rules),
        each=expression_of(parts["each"]) if "each" in parts else None,
        when=condition_of(parts["when"]) if "when" in parts else None,
        csv=csv_form_of(parts.get("csv")),
    )


def _is_complete(root: Field, parts: dict[str, Field]) -> bool:
    """Tell whether it says what its rows are: all one thing, or each by its type."""
    by_type = [name for name in ("type", "types", "otherwise") if name in parts]
    if "event" in parts:
        for name in by_type:
            parts[name].wrong("stands beside `event`, which is what every row is; remove one of the two")
        return not by_type
    for name in ("type", "types", "otherwise"):
        if name not in parts:
            root.wrong(f"lacks `{name}`; add it" + ("" if by_type else ", or `event` where every row is one thing"))
    return len(by_type) == len(("type", "types", "otherwise"))


def _otherwise(field: Field, rules: RuleReader) -> Sequence[Rule]:
    return () if field.word() == SKIP else rules.rules(field)


def _id(field: Field) -> Sequence[Value]:
    if field.word() == CONTENT:
        return ()
    parts = items_of(field)
    if parts is None:
        return (value_from_row(field),)
    if not 0 < len(parts) <= ITEMS_MAX:
        field.wrong(f"must be a value, a list of 1 to {ITEMS_MAX}, or `{CONTENT}`")
    return tuple(map(value_from_row, parts))
