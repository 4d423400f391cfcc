"""What a score can be read along, and leaves (touchpoint, channel, place) as numbers with the arrays for that."""

from __future__ import annotations

from bisect import bisect_left
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.core.weighing import UNSTRETCHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from services.core.catalogue import Catalogue, Entry


class Leaf(NamedTuple):
    """Where an impression was made; place is kind/value or empty."""

    touchpoint: str
    channel: str
    place: str


DIMENSIONS: Final[Mapping[str, Callable[[Leaf, Entry], str]]] = MappingProxyType(
    {
        "touchpoint": lambda leaf, _: leaf.touchpoint,
        "channel": lambda leaf, _: leaf.channel,
        "stage": lambda _, entry: entry.stage,
        "category": lambda _, entry: entry.category,
        "driver": lambda _, entry: entry.driver,
        "control": lambda _, entry: entry.control,
        "place": lambda leaf, _: leaf.place,
    }
)
"""What a score can be read along: each row is a filter on leaves; an empty value is no value."""

NOWHERE: Final = Leaf("", "", "")
"""What stands at a number that no leaf is known by; no tally has it."""


class Leaves:
    """Numbered leaves: a leaf's number is its position here. The table grows; what it tells of a leaf stays.

    Rank is the position in text order, which fixes the order of sums: a new leaf moves the ranks after it, but never
    two leaves past each other.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._triples: list[Leaf] = []
        self._entries: list[Entry] = []
        self._undeclared = catalogue.entry("")
        self._weight = np.empty(0, dtype=np.float64)
        self._stretch = np.empty((2, 0), dtype=np.float64) if catalogue.stretches else None
        self._order = np.empty(0, dtype=np.int64)
        self._rank: NDArray[np.int64] | None = None
        self._ranked: bool | None = None
        self._dimensions: dict[str, tuple[NDArray[np.int64], tuple[str, ...]]] = {}
        self._numbers: dict[Leaf, int] = {}

    @classmethod
    def of(cls, catalogue: Catalogue, triples: Iterable[tuple[str, str, str]]) -> Leaves:
        """Number the leaves as they come."""
        leaves = cls(catalogue)
        leaves.learn(enumerate(triples))
        return leaves

    def learn(self, numbered: Iterable[tuple[int, tuple[str, str, str]]]) -> None:
        """Add leaves under their numbers; each number, and each leaf, once.

        Costs each of them a search among the known ones, and all together one pass over the ranks: names are compared
        with some twenty others, never sorted anew.
        """
        fresh = sorted((Leaf._make(triple), number) for number, triple in numbered)
        if not fresh:
            return
        numbers = [number for _, number in fresh]
        self._make_room(1 + max(numbers))
        declared, undeclared = self._catalogue.entries, self._undeclared
        for leaf, number in fresh:
            self._triples[number] = leaf
            # One entry for all that nobody declared: there may be any number of them.
            self._entries[number] = declared.get(leaf.touchpoint, undeclared)
        self._weight[numbers] = [self._entries[number].weight for number in numbers]
        if self._stretch is not None:
            stretches = self._catalogue.stretches
            self._stretch[:, numbers] = np.transpose([stretches.get(leaf.touchpoint, UNSTRETCHED) for leaf, _ in fresh])
        known = len(self._order)
        places = [bisect_left(self._order, leaf, key=self._leaf_of) for leaf, _ in fresh] if known else 0
        self._order = np.insert(self._order, places, numbers)
        self._rank = self._ranked = None
        self._dimensions.clear()

    @property
    def catalogue(self) -> Catalogue:
        """What the leaves are weighed by."""
        return self._catalogue

    def number(self, leaf: Leaf) -> int:
        """Give a leaf's number, remembered for the next time; raises LookupError when it has none."""
        known = self._numbers.get(leaf)
        if known is None:
            place = bisect_left(self._order, leaf, key=self._leaf_of)
            if place == len(self._order) or self._triples[self._order[place]] != leaf:
                raise LookupError(f"{leaf} has no number here; number the leaves that Facts.leaves gives as well")
            known = self._numbers[leaf] = int(self._order[place])
        return known

    @property
    def triples(self) -> Sequence[Leaf]:
        """The leaves by number."""
        return self._triples

    @property
    def entries(self) -> Sequence[Entry]:
        """What the catalogue says of each leaf's touchpoint, by number."""
        return self._entries

    @property
    def weight(self) -> NDArray[np.float64]:
        """Each leaf's weight, by number."""
        return self._weight[: len(self._triples)]

    @property
    def stretch(self) -> NDArray[np.float64] | None:
        """By what each leaf's good (row 0) and bad valence (row 1) is multiplied, by number; None when none is."""
        return None if self._stretch is None else self._stretch[:, : len(self._triples)]

    @property
    def rank(self) -> NDArray[np.int64]:
        """Each leaf's position in text order, by number; -1 where no leaf is known."""
        if self._rank is None:
            self._rank = np.full(len(self._triples), -1, dtype=np.int64)
            self._rank[self._order] = np.arange(len(self._order))
        return self._rank

    @property
    def ranked(self) -> bool:
        """Tell whether the numbers already follow text order, so that sorted tallies need no second sort."""
        if self._ranked is None:
            self._ranked = bool((self._order[1:] > self._order[:-1]).all())
        return self._ranked

    def __len__(self) -> int:
        """Tell how many numbers there are."""
        return len(self._triples)

    def unknown(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tell which of these numbers no leaf is known by, each once."""
        rank = self.rank
        if not len(numbers) or (numbers.max() < len(rank) and rank[numbers].min() >= 0):
            return np.empty(0, dtype=np.int64)
        asked = np.unique(numbers)
        inside = asked[asked < len(rank)]
        return np.concatenate([inside[rank[inside] < 0], asked[len(inside) :]])

    def dimension(self, name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """Give each leaf the code of its value along a dimension, and the values by code in text order."""
        known = self._dimensions.get(name)
        if known is None:
            known = self._dimensions[name] = self._coded(name)
        return known

    def _make_room(self, size: int) -> None:
        missing = size - len(self._triples)
        if missing <= 0:
            return
        self._triples.extend([NOWHERE] * missing)
        self._entries.extend([self._undeclared] * missing)
        if size > len(self._weight):
            # Twice as much as is needed: so each number is moved once or twice in all, however many follow.
            more = 2 * size - len(self._weight)
            self._weight = np.concatenate([self._weight, np.zeros(more)])
            if self._stretch is not None:
                self._stretch = np.concatenate([self._stretch, np.ones((2, more))], axis=1)

    def _leaf_of(self, number: np.int64) -> Leaf:
        return self._triples[number]

    def _coded(self, name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        value_of = DIMENSIONS[name]
        words = [value_of(leaf, entry) for leaf, entry in zip(self._triples, self._entries, strict=True)]
        # Kept in the order of the leaves, which is often that of the words: then there is nothing to sort.
        values = tuple(sorted(dict.fromkeys(words)))
        code_of = {value: code for code, value in enumerate(values)}
        return np.array([code_of[word] for word in words], dtype=np.int64), values
