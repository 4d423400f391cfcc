"""Of what class an event is: rules that look at what its record keeps, so that a changed rule can look again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

CLASSES: Final = ("bot", "monitor", "staff", "test", "training", "void")
"""What says nothing of a customer's experience, and never scores."""

NONE: Final = "none"
"""What a rule says of an event that counts, whatever it says of itself."""

STAFF: Final = "staff"
"""The range of addresses that a source calls its staff's, whatever those are."""


class Seen(NamedTuple):
    """Where an event came from, as far as its record keeps that."""

    agent: str = ""
    """The program's name for itself, reduced."""
    ranges: tuple[str, ...] = ()
    """Names of the ranges in which the address lies; the address itself is kept nowhere."""


NOTHING_SEEN: Final = Seen()

REMEMBERED_MAX: Final = 4096
"""Combinations of what records keep, for the next event of the same visitor."""


class Rule(NamedTuple):
    """One rule: what it asks for must hold, all of it; what is empty is not asked for."""

    name: str
    event_class: str
    """One of CLASSES, or NONE."""
    by_agent: bool = False
    """Its agents stand in `Rules.agents`."""
    ranges: frozenset[str] = frozenset()
    staff: bool = False
    said: frozenset[str] = frozenset()
    """A rule without any leaves alone what says its class itself."""
    sources: tuple[str, ...] = ()
    """Names, with * for any part of one."""


def no_agent(_: str) -> Collection[int]:
    """Name no rule."""
    return ()


@dataclass(frozen=True)
class Rules:
    """All rules; the first that fits says the class."""

    rules: Sequence[Rule] = ()
    agents: Callable[[str], Collection[int]] = no_agent
    """Tells in which of the rules an agent is named, by their places."""
    staff: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Who works for it, by the source: `kind:value`, as records name them."""

    def class_of(self, record: Mapping[str, Any]) -> str:
        """Return the class that a rule gives to a record, NONE if that is to count; empty where no rule fits."""
        data, source = record["data"], record["source"].partition("/")[0]

        def named() -> list[str]:
            return [f"{one['kind']}:{one['value']}" for one in data["identities"]]

        return self.class_given(data.get("class"), record.get("agent"), record.get("ranges"), source, named)

    def class_given(
        self, said: str | None, agent: str | None, ranges: str | None, source: str, named: Callable[[], Iterable[str]]
    ) -> str:
        """Return the class that a rule gives to what a record keeps, as `class_of`; `named` is asked only for staff."""
        for rule in self._left(said, agent, ranges, source):
            if not rule.staff or self._is_staff(ranges, source, named):
                return rule.event_class
        return ""

    @cached_property
    def _left(self) -> Callable[[str | None, str | None, str | None, str], Sequence[Rule]]:
        """Tell which rules are left to ask who is named; remembered, because the events of a source are much alike."""
        return lru_cache(maxsize=REMEMBERED_MAX)(self._choose)

    def _choose(self, said: str | None, agent: str | None, ranges: str | None, source: str) -> Sequence[Rule]:
        named = self.agents(agent) if agent else ()
        within = (ranges or "").split()
        left = []
        for place, rule in enumerate(self.rules):
            if (place in named or not rule.by_agent) and self._may_fit(rule, said, within, source):
                left.append(rule)
                if not rule.staff:
                    break
        return left

    def _may_fit(self, rule: Rule, said: str | None, within: Sequence[str], source: str) -> bool:
        if said not in rule.said if rule.said else said:
            return False
        if rule.ranges and rule.ranges.isdisjoint(within):
            return False
        if rule.staff and STAFF not in within and not self.staff.get(source):
            return False
        return not rule.sources or any(fnmatchcase(source, glob) for glob in rule.sources)

    def _is_staff(self, ranges: str | None, source: str, named: Callable[[], Iterable[str]]) -> bool:
        if STAFF in (ranges or "").split():
            return True
        known = self.staff.get(source, ())
        return any(one in known for one in named())


NO_RULES: Final = Rules()


def reclass(record: Mapping[str, Any], rules: Rules) -> Mapping[str, Any]:
    """Return a record with the class that these rules give it; what it keeps of its event stays as it is."""
    given = rules.class_of(record)
    if given:
        return {**record, "classed": given}
    return {name: value for name, value in record.items() if name != "classed"} if "classed" in record else record


def class_of_record(record: Mapping[str, Any]) -> str:
    """Return the class for which a record does not score; empty where it does."""
    counts_as: str = record.get("classed") or record["data"].get("class") or ""
    return "" if counts_as == NONE else counts_as
