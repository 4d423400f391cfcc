"""The file of rules: loads schemas/classes.yaml and a deployment's own, and checks every line of both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import schemas
from services.core.classes import CLASSES, NONE, STAFF, Rule
from services.infra.catalogue.yaml_nodes import Field, open_yaml
from services.infra.classes.agents import known_tags, listed_patterns, matcher, reduced, word_pattern
from services.infra.http.peers import Network, address_range, networks

CLASSES_FILE: Final = Path(schemas.__file__).parent / "classes.yaml"

RULES_MAX: Final = 64
"""Each is looked at for every event; people keep a dozen in mind."""

WORDS_MAX: Final = 200
"""In one list of a file: what is longer is a list of its own to keep."""

WORD_CHARS_MAX: Final = 64
WORD_CHARS_MIN: Final = 3
"""A shorter word stands in the name of every browser."""

RANGES_MAX: Final = 32
"""Their names stand in every record whose address lies in them."""

PRIVATE: Final = "private"
"""The addresses inside of networks, which need no range of their own."""

PRIVATE_NETWORKS: Final = networks(
    "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,127.0.0.0/8,fc00::/7,fe80::/10,::/64"
)
"""Also a carrier's, a link's and the machine itself; of IPv6 what a site of ::1 is."""

NAME_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
NAME_CHARS_MAX: Final = 32

ASKED: Final = ("agents", "lists", "ranges", "staff", "says", "sources")


class ClassFile(NamedTuple):
    """All that the files say."""

    rules: tuple[Rule, ...]
    agents: Callable[[str], Collection[int]]
    """Tells in which of the rules an agent is named, by their places."""
    ranges: Mapping[str, tuple[Network, ...]]
    """Of addresses, by their names."""


class _Written(NamedTuple):
    """A rule and the patterns of its agents."""

    rule: Rule
    patterns: list[str]


def read_classes(override: Path | None = None) -> ClassFile:
    """Read the rules, a deployment's own first; raises ConfigurationError that names each wrong line and its fix."""
    file, root = open_yaml(CLASSES_FILE, fix="install the package again")
    shipped = {} if root is None else _rules(root.record(required=("rules",), optional=()), {})
    file.check()
    own: dict[str, _Written] = {}
    ranges: Mapping[str, tuple[Network, ...]] = MappingProxyType({})
    if override is not None:
        own, ranges, without = _own(override, shipped)
        shipped = {name: one for name, one in shipped.items() if name not in without}
    written = [*own.values(), *shipped.values()]
    patterns = {place: one.patterns for place, one in enumerate(written) if one.patterns}
    return ClassFile(tuple(one.rule for one in written), matcher(patterns), ranges)


def _own(
    path: Path, shipped: Collection[str]
) -> tuple[dict[str, _Written], Mapping[str, tuple[Network, ...]], Collection[str]]:
    """Read a deployment's file: its rules, its ranges, and the shipped rules that do not hold."""
    file, root = open_yaml(path, fix="set TACTUS_CLASSES to a YAML file, or unset it")
    fields = {} if root is None else root.record(required=(), optional=("rules", "ranges", "without"))
    ranges = _ranges(fields["ranges"]) if "ranges" in fields else {}
    without = _words_of(fields["without"], known=shipped) if "without" in fields else ()
    rules = _rules(fields, ranges)
    for name in rules.keys() & set(shipped) - set(without):
        fields["rules"].mapping()[name].wrong(f"is the name of a shipped rule; switch that off too: without: [{name}]")
    file.check()
    return rules, ranges, without


def _rules(fields: Mapping[str, Field], ranges: Collection[str]) -> dict[str, _Written]:
    rules = fields["rules"].mapping() if "rules" in fields else {}
    if len(rules) > RULES_MAX:
        fields["rules"].wrong(f"holds more than {RULES_MAX} rules; join some")
    return {name: _rule(name, field, ranges) for name, field in rules.items()}


def _rule(name: str, field: Field, ranges: Collection[str]) -> _Written:
    fields = field.record(required=("class",), optional=ASKED)
    if fields and not fields.keys() & set(ASKED):
        field.wrong(f"asks for nothing, and would fit every event; add one of {', '.join(ASKED)}")
    words = _words_of(fields["agents"]) if "agents" in fields else ()
    lists = _words_of(fields["lists"], known=known_tags()) if "lists" in fields else ()
    for word in words:
        if not WORD_CHARS_MIN <= len(word) <= WORD_CHARS_MAX:
            fields["agents"].wrong(f"{word!r} must have {WORD_CHARS_MIN} to {WORD_CHARS_MAX} characters")
        elif reduced(word) != word.strip():
            fields["agents"].wrong(
                f"{word!r} stands in no record: of an agent is kept what {reduced(word)!r} is of this"
            )
    rule = Rule(
        name=name,
        event_class=fields["class"].choice((*CLASSES, NONE)) if "class" in fields else NONE,
        by_agent=bool(words or lists),
        ranges=frozenset(_words_of(fields["ranges"], known=(PRIVATE, *ranges)) if "ranges" in fields else ()),
        staff="staff" in fields and fields["staff"].flag(),
        said=frozenset(_words_of(fields["says"], known=CLASSES) if "says" in fields else ()),
        sources=_words_of(fields["sources"]) if "sources" in fields else (),
    )
    return _Written(rule, [*map(word_pattern, words), *listed_patterns(lists)])


def _ranges(field: Field) -> dict[str, tuple[Network, ...]]:
    ranges = field.mapping()
    if len(ranges) > RANGES_MAX:
        field.wrong(f"holds more than {RANGES_MAX} ranges; join some")
    for name, one in ranges.items():
        if not set(name) <= NAME_CHARS or not 0 < len(name) <= NAME_CHARS_MAX or name in (PRIVATE, STAFF):
            one.wrong(f"must have another name, of a-z, 0-9, _ and -, and not {PRIVATE} or {STAFF}")
    return {name: tuple(_network(one, word) for word in _words_of(one)) for name, one in ranges.items()}


def _network(field: Field, text: str) -> Network:
    try:
        return address_range(text)
    except ValueError as error:
        field.wrong(f"{text!r} {error}")
        return ip_network("192.0.2.0/32")


def _words_of(field: Field, *, known: Collection[str] | None = None) -> tuple[str, ...]:
    words = field.texts()
    if len(words) > WORDS_MAX:
        field.wrong(f"holds more than {WORDS_MAX}; join some")
    if known is None:
        return words
    for word in words:
        if word and word not in known:
            field.wrong(f"{word!r} is not known here; write one of {', '.join(sorted(known))}")
    return words


def check(override: Path | None = None) -> str:
    """Summarise rules that are in order; raises ConfigurationError otherwise."""
    file = read_classes(override)
    return "\n".join(
        [f"{len(file.rules)} rules: in order", *(f"  {one.name}: {one.event_class}" for one in file.rules)]
    )
