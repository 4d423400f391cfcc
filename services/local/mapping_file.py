"""Load a map file; every error names the line and what to write there."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NoReturn

import yaml

from schemas.touchpoint import CHANNEL_PATTERN, KIND_PATTERN, TOUCHPOINT_PATTERN
from services.infra.errors import ConfigurationError
from services.local.mapping import IdentityRule, LineMap, Rule, Scalar, Value

MAPS: Final = Path(__file__).with_name("maps")
"""The maps that the project brings, each named after its file."""

MAP_BYTES_MAX: Final = 256 * 1024
"""A map is written by hand; a bigger file is not a map."""

_REST: Final = ("place", "case", "order", "account", "stake", "valence", "text")
_RULE: Final = ("touchpoint", "channel", *_REST, "rating", "properties")
_COMMON: Final = ("channel", *_REST, "rating", "properties")
_TOP: Final = ("id", "time", "type", "identities", "types", "otherwise", *_COMMON)
_VALUE: Final = ("field", "table", "otherwise", "times", "slug", "before")


def find_map(recording: Path, *, chosen: Path | None) -> Path:
    """The map for a file: the chosen one, or the project's own of the same name."""
    path = chosen if chosen is not None else MAPS / f"{stem(recording)}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in MAPS.glob("*.yaml")))
        raise ConfigurationError(
            f"no map file {path}: write one (docs are in the head of any file in {MAPS.name}/) and name it with --map; "
            f"there are maps for {known}"
        )
    return path


def stem(path: Path) -> str:
    """A file's name without its extensions."""
    return path.name.split(".", 1)[0] or path.name


def load_map(path: Path, *, touchpoints: Collection[str]) -> LineMap:
    """Read and check a map; `touchpoints` are the names the catalogue knows. Raises ConfigurationError."""
    if path.stat().st_size > MAP_BYTES_MAX:
        raise ConfigurationError(
            f"{path}: is larger than {MAP_BYTES_MAX // 1024} KiB; a map is written by hand"
        )
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path}: is not UTF-8 text; save it as UTF-8"
        ) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(
            f"{path}:{line}: is not YAML: {error.problem}; mend the line"
        ) from error
    if root is None:
        raise ConfigurationError(
            f"{path}:1: is empty; a map needs id, time, type, identities and types"
        )
    return _MapReader(path, touchpoints).map(root)


class _MapReader:
    """Turns YAML nodes into a map, remembering where each node stood."""

    def __init__(self, path: Path, touchpoints: Collection[str]) -> None:
        self._path = path
        self._touchpoints = touchpoints

    def map(self, root: yaml.Node) -> LineMap:
        parts = self._parts(
            root,
            allowed=_TOP,
            required=("id", "time", "type", "identities", "types", "otherwise"),
        )
        common = {name: node for name, node in parts.items() if name in _COMMON}
        types = {
            name: self._rule(node, common=common)
            for name, node in self._parts(
                parts["types"], allowed=None, required=()
            ).items()
        }
        return LineMap(
            id=self._field(parts["id"]),
            time=self._field(parts["time"]),
            type=self._field(parts["type"]),
            identities=self._identities(parts["identities"]),
            types=types,
            otherwise=self._rule(parts["otherwise"], common=common),
        )

    def _rule(self, node: yaml.Node, *, common: Mapping[str, yaml.Node]) -> Rule:
        own = self._parts(node, allowed=_RULE, required=("touchpoint",))
        parts = {**common, **own}
        if "channel" not in parts:
            self._fail(
                node,
                "has no channel; give it one here or for the whole file at the top",
            )
        properties = {
            **self._values(common.get("properties")),
            **self._values(own.get("properties")),
        }
        return Rule(
            touchpoint=self._touchpoint(parts["touchpoint"]),
            channel=self._channel(parts["channel"]),
            rest={name: self._value(parts[name]) for name in _REST if name in parts},
            rating=self._rating(parts["rating"]) if "rating" in parts else None,
            properties=properties,
        )

    def _touchpoint(self, node: yaml.Node) -> Value:
        value = self._value(node)
        name = value.constant
        if name is None or str(name) in self._touchpoints:
            return value
        if not re.fullmatch(TOUCHPOINT_PATTERN, str(name)):
            self._fail(
                node,
                f"{name!r} is no name of a touchpoint; write one such as case.opened",
            )
        if not str(name).startswith("x."):
            near = get_close_matches(str(name), self._touchpoints, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            self._fail(
                node,
                f"the catalogue has no touchpoint {name!r}; {hint}a name of your own starts with x.",
            )
        return value

    def _channel(self, node: yaml.Node) -> Value:
        value = self._value(node)
        for name in (value.constant, value.otherwise):
            if name is not None and not re.fullmatch(CHANNEL_PATTERN, str(name)):
                self._fail(
                    node,
                    f"{name!r} is no channel; write a name of a-z, 0-9, _ and -, such as contact_centre",
                )
        return value

    def _identities(self, node: yaml.Node) -> Sequence[IdentityRule]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self._fail(
                node, "identities must be a list of {kind, value}, strongest first"
            )
        rules: list[IdentityRule] = []
        for entry in node.value:
            parts = self._parts(
                entry, allowed=("kind", "value"), required=("kind", "value")
            )
            kind = str(self._scalar(parts["kind"]))
            if not re.fullmatch(KIND_PATTERN, kind):
                self._fail(
                    parts["kind"],
                    f"{kind!r} is no kind; write customer, loyalty, email, phone, anonymous, device, or x- and a name",
                )
            rules.append(IdentityRule(kind=kind, value=self._field(parts["value"])))
        return rules

    def _rating(self, node: yaml.Node) -> tuple[str, Value]:
        parts = self._parts(
            node, allowed=("scale", "value"), required=("scale", "value")
        )
        return str(self._scalar(parts["scale"])), self._value(parts["value"])

    def _values(self, node: yaml.Node | None) -> dict[str, Value]:
        if node is None:
            return {}
        return {
            name: self._value(entry)
            for name, entry in self._parts(node, allowed=None, required=()).items()
        }

    def _field(self, node: yaml.Node) -> Value:
        value = self._value(node)
        if not value.path:
            self._fail(node, "must come from the line; write {field: its_name}")
        return value

    def _value(self, node: yaml.Node) -> Value:
        if isinstance(node, yaml.ScalarNode):
            return Value(constant=self._scalar(node))
        parts = self._parts(node, allowed=_VALUE, required=("field",))
        table = (
            self._parts(parts["table"], allowed=None, required=())
            if "table" in parts
            else None
        )
        return Value(
            path=tuple(str(self._scalar(parts["field"])).split(".")),
            table={name: self._scalar(entry) for name, entry in table.items()}
            if table is not None
            else None,
            otherwise=self._scalar(parts["otherwise"])
            if "otherwise" in parts
            else None,
            times=self._times(parts["times"]) if "times" in parts else None,
            slug=self._truth(parts["slug"]) if "slug" in parts else False,
            before=str(self._scalar(parts["before"])) if "before" in parts else "",
        )

    def _times(self, node: yaml.Node) -> float:
        number = self._scalar(node)
        if isinstance(number, bool) or not isinstance(number, int | float):
            self._fail(
                node, "times must be a number, such as 3600 for hours into seconds"
            )
        return float(number)

    def _truth(self, node: yaml.Node) -> bool:
        truth = self._scalar(node)
        if not isinstance(truth, bool):
            self._fail(node, "slug must be true or false")
        return truth

    def _parts(
        self,
        node: yaml.Node,
        *,
        allowed: Collection[str] | None,
        required: Collection[str],
    ) -> dict[str, yaml.Node]:
        """The entries of a mapping node, each key once and, unless any may stand there, an allowed one."""
        if not isinstance(node, yaml.MappingNode):
            self._fail(node, "must be a mapping of names to values")
        parts: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(self._scalar(key))
            if name in parts:
                self._fail(key, f"{name!r} stands here twice; keep one")
            if allowed is not None and name not in allowed:
                near = get_close_matches(name, allowed, n=1)
                hint = (
                    f"did you mean {near[0]}?"
                    if near
                    else f"there are {', '.join(allowed)}"
                )
                self._fail(key, f"{name!r} means nothing here; {hint}")
            parts[name] = value
        for name in required:
            if name not in parts:
                self._fail(node, f"{name} is missing; add it")
        return parts

    def _scalar(self, node: yaml.Node) -> Scalar:
        value = (
            yaml.SafeLoader("").construct_object(node)
            if isinstance(node, yaml.ScalarNode)
            else None
        )
        if not isinstance(value, str | int | float | bool):
            self._fail(
                node,
                "must be a text, a number, true or false; put quotes around dates and words such as null",
            )
        return value

    def _fail(self, node: yaml.Node, message: str) -> NoReturn:
        raise ConfigurationError(f"{self._path}:{node.start_mark.line + 1}: {message}")
