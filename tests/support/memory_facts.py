"""The facts of a worker's database in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from services.core.facts import Fact
from services.state.facts import SHARED_MAX, Asked, Shared

if TYPE_CHECKING:
    from tests.support.memory_store import MemoryStore, State


class MemoryFacts:
    """What `fact` and `fact_name` hold; nobody else is at work, so there is nothing to lock."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    @property
    def _state(self) -> State:
        return self._store.state

    @property
    def _names(self) -> Counter[str]:
        return Counter(name for fact in self._state.facts for name in fact.shared_names)

    async def lock(self, facts: Iterable[Fact]) -> set[str]:
        names = {name for fact in facts for name in fact.shared_names}
        return names & self._names.keys()

    async def add(self, facts: Sequence[Fact], leaves: Sequence[int]) -> None:
        assert [self._store._leaves[fact.leaf] for fact in facts] == [*leaves]
        self._state.facts.extend(facts)

    async def of_persons(self, persons: Collection[int], *, facts_max: int | None = None) -> list[tuple[int, Fact]]:
        found = [(self._state.person_of[fact.identity], fact) for fact in self._state.facts]
        return [one for one in found if one[0] in persons][:facts_max]

    async def sharing(self, asked: Collection[Asked]) -> list[Shared]:
        counts = self._names
        shared = [
            Shared(one.person, self._state.person_of[fact.identity], fact)
            for one in asked
            if counts[one.name] <= SHARED_MAX
            for fact in self._state.facts
            if fact.shared_names
            and (fact.key == one.name or (one.alone and fact.part == one.name))
            and (one.alone or self._state.person_of[fact.identity] != one.person)
        ]
        return list(dict.fromkeys(shared))
