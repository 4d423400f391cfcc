"""The facts of a file's events, found by whom they are of and by the names that they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from services.core.facts import Fact
from services.state.facts import SHARED_MAX, Asked, Shared


class FileFacts:
    """Facts in memory; each identity is a person of its own, as nobody is joined with anybody."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        """Take the facts of everybody."""
        self._of: defaultdict[int, list[Fact]] = defaultdict(list)
        self._by_key: defaultdict[str, list[Fact]] = defaultdict(list)
        self._by_part: defaultdict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            self._of[fact.identity].append(fact)
            if fact.shared_names:
                self._by_key[fact.key].append(fact)
                if fact.part not in {"", fact.key}:
                    self._by_part[fact.part].append(fact)

    async def of_persons(self, persons: Collection[int], *, facts_max: int | None = None) -> list[tuple[int, Fact]]:
        """See ReadFacts."""
        return [(person, fact) for person in persons for fact in self._of.get(person, ())][:facts_max]

    async def sharing(self, asked: Collection[Asked]) -> list[Shared]:
        """See ReadFacts."""
        found: dict[Shared, None] = {}
        for person, name, alone in asked:
            whole, parts = self._by_key.get(name, []), self._by_part.get(name, [])
            if len(whole) + len(parts) > SHARED_MAX:
                continue
            for fact in [*whole, *parts] if alone else whole:
                if alone or fact.identity != person:
                    found[Shared(person, fact.identity, fact)] = None
        return [*found]
