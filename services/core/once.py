"""Of a fact that several sources tell, choose the telling that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from services.core.facts import TELLS
from services.core.tallies import HOURS_KEPT

if TYPE_CHECKING:
    from services.core.facts import Fact, PersonFacts


class Telling(NamedTuple):
    """The telling that counts, and those that say it again."""

    fact: Fact
    again: tuple[Fact, ...]


def tellings(one: PersonFacts, *, at_hour: int) -> list[Telling]:
    """Choose among the person's own tellings that exist at this hour: of each touchpoint and key the first."""
    found: dict[tuple[str, str, str], list[Fact]] = {}
    for fact in one.facts:
        if fact.role == TELLS and fact.identity in one.identities and at_hour - HOURS_KEPT < fact.hour <= at_hour:
            found.setdefault((fact.kind, fact.key, fact.leaf.touchpoint), []).append(fact)
    chosen = []
    for _, facts in sorted(found.items()):
        first, *others = sorted(facts, key=lambda fact: fact.turn)
        chosen.append(Telling(first, tuple(others)))
    return chosen
