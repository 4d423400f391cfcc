"""YAML read with its line numbers: every problem names the file, the line, what is wrong and the fix."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from services.core.instants import parse_instant
from services.infra.errors import ConfigurationError
from services.infra.near import nearest

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser where the wheel has it: 12 ms instead of 120 for the catalogue."""

FILE_BYTES_MAX: Final = 1024 * 1024
"""Thirty times the catalogue; a larger file is not one that people wrote."""

PROBLEMS_SHOWN_MAX: Final = 20
"""A first screen of mistakes; the rest is counted."""


@dataclass(frozen=True)
class YamlFile:
    """One file and what is wrong with it."""

    name: str
    problems: list[str] = field(default_factory=list)

    def report(self, line: int, what: str) -> None:
        """Remember a problem; reading goes on, so that all of them can be told at once."""
        problem = f"{self.name}:{line}: {what}"
        if problem not in self.problems:
            self.problems.append(problem)

    def check(self) -> None:
        """Raise ConfigurationError with every problem, if there is one."""
        if not self.problems:
            return
        shown = self.problems[:PROBLEMS_SHOWN_MAX]
        more = len(self.problems) - len(shown)
        raise ConfigurationError("\n".join([*shown, *([f"… and {more} more"] if more else [])]))


@dataclass(frozen=True)
class Field:
    """One node of a file, with the path that leads to it.

    The readers below report what is wrong and give a stand-in; YamlFile.check raises before it can be used.
    """

    file: YamlFile
    node: yaml.Node
    path: str
    line: int

    def wrong(self, what: str) -> None:
        """Report a problem of this node."""
        self.file.report(self.line, f"{self.path or 'the file'}: {what}")

    def mapping(self) -> dict[str, Field]:
        """Read `key: value` pairs; keys are text and stand once."""
        if not isinstance(self.node, yaml.MappingNode):
            self.wrong("must hold `key: value` pairs")
            return {}
        fields: dict[str, Field] = {}
        for key_node, value_node in self.node.value:
            line = key_node.start_mark.line + 1
            key = Field(self.file, key_node, self.path, line).text()
            field = Field(self.file, value_node, f"{self.path}.{key}" if self.path else key, line)
            if key in fields:
                field.wrong("stands twice; remove one of the two")
            fields[key] = field
        return fields

    def record(self, *, required: Collection[str], optional: Collection[str]) -> dict[str, Field]:
        """Read a mapping of which the keys are known; those that it lacks are left out."""
        fields = self.mapping()
        for key, value in fields.items():
            if key not in required and key not in optional:
                value.wrong(f"is not a known key; {_instead(key, [*required, *optional])}")
        if isinstance(self.node, yaml.MappingNode):
            for key in required:
                if key not in fields:
                    self.wrong(f"lacks `{key}`; add it")
        return fields

    def text(self) -> str:
        """Read text that is not empty."""
        value = self._scalar()
        if not isinstance(value, str) or not value.strip():
            self.wrong("must be text; put it in quotes if YAML takes it for something else")
            return ""
        return value

    def choice(self, options: Collection[str]) -> str:
        """Read one of several words."""
        word = self.text()
        if word and word not in options:
            self.wrong(f"{word!r} is not known here; {_instead(word, options)}")
        return word

    def texts(self) -> tuple[str, ...]:
        """Read a list of text, each of them once."""
        if not isinstance(self.node, yaml.SequenceNode) or not self.node.value:
            self.wrong("must be a list: [one, another]")
            return ()
        words = tuple(Field(self.file, node, self.path, node.start_mark.line + 1).text() for node in self.node.value)
        for word in {word for word in words if words.count(word) > 1}:
            self.wrong(f"{word!r} stands twice; remove one of the two")
        return words

    def items(self) -> list[Field]:
        """Read a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.wrong("must be a list: [one, another]")
            return []
        return [Field(self.file, node, self.path, node.start_mark.line + 1) for node in self.node.value]

    def instant(self) -> str:
        """Read a time, as it is written."""
        text = self.node.value if isinstance(self.node, yaml.ScalarNode) else ""
        try:
            parse_instant(text)
        except ValueError as error:
            self.wrong(str(error))
        return text

    def number(self, *, least: float, most: float) -> float:
        """Read a number within bounds, both included."""
        value = self._scalar()
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            self.wrong("must be a number, such as 0.5")
            return least
        if not least <= value <= most:
            self.wrong(f"{value} is out of range; give a number from {least:g} to {most:g}")
            return least
        return float(value)

    def flag(self) -> bool:
        """Read true or false."""
        value = self._scalar()
        if not isinstance(value, bool):
            self.wrong("must be true or false")
        return value is True

    def word(self) -> str | None:
        """Read plain text; None when the node is anything else."""
        value = self._scalar()
        return value if isinstance(value, str) else None

    def _scalar(self) -> object:
        if not isinstance(self.node, yaml.ScalarNode):
            return None
        try:
            value: object = yaml.constructor.SafeConstructor().construct_object(self.node)
        except (ValueError, yaml.YAMLError):
            return None
        return value


def open_yaml(path: Path, *, fix: str) -> tuple[YamlFile, Field | None]:
    """Read a file's root node, or None when nothing but comments is in it.

    Raises ConfigurationError when it cannot be read or is not YAML; `fix` says what to do if the file is not there.
    """
    file = YamlFile(str(path))
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); {fix}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise ConfigurationError(f"{path}: is larger than {FILE_BYTES_MAX} bytes; {fix}")
    try:
        node = yaml.compose(raw.decode("utf-8"), Loader=LOADER)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}:{line}: is not UTF-8; save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        begun = f"; {error.context}, begun on line {error.context_mark.line + 1}" if error.context_mark else ""
        line = mark.line + 1 if mark else 1
        raise ConfigurationError(f"{path}:{line}: is not YAML ({error.problem}{begun}); mend the line") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}:1: is not YAML ({error}); remove what is not text") from error
    return file, None if node is None else Field(file, node, "", node.start_mark.line + 1)


def same_keys(fields: Mapping[str, Field], keys: Iterable[str], *, owner: Field) -> None:
    """Report keys that are missing or unknown, for a mapping that must list exactly these."""
    expected = list(keys)
    for key in expected:
        if key not in fields:
            owner.wrong(f"lacks `{key}`; add it")
    for key, value in fields.items():
        if key not in expected:
            value.wrong(f"is not a known key; {_instead(key, expected)}")


def _instead(word: str, options: Collection[str]) -> str:
    """Say what to write instead of an unknown word."""
    near = nearest(word, options)
    return f"did you mean {near!r}?" if near else f"write one of {', '.join(options)}"
